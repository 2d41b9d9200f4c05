"""The handshake as Autobahn answers it, and what it is asked."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from web_doubles import HANDSHAKE, House

from logkit import Logged
from newage.web.transports.handshake import Answer, Handshakes


def answer(handshake: bytes) -> Answer:
    return Handshakes(Clock()).answer(handshake)


def test_accepted() -> None:
    given = answer(HANDSHAKE)
    assert given.accepted
    assert given.response.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in given.response
    assert given.response.endswith(b"\r\n\r\n")


def test_one_handshake_knows_nothing_of_the_other() -> None:
    handshakes = Handshakes(Clock())
    first = handshakes.answer(HANDSHAKE)
    assert not handshakes.answer(HANDSHAKE.replace(b"13", b"12")).accepted
    assert handshakes.answer(HANDSHAKE) == first


def test_refused_without_an_echo() -> None:
    given = answer(HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"<script>alert(1)</script>"))
    assert not given.accepted
    assert given.response == (
        b"HTTP/1.1 400 Bad Request\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
        b"Cross-Origin-Resource-Policy: same-origin\r\nContent-Type: application/json\r\n"
        b"Content-Length: 34\r\nConnection: close\r\n\r\n"
        b'{"code":3,"message":"Bad request"}'
    )


def test_a_wrong_version_is_told_the_right_one() -> None:
    given = answer(HANDSHAKE.replace(b"Version: 13", b"Version: 8"))
    assert not given.accepted
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in given.response


@pytest.mark.parametrize("offer", [b"permessage-deflate", b"permessage-deflate; client_max_window_bits", b"x-unknown"])
def test_no_extension_is_accepted(offer: bytes) -> None:
    given = answer(HANDSHAKE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: " + offer + b"\r\n\r\n"))
    assert given.accepted
    assert b"xtensions" not in given.response


def test_nothing_but_the_handshake_reaches_autobahn(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    original = Handshakes.answer

    def spy(self: Handshakes, handshake: bytes) -> Answer:
        seen.append(handshake)
        return original(self, handshake)

    monkeypatch.setattr(Handshakes, "answer", spy)
    line = House().line()
    line.upgrade(
        "/socket.io/?EIO=4&transport=websocket&secret=1",
        X_Forwarded_For="127.0.0.1",
        Cookie="a=b",
        Sec_WebSocket_Extensions="permessage-deflate",
    )
    (asked,) = seen
    assert asked.startswith(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
    for absent in (b"secret", b"Forwarded", b"Cookie", b"deflate", b"4000"):
        assert absent not in asked


def test_autobahns_own_errors_are_logged_without_their_arguments() -> None:
    with Logged() as logged:
        log = Handshakes(Clock())._factory.protocol.log
        log.error("failed for {peer}", peer="secret")
        log.warn("failed for {peer}", peer="secret")
    (event,) = [event for event in logged.events if event["log_namespace"] == "newage.web.transports.handshake"]
    assert "secret" not in str(event)
