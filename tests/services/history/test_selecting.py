"""SELECT_RESPONSE: which of several answers counts (contract 5.1, A19)."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from hubkit import OPERATOR, Kit, failure_of, result_of
from newage.domain.history import Selection
from newage.domain.model import Message, RequestMode, Role
from newage.errors import NotAuthorised, NotFound
from newage.ports import Said

X = "SillyTavern-8000"


@pytest.fixture
def gue(kit: Kit) -> str:
    """In a room whose guest asked one question twice."""
    kit.extension(X)
    kit.connect("mas")
    kit.connect("eve")
    gue = kit.connect("gue")
    kit.group("lounge", "mas", RequestMode.IMMEDIATE, gue=Role.GUEST, eve=Role.GUEST)
    for number, text in enumerate(("one", "two"), start=1):
        again = {} if number == 1 else {"request_type": "regenerateMessage"}
        kit.submit(gue, "question", f"r{number}", room="lounge", **again)
        kit.streams.answered(Said(X, request=f"r{number}"), text)
        kit.settle()
    kit.outbox.clear()
    return gue


def answers(kit: Kit) -> list[Message]:
    return kit.responses("lounge")


def select(kit: Kit, sid: str, any_id: str | None) -> Selection:
    chosen: Selection = result_of(kit.selecting.select(kit.caller(sid), "lounge", any_id or ""))
    return chosen


def test_the_room_is_told_and_its_context_has_that_one(kit: Kit, gue: str) -> None:
    one, two = answers(kit)
    assert (one.selected, two.selected) == (False, True)
    chosen = select(kit, gue, one.response_id)
    assert chosen == Selection(question_id=one.question_id or "", message_id=one.message_id, index=0, count=2)
    assert [each.selected for each in answers(kit)] == [True, False]
    told = {"roomName": "lounge", "questionId": one.question_id, "messageId": one.message_id, "index": 0, "count": 2}
    for sid in (gue, kit.sessions.sids("mas", "/llm")[0]):
        (body,) = kit.outbox.bodies(sid, "RESPONSE_SELECTED")
        assert body == {**told, "seq": kit.rooms.require("lounge").seq}
    room = kit.rooms.require("lounge")
    assert [m.text for m in result_of(kit.history.context(room)) if not m.is_system] == ["question", "one"]
    assert select(kit, gue, two.message_id).index == 1


def test_who_asked_staff_and_administrators_decide(kit: Kit, gue: str) -> None:
    one, _ = answers(kit)
    (mas,), (eve,) = kit.sessions.sids("mas", "/llm"), kit.sessions.sids("eve", "/llm")
    assert select(kit, mas, one.message_id).count == 2
    assert result_of(kit.selecting.select(OPERATOR, "lounge", one.message_id)).count == 2
    refused = failure_of(kit.selecting.select(kit.caller(eve), "lounge", one.message_id))
    assert isinstance(refused, NotAuthorised)
    assert str(refused) == "Permission denied to select this message."
    result_of(kit.room_service.leave(kit.caller(gue), "lounge"))
    assert isinstance(failure_of(kit.selecting.select(kit.caller(gue), "lounge", one.message_id)), NotAuthorised)


def test_what_is_no_answer_is_not_found(kit: Kit, gue: str) -> None:
    one, _ = answers(kit)
    for room, any_id in (("lounge", one.question_id), ("lounge", "nothing"), ("nowhere", one.message_id)):
        error = failure_of(kit.selecting.select(kit.caller(gue), room, any_id or ""))
        assert isinstance(error, NotFound)
        assert str(error) == "Message not found"


def test_what_goes_meanwhile_is_not_found(kit: Kit, gue: str) -> None:
    one, _ = answers(kit)
    kit.gate.shut = True
    choosing = kit.selecting.select(kit.caller(gue), "lounge", one.message_id)
    pending = Deferred.fromCoroutine(choosing)
    kit.gate.step()  # it was found
    result_of(kit.message_store.delete_messages(kit.room_id("lounge"), [one.message_id], 99))
    kit.gate.open()
    assert isinstance(failure_of(pending), NotFound)


def test_the_last_that_the_room_is_told_of_is_the_one_that_counts(kit: Kit, gue: str) -> None:
    one, two = answers(kit)
    kit.gate.shut = True
    choices = [kit.selecting.select(kit.caller(gue), "lounge", each.message_id) for each in (one, two)]
    pending = [Deferred.fromCoroutine(choice) for choice in choices]
    for _ in range(4):
        kit.gate.step()  # both are found, then stored, one after the other
    while kit.gate.waiting:
        kit.gate.waiting.pop().callback(None)  # what several threads read has no order
    assert [result_of(each).message_id for each in pending] == [one.message_id, two.message_id]
    told = [body["messageId"] for body in kit.outbox.bodies(gue, "RESPONSE_SELECTED")]
    assert told == [one.message_id, two.message_id]
    kit.gate.open()
    assert [each.selected for each in answers(kit)] == [False, True]
