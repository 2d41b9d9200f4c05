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
        ("DELETE", "/rooms/{room}", "/rooms/den", None, 204),
        ("GET", "/rooms/{room}", "/rooms/den", None, 404),
    ):
        told = hub.ask("/api/v1" + (path or template), body, key, method=method)
        assert told.status == status, (method, path, told.response.body)
        holds(document, template, method.lower(), told)
        asked.add((template, method.lower()))
    assert asked == {(path, method) for path, methods in document["paths"].items() for method in methods}
