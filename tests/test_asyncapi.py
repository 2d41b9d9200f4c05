"""docs/asyncapi.yaml is what docs/api.md says and what AsyncAPI 3.0 allows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from twisted.internet import reactor

from api_document import HEAR, SEND, ApiDocument
from asyncapi import ACTIONS, DOCUMENT, SOURCE, document, key, name
from newage.assembly.core import make_core
from newage.config import Config, ServerSettings

API = ApiDocument(SOURCE.read_text("utf-8"))
MADE: Any = yaml.safe_load(DOCUMENT.read_text("utf-8"))
KEY = re.compile(r"[A-Za-z0-9._-]+")
TYPES = {"object", "array", "string", "integer", "boolean"}


def test_the_document_is_what_is_made_of_the_tables() -> None:
    assert DOCUMENT.read_text("utf-8") == document(API.text), "make asyncapi"


def test_it_has_every_event_that_the_hub_handles(tmp_path_factory: pytest.TempPathFactory) -> None:
    config = Config(server=ServerSettings(home=str(tmp_path_factory.mktemp("home")), ephemeral=True))
    core = make_core(config, reactor, set_debug=lambda on: None, log_folder=None, port=lambda: 0)
    handled = {(path.path, event) for path in core.dispatcher.namespaces() for event in path.handlers}
    received = set()
    for operation in MADE["operations"].values():
        if operation["action"] == ACTIONS[SEND]:
            (message,) = operation["messages"]
            received.add((at(operation["channel"])["address"], at(message)["name"]))
    assert received == handled


def test_it_has_every_event_that_is_heard() -> None:
    heard = [row for row in API.rows if row.direction == HEAR]
    assert len(heard) > 60
    for row in heard:
        operation = MADE["operations"][name(row)]
        assert operation["action"] == "send"
        assert operation["channel"] == {"$ref": f"#/channels/{key(row.namespace)}"}


def at(reference: dict[str, str], *, whole: bool = True) -> Any:
    """What it points to; what that points to, where it is ``whole``."""
    path = reference["$ref"]
    assert path.startswith("#/")
    found = MADE
    for step in path[2:].split("/"):
        found = found[step]
    return at(found) if whole and isinstance(found, dict) and "$ref" in found else found


def inside(value: Any) -> Iterator[Any]:
    yield value
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(each)


def test_every_reference_leads_somewhere() -> None:
    references = [each for each in inside(MADE) if isinstance(each, dict) and "$ref" in each]
    assert len(references) > 500
    for each in references:
        assert list(each) == ["$ref"]
        assert at(each) is not None


def test_what_has_to_be_there_is() -> None:
    assert MADE["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(MADE["info"])
    for server in MADE["servers"].values():
        assert {"host", "protocol"} <= set(server)
    named = [MADE["channels"], MADE["operations"], *MADE["components"].values()]
    named += [channel["messages"] for channel in MADE["channels"].values()]
    assert all(KEY.fullmatch(each) for names in named for each in names)


def test_operations_are_of_messages_of_their_channels() -> None:
    for operation in MADE["operations"].values():
        assert operation["action"] in ACTIONS.values()
        channel = operation["channel"]["$ref"]
        assert re.fullmatch(r"#/channels/[^/]+", channel)
        reply = operation.get("reply", {"channel": operation["channel"], "messages": []})
        assert reply["channel"]["$ref"] == channel
        for message in (*operation["messages"], *reply["messages"]):
            assert message["$ref"].startswith(f"{channel}/messages/")


def test_what_asks_for_an_ack_has_a_reply() -> None:
    replies = {each for each, operation in MADE["operations"].items() if "reply" in operation}
    assert {"llm.receive.LLM_REQUEST", "llm.send.CANCEL_REQUEST", "function_call.send.FUNCTION_CALL"} <= replies
    assert replies.isdisjoint({"llm.receive.CHAT_EVENT", "llm.receive.dollar-stream", "llm.send.NEW_MESSAGE"})
    (ack,) = MADE["operations"]["rooms.receive.GET_ROOMS"]["reply"]["messages"]
    common, own = at(ack)["payload"]["allOf"]
    assert at(common)["required"] == ["status", "success"]
    assert set(own["properties"]) == {"rooms", "roomDetails"}
    assert "Room not found" in MADE["operations"]["rooms.receive.JOIN_ROOM"]["x-failures"]


def schemas() -> Iterator[dict[str, Any]]:
    """Every schema in it."""
    waiting = [message["payload"] for message in MADE["components"]["messages"].values() if "payload" in message]
    waiting += MADE["components"]["schemas"].values()
    while waiting:
        schema = waiting.pop()
        yield schema
        waiting += [*schema.get("properties", {}).values(), *schema.get("allOf", [])]
        waiting += [schema["items"]] if "items" in schema else []


def test_schemas_are_schemas() -> None:
    found = list(schemas())
    assert len(found) > 400
    for schema in found:
        known = {"$ref", "type", "properties", "required", "items", "enum", "examples", "minimum", "maximum"}
        assert set(schema) <= {*known, "description", "allOf"}
        assert schema.get("type", "object") in TYPES
        assert set(schema.get("required", ())) <= set(schema.get("properties", {}))
        for values in (schema.get("enum", ["one"]), schema.get("examples", ["one"])):
            assert values
            assert all(re.fullmatch(r"\w+", each) for each in values)
