"""One more answer to the same question: no second copy of it, and the newest answer counts (contract 5.1, A19)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from hubkit import OPERATOR, Kit, Link, failure_of, result_of
from newage.domain.history import Change
from newage.domain.model import ConnectionPolicy, RequestMode, Role
from newage.errors import NotAuthorised, NotFound
from newage.ports import Said
from newage.services.requests.questions import ASKED_BACK
from newage.services.streams.cancelling import Which

X, Y = "SillyTavern-8000", "SillyTavern-9000"
AGAIN = "regenerateMessage"


@pytest.fixture
def link(kit: Kit) -> Link:
    return kit.extension(X)


@pytest.fixture
def sid(kit: Kit, link: Link) -> str:
    sid = kit.connect("web1", identity="web1-a")
    kit.submit(sid, "a story", "r1")
    answer(kit, "bad")
    return sid


def answer(kit: Kit, text: str, extension: str = X) -> None:
    kit.streams.answered(Said(extension), text)
    kit.settle()


def talk(kit: Kit, room: str = "web1-a") -> list[tuple[str, bool | None]]:
    return [(message.text, message.selected) for message in kit.stored(room) if not message.is_system]


def context(link: Link) -> list[str]:
    return [each["message"] for each in link.forwarded[-1]["context"] if not each.get("isSystem")]


@pytest.mark.parametrize(
    ("text", "request_id", "by"),
    [("a story", "r1", ""), ("", "r1", ""), ("a story", "r2", ""), ("", "r2", "question"), ("other", "r2", "answer")],
)
def test_the_question_is_stored_and_forwarded_once(
    kit: Kit, link: Link, sid: str, text: str, request_id: str, by: str
) -> None:
    question, bad = kit.stored("web1-a")
    named: Any = {"": None, "question": question.message_id, "answer": bad.response_id}[by]
    ack = kit.submit(sid, text, request_id, request_type=AGAIN, message_id=named)
    assert (ack["messageId"], ack["questionId"], ack["state"]) == (
        question.message_id,
        question.message_id,
        "forwarded",
    )
    asked = link.forwarded[-1]
    assert (asked["message"], asked["requestType"], asked["currentRequest"]["messageId"]) == (
        "a story",
        AGAIN,
        question.message_id,
    )
    assert context(link) == ["a story", "bad"]
    answer(kit, "good")
    assert talk(kit) == [("a story", None), ("bad", False), ("good", True)]
    good = kit.stored("web1-a")[-1]
    assert (good.question_id, good.request_id, good.asker) == (question.message_id, request_id, "web1-a")
    shown = kit.outbox.bodies(sid, "NEW_MESSAGE")[-1]["message"]
    assert (shown["selected"], shown["questionId"]) == (True, question.message_id)
    kit.submit(sid, "and now?", "r3")
    assert context(link) == ["a story", "good", "and now?"]


def test_models_and_snapshots_get_the_selected_answer_only(kit: Kit, link: Link, sid: str) -> None:
    for number in range(3):
        kit.submit(sid, "", f"again {number}", request_type=AGAIN, message_id=kit.stored("web1-a")[0].message_id)
        answer(kit, f"better {number}")
    kit.clock.advance(1)
    snapshot = kit.outbox.bodies(sid, "UPDATE_CONTEXT")[-1]
    assert [each["message"] for each in snapshot["context"]] == ["a story", "better 2"]
    assert snapshot["truncated"] is False
    newest = kit.stored("web1-a")[-1]
    result_of(kit.editing.delete(kit.caller(sid), "web1-a", [newest.message_id]))
    kit.submit(sid, "go on", "r3")
    assert context(link) == ["a story", "better 1", "go on"]


def test_a_new_answer_that_fails_takes_no_place(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "", "r1", request_type=AGAIN)
    kit.streams.stream_started(Said(X, "s1", "o2"))
    kit.streams.stream_data(Said(X, "s1", "o2"), 0, "hal")
    kit.streams.stream_failed(Said(X, "s1", "o2"))
    assert talk(kit) == [("a story", None), ("bad", None), ("hal", False)]


def test_all_answers_of_one_round_count(kit: Kit, link: Link, sid: str) -> None:
    kit.extension(Y)
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.BROADCAST))
    kit.submit(sid, "", "r1", request_type=AGAIN)
    kit.gate.shut = True
    answer(kit, "one")
    answer(kit, "two", Y)
    kit.gate.open()
    assert talk(kit) == [("a story", None), ("bad", False), ("one", True), ("two", True)]


def test_the_words_are_those_that_are_stored_now(kit: Kit, link: Link, sid: str) -> None:
    question = kit.stored("web1-a")[0]
    result_of(kit.editing.edit(kit.caller(sid), "web1-a", question.message_id, Change(text="a tale")))
    kit.submit(sid, "a story", "r1", request_type=AGAIN)
    assert link.forwarded[-1]["message"] == "a tale"


def test_what_nobody_asked_before_is_a_new_question(kit: Kit, link: Link, sid: str) -> None:
    ack = kit.submit(sid, "a poem", "r2", request_type=AGAIN)
    assert "questionId" not in ack
    assert talk(kit)[-1] == ("a poem", None)


@pytest.mark.parametrize("named", [None, "nothing", "note"])
def test_what_is_no_question_is_not_found(kit: Kit, link: Link, sid: str, named: str | None) -> None:
    kit.history.note("web1-a", "somebody came")
    if named == "note":
        named = kit.stored("web1-a")[-1].message_id
    error = failure_of(kit.ask(sid, "", "r2", request_type=AGAIN, message_id=named))
    assert (type(error), str(error)) == (NotFound, "Message not found")
    assert kit.ledger.live_count == 0
    assert len(link.forwarded) == 1


def test_an_answer_whose_question_is_gone_cannot_be_asked_for_again(kit: Kit, link: Link, sid: str) -> None:
    question, bad = kit.stored("web1-a")
    result_of(kit.editing.delete(kit.caller(sid), "web1-a", [question.message_id]))
    assert isinstance(failure_of(kit.ask(sid, "", "r2", request_type=AGAIN, message_id=bad.message_id)), NotFound)


def test_a_question_that_was_said_by_a_mode_without_forwarding_is_asked(kit: Kit, link: Link, sid: str) -> None:
    kit.set_mode("web1-a", RequestMode.CONVERSATIONAL)
    assert kit.submit(sid, "hm", "r2")["state"] == "recorded"
    assert kit.submit(sid, "", "r2", request_type=AGAIN)["state"] == "forwarded"


@pytest.mark.parametrize(
    ("mode", "who", "allowed"),
    [
        (RequestMode.IMMEDIATE, "gue", True),
        (RequestMode.IMMEDIATE, "gue-2", False),
        (RequestMode.IMMEDIATE, "mas", True),
        (RequestMode.DEFAULT, "gue", False),
        (RequestMode.HOST_SUBMIT, "gue", False),
        (RequestMode.MASTER_ONLY, "gue", False),
        (RequestMode.MASTER_ONLY, "man", True),
        (RequestMode.DEFAULT, "mas", True),
    ],
)
def test_who_asked_may_where_no_host_decides_and_staff_always(
    kit: Kit, link: Link, mode: RequestMode, who: str, allowed: bool
) -> None:
    sids = {name: kit.connect(name) for name in ("mas", "man", "gue", "gue-2")}
    kit.group("lobby", "mas", RequestMode.IMMEDIATE, man=Role.MANAGER, gue=Role.GUEST, gue_2=Role.GUEST)
    said = kit.submit(sids["gue"], "mine", "r1", room="lobby")["messageId"]
    answer(kit, "so")
    kit.set_mode("lobby", mode)
    asking = kit.ask(sids[who], "", "r2", room="lobby", request_type=AGAIN, message_id=said)
    if allowed:
        assert result_of(asking)["state"] == "forwarded"
        assert link.forwarded[-1]["message"] == "mine"
    else:
        error = failure_of(asking)
        assert (type(error), str(error)) == (NotAuthorised, "Permission denied to ask this message again.")
        assert len(link.forwarded) == 1
    assert [text for text, _ in talk(kit, "lobby")] == ["mine", "so"]


def test_what_waits_for_the_host_is_not_merged_into_it(kit: Kit, link: Link, sid: str) -> None:
    gue = kit.connect("gue")
    result_of(kit.rooms.add("web1-a", "gue", Role.GUEST))
    kit.submit(gue, "waits", "g1", room="web1-a")
    kit.submit(sid, "", "r1", request_type=AGAIN)
    assert link.forwarded[-1]["message"] == "a story"
    assert kit.statuses(gue, "g1") == ["queued"]


def test_in_separate_mode_its_context_is_the_askers_own(kit: Kit, link: Link, sid: str) -> None:
    gue = kit.connect("gue")
    result_of(kit.rooms.add("web1-a", "gue", Role.GUEST))
    kit.set_mode("web1-a", RequestMode.SEPARATE)
    said = kit.submit(gue, "guest's", "g1", room="web1-a")["messageId"]
    answer(kit, "for him")
    kit.submit(sid, "", "r2", request_type=AGAIN, message_id=said)
    assert context(link) == ["guest's", "for him"]


def test_its_id_is_taken_while_the_question_is_looked_for(kit: Kit, link: Link, sid: str) -> None:
    kit.gate.shut = True
    first = kit.ask(sid, "", "r1", request_type=AGAIN)
    assert str(failure_of(kit.ask(sid, "", "r1", request_type=AGAIN))) == "Duplicate requestId."
    kit.gate.open()
    assert result_of(first)["state"] == "forwarded"


@pytest.mark.parametrize("new", [True, False])
def test_what_is_taken_back_while_its_question_is_looked_for_is_not_asked(
    kit: Kit, link: Link, sid: str, new: bool
) -> None:
    kit.gate.shut = True
    asking = kit.ask(sid, "a new one" if new else "a story", "r2", request_type=AGAIN)
    result_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r2")))
    kit.gate.open()
    assert result_of(asking)["state"] == "cancelled"
    assert [each["requestId"] for each in link.forwarded] == ["r1"]
    assert talk(kit) == [("a story", None), ("bad", None)]


def test_nor_is_that_of_who_left_meanwhile(kit: Kit, link: Link, sid: str) -> None:
    other = kit.connect("web2")
    kit.group("lounge", "web1-a", RequestMode.IMMEDIATE, web2=Role.GUEST)
    kit.submit(other, "mine", "r2", room="lounge")
    kit.streams.answered(Said(X), "yours")
    mine = next(each.message_id for each in kit.stored("lounge") if each.text == "mine")
    kit.gate.shut = True
    asking = kit.ask(other, "", "r3", room="lounge", request_type=AGAIN, message_id=mine)
    leaving = Deferred.fromCoroutine(kit.rooms.remove("lounge", "web2", "leave"))
    kit.gate.waiting.insert(0, kit.gate.waiting.pop())
    kit.gate.open()
    result_of(leaving)
    assert (result_of(asking)["state"], kit.statuses(other, "r3")) == ("expired", ["expired"])
    assert [each["requestId"] for each in link.forwarded] == ["r1", "r2"]


def test_a_question_that_is_not_named_by_its_message_is_looked_for_among_the_newest(
    kit: Kit, link: Link, sid: str
) -> None:
    question = kit.stored("web1-a")[0]

    def said_besides(count: int, first: int) -> None:
        for number in range(first, first + count):
            other = evolve(question, message_id=f"m{number}", seq=number, request_id=f"q{number}", text="other")
            result_of(kit.message_store.add_message(other, 1000))

    said_besides(ASKED_BACK - 2, first=3)
    for text, request_id in (("", "r1"), ("a story", "r9")):
        ack = kit.submit(sid, text, request_id, request_type=AGAIN)
        assert ack["messageId"] == question.message_id
        answer(kit, "better")
    for message in kit.responses("web1-a")[1:]:
        result_of(kit.message_store.delete_messages(question.room_id, [message.message_id], 9999))
    said_besides(1, first=9000)
    assert str(failure_of(kit.ask(sid, "", "r1", request_type=AGAIN))) == "Message not found"
    assert kit.submit(sid, "", "r8", request_type=AGAIN, message_id=question.message_id)["state"] == "forwarded"
