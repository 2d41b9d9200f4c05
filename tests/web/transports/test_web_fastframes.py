"""The fast path changes nothing but speed: it is compared with plain Autobahn on every split of a byte stream."""

from __future__ import annotations

import socket
from itertools import pairwise
from typing import Any

import pytest
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.tcp import Port, Server
from twisted.internet.testing import MemoryReactor
from web_doubles import (
    HANDSHAKE,
    MemoryTransport,
    Recorder,
    client_frame,
    open_socket,
    server_frames,
    with_settings,
)

from newage.protocol.engine_packet import SharedPacket
from newage.web.transports.fastframes import FlushList, binary_frame, buffered_bytes, direct_sender, text_frame, unmask

LIMIT = 70_000  # bytes of a message, in both


# --------------------------------------------------------------------------------------------------------- the frames


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
def test_frames_have_the_minimal_header(size: int) -> None:
    payload = b"a" * size
    assert list(server_frames(text_frame(payload))) == [(1, payload)]
    assert list(server_frames(binary_frame(payload))) == [(2, payload)]
    header = len(text_frame(payload)) - size
    assert header == (2 if size < 126 else 4 if size < 65_536 else 10)


@given(st.one_of(st.binary(max_size=300), st.binary(min_size=1_190, max_size=1_300)), st.binary(min_size=4, max_size=4))
def test_unmask_is_the_masking_of_rfc_6455(payload: bytes, mask: bytes) -> None:
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    assert unmask(masked, mask) == payload


# --------------------------------------------------------------------------------------- the same as plain Autobahn


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
        openHandshakeTimeout=0, closeHandshakeTimeout=0, maxFramePayloadSize=LIMIT, maxMessagePayloadSize=LIMIT
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
    assert (ours.sink.state == plain.state) or {ours.sink.state, plain.state} <= {0, 2}
    sent = [frame for frame in ours.frames() if frame[0] in (9, 10)]
    theirs = [frame for frame in server_frames(plain_transport.take()) if frame[0] in (9, 10)]
    assert sent == theirs


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(frames(), min_size=1, max_size=6), st.lists(st.integers(0, 2**20), max_size=6))
def test_any_split_of_any_stream_gives_what_plain_autobahn_gives(parts: list[Any], cuts: list[int]) -> None:
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


def test_a_small_limit_binds_the_fast_path_too() -> None:
    ours = open_socket(with_settings(max_http_buffer_bytes=10))
    ours.feed(client_frame(b"0123456789"), client_frame(b"0123456789a"))
    assert ours.receiver.texts == [b"0123456789"]
    ((opcode, payload),) = ours.frames()
    assert (opcode, payload[:2]) == (8, (1009).to_bytes(2, "big"))


# -------------------------------------------------------------------------------------------------------------- pause


def pausing(at: bytes) -> tuple[Any, Recorder]:
    recorder = Recorder()
    ours = open_socket(receiver=recorder)

    def react(packet: bytes) -> None:
        if packet == at:
            ours.sink.pause_reading()

    recorder.react = react
    return ours, recorder


@pytest.mark.parametrize("tail", [b"", b"\x81", client_frame(b"4longer" * 20)[:40]])
def test_nothing_is_delivered_after_a_pause_until_resume(tail: bytes) -> None:
    ours, recorder = pausing(b"2")
    ours.feed(
        client_frame(b"1"), client_frame(b"2"), client_frame(b"3"), client_frame(b"b", 2), client_frame(b"4"), tail
    )
    assert recorder.events == [("text", b"1"), ("text", b"2")]
    assert ours.transport.producerState == "paused"
    ours.feed(b"")  # what a TLS layer may still hold
    assert len(recorder.events) == 2

    ours.sink.resume_reading()
    assert len(recorder.events) == 2, "not from within the caller"
    ours.clock.advance(0)
    assert [event[1] for event in recorder.events] == [b"1", b"2", b"3", b"b", b"4"]
    assert ours.transport.producerState == "producing"


