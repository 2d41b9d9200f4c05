"""What receivers outside are told is what the document says of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve
from openapi_schema_validator import OAS31Validator

from apikit import ApiHouse
from newage.domain.model import Message, Scope, Session
from newage.domain.webhooks import EVENTS, REQUEST_FAILED, RESPONSE_COMPLETED, SESSION_CONNECTED, Delivery, Due
from newage.web.api_v1.webhooks import body, of_request, of_session
from requestkit import make

SAID = Message(
    message_id="m1",
    room="den",
    room_id="i1",
    seq=3,
    identity="X",
    client_id="X",
    role="assistant",
    text="Yes",
    reasoning="hm",
    timestamp="2026-01-02T03:04:05.678Z",
    response_id="a1",
)
TOLD = Delivery(id="msg_1", webhook="bot", event=RESPONSE_COMPLETED, at="2026-01-02T03:04:05.678Z", since=0.0)


@pytest.fixture
def document(hub: ApiHouse) -> Any:
    return hub.ask("/api/v1/openapi.json", key=hub.key(scope=Scope.ALL)).json


def holds(document: Any, written: bytes) -> Any:
    told = json.loads(written)
    operation = document["webhooks"][told["type"]]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    OAS31Validator({**schema, "components": document["components"]}).validate(told)
    return told


def test_the_document_has_each_event(document: Any) -> None:
    assert tuple(document["webhooks"]) == EVENTS
    for each in document["webhooks"].values():
        assert [header["name"] for header in each["post"]["parameters"]] == [
            "webhook-id",
            "webhook-timestamp",
            "webhook-signature",
        ]


def test_what_is_said(document: Any) -> None:
    told = holds(document, body(Due(TOLD, "den", SAID), True))
    assert (told["data"]["room"], told["data"]["message"]["text"], told["timestamp"]) == ("den", "Yes", TOLD.at)
    told = holds(document, body(Due(TOLD, "den", SAID), False))
    assert (told["data"]["message"]["text"], "reasoning" in told["data"]["message"]) == ("", False)


@pytest.mark.parametrize("message_id", ["m-r", ""])
def test_what_fails(document: Any, message_id: str) -> None:
    request = make()
    request.message_id, request.state = message_id, "failed"
    data = of_request(request, "No model.")
    told = holds(document, body(Due(evolve(TOLD, event=REQUEST_FAILED, data=data), "room"), True))
    assert (told["data"]["reason"], told["data"].get("messageId", "")) == ("No model.", message_id)


def test_who_comes(document: Any) -> None:
    data = of_session(Session(client_id="ann", identity="ann-1", name="Anna"))
    told = holds(document, body(Due(evolve(TOLD, event=SESSION_CONNECTED, data=data)), False))
    assert (told["data"]["identity"], told["data"]["name"]) == ("ann-1", "Anna")
