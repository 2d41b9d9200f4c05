"""The OpenAPI document: valid, and true of what the hub answers."""

from __future__ import annotations

from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from apikit import ApiHouse, Told
from newage.domain.model import Role, Scope


@pytest.fixture
def key(hub: ApiHouse) -> str:
    return hub.key(scope=Scope.ALL)


@pytest.fixture
def document(hub: ApiHouse, key: str) -> Any:
    told = hub.ask("/api/v1/openapi.json", key=key)
    assert told.status == 200
    return told.json


def holds(document: Any, template: str, method: str, told: Told) -> None:
    """What was answered has the status and the form that the document says."""
    answers = document["paths"][template][method]["responses"]
    described = answers.get(str(told.status)) or document["components"]["responses"]["Failure"]
    if "content" not in described:
        assert told.response.body == b""
        return
    made = {**described["content"]["application/json"]["schema"], "components": document["components"]}
    OAS31Validator(made).validate(told.json)


def test_it_is_one(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()
    assert document["servers"] == [{"url": "/api/v1"}]
    assert document["security"] == [{"bearer": []}]


def test_each_operation_has_a_name_of_its_own(document: Any) -> None:
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(names) == len(set(names))


def test_every_answer_is_as_it_says(hub: ApiHouse, key: str, document: Any) -> None:
    hub.model()
    hub.person("ann")
    hub.room("lobby", "ann", bot=Role.MANAGER)
    asked: set[tuple[str, str]] = set()
    for method, template, path, body, status in (
        ("GET", "/openapi.json", "", None, 200),
        ("GET", "/status", "", None, 200),
        ("GET", "/me", "", None, 200),
        ("GET", "/sessions", "", None, 200),
        ("GET", "/extensions", "", None, 200),
        ("GET", "/extensions/{extension}/characters", "/extensions/Nobody/characters", None, 404),
        ("GET", "/policy", "", None, 200),
        ("PUT", "/policy", "", {"policy": "Free"}, 403),
        ("GET", "/rooms", "", None, 200),
        ("POST", "/rooms", "", {"name": "den"}, 201),
        ("POST", "/rooms", "", {"name": "den"}, 409),
        ("GET", "/rooms/{room}", "/rooms/den", None, 200),
        ("GET", "/rooms/{room}/members", "/rooms/lobby/members", None, 200),
        ("PUT", "/rooms/{room}/mode", "/rooms/den/mode", {"mode": "Immediate"}, 200),
        ("PUT", "/rooms/{room}/members/me", "/rooms/lobby/members/me", None, 409),
        ("DELETE", "/rooms/{room}/members/me", "/rooms/lobby/members/me", None, 204),
        ("POST", "/rooms/{room}/messages", "/rooms/den/messages", {"text": "hi", "requestId": "r1"}, 202),
        ("POST", "/rooms/{room}/messages/events", "/rooms/none/messages/events", {"text": "hi"}, 403),
        ("GET", "/rooms/{room}/messages", "/rooms/den/messages?limit=3", None, 200),
        ("GET", "/rooms/{room}/outputs", "/rooms/den/outputs", None, 200),
        ("GET", "/outputs/{output}/events", "/outputs/none/events", None, 404),
        ("POST", "/requests/{request}/cancel", "/requests/none/cancel", None, 404),
        ("POST", "/rooms/{room}/members", "/rooms/lobby/members", {"identity": "nobody"}, 403),
        ("DELETE", "/rooms/{room}/members/{member}", "/rooms/den/members/nobody", None, 403),
        ("PUT", "/rooms/{room}/members/{member}/role", "/rooms/den/members/ann/role", {"role": "guest"}, 403),
        ("POST", "/rooms/{room}/members/{member}/kick", "/rooms/den/members/ann/kick", {}, 403),
        ("PUT", "/rooms/{room}/members/{member}/mute", "/rooms/den/members/ann/mute", {}, 403),
        ("DELETE", "/rooms/{room}/members/{member}/mute", "/rooms/den/members/ann/mute", None, 403),
        ("GET", "/rooms/{room}/bars", "/rooms/den/bars", None, 200),
        ("DELETE", "/rooms/{room}/bars/{client}", "/rooms/den/bars/ann", None, 200),
        ("PUT", "/rooms/{room}/access", "/rooms/den/access", {"access": "open"}, 200),
        ("PUT", "/mode", "/mode", {"mode": "Default"}, 403),
        ("GET", "/rooms/{room}/extensions", "/rooms/den/extensions", None, 200),
        ("PUT", "/rooms/{room}/extensions", "/rooms/den/extensions", {"extensions": []}, 403),
        ("PATCH", "/rooms/{room}/messages/{message}", "/rooms/den/messages/none", {"text": "x"}, 404),
        ("DELETE", "/rooms/{room}/messages/{message}", "/rooms/den/messages/none", None, 404),
        ("PUT", "/rooms/{room}/messages/{message}/selected", "/rooms/den/messages/none/selected", None, 404),
        ("POST", "/rooms/{room}/messages/{message}/again", "/rooms/den/messages/none/again", {}, 404),
        ("POST", "/rooms/{room}/messages/{message}/continue", "/rooms/den/messages/none/continue", {}, 404),
        ("GET", "/rooms/{room}/queue", "/rooms/den/queue", None, 200),
        ("POST", "/rooms/{room}/queue/submit", "/rooms/den/queue/submit", {}, 404),
        ("DELETE", "/rooms/{room}/messages", "/rooms/den/messages", None, 200),
        ("GET", "/functions", "", None, 200),
        ("POST", "/functions/{function}", "/functions/add", {"arguments": [1, 2]}, 200),
        ("POST", "/sessions/{session}/functions/{function}", "/sessions/none/functions/f", {}, 404),
        ("GET", "/keys", "", None, 403),
        ("POST", "/keys", "", {"clientId": "x"}, 403),
        ("DELETE", "/keys/{id}", "/keys/none", None, 403),
        ("DELETE", "/clients/{client}/keys", "/clients/ann/keys", None, 403),
        ("POST", "/clients/{client}/disconnect", "/clients/ann/disconnect", {}, 403),
        ("GET", "/logs", "", None, 403),
        ("DELETE", "/rooms/{room}", "/rooms/den", None, 204),
        ("GET", "/rooms/{room}", "/rooms/den", None, 404),
    ):
        told = hub.ask("/api/v1" + (path or template), body, key, method=method)
        assert told.status == status, (method, path, told.response.body)
        holds(document, template, method.lower(), told)
        asked.add((template, method.lower()))
    assert asked == {(path, method) for path, methods in document["paths"].items() for method in methods}