def test_pause_in_the_middle_of_autobahns_reading() -> None:
    ours, recorder = pausing(b"b1")
    ours.feed(client_frame(b"b1", 2), client_frame(b"b2", 2), client_frame(b"t1"))
    assert recorder.events == [("binary", b"b1")]
    ours.feed(client_frame(b"t2"))
    assert len(recorder.events) == 1
    ours.sink.resume_reading()
    ours.clock.advance(0)
    assert [event[1] for event in recorder.events] == [b"b1", b"b2", b"t1", b"t2"]


def test_pause_and_resume_within_one_packet_keeps_the_order() -> None:
    recorder = Recorder()
    ours = open_socket(receiver=recorder)

    def react(packet: bytes) -> None:
        ours.sink.pause_reading()
        ours.sink.resume_reading()

    recorder.react = react
    ours.feed(client_frame(b"1"), client_frame(b"2", 2), client_frame(b"3"), client_frame(b"4")[:3])
    ours.feed(client_frame(b"4")[3:])
    ours.clock.advance(0)
    assert [event[1] for event in recorder.events] == [b"1", b"2", b"3", b"4"]


def slow(seconds: float) -> tuple[Any, Recorder]:
    """A socket whose receiver takes its time over each packet."""
    recorder = Recorder()
    ours = open_socket(receiver=recorder)
    recorder.react = lambda packet: setattr(ours.clock, "rightNow", ours.clock.rightNow + seconds)
    return ours, recorder


@pytest.mark.parametrize("kind", [1, 2])
def test_a_flood_in_one_read_takes_its_share_of_the_turn_and_waits(kind: int) -> None:
    """64 KiB hold a thousand small events; whoever else is connected would wait for all of them."""
    ours, recorder = slow(0.001)
    ours.feed(*(client_frame(b"4%d" % number, kind) for number in range(100)), client_frame(b"x" * 40)[:20])
    assert len(recorder.events) <= 16
    assert ours.transport.producerState == "paused", "no more is read than is handled"
    seen: list[int] = []  # by somebody whose turn it is, too
    ours.clock.callLater(0, lambda: seen.append(len(recorder.events)))
    ours.clock.advance(0)
    assert seen[0] <= 32
    assert ours.transport.producerState == "producing"
    assert [event[1] for event in recorder.events] == [b"4%d" % number for number in range(100)]
    ours.feed(client_frame(b"x" * 40)[20:])
    assert recorder.events[-1][1] == b"x" * 40


def test_who_rests_may_be_paused_and_stays_so() -> None:
    ours, recorder = slow(0.01)
    ours.feed(*(client_frame(b"4%d" % number) for number in range(40)))
    handled = len(recorder.events)
    assert handled < 40
    ours.sink.pause_reading()
    ours.clock.advance(0)
    ours.clock.advance(1)
    assert (len(recorder.events), ours.transport.producerState) == (handled, "paused")
    ours.sink.resume_reading()
    while ours.clock.getDelayedCalls():
        ours.clock.advance(0)
    assert (len(recorder.events), ours.transport.producerState) == (40, "producing")


def test_who_rests_may_be_closed() -> None:
    ours, recorder = slow(0.01)
    ours.feed(*(client_frame(b"4%d" % number) for number in range(40)))
    handled = len(recorder.events)
    ours.sink.abort("enough")
    ours.clock.advance(0)
    assert len(recorder.events) == handled


def test_pause_and_resume_are_idempotent() -> None:
    ours = open_socket()
    ours.sink.resume_reading()
    ours.sink.pause_reading()
    ours.sink.pause_reading()
    ours.sink.resume_reading()
    ours.feed(client_frame(b"1"))
    assert ours.receiver.texts == [b"1"]


def test_nothing_is_delivered_after_the_receiver_closed_it() -> None:
    recorder = Recorder()
    ours = open_socket(receiver=recorder)
    recorder.react = lambda packet: ours.sink.abort("protocol error")
    ours.feed(client_frame(b"1"), client_frame(b"2"), client_frame(b"3", 2))
    assert recorder.events == [("text", b"1")]
    assert ours.transport.disconnecting


# ----------------------------------------------------------------------------------------------------------- outbound


class CountingTransport(MemoryTransport):
    writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)


