"""What a WebSocket delivers and answers is compared with plain Autobahn, on every split of a byte stream."""

from __future__ import annotations

from itertools import pairwise

import pytest
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from web_doubles import HANDSHAKE, MemoryTransport, open_socket, with_settings

from framekit import client_frame, server_frames
from newage.web.transports.websocket import State

LIMIT = 70_000  # bytes of a message, in both


class Plain(WebSocketServerProtocol):
    """Autobahn's ordinary API with the same limits."""

    messages: list[tuple[str, bytes]]

    def onOpen(self) -> None:
        self.messages = []

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self.messages.append(("binary" if isBinary else "text", payload))


def plain_socket() -> tuple[Plain, MemoryTransport]:
    factory = WebSocketServerFactory(reactor=Clock())
    factory.protocol = Plain
    factory.setProtocolOptions(
        openHandshakeTimeout=0,
        closeHandshakeTimeout=0,
        maxFramePayloadSize=LIMIT,
        maxMessagePayloadSize=LIMIT,
        failByDrop=False,
    )
    protocol = factory.buildProtocol(None)
    assert isinstance(protocol, Plain)
    transport = MemoryTransport()
    transport.protocol = protocol
    protocol.makeConnection(transport)
    protocol.dataReceived(HANDSHAKE)
    transport.clear()
    return protocol, transport


def frames() -> st.SearchStrategy[bytes]:
    payloads = st.one_of(
        st.text(max_size=40).map(str.encode),
        st.binary(max_size=20),
        st.integers(120, 130).map(lambda size: b"x" * size),
        st.sampled_from(
            [b"", b"2", b"4" + b"y" * 300, b"z" * 65_535, b"\xc3\xa9" * 32_768, b"\xed\xa0\x80", b"w" * 70_001]
        ),
    )
    masks = st.one_of(st.just(b"\x00\x00\x00\x00"), st.binary(min_size=4, max_size=4))
    ordinary = st.builds(client_frame, payloads, st.just(1), mask=masks)
    any_kind = st.builds(
        client_frame,
        payloads,
        st.sampled_from([0, 1, 2, 8, 9, 10, 3, 11]),
        fin=st.sampled_from([True, True, True, False]),
        rsv=st.sampled_from([0, 0, 0, 0, 0, 1, 4]),
        mask=st.one_of(masks, masks, masks, st.none()),
    )
    odd_length = st.sampled_from(
        [b"\x81\xfe\x00\x05\x00\x00\x00\x00hello", b"\x81\xff" + bytes(7) + b"\x05" + bytes(4) + b"hello"]
    )
    fragmented = st.lists(payloads, min_size=2, max_size=4).map(
        lambda parts: b"".join(
            client_frame(part, 1 if at == 0 else 0, fin=at == len(parts) - 1) for at, part in enumerate(parts)
        )
    )
    return st.one_of(ordinary, ordinary, ordinary, fragmented, any_kind, odd_length)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


def compare(stream: bytes, pieces: list[bytes]) -> None:
    assert b"".join(pieces) == stream
    plain, plain_transport = plain_socket()
    ours = open_socket(with_settings(max_http_buffer_bytes=LIMIT))
    for piece in pieces:
        plain.dataReceived(piece)
        if not ours.transport.aborted:
            ours.transport.protocol.dataReceived(piece)
    messages = [event for event in ours.receiver.events if event[0] != "closed"]
    assert messages == plain.messages
    ended = plain.state in (Plain.STATE_CLOSING, Plain.STATE_CLOSED)
    assert (ours.sink.state is State.CLOSED) == ended
    assert list(map(told, ours.frames())) == list(map(told, server_frames(plain_transport.take())))


def told(frame: tuple[int, bytes]) -> tuple[int, bytes]:
    """A frame without where in the text its first wrong byte is, which Autobahn says."""
    opcode, payload = frame
    if opcode == 8 and payload[:2] == b"\x03\xef":
        return opcode, payload[:2]
    return frame


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(frames(), min_size=1, max_size=6), st.lists(st.integers(0, 2**20), max_size=6))
def test_any_split_of_any_stream_gives_what_plain_autobahn_gives(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    compare(stream, split(stream, cuts))


MIXED = b"".join(
    [
        client_frame(b"42[1]"),
        client_frame("4\u00e9\u4e16".encode()),
        client_frame(b"", 9),
        client_frame(b"4" + b"x" * 130),
        client_frame(b"par", 1, fin=False),
        client_frame(b"ping", 9),
        client_frame(b"ts", 0),
        client_frame(b"\x00\xff", 2),
        client_frame(b""),
        client_frame(b"end"),
    ]
)


@pytest.mark.parametrize("at", range(len(MIXED)))
def test_every_single_split(at: int) -> None:
    compare(MIXED, [piece for piece in (MIXED[:at], MIXED[at:]) if piece])


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_small_pieces(size: int) -> None:
    compare(MIXED, [MIXED[at : at + size] for at in range(0, len(MIXED), size)])


@pytest.mark.parametrize("bad", [b"4\xff", b"4\xc3", b"\xed\xa0\x80", b"4\xf4\x90\x80\x80", b"4\xc0\x80"])
def test_text_that_is_not_utf8_closes_with_1007_and_is_not_delivered(bad: bytes) -> None:
    ours = open_socket()
    ours.feed(client_frame(b"4good"), client_frame(bad), client_frame(b"4late"))
    assert ours.receiver.texts == [b"4good"]
    ((opcode, payload),) = ours.frames()
    assert (opcode, payload[:2]) == (8, (1007).to_bytes(2, "big"))


def test_a_small_limit_binds() -> None:
    ours = open_socket(with_settings(max_http_buffer_bytes=10))
    ours.feed(client_frame(b"0123456789"), client_frame(b"0123456789a"))
    assert ours.receiver.texts == [b"0123456789"]
    ((opcode, payload),) = ours.frames()
    assert (opcode, payload[:2]) == (8, (1009).to_bytes(2, "big"))
