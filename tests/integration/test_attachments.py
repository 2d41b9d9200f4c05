"""Binary attachments in every place of every event: each call is answered, and none of it is a fault of ours (C6)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from isolation import Hub, Packet, Somebody
from isolation_events import EVENTS, Does, Event
from twisted.logger import LogLevel

from logkit import Logged
from newage.protocol.socket_packet import encode_arguments, prefix_of

DATA = b"\xff\x00 attached"
SPEAKERS = ("guest", "extension", "admin")


def places(payload: Any) -> Iterator[Any]:
    """A payload with an attachment in one place after the other."""
    yield DATA
    yield [DATA]
    if isinstance(payload, dict):
        for name in payload:
            yield {**payload, name: DATA}
            yield {**payload, name: [DATA]}
            yield {**payload, name: {"a": DATA}}
        yield {**payload, "custom": {"a": [DATA]}}
        yield {**payload, "requestId": "binary", "messages": [{"role": "user", "content": DATA}]}


def say(somebody: Somebody, event: Event, payload: Any) -> list[Packet]:
    """Send an event with its attachments, asking for an ack; what came back."""
    args = [event.name, deepcopy(payload)]
    text, attachments = encode_arguments(2, prefix_of(event.namespace).decode().encode(), args, b"7")
    somebody.connection.text_received(text)
    for attachment in attachments:
        somebody.connection.binary_received(attachment)
    return somebody.take()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attachments")


@pytest.mark.parametrize("event", EVENTS, ids=str)
def test_every_call_with_an_attachment_is_answered(home: Path, event: Event) -> None:
    hub = Hub(home / f"{event.name.strip('$')}{event.namespace.replace('/', '-')}", strict=False)
    with Logged() as logged:
        for name in SPEAKERS:
            somebody = hub.people[name]
            if event.namespace not in somebody.namespaces:
                continue
            for payload in places(event.valid(hub, name)):
                somebody.take()
                heard = say(somebody, event, payload)
                hub.clock.advance(1)
                heard += somebody.take()
                assert not hub.people[name].connection.closed, payload
                if event.does is not Does.UPSTREAM:
                    assert any(packet.kind in "36" for packet in heard), (name, payload, heard)
                for packet in heard:
                    json.dumps(packet.data)
        wrong = [entry for entry in logged.events if entry["log_level"] >= LogLevel.error or entry.get("log_failure")]
        assert wrong == []
    hub.close()