def test_one_write_per_turn_in_order() -> None:
    ours = open_socket()
    counting = CountingTransport()
    ours.sink.transport = counting
    shared = SharedPacket(b"4shared")
    ours.sink.send_text(b"4one")
    ours.sink.send_binary(b"\x00two")
    ours.sink.send_shared(shared)
    ours.feed(client_frame(b"hi", 9))  # Autobahn answers with a pong: behind what was sent before
    assert counting.writes == 0
    assert ours.sink.pending_bytes() == len(text_frame(b"4one") + binary_frame(b"\x00two")) + len(shared) + 4
    ours.clock.advance(0)
    assert counting.writes == 1
    assert list(server_frames(counting.value())) == [(1, b"4one"), (2, b"\x00two"), (1, b"4shared"), (10, b"hi")]
    assert ours.sink.pending_bytes() == 0


def test_a_shared_packet_is_framed_once() -> None:
    shared = SharedPacket(b"4token")
    first, second = open_socket(), open_socket()
    first.sink.send_shared(shared)
    second.sink.send_shared(shared)
    assert shared.held == 2
    assert first.frames() == [(1, b"4token")]
    frame = shared.frame
    assert second.frames() == [(1, b"4token")]
    assert shared.frame is frame
    assert shared.held == 0


def test_packets_are_added_while_nothing_follows_and_nothing_was_written() -> None:
    ours = open_socket()
    shared = SharedPacket(b"4one")
    ours.sink.send_shared(shared)
    shared.add(b"4two")
    assert ours.sink.pending_bytes() == 8
    ours.sink.send_text(b"4three")
    assert shared.held == 0
    assert ours.frames() == [(1, b"4one"), (1, b"4two"), (1, b"4three")]
    behind = SharedPacket(b"4four")
    ours.sink.send_text(b"4")
    ours.sink.send_shared(behind)
    assert behind.held == 1
    behind.add(b"4five")
    assert ours.frames() == [(1, b"4"), (1, b"4four"), (1, b"4five")]
    assert behind.held == 0


@pytest.mark.parametrize("last", ["4" * 70_000, "4"])
def test_an_early_write_ends_what_may_be_added(last: str) -> None:
    ours = open_socket()
    ours.sink.send_text(b"4" + b"x" * 70_000)
    shared = SharedPacket(last.encode())
    ours.sink.send_shared(shared)
    assert shared.held == 0
    assert [size for _, payload in ours.frames() if (size := len(payload))] == [70_001, len(last)]


def test_a_closed_socket_does_not_count_itself_in() -> None:
    ours = open_socket()
    ours.sink.close("enough")
    shared = SharedPacket(b"4late")
    ours.sink.send_shared(shared)
    assert shared.held == 0
    assert (1, b"4late") not in ours.frames()


def test_a_long_queue_does_not_wait_for_the_end_of_the_turn() -> None:
    ours = open_socket()
    for _ in range(3):
        ours.sink.send_text(b"4" + b"x" * 40_000)
    assert len(ours.transport.value()) > 65_536
    assert len(ours.frames()) == 3


