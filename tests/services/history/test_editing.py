"""Who may change what was said, what of it can be changed, and who hears of it (contract 4.6, 4.7)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from hubkit import Kit, Link, failure_of, result_of
from newage.dialect import messages
from newage.domain.model import Caller, Message, RequestMode, Role
from newage.domain.policy import MUTED
from newage.errors import InvalidRequest, NotAuthorised, NotFound, NotMember, RoomMissing, Unavailable
from newage.ports import Said

X = "SillyTavern-8000"
MISSING = "Failed to edit message. It might not exist."
NOT_YOURS = "Permission denied to edit this message."
NOT_YOURS_TO_DELETE = "Permission denied to delete these messages."
ACTORS = ("admin", "weak", "mas", "man", "spe", "gue", "pal", "out", X)


@pytest.fixture
def hub(kit: Kit) -> Kit:
    """The lounge with one of each role and a second guest; an extension serves it; ``gue`` asked and was answered."""
    for who in ("mas", "man", "spe", "gue", "pal", "out"):
        kit.connect(who, "/llm", incremental=True)
    kit.connect("admin", "/llm", client_type="monitor", incremental=True)
    kit.connect("weak", "/llm", client_type="monitor", sensitive=False, incremental=True)
    kit.extension(X, capacity=16)
    kit.group(
        "lounge",
        "mas",
        RequestMode.IMMEDIATE,
        man=Role.MANAGER,
        spe=Role.SPECIAL,
        gue=Role.GUEST,
        pal=Role.GUEST,
    )
    say(kit, "gue", "question")
    kit.streams.answered(Said(X, request="gue-question"), "answer")
    say(kit, "mas", "order")
    kit.settle()
    kit.outbox.clear()
    return kit


def say(kit: Kit, who: str, text: str, **ask: Any) -> None:
    kit.submit(kit.sessions.sids(who, "/llm")[0], text, f"{who}-{text}", room="lounge", **ask)


def caller(kit: Kit, who: str) -> Caller:
    return kit.caller(kit.sessions.sids(who, "/llm")[0])


def message(kit: Kit, text: str) -> Message:
    (found,) = [m for m in kit.stored("lounge") if m.text == text]
    return found


def note(kit: Kit) -> Message:
    return next(m for m in kit.stored("lounge") if m.is_system)


def edit(kit: Kit, who: str, any_id: str, fields: dict[str, Any], room: str = "lounge") -> Deferred[Message]:
    return Deferred.fromCoroutine(kit.editing.edit(caller(kit, who), room, any_id, messages.change(fields)))


def delete(kit: Kit, who: str, *any_ids: str, room: str = "lounge") -> Deferred[tuple[str, ...]]:
    return Deferred.fromCoroutine(kit.editing.delete(caller(kit, who), room, any_ids))


def clear(kit: Kit, who: str, requests: bool = True, responses: bool = True, room: str = "lounge") -> Deferred[int]:
    return Deferred.fromCoroutine(kit.editing.clear(caller(kit, who), room, requests, responses))


# -------------------------------------------------------------------------------------------------------------- rights

STAFF = {"admin", "mas", "man"}
MAY_CHANGE = {
    "question": STAFF | {"gue"},  # its author
    "answer": STAFF | {"gue"},  # who asked for it; who gave it is no member
    "order": STAFF,
    "note": STAFF,
}


def find(kit: Kit, what: str) -> Message:
    return note(kit) if what == "note" else message(kit, what)


@pytest.mark.parametrize("what", MAY_CHANGE)
@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_edit_and_delete_what(hub: Kit, actor: str, what: str) -> None:
    target, before = find(hub, what), hub.stored("lounge")
    if actor in MAY_CHANGE[what]:
        assert result_of(edit(hub, actor, target.message_id, {"message": "changed"})).text == "changed"
        assert result_of(delete(hub, actor, target.message_id)) == (target.message_id,)
        assert target.message_id not in {m.message_id for m in hub.stored("lounge")}
    else:
        refused = failure_of(edit(hub, actor, target.message_id, {"message": "changed"}))
        assert (type(refused), str(refused)) == (NotAuthorised, NOT_YOURS)
        refused = failure_of(delete(hub, actor, target.message_id))
        assert (type(refused), str(refused)) == (NotAuthorised, NOT_YOURS_TO_DELETE)
        assert hub.stored("lounge") == before
        assert hub.outbox.sent == []


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_clear(hub: Kit, actor: str) -> None:
    before = hub.stored("lounge")
    if actor in STAFF:
        assert result_of(clear(hub, actor)) == len(before)
        assert hub.stored("lounge") == []
    else:
        error = failure_of(clear(hub, actor))
        assert (type(error), str(error)) == (NotAuthorised, "Permission denied to clear messages.")
        assert hub.stored("lounge") == before
        assert hub.outbox.sent == []


def test_who_was_kicked_changes_nothing_any_more(hub: Kit) -> None:
    result_of(hub.moderation.kick(caller(hub, "mas"), "lounge", "gue"))
    for what in ("question", "answer"):
        assert str(failure_of(edit(hub, "gue", message(hub, what).message_id, {"message": "x"}))) == NOT_YOURS
        assert str(failure_of(delete(hub, "gue", message(hub, what).message_id))) == NOT_YOURS_TO_DELETE
    assert {m.text for m in hub.stored("lounge")} >= {"question", "answer"}


def test_an_extension_that_is_a_member_may_change_its_answer(hub: Kit) -> None:
    result_of(hub.rooms.add("lounge", X))
    assert result_of(edit(hub, X, message(hub, "answer").message_id, {"message": "better"})).text == "better"


def test_who_asked_is_remembered_though_the_question_is_gone(hub: Kit) -> None:
    result_of(delete(hub, "mas", message(hub, "question").message_id))
    assert result_of(edit(hub, "gue", message(hub, "answer").message_id, {"message": "x"})).text == "x"


def test_no_right_follows_from_a_request_id(hub: Kit) -> None:
    """The whole room sees it: whoever asks something with it again has no say in the answer another got (A17)."""
    hub.submit(hub.sessions.sids("pal", "/llm")[0], "mine now", "gue-question", room="lounge")
    answer = message(hub, "answer").message_id
    assert str(failure_of(edit(hub, "pal", answer, {"message": "forged"}))) == NOT_YOURS
    assert str(failure_of(delete(hub, "pal", answer))) == NOT_YOURS_TO_DELETE
    link = hub.sessions.link(X)
    assert isinstance(link, Link)
    hub.streams.answered(Said(X, request=link.forwarded[-1]["requestId"]), "to pal")
    assert result_of(delete(hub, "pal", message(hub, "to pal").message_id))
    assert message(hub, "answer").text == "answer"


def test_an_answer_of_which_nobody_knows_who_asked_is_the_staffs(hub: Kit) -> None:
    old = Message(
        message_id="old", room="lounge", seq=0, identity=X, role="assistant", text="old", request_id="gue-question"
    )
    result_of(Deferred.fromCoroutine(hub.history.add(old)))
    assert str(failure_of(edit(hub, "gue", "old", {"message": "x"}))) == NOT_YOURS
    assert result_of(edit(hub, "man", "old", {"message": "x"})).text == "x"


def test_what_is_decided_for_a_room_happens_to_no_other_of_its_name(hub: Kit) -> None:
    """Deleted and made again while the message is looked for: nothing changes there, and nothing is shown there."""
    question = message(hub, "question").message_id
    refused: list[Deferred[Any]] = []

    def meanwhile() -> None:
        refused.extend([delete(hub, "gue", question), edit(hub, "gue", question, {"message": "x"})])

    hub.make_again("lounge", "pal", meanwhile)
    assert [type(failure_of(each)) for each in refused] == [RoomMissing] * 2
    assert [m.text for m in hub.stored("lounge")] == ["[System] pal has joined the room as master."]
    assert not hub.outbox.bodies(hub.sessions.sids("pal", "/llm")[0], "MESSAGES_DELETED")


def test_a_muted_member_does_not_edit_but_may_take_back(hub: Kit) -> None:
    hub.mute("lounge", "gue", 5)
    question = message(hub, "question").message_id
    error = failure_of(edit(hub, "gue", question, {"message": "x"}))
    assert (type(error), str(error)) == (NotAuthorised, MUTED)
    assert str(failure_of(edit(hub, "gue", "no such message", {"message": "x"}))) == MUTED
    assert result_of(delete(hub, "gue", question)) == (question,)


@pytest.mark.parametrize("room", ["lounge", "nowhere", "mas"])
def test_what_does_not_exist_cannot_be_edited(hub: Kit, room: str) -> None:
    any_id = "unknown" if room == "lounge" else message(hub, "question").message_id
    error = failure_of(edit(hub, "admin", any_id, {"message": "x"}, room))
    assert (type(error), str(error)) == (NotFound, MISSING)


# ---------------------------------------------------------------------------------------------------------------- edit


def test_an_edit_is_shown_to_the_room_and_to_who_serves_it(hub: Kit) -> None:
    question = message(hub, "question")
    hub.clock.advance(5)
    changed = result_of(edit(hub, "gue", question.message_id, {"message": "better"}))
    assert (changed.text, changed.data, changed.last_edited) == ("better", "better", "2023-11-14T22:13:25.000Z")
    assert (changed.seq, changed.timestamp) == (question.seq, question.timestamp)
    assert hub.stored("lounge")[question.seq - 1] == changed
    heard = hub.heard("MESSAGE_UPDATED")
    assert set(heard) == {f"{who}/llm" for who in ("mas", "man", "spe", "gue", "pal", X)}
    (body,) = heard["pal/llm"]
    assert (body["roomName"], body["seq"], body["messageId"]) == (
        "lounge",
        hub.rooms.require("lounge").seq,
        question.message_id,
    )
    assert (body["message"]["message"], body["message"]["lastEdited"]) == ("better", changed.last_edited)
    assert {sent.event for sent in hub.outbox.sent} == {"MESSAGE_UPDATED"}


@pytest.mark.parametrize("member", sorted(messages.MEMBERS - messages.EDITED_APART))
def test_what_identifies_a_message_stays(hub: Kit, member: str) -> None:
    """Contract 4.6 names eleven; the others would lie about the message just as well."""
    for what in ("question", "answer"):
        target = message(hub, what)
        changed = result_of(edit(hub, "mas", target.message_id, {member: "forged"}))
        (body,) = hub.outbox.bodies(caller(hub, "pal").sid, "MESSAGE_UPDATED")[-1:]
        assert body["message"].get(member) != "forged"
        assert (changed.message_id, changed.seq, changed.identity) == (target.message_id, target.seq, target.identity)


def test_the_contracts_immutable_members_are_among_them() -> None:
    named = "messageId responseId requestId identity clientId timestamp seq isSystem isResponse fromClient fromLlm"
    assert set(named.split()) <= messages.MEMBERS - messages.EDITED_APART


@pytest.mark.parametrize(
    ("fields", "text", "data"),
    [
        ({"message": "m"}, "m", "m"),
        ({"data": "d"}, "d", "d"),
        ({"text": "t"}, "t", "t"),
        ({"message": "m", "data": "d", "text": "t"}, "m", "d"),
        ({"data": {"prompt": "p"}}, "question", {"prompt": "p"}),
        ({"message": 5, "text": "t"}, "t", "t"),
        ({"message": ["no", "text"]}, "question", "question"),
        ({"target": "x", "requestType": "x"}, "question", "question"),
    ],
)
def test_which_members_change_the_text(hub: Kit, fields: dict[str, Any], text: str, data: Any) -> None:
    changed = result_of(edit(hub, "gue", message(hub, "question").message_id, fields))
    assert (changed.text, changed.data) == (text, data)
    assert (changed.target, changed.request_type) == (None, "newMessage")


def test_data_that_is_no_text_stays_with_a_new_text(hub: Kit) -> None:
    say(hub, "gue", "styled", data={"prompt": "styled", "temperature": 1})
    changed = result_of(edit(hub, "gue", message(hub, "styled").message_id, {"message": "plain"}))
    assert (changed.text, changed.data) == ("plain", {"prompt": "styled", "temperature": 1})


def test_the_text_of_an_answer_is_its_data(hub: Kit) -> None:
    changed = result_of(edit(hub, "gue", message(hub, "answer").message_id, {"message": "no"}))
    assert (changed.text, changed.data) == ("no", "no")


def test_an_answer_is_found_by_its_response_id(hub: Kit) -> None:
    answer = message(hub, "answer")
    assert answer.response_id is not None
    assert result_of(edit(hub, "gue", answer.response_id, {"message": "no"})).message_id == answer.message_id
    assert result_of(delete(hub, "gue", answer.response_id)) == (answer.message_id,)


def test_further_members_are_kept_beside_the_old_ones(hub: Kit) -> None:
    question = message(hub, "question")
    result_of(edit(hub, "gue", question.message_id, {"colour": "red"}))
    changed = result_of(edit(hub, "gue", question.message_id, {"size": 3}))
    assert dict(changed.extra) == {"colour": "red", "size": 3}
    assert changed.text == "question"


def test_an_edit_without_anything_is_none(hub: Kit) -> None:
    error = failure_of(edit(hub, "gue", message(hub, "question").message_id, {}))
    assert (type(error), str(error)) == (InvalidRequest, "Missing required fields for editing message.")
    assert hub.outbox.sent == []


def test_a_message_does_not_grow_beyond_its_limit(hub: Kit) -> None:
    """By no edit and by no number of them (contract 4.1: 256 KiB of JSON)."""
    question = message(hub, "question")
    limit = hub.live.requests.value.max_request_bytes
    assert limit == 262_144
    for fields in ({"message": "x" * (limit + 1)}, {"note": "ä" * (limit // 2)}):
        error = failure_of(edit(hub, "gue", question.message_id, fields))
        assert (type(error), str(error)) == (InvalidRequest, "The message would be too large.")
    for n in range(3):
        result_of(edit(hub, "gue", question.message_id, {f"part{n}": "x" * (limit // 4)}))
    assert isinstance(failure_of(edit(hub, "gue", question.message_id, {"part3": "x" * (limit // 4)})), InvalidRequest)
    result_of(edit(hub, "gue", question.message_id, {"part0": ""}))


def test_an_edit_that_cannot_be_stored_is_not_shown(hub: Kit) -> None:
    question = message(hub, "question").message_id
    hub.gate.shut = True
    outcome = edit(hub, "gue", question, {"message": "x"})
    hub.gate.broken = True
    hub.gate.step()  # it is found, and then the disk is full
    assert str(failure_of(outcome)) == "The disk is full."
    assert hub.outbox.sent == []
    assert message(hub, "question").last_edited is None


# -------------------------------------------------------------------------------------------------------------- delete


def test_only_what_was_there_is_reported(hub: Kit) -> None:
    question, answer = message(hub, "question"), message(hub, "answer")
    assert answer.response_id is not None
    gone = result_of(delete(hub, "gue", "unknown", question.message_id, answer.response_id, question.message_id))
    assert gone == (question.message_id, answer.message_id)
    heard = hub.heard("MESSAGES_DELETED")
    assert set(heard) == {f"{who}/llm" for who in ("mas", "man", "spe", "gue", "pal", X)}
    body = {"roomName": "lounge", "seq": hub.rooms.require("lounge").seq, "messageIds": list(gone)}
    assert heard["pal/llm"] == [body]


@pytest.mark.parametrize("foreign", ["order", "note"])
def test_one_foreign_message_keeps_all_of_them(hub: Kit, foreign: str) -> None:
    ids = [message(hub, "question").message_id, message(hub, "answer").message_id, find(hub, foreign).message_id]
    before = hub.stored("lounge")
    assert str(failure_of(delete(hub, "gue", *ids))) == NOT_YOURS_TO_DELETE
    assert hub.stored("lounge") == before
    assert hub.outbox.sent == []


@pytest.mark.parametrize("actor", ["admin", "mas", "gue", "pal"])
def test_nothing_that_matches_is_no_failure(hub: Kit, actor: str) -> None:
    assert result_of(delete(hub, actor, "unknown")) == ()
    assert hub.outbox.sent == []


@pytest.mark.parametrize("actor", ["weak", "out"])
def test_outsiders_learn_nothing_of_what_there_is(hub: Kit, actor: str) -> None:
    error = failure_of(delete(hub, actor, "unknown"))
    assert (type(error), str(error)) == (NotMember, NOT_YOURS_TO_DELETE)


def test_in_a_room_that_is_not_there_nothing_matches(hub: Kit) -> None:
    assert result_of(delete(hub, "out", "unknown", room="nowhere")) == ()


def test_what_somebody_else_deleted_meanwhile_is_not_reported_twice(hub: Kit) -> None:
    question = message(hub, "question").message_id
    hub.gate.shut = True
    first, second = delete(hub, "gue", question), delete(hub, "mas", question)
    hub.gate.open()
    assert sorted([result_of(first), result_of(second)]) == [(), (question,)]
    assert len(hub.outbox.bodies(caller(hub, "pal").sid, "MESSAGES_DELETED")) == 1


# --------------------------------------------------------------------------------------------------------------- clear


@pytest.mark.parametrize(
    ("requests", "responses", "left"),
    [
        (True, True, set()),
        (True, False, {"answer"}),
        (False, True, {"question", "order"}),
    ],
)
def test_a_kind_is_cleared(hub: Kit, requests: bool, responses: bool, left: set[str]) -> None:
    assert result_of(clear(hub, "man", requests, responses)) > 0
    assert {m.text for m in hub.stored("lounge") if not m.is_system} == left
    heard = hub.heard("MESSAGES_CLEARED")
    assert set(heard) == {f"{who}/llm" for who in ("mas", "man", "spe", "gue", "pal", X)}
    assert heard["pal/llm"] == [
        {
            "roomName": "lounge",
            "seq": hub.rooms.require("lounge").seq,
            "clearedRequests": requests,
            "clearedResponses": responses,
        }
    ]


@pytest.mark.parametrize("again", [(True, True), (False, False)])
def test_an_empty_room_is_clear_already(hub: Kit, again: tuple[bool, bool]) -> None:
    result_of(clear(hub, "mas"))
    hub.outbox.clear()
    assert result_of(clear(hub, "mas", *again)) == 0
    assert hub.outbox.sent == []


def test_a_missing_room_is_nobodys_to_clear(hub: Kit) -> None:
    assert isinstance(failure_of(clear(hub, "admin", room="nowhere")), NotAuthorised)


def test_a_live_request_survives_the_deletion_of_its_message(hub: Kit) -> None:
    result_of(clear(hub, "mas"))
    hub.streams.answered(Said(X, request="mas-order"), "done")
    assert [m.text for m in hub.responses("lounge")] == ["done"]


def test_what_nobody_has_to_be_asked_about(hub: Kit) -> None:
    """A desk changes and takes back what it said itself."""
    room = hub.rooms.require("lounge")
    said = Message(message_id="d1", room="lounge", seq=0, identity=X, text="one", data="one", origin="desk")
    result_of(hub.history.add(said))
    hub.outbox.clear()
    assert result_of(hub.editing.rewrite(room, "d1", lambda message: message)).text == "one"
    assert result_of(hub.editing.rewrite(room, "d2", lambda message: message)) is None
    assert hub.heard("MESSAGE_UPDATED") == {}
    changed = result_of(hub.editing.rewrite(room, "d1", lambda message: evolve(message, text="two")))
    assert (changed.text, hub.heard("MESSAGE_UPDATED")["gue/llm"][0]["messageId"]) == ("two", "d1")
    assert result_of(hub.editing.withdraw(room, ["d1", "d2"], "desk")) == ("d1",)
    (told,) = hub.heard("MESSAGES_DELETED")["gue/llm"]
    assert (told["origin"], told["messageIds"]) == ("desk", ["d1"])


def test_a_message_that_is_changed_all_the_time(hub: Kit) -> None:
    room = hub.rooms.require("lounge")
    said = Message(message_id="d1", room="lounge", seq=0, identity=X, text="0", data="0", origin="desk")
    result_of(hub.history.add(said))

    def meanwhile(message: Message) -> Message:
        result_of(hub.history.replace(evolve(message, text=f"{message.text}0"), message))
        return evolve(message, text="mine")

    assert isinstance(failure_of(hub.editing.rewrite(room, "d1", meanwhile)), Unavailable)
    hub.clock.advance(1)
