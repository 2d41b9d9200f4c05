"""Answers that are over: stored first, then shown to the room, then told to who asked (contract 5.5)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hubkit import Kit, faults, result_of
from newage.domain.model import RequestMode, Role
from newage.domain.request import Request
from newage.services.streams.answers import Answer, AnswerService

X = "SillyTavern-8000"


@pytest.fixture
def hub(kit: Kit) -> Kit:
    """``web`` asks in a room with ``pal``; X has the request and has not answered."""
    kit.connect("web1", identity="web1-a", stream_mode="plain", incremental=True)
    kit.connect("pal", stream_mode="plain", incremental=True)
    kit.connect("out", stream_mode="plain", incremental=True)
    kit.extension(X)
    kit.group("lounge", "web1-a", RequestMode.IMMEDIATE, pal=Role.GUEST)
    kit.submit(sid(kit, "web1-a"), "question", "r1", room="lounge")
    kit.settle()
    kit.outbox.clear()
    return kit


@pytest.fixture
def answers(hub: Kit) -> AnswerService:
    return AnswerService(
        hub.world,
        hub.outbox,
        hub.sessions,
        hub.ledger,
        hub.history,
        hub.talk.open_outputs,
        hub.talk.records,
        hub.rooms.members_of,
    )


def sid(kit: Kit, who: str) -> str:
    return kit.sessions.sids(who, "/llm")[0]


def output(kit: Kit, text: str = "answer") -> Answer:
    request = kit.ledger.get("web1-a", "r1")
    assert isinstance(request, Request)
    made = Answer(identity=X, output_id="o1", request=request)
    said(made, text)
    return made


def said(answer: Answer, text: str) -> None:
    """It went on with that, and is over."""
    answer.output.push(text)
    answer.is_over()


def drained(answers: AnswerService) -> None:
    result_of(answers.drain())


def about(kit: Kit) -> dict[str, Any]:
    stored = kit.responses("lounge")[0]
    return {
        "requestId": "r1",
        "responseId": stored.response_id,
        "messageId": stored.message_id,
        "outputId": "o1",
        "roomName": "lounge",
        "identity": X,
        "clientId": X,
    }


def test_an_answer_in_one_piece_is_stored_then_shown_then_told(hub: Kit, answers: AnswerService) -> None:
    answers.answered(output(hub))
    drained(answers)
    (stored,) = hub.responses("lounge")
    assert (stored.text, stored.data, stored.role, stored.streamed, stored.failed) == (
        "answer",
        "answer",
        "assistant",
        False,
        False,
    )
    assert (stored.identity, stored.client_id, stored.request_id, stored.output_id) == (X, X, "r1", "o1")
    order = ["NEW_MESSAGE", "message", "LLM_RESPONSE"]
    assert [name for name in hub.outbox.names(sid(hub, "pal")) if name in order] == order
    assert hub.outbox.names(sid(hub, "web1-a"))[-1] == "REQUEST_STATUS_UPDATE"
    plain = {**about(hub), "type": 0, "data": "answer", "source": "server"}
    whole = {**about(hub), "message": "answer", "data": "answer", "streamed": False}
    for event, body in (("message", plain), ("LLM_RESPONSE", whole)):
        assert hub.heard(event) == {"web1-a/llm": [body], "pal/llm": [body]}
    statuses = hub.heard("REQUEST_STATUS_UPDATE")
    assert set(statuses) == {"web1-a/llm"}
    assert (statuses["web1-a/llm"][0]["status"], statuses["web1-a/llm"][0]["responseId"]) == (
        "completed",
        about(hub)["responseId"],
    )


def test_a_stream_that_is_over_is_no_plain_message(hub: Kit, answers: AnswerService) -> None:
    answers.streamed(output(hub))
    drained(answers)
    assert [(m.text, m.streamed) for m in hub.responses("lounge")] == [("answer", True)]
    assert hub.heard("message") == {}
    assert [body["streamed"] for body in hub.heard("LLM_RESPONSE")["pal/llm"]] == [True]


def test_a_stream_that_goes_on_replaces_what_it_was(hub: Kit, answers: AnswerService) -> None:
    it = output(hub, "half")
    answers.streamed(it)
    drained(answers)
    hub.outbox.clear()
    said(it, " and whole")
    answers.streamed(it)
    drained(answers)
    (stored,) = hub.responses("lounge")
    assert (stored.text, stored.data) == ("half and whole", "half and whole")
    assert stored.last_edited is not None
    assert set(hub.heard("MESSAGE_UPDATED")) == {"web1-a/llm", "pal/llm", f"{X}/llm"}
    assert hub.heard("LLM_RESPONSE", "REQUEST_STATUS_UPDATE", "NEW_MESSAGE") == {}


def test_segments_are_stored_in_order_however_slow_the_store(hub: Kit, answers: AnswerService) -> None:
    it = output(hub, "one")
    hub.gate.shut = True
    answers.streamed(it)
    said(it, " two")
    answers.streamed(it)
    said(it, " three")
    answers.failed(it, "why")
    waiting = Deferred.fromCoroutine(answers.drain())
    assert not waiting.called
    while hub.gate.waiting:
        hub.gate.step()
    result_of(waiting)
    (stored,) = hub.responses("lounge")
    assert (stored.text, stored.failed) == ("one two three", True)


def test_what_there_is_of_a_failed_answer_is_kept_and_marked(hub: Kit, answers: AnswerService) -> None:
    answers.failed(output(hub, "unfinis"), "why")
    drained(answers)
    (stored,) = hub.responses("lounge")
    assert (stored.text, stored.streamed, stored.failed) == ("unfinis", True, True)
    assert hub.heard("NEW_MESSAGE")["pal/llm"][0]["message"]["failed"] is True
    assert hub.heard("LLM_RESPONSE", "message", "REQUEST_STATUS_UPDATE") == {}, "how it ends is the streams' to tell"


def test_an_answer_repeated_in_one_piece_is_shown_not_stored_again(hub: Kit, answers: AnswerService) -> None:
    it = output(hub)
    answers.repeated(it, "too early")
    answers.streamed(it)
    drained(answers)
    answers.repeated(it, "answer again")
    drained(answers)
    assert len(hub.responses("lounge")) == 1
    assert [body["data"] for body in hub.heard("message")["pal/llm"]] == ["answer again"]


def test_an_extension_that_has_gone_is_named_by_its_identity(hub: Kit, answers: AnswerService) -> None:
    it = output(hub)
    hub.disconnect_all(X)
    hub.clock.advance(2)
    answers.streamed(it)
    drained(answers)
    assert [(m.identity, m.client_id) for m in hub.responses("lounge")] == [(X, X)]


@pytest.mark.parametrize("how", ["streamed", "answered", "failed"])
def test_an_answer_that_cannot_be_stored_fails_the_request(hub: Kit, answers: AnswerService, how: str) -> None:
    hub.gate.broken = True
    it = output(hub)
    words = ("why",) if how == "failed" else ()
    assert [line["reason"] for line in faults(lambda: getattr(answers, how)(it, *words))] == ["The disk is full."]
    drained(answers)
    assert (it.output.ended, it.output.stored) == (True, False)
    assert hub.responses("lounge") == []
    assert hub.statuses(sid(hub, "web1-a")) == ["failed"]
    error = hub.outbox.bodies(sid(hub, "web1-a"), "ERROR")[0]
    assert (error["message"], error["requestId"]) == ("The answer could not be stored.", "r1")


def test_a_cancelled_answer_that_cannot_be_stored_was_cancelled_all_the_same(hub: Kit, answers: AnswerService) -> None:
    hub.gate.broken = True
    it = output(hub)
    faults(lambda: answers.cancelled(it))
    assert (it.output.ended, it.output.stored, it.output.cancelled) == (True, False, True)


def test_nothing_to_wait_for_is_waited_for(answers: AnswerService) -> None:
    drained(answers)
