"""Requests on the wire: acks, statuses, errors, and what extensions are given (contract 5.1-5.4, 5.8)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from newage.dialect import Event, messages, requests
from newage.domain.forwarded import ForwardedRequest, Question
from newage.domain.model import Message, RequestMode, Role
from newage.domain.request import Accepted, Ask, Request, Waiting
from newage.errors import CallFailed

SAID = Message(
    message_id="m1",
    room="web1",
    seq=3,
    identity="web1-a",
    client_id="web1",
    role="master",
    text="hi",
    timestamp="2023-11-14T22:13:20.000Z",
    request_id="r1",
    extra={"temperature": 1},
)
QUESTION = Question(
    request_id="r1",
    identity="web1-a",
    client_id="web1",
    role=Role.MASTER,
    said=SAID,
    targets=("SillyTavern-1", "SillyTavern-2"),
    streaming=True,
)


def request(mode: RequestMode = RequestMode.DEFAULT) -> Request:
    return Request(
        request_id="r1",
        identity="web1-a",
        client_id="web1",
        room="web1",
        role=Role.MASTER,
        mode=mode,
        message_id="m1",
        ask=Ask(request_id="r1", text=""),
        created_at=0,
        active_at=0,
    )


def given(**members: Any) -> ForwardedRequest:
    return ForwardedRequest(
        **{
            "request_id": "x1",
            "target": "SillyTavern-1",
            "room": "web1",
            "mode": RequestMode.DEFAULT,
            "text": "hi",
            "context": (SAID,),
            "question": QUESTION,
            **members,
        }
    )


def test_the_ack_says_what_it_waits_for() -> None:
    sent = Accepted(request_id="r1", message_id="m1", room="web1", state="forwarded")
    told = {"message": "Request received.", "requestId": "r1", "messageId": "m1", "roomName": "web1"}
    assert requests.accepted(sent) == {**told, "state": "forwarded"}
    waits = Accepted(
        request_id="r1", message_id="m1", room="web1", state="queued", waiting=Waiting(what="turn", position=2)
    )
    assert requests.accepted(waits) == {**told, "state": "queued", "waitsFor": "turn", "position": 2}
    assert requests.recorded("m1") == {"messageId": "m1"}


@pytest.mark.parametrize(
    ("details", "members"),
    [
        ({}, {}),
        ({"response_id": "a", "remaining": 0}, {"responseId": "a", "remaining": 0}),
        ({"message": "no"}, {"message": "no"}),
        ({"merged_into": "r2"}, {"mergedInto": "r2"}),
        ({"waiting": Waiting(what="host", position=1)}, {"waitsFor": "host", "position": 1}),
    ],
)
def test_a_status_holds_what_there_is_to_say(details: dict[str, Any], members: dict[str, Any]) -> None:
    told = {"mode": "Default", "roomName": "web1", "requestId": "r1", "status": "s"}
    assert requests.status(request(), "s", **details) == Event("REQUEST_STATUS_UPDATE", {**told, **members})


def test_an_error_names_where_it_came_from() -> None:
    told = {"type": "ERROR", "message": "no", "code": "call_failed", "errorCode": 502, "requestId": "r1"}
    assert requests.failed(request(), CallFailed("no")) == Event("ERROR", told)
    named = requests.failed(request(), CallFailed("no"), source="SillyTavern-1", detail="Got 500")
    assert named.body == {**told, "error": "Got 500", "source": "SillyTavern-1"}


def test_a_warning() -> None:
    assert requests.warning(request(), "ah") == Event(
        "WARNING", {"type": "WARNING", "message": "ah", "requestId": "r1"}
    )


def test_of_wishes_who_declared_features_is_told_what_was_understood() -> None:
    raw = {"character": {"of": "mine"}, "failover": "perhaps", "temperature": 1}
    asked = evolve(QUESTION, said=evolve(SAID, extra=raw))
    assert requests.forwarded(given(question=asked)).body.items() >= raw.items(), "as any member"
    declared = requests.forwarded(given(question=asked, declared=True)).body
    assert (declared.keys() & {"character", "failover"}, declared["temperature"]) == (set(), 1)
    understood = requests.forwarded(given(question=asked, declared=True, character="ava", failover=True)).body
    assert (understood["character"], understood["failover"]) == ("ava", True)


def test_a_question_as_an_extension_gets_it() -> None:
    current = {**messages.body(SAID), "requestId": "x1"}
    assert requests.forwarded(given()) == Event(
        "LLM_REQUEST",
        {
            "temperature": 1,
            "requestId": "x1",
            "message": "hi",
            "requestType": "newMessage",
            "targets": ["SillyTavern-1", "SillyTavern-2"],
            "clientId": "web1",
            "identity": "web1-a",
            "requestingIdentity": "web1-a",
            "role": "master",
            "data": "hi",
            "isStreaming": True,
            "isStream": True,
            "mode": "Default",
            "targetRoom": "web1",
            "roomName": "web1",
            "currentRequest": current,
            "context": [messages.body(SAID)],
            "target": "SillyTavern-1",
        },
    )


def test_merged_words_are_its_text_and_its_data() -> None:
    merged = Question(
        **{name: getattr(QUESTION, name) for name in ("identity", "client_id", "role", "said", "targets")}
        | {"request_id": "r3", "merged": ("r1", "r2")}
    )
    body = requests.forwarded(given(text="a\n\nb\n\nhi", question=merged)).body
    current = body["currentRequest"]
    assert body["message"] == body["data"] == current["message"] == current["data"] == "a\n\nb\n\nhi"
    assert (current["isMerged"], current["mergedFromCount"]) == (True, 3)
    assert current["originalRequestIds"] == ["r1", "r2", "r3"]


def test_in_conversational_mode_a_question_says_that_it_is_one() -> None:
    body = requests.forwarded(given(mode=RequestMode.CONVERSATIONAL)).body
    assert body["type"] == "DIRECT_REQUEST"


def test_nobody_asked() -> None:
    body = requests.forwarded(given(mode=RequestMode.CONVERSATIONAL, text="Go on.", question=None)).body
    assert body == {
        "mode": "Conversational",
        "type": "THINK_REQUEST",
        "requestId": "x1",
        "target": "SillyTavern-1",
        "targetRoom": "web1",
        "roomName": "web1",
        "context": [messages.body(SAID)],
        "instruction": "Go on.",
        "message": "Go on.",
        "requestType": "newMessage",
    }


def test_no_member_of_a_clients_own_can_stand_for_one_of_the_hubs() -> None:
    merged = given(mode=RequestMode.CONVERSATIONAL)
    written = requests.forwarded(merged).body
    assert set(written) - {"temperature"} <= requests.MEMBERS
    assert set(written["currentRequest"]) - {"temperature"} <= requests.MEMBERS
    assert messages.MEMBERS < requests.MEMBERS
