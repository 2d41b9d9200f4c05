"""A server of plain Engine.IO: each message to one function."""

from __future__ import annotations

import pytest

from gateway_doubles import Site
from newage.gateway.engineio.connection import Connection

Heard = list[tuple[bytes, bool]]


@pytest.fixture
def heard() -> Heard:
    return []


@pytest.fixture
def plain(heard: Heard) -> Site:
    def on_message(connection: Connection, payload: bytes, binary: bool) -> None:
        heard.append((payload, binary))

    return Site(on_message=on_message)


def test_messages_reach_the_handler(plain: Site, heard: Heard) -> None:
    connection, _ = plain.open()
    connection.text_received("4hällo".encode())
    connection.text_received(b"4")
    connection.binary_received(b"\x01\x02")
    assert heard == [("hällo".encode(), False), (b"", False), (b"\x01\x02", True)]


def test_text_that_is_none_closes(plain: Site, heard: Heard) -> None:
    connection, sink = plain.open()
    connection.text_received(b"4\xff")
    assert sink.aborted
    connection.text_received(b"4x")
    assert heard == []


def test_it_lives_by_its_heartbeat_alone(plain: Site) -> None:
    connection, sink = plain.open()
    for _ in range(10):
        plain.clock.advance(25)
        assert sink.take() == [b"2"]
        connection.text_received(b"3")
    connection.close("test")
    assert plain.clock.getDelayedCalls() == []
