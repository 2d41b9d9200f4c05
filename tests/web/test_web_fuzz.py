"""Whatever bytes arrive: no unhandled error, and the next peer is served (contract 16.3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from web_doubles import HANDSHAKE, House
from zope.interface import implementer

from framekit import client_frame

QUIET = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def failures() -> Iterator[list[Any]]:
    seen: list[Any] = []

    @implementer(ILogObserver)
    def observer(event: LogEvent) -> None:
        if "log_failure" in event:
            seen.append(event["log_failure"])

    globalLogPublisher.addObserver(observer)
    yield seen
    globalLogPublisher.removeObserver(observer)


REQUESTS = [
    b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /socket.io/?EIO=4&transport=polling&sid=sid1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"POST /socket.io/?EIO=4&transport=polling&sid=sid1 HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Length: 8\r\n\r\n4a\x1ebAQ==",
    b"POST /socket.io/?EIO=4&transport=polling&sid=sid1 HTTP/1.1\r\nHost: localhost\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\n4ab\r\n0\r\n\r\n",
    b"OPTIONS /socket.io/ HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n\r\n",
    b"GET /lib/uuid/uuid.js HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\nIf-None-Match: W/x\r\n\r\n",
    b"HEAD /public/../x HTTP/1.0\r\n\r\n",
    HANDSHAKE.replace(b"GET / ", b"GET /socket.io/?EIO=4&transport=websocket "),
    HANDSHAKE.replace(b"GET / ", b"GET /socket.io/?EIO=4&transport=websocket&sid=sid1 "),
]


def mutated(source: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    def change(data: bytes, at: int, removed: int, added: bytes) -> bytes:
        at %= len(data) + 1
        return data[:at] + added + data[at + removed :]

    return st.builds(
        change,
        source,
        st.integers(0, 2**16),
        st.integers(0, 12),
        st.one_of(st.binary(max_size=6), st.sampled_from([b"\r\n", b"\x00", b"%00", b"\x1e", b"\xff", b"GET ", b": "])),
    )


pieces = st.lists(st.one_of(st.sampled_from(REQUESTS), mutated(st.sampled_from(REQUESTS))), min_size=1, max_size=4)


@QUIET
@given(pieces, st.integers(1, 400))
def test_http(failures: list[Any], requests: list[bytes], size: int) -> None:
    house = House()
    house.open_polling()
    for data in requests:
        line = house.line()
        for at in range(0, len(data), size):
            if not line.transport.aborted:
                line.send(data[at : at + size])
        house.clock.advance(1)
        if not line.transport.aborted:
            line.transport.lose()
    assert house.ask("/lib/constants.js").status == 200
    house.clock.pump([40] * 10)
    assert failures == []
    assert house.site.connections.total == 0
    assert house.clock.getDelayedCalls() == []


frames = st.builds(
    client_frame,
    st.one_of(st.binary(max_size=30), st.sampled_from([b"2probe", b"5", b"1", b"3", b"4", b"4x" * 100])),
    st.integers(0, 15),
    fin=st.booleans(),
    rsv=st.integers(0, 7),
    mask=st.one_of(st.none(), st.binary(min_size=4, max_size=4)),
)


@QUIET
@given(st.lists(st.one_of(frames, mutated(frames), st.binary(max_size=30)), max_size=8), st.booleans())
def test_websocket(failures: list[Any], data: list[bytes], probing: bool) -> None:
    house = House()
    url = house.open_polling() if probing else "/socket.io/?EIO=4&transport=polling"
    line = house.line()
    line.open_websocket(url.replace("polling", "websocket"))
    for piece in data:
        if not line.transport.aborted:
            line.send(piece)
    house.clock.advance(0)
    if not line.transport.aborted:
        line.transport.lose()
    house.clock.pump([50] * 5)
    assert failures == []
    assert house.clock.getDelayedCalls() == []
