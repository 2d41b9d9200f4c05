"""An answer that grows, and words for who asks (contract 5.1, A19): from the request to what is stored."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import Kit, Link, failure_of, result_of
from newage.domain.character import Character
from newage.domain.details import Details
from newage.domain.history import Change
from newage.domain.model import ConnectionPolicy, Message, RequestMode, Role
from newage.errors import InvalidRequest, NewAgeError, NotAuthorised, NotFound
from newage.ports import Said
from newage.services.streams.resuming import Wanted

X, Y = "SillyTavern-8000", "SillyTavern-9000"
GROWS: dict[str, Any] = {"request_type": "continue", "action": "continue"}
WORDS: dict[str, Any] = {"request_type": "impersonate", "action": "impersonate"}


@pytest.fixture
def link(kit: Kit) -> Link:
    return kit.extension(X, capacity=16, features=frozenset({"reasoning"}))


@pytest.fixture
def sid(kit: Kit, link: Link) -> str:
    """Somebody whose question was answered with "Once upon"."""
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid, "a story", "r1")
    kit.streams.answered(Said(X, output="o1", request="r1"), "Once upon", Details(character=Character("c", "Cora")))
    kit.settle()
    kit.outbox.clear()
    return sid


def stream(kit: Kit, text: str, request: str, output: str = "o2", *, over: bool = True) -> None:
    said = Said(X, f"s of {output}", output, request)
    kit.streams.stream_data(said, None, text)
    if over:
        kit.streams.stream_ended(said, True)
        kit.settle()


def only(kit: Kit) -> Message:
    (found,) = kit.responses("web1")
    return found


# ----------------------------------------------------------------------------------------------------------- continue


def test_the_answer_grows_and_stays_the_same_message(kit: Kit, link: Link, sid: str) -> None:
    was = only(kit)
    ack = kit.submit(sid, "", "r2", **GROWS)
    assert (ack["state"], ack["messageId"], ack["questionId"]) == ("forwarded", was.question_id, was.question_id)
    asked = link.forwarded[-1]
    assert [asked[name] for name in ("requestType", "action", "messageId", "message")] == [
        "continue",
        "continue",
        was.message_id,
        "a story",
    ]
    stream(kit, " a time", "r2")
    assert (only(kit).message_id, only(kit).text, only(kit).character) == (
        was.message_id,
        "Once upon a time",
        was.character,
    )
    assert (only(kit).failed, only(kit).partial, only(kit).selected) == (False, False, None)
    (updated,) = kit.outbox.bodies(sid, "MESSAGE_UPDATED")
    assert updated["message"]["message"] == "Once upon a time"
    (response,) = kit.outbox.bodies(sid, "LLM_RESPONSE")
    told = [response[name] for name in ("requestId", "messageId", "responseId", "outputId", "message")]
    assert told == ["r2", was.message_id, was.response_id, "o2", "Once upon a time"]
    assert kit.outbox.bodies(sid, "NEW_MESSAGE") == []
    (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["data"], end["stored"]) == (" a time", True)
    assert kit.statuses(sid, "r2") == ["forwarded", "completed"]


def test_an_answer_in_one_piece_is_appended_too(kit: Kit, sid: str) -> None:
    kit.submit(sid, "", "r2", **GROWS)
    kit.streams.answered(Said(X, output="o2", request="r2"), " a time", Details(reasoning="hm"))
    kit.settle()
    assert (only(kit).text, only(kit).reasoning) == ("Once upon a time", "hm")
    (said,) = kit.outbox.bodies(sid, "message")
    assert (said["data"], said["outputId"]) == (" a time", "o2")


def test_it_goes_on_after_its_end_without_doubling(kit: Kit, sid: str) -> None:
    kit.submit(sid, "", "r2", **GROWS)
    stream(kit, " a", "r2")
    stream(kit, " time", "r2")
    assert only(kit).text == "Once upon a time"


def test_it_is_appended_to_what_is_stored_then(kit: Kit, sid: str) -> None:
    kit.submit(sid, "", "r2", **GROWS)
    stream(kit, " a time", "r2", over=False)
    was = only(kit)
    result_of(kit.editing.edit(kit.caller(sid), "web1", was.message_id, Change(text="Twice upon")))
    stream(kit, ".", "r2")
    assert only(kit).text == "Twice upon a time."


def test_where_it_is_gone_the_requester_is_told(kit: Kit, sid: str) -> None:
    kit.submit(sid, "", "r2", **GROWS)
    result_of(kit.editing.delete(kit.caller(sid), "web1", [only(kit).message_id]))
    stream(kit, " a time", "r2")
    assert kit.responses("web1") == []
    assert kit.statuses(sid, "r2")[-1] == "failed"


def test_what_fails_leaves_its_beginning_and_the_answer_is_partial(kit: Kit, sid: str) -> None:
    kit.submit(sid, "", "r2", **GROWS)
    stream(kit, " a ti", "r2", over=False)
    kit.streams.stream_failed(Said(X, "s of o2", "o2", "r2"))
    kit.settle()
    assert (only(kit).text, only(kit).failed, only(kit).partial) == ("Once upon a ti", False, True)
    kit.submit(sid, "", "r3", **GROWS)
    stream(kit, "me", "r3", "o3")
    assert (only(kit).text, only(kit).partial) == ("Once upon a time", False)


@pytest.mark.parametrize("stored", [False, True])
def test_a_hub_that_dies_keeps_what_came_once(kit: Kit, make_kit: Any, sid: str, stored: bool) -> None:
    kit.submit(sid, "", "r2", **GROWS)
    stream(kit, " a time", "r2", over=False)
    kit.clock.advance(1)
    if stored:
        kit.open_gate.shut = True  # what became of it is stored, and not yet that it is over
        kit.streams.stream_ended(Said(X, "s of o2", "o2", "r2"), True)
        kit.settle()
    after = make_kit(with_stores_of=kit)
    (found,) = after.responses("web1")
    assert (found.text, found.partial) == ("Once upon a time", not stored)


def test_what_it_grew_from_may_be_gone_by_then(kit: Kit, make_kit: Any, sid: str) -> None:
    kit.submit(sid, "", "r2", **GROWS)
    stream(kit, " a time", "r2", over=False)
    kit.clock.advance(1)
    result_of(kit.message_store.delete_messages(kit.room_id("web1"), [only(kit).message_id], 99))
    assert make_kit(with_stores_of=kit).responses("web1") == []


def test_which_answer_is_meant(kit: Kit, link: Link, sid: str) -> None:
    first = only(kit)
    kit.submit(sid, "", "r2", request_type="regenerateMessage", message_id=first.message_id)
    kit.streams.answered(Said(X, output="o2", request="r2"), "Long ago")
    kit.submit(sid, "other", "r3")
    kit.streams.answered(Said(X, output="o3", request="r3"), "Other")
    kit.settle()
    _, second, third = kit.responses("web1")
    for number, (named, meant) in enumerate(
        [
            (None, third),
            (first.question_id, second),
            (first.response_id, first),
            (second.message_id, second),
        ]
    ):
        kit.submit(sid, "", f"c{number}", message_id=named, **GROWS)
        assert link.forwarded[-1]["messageId"] == meant.message_id


@pytest.mark.parametrize("named", ["nothing", "question"])
def test_where_there_is_none_it_is_not_found(kit: Kit, sid: str, named: str) -> None:
    question = only(kit).question_id
    result_of(kit.editing.delete(kit.caller(sid), "web1", [only(kit).message_id]))
    for message_id in (None, {"nothing": "nothing", "question": question}[named]):
        error = failure_of(kit.ask(sid, "", "r9", message_id=message_id, **GROWS))
        assert isinstance(error, NotFound)
        assert str(error) == "Message not found"
    kit.submit(sid, "new", "r9")


def test_it_is_for_who_asked_and_for_staff(kit: Kit, link: Link) -> None:
    mas, gue, eve = (kit.connect(who) for who in ("mas", "gue", "eve"))
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, gue=Role.GUEST, eve=Role.GUEST)
    kit.submit(gue, "hi", "r1", room="lounge")
    kit.streams.answered(Said(X, output="o1", request="r1"), "yes")
    kit.settle()
    assert isinstance(failure_of(kit.ask(eve, "", "r2", room="lounge", **GROWS)), NotAuthorised)
    assert kit.submit(gue, "", "r2", room="lounge", **GROWS)["state"] == "forwarded"
    kit.set_mode("lounge", RequestMode.DEFAULT)
    assert isinstance(failure_of(kit.ask(gue, "", "r3", room="lounge", **GROWS)), NotAuthorised)
    assert kit.submit(mas, "", "r3", room="lounge", **GROWS)["state"] == "forwarded"


def test_it_goes_to_the_extension_whose_answer_it_is(kit: Kit, link: Link, sid: str) -> None:
    other = kit.extension(Y)
    kit.assignments.policy = ConnectionPolicy.BROADCAST
    kit.submit(sid, "", "r2", **GROWS)
    assert (len(link.forwarded), other.forwarded) == (2, [])
    kit.disconnect_all(X)
    kit.clock.pump([1.0] * 40)
    kit.submit(sid, "", "r3", **GROWS)
    assert [each["requestId"] for each in other.forwarded] == ["r3"]


def test_it_waits_over_a_restart(kit: Kit, make_kit: Any, sid: str) -> None:
    was = only(kit)
    kit.disconnect_all(X)
    assert kit.submit(sid, "", "r2", character="Cora", failover=True, **GROWS)["state"] == "queued"
    after = make_kit(with_stores_of=kit)
    link = after.extension(X, features=frozenset({"reasoning"}))
    after.connect("web1")
    after.settle()
    asked = link.forwarded[-1]
    assert (asked["messageId"], asked["requestType"]) == (was.message_id, "continue")
    assert (asked["character"], asked["failover"]) == ("Cora", True)


# --------------------------------------------------------------------------------------------------------- impersonate


def test_words_for_who_asks_are_his_alone_and_stored_nowhere(kit: Kit, link: Link) -> None:
    mas, gue = kit.connect("mas", stream_mode="plain"), kit.connect("gue", stream_mode="plain")
    twin = kit.connect("gue", stream_mode="plain")
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, gue=Role.GUEST)
    kit.submit(mas, "hi", "r0", room="lounge")
    kit.streams.answered(Said(X, output="o0", request="r0"), "yes")
    kit.settle()
    before = kit.stored("lounge")
    kit.outbox.clear()
    ack = kit.submit(gue, "be brief", "r1", room="lounge", **WORDS)
    assert (ack["state"], ack["messageId"], "questionId" in ack) == ("forwarded", None, False)
    asked = link.forwarded[-1]
    assert (asked["requestType"], asked["action"], asked["message"]) == ("impersonate", "impersonate", "be brief")
    assert [each["message"] for each in asked["context"] if not each.get("isSystem")] == ["hi", "yes"]
    stream(kit, "As I ", "r1", over=False)
    late = kit.connect("mas", stream_mode="plain")
    mine = kit.connect("gue", stream_mode="plain")
    kit.clock.advance(1)
    stream(kit, "said.", "r1")
    assert kit.stored("lounge") == before
    assert result_of(kit.open_output_store.load_texts()) == ()
    for sid in (gue, twin, mine):
        (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
        assert (end["data"], end["failed"], end["stored"]) == ("As I said.", False, False)
        (response,) = kit.outbox.bodies(sid, "LLM_RESPONSE")
        assert (response["message"], response["messageId"], response["outputId"]) == ("As I said.", None, "o2")
    for sid in (mas, late):
        assert not {"SERVER_STREAM_DATA", "SERVER_STREAM_END", "LLM_RESPONSE", "NEW_MESSAGE"} & set(
            kit.outbox.names(sid)
        )
    assert kit.statuses(gue, "r1")[-1] == "completed"


def test_nobody_else_comes_back_to_them(kit: Kit, link: Link) -> None:
    mas, gue = kit.connect("mas", outputs=True), kit.connect("gue", outputs=True)
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, gue=Role.GUEST)
    kit.submit(gue, "", "r1", room="lounge", **WORDS)
    stream(kit, "As I ", "r1", over=False)

    def states(sid: str) -> list[str]:
        resuming = kit.talk.resuming.resume(kit.caller(sid), None, None, [Wanted("o2")])
        return [each.state.value for each in result_of(resuming)]

    assert (states(mas), states(gue)) == (["gone"], ["live"])
    assert result_of(kit.talk.resuming.resume(kit.caller(mas), None, None, [])) == ()
    stream(kit, "said.", "r1")
    assert (states(mas), states(gue)) == (["gone"], ["ended"])
    assert "SERVER_STREAM_START" in kit.outbox.names(gue)
    assert "SERVER_STREAM_START" not in kit.outbox.names(mas)


def test_they_may_come_in_one_piece_and_need_no_words(kit: Kit, sid: str) -> None:
    other = kit.connect("web2")
    kit.submit(sid, "", "r2", **WORDS)
    kit.streams.answered(Said(X, output="o2", request="r2"), "As I said.")
    kit.settle()
    (said,) = kit.outbox.bodies(sid, "message")
    assert (said["data"], said["messageId"]) == ("As I said.", None)
    assert len(kit.outbox.bodies(sid, "LLM_RESPONSE")) == 1
    assert kit.outbox.bodies(other, "message") == []
    assert len(kit.responses("web1")) == 1


def test_what_fails_of_them_is_kept_nowhere(kit: Kit, sid: str) -> None:
    kit.submit(sid, "", "r2", **WORDS)
    stream(kit, "As I", "r2", over=False)
    kit.streams.failed(Said(X, request="r2"), "no", None)
    kit.settle()
    assert len(kit.responses("web1")) == 1
    (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["failed"], end["stored"]) == (True, False)


def test_where_a_host_asks_he_impersonates(kit: Kit, link: Link) -> None:
    mas, gue = kit.connect("mas"), kit.connect("gue")
    kit.group("lounge", "mas", RequestMode.DEFAULT, gue=Role.GUEST)
    kit.submit(gue, "waits", "r1", room="lounge")
    error = failure_of(kit.ask(gue, "", "r2", room="lounge", **WORDS))
    assert isinstance(error, NotAuthorised)
    assert kit.submit(mas, "", "r3", room="lounge", **WORDS)["state"] == "forwarded"
    assert link.forwarded[-1]["message"] == ""


def test_it_asks_one_extension(kit: Kit, link: Link, sid: str) -> None:
    other = kit.extension(Y)
    kit.assignments.policy = ConnectionPolicy.BROADCAST
    kit.submit(sid, "", "r2", **WORDS)
    assert (len(link.forwarded), other.forwarded) == (2, [])


# --------------------------------------------------------------------------------------------------- words and wishes


def test_an_unknown_word_is_refused_for_who_follows_outputs_alone(kit: Kit, link: Link) -> None:
    error = failure_of(kit.ask(kit.connect("new", outputs=True), "hi", "r1", unknown=True))
    assert isinstance(error, InvalidRequest)
    assert str(error) == "Unknown action."
    assert kit.submit(kit.connect("old"), "hi", "r1", unknown=True)["state"] == "forwarded"


@pytest.mark.parametrize(("features", "told"), [(frozenset({"accept"}), True), (frozenset(), False)])
def test_wishes_are_for_who_declared_features(kit: Kit, features: frozenset[str], told: bool) -> None:
    link = kit.extension(X, features=features)
    sid = kit.connect("web1")
    kit.submit(sid, "hi", "r1", character="c.png", failover=True)
    asked = link.forwarded[-1]
    assert (asked.get("character"), asked.get("failover"), "messageId" in asked) == (
        ("c.png", True, False) if told else (None, None, False)
    )
    kit.streams.answered(Said(X, request="r1"), "yes")
    kit.settle()
    answer = kit.responses("web1")[0]
    kit.submit(sid, "", "r2", request_type="regenerateMessage", message_id=answer.message_id)
    assert link.forwarded[-1].get("messageId") == (answer.message_id if told else None)


def test_a_request_that_is_refused_leaves_its_id_free(kit: Kit, sid: str) -> None:
    for wish in (GROWS, WORDS):
        error = failure_of(kit.ask(sid, "", "r5", room="nowhere", **wish))
        assert isinstance(error, NewAgeError)
    kit.submit(sid, "hi", "r5")


@pytest.mark.parametrize("begun", [False, True])
def test_who_is_made_to_leave_gets_no_more_of_his_words(kit: Kit, link: Link, begun: bool) -> None:
    """B15: they are of a room that he may not read."""
    mas, gue = kit.connect("mas", stream_mode="plain"), kit.connect("gue", stream_mode="plain")
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, gue=Role.GUEST)
    kit.submit(mas, "hi", "r0", room="lounge")
    kit.streams.answered(Said(X, output="o0", request="r0"), "yes")
    kit.settle()
    kit.submit(gue, "be brief", "r1", room="lounge", **WORDS)
    if begun:
        stream(kit, "As I ", "r1", over=False)
    kit.outbox.clear()
    result_of(kit.rooms.remove("lounge", "gue", "kick"))
    kit.settle()
    stream(kit, "said.", "r1")
    kit.settle()
    assert not {"SERVER_STREAM_DATA", "SERVER_STREAM_END", "LLM_RESPONSE"} & set(kit.outbox.names(gue))