class FakeTCP(MemoryTransport):
    """The parts of Twisted's TCP transport that the fast path looks at; its kernel takes ``room`` bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self.room = room
        self.dataBuffer = b""
        self.offset = 0
        self._tempDataBuffer: list[bytes] = []
        self._tempDataLen = 0
        self.kernel = b""
        self.error: OSError | None = None

    def send(self, data: bytes) -> int:
        if self.error is not None:
            raise self.error
        if not self.room:
            raise BlockingIOError
        taken = data[: self.room]
        self.room -= len(taken)
        self.kernel += taken
        return len(taken)

    def write(self, data: bytes) -> None:
        self._tempDataBuffer.append(data)
        self._tempDataLen += len(data)

    def drain(self) -> bytes:
        data = self.kernel + self.dataBuffer[self.offset :] + b"".join(self._tempDataBuffer)
        self.kernel, self.dataBuffer, self.offset = b"", b"", 0
        self._tempDataBuffer, self._tempDataLen = [], 0
        return data


def tcp_socket(room: int, **changes: Any) -> tuple[Any, FakeTCP]:
    ours = open_socket(with_settings(**changes))
    tcp = FakeTCP(room)
    tcp.protocol = ours.sink
    ours.sink.transport = tcp
    ours.sink._direct_send = tcp.send
    return ours, tcp


@pytest.mark.parametrize("room", [0, 1, 5, 6, 7, 1_000])
def test_what_the_kernel_does_not_take_goes_through_the_transport_in_order(room: int) -> None:
    ours, tcp = tcp_socket(room)
    expected = []
    for turn in range(3):
        for at in range(3):
            packet = f"4turn {turn} packet {at}".encode()
            expected.append((1, packet))
            ours.sink.send_text(packet)
        ours.clock.advance(0)
        tcp.room += 3  # room again, but the transport's buffer comes first
    assert ours.sink.pending_bytes() == tcp._tempDataLen
    assert list(server_frames(tcp.drain())) == expected


def test_an_error_of_the_socket_is_left_to_the_reactor() -> None:
    ours, tcp = tcp_socket(100)
    tcp.error = ConnectionResetError()
    ours.sink.send_text(b"4lost")
    ours.clock.advance(0)
    assert tcp._tempDataLen == len(text_frame(b"4lost"))


def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    """Contract 16.2.4, 16.3.26: bounded, and told from a later turn, never from inside send."""
    ours, tcp = tcp_socket(0, outbound_max_bytes=1_000)
    recorder = Recorder()
    ours.sink.bind(recorder)
    ours.sink.send_text(b"4" + b"x" * 1_500)  # one packet is never too much
    ours.clock.advance(0)
    assert recorder.events == []
    ours.sink.send_text(b"4more")
    assert recorder.events == []
    ours.clock.advance(0)
    assert tcp.aborted
    assert recorder.events == [("closed", "transport error")]
    ours.sink.send_text(b"4nobody")
    ours.clock.advance(0)
    assert ours.clock.getDelayedCalls() == []


def test_a_reader_behind_another_transport_is_cut_off_too() -> None:
    ours = open_socket(with_settings(outbound_max_bytes=1_000))
    full = FakeTCP(0)
    full.protocol = ours.sink
    ours.sink.transport = full
    ours.sink.send_text(b"4" + b"x" * 1_500)
    ours.clock.advance(0)
    ours.sink.send_text(b"4more")
    ours.clock.advance(0)
    assert full.aborted


def test_buffered_bytes_looks_through_wrapping_layers() -> None:
    inner = FakeTCP(0)
    inner.write(b"12345")
    inner.dataBuffer, inner.offset = b"abcdef", 2

    class Tls:
        _appSendBuffer = [b"xy", b"z"]
        transport = inner

    assert buffered_bytes(inner) == 9
    assert buffered_bytes(Tls()) == 12
    assert buffered_bytes(MemoryTransport()) == 0


def test_only_plain_tcp_is_written_to_directly() -> None:
    assert direct_sender(MemoryTransport()) is None
    left, right = socket.socketpair()
    with left, right:
        reactor = MemoryReactor()
        server = Server(left, Protocol(), ("127.0.0.1", 1), Port(0, ServerFactory(), reactor=reactor), 1, reactor)
        send = direct_sender(server)
        assert send is not None
        assert send(b"hello") == 5
        assert right.recv(10) == b"hello"
        server.TLS = True
        assert direct_sender(server) is None


def test_one_broken_sink_does_not_keep_the_others_from_being_flushed() -> None:
    class Sink:
        name = "broken"

        def __init__(self, broken: bool) -> None:
            self.broken, self.flushed, self.was_cut = broken, 0, False

        def flush(self) -> None:
            self.flushed += 1
            if self.broken:
                raise RuntimeError

        def cut(self) -> None:
            self.was_cut = True

    clock = Clock()
    flushes = FlushList(clock)
    broken, whole = Sink(True), Sink(False)
    flushes.add(broken)
    flushes.add(whole)
    clock.advance(0)
    assert (broken.flushed, broken.was_cut, whole.flushed, whole.was_cut) == (1, True, 1, False)
    assert clock.getDelayedCalls() == []
