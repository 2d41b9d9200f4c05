"""What goes out of a WebSocket: one write per turn, in order, bounded; through real Twisted transports."""

from __future__ import annotations

import errno
import socket
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.tcp import Server
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from web_doubles import House, MemoryTransport, OpenSocket, open_socket, with_settings
from zope.interface import directlyProvides

from framekit import client_frame, server_frames
from logkit import Logged
from newage.protocol.engine_packet import SharedPacket
from newage.protocol.websocket_frames import binary_frame, text_frame
from newage.telemetry.refusals import LINES
from newage.web.transports.outgoing import direct_sender, unsent_bytes


class CountingTransport(MemoryTransport):
    writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        super().write(data)


def test_one_write_per_turn_in_order() -> None:
    counting = CountingTransport()
    ours = open_socket(transport=counting)
    counting.writes = 0
    shared = SharedPacket(b"4shared")
    ours.sink.send_text(b"4one")
    ours.sink.send_binary(b"\x00two")
    ours.sink.send_shared(shared)
    ours.feed(client_frame(b"hi", 9))  # answered with a pong: behind what was sent before
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


@define
class Kernel:
    """A socket whose kernel has ``room`` for so many bytes."""

    room: int
    taken: bytes = b""
    error: OSError | None = None
    closed: bool = field(default=False, init=False)

    def send(self, data: bytes) -> int:
        if self.error is not None:
            raise self.error
        if not self.room:
            raise BlockingIOError(errno.EAGAIN, "full")
        taken = data[: self.room]
        self.room -= len(taken)
        self.taken += taken
        return len(taken)

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.closed = True

    def setsockopt(self, *_: object) -> None:
        pass

    shutdown = setsockopt


@define
class Tcp:
    """Twisted's own TCP transport on such a kernel, below a WebSocket."""

    kernel: Kernel
    transport: Server
    reactor: MemoryReactorClock
    ours: OpenSocket

    def take(self, room: int = 1_000_000) -> bytes:
        """The kernel has room again: what it takes until nothing is left or the room is used up."""
        self.kernel.room = room
        while self.transport in self.reactor.writers and self.kernel.room:
            why = self.transport.doWrite()
            if why is not None:
                self.transport.connectionLost(Failure(why))
        taken, self.kernel.taken = self.kernel.taken, b""
        return taken


def make_server(kernel: Any, reactor: MemoryReactorClock) -> Server:
    nothing: Any = None
    return Server(kernel, nothing, ("127.0.0.1", 1), nothing, 1, reactor)


def tcp_socket(room: int, *, untouched: bool = True, before: bytes = b"", **changes: int) -> Tcp:
    """:param before: what HTTP wrote, and the kernel did not take."""
    reactor = MemoryReactorClock()
    kernel = Kernel(1_000_000)
    transport = make_server(kernel, reactor)
    if before:
        transport.write(before)
    ours = open_socket(with_settings(**changes), transport=transport, clock=reactor, untouched=untouched)
    if untouched:
        assert kernel.taken.startswith(b"HTTP/1.1 101 ")
        kernel.taken = b""
    kernel.room = room
    return Tcp(kernel, transport, reactor, ours)


@pytest.mark.parametrize("room", [0, 1, 5, 6, 7, 1_000])
def test_what_the_kernel_does_not_take_goes_through_the_transport_in_order(room: int) -> None:
    tcp = tcp_socket(room)
    expected = []
    for turn in range(3):
        for at in range(3):
            packet = f"4turn {turn} packet {at}".encode()
            expected.append((1, packet))
            tcp.ours.sink.send_text(packet)
        tcp.reactor.advance(0)
        tcp.kernel.room += 3  # room again, but what waits comes first
    everything = sum(len(text_frame(packet)) for _, packet in expected)
    assert tcp.ours.sink.pending_bytes() == everything - len(tcp.kernel.taken)
    assert list(server_frames(tcp.take())) == expected
    assert tcp.ours.sink.pending_bytes() == 0


def test_after_a_backlog_the_socket_is_written_to_directly_again() -> None:
    tcp = tcp_socket(0)
    tcp.ours.sink.send_text(b"4late")
    tcp.reactor.advance(0)
    assert tcp.take() == text_frame(b"4late")
    tcp.ours.sink.send_text(b"4at once")
    tcp.reactor.advance(0)
    assert tcp.transport not in tcp.reactor.writers
    assert tcp.kernel.taken == text_frame(b"4at once")


def test_a_long_backlog_goes_piece_by_piece_and_is_counted_as_it_goes() -> None:
    tcp = tcp_socket(0)
    packets = [b"4" + bytes([65 + at]) * 50_000 for at in range(6)]
    for packet in packets:
        tcp.ours.sink.send_text(packet)
        tcp.reactor.advance(0)
    everything = b"".join(map(text_frame, packets))
    assert tcp.ours.sink.pending_bytes() == len(everything)
    taken = tcp.take(200_000)
    assert len(everything) - 200_000 <= tcp.ours.sink.pending_bytes() <= len(everything) - 200_000 + 65_536
    assert taken + tcp.take() == everything


def test_what_http_left_in_the_transport_comes_first() -> None:
    """An upgrade on a connection that answered something before: nothing overtakes that answer."""
    tcp = tcp_socket(1_000_000, untouched=False, before=b"<the last answer>")
    tcp.ours.sink.send_text(b"4x")
    tcp.reactor.advance(0)
    assert tcp.kernel.taken == b""
    taken = tcp.take()
    assert taken.startswith(b"<the last answer>HTTP/1.1 101 ")
    assert taken.endswith(b"\r\n\r\n" + text_frame(b"4x"))


def test_what_waits_is_sent_before_the_connection_closes() -> None:
    tcp = tcp_socket(3, close_timeout_seconds=5)
    tcp.ours.sink.send_text(b"4last words")
    tcp.ours.feed(client_frame(b"\x03\xe8", 8))
    assert not tcp.kernel.closed
    assert list(server_frames(tcp.take())) == [(1, b"4last words"), (8, b"\x03\xe8")]
    assert tcp.kernel.closed
    assert tcp.ours.receiver.events == [("closed", "transport close")]
    tcp.reactor.advance(0)
    assert tcp.reactor.getDelayedCalls() == []


def test_an_error_of_the_socket_is_left_to_the_reactor() -> None:
    tcp = tcp_socket(100)
    tcp.kernel.error = ConnectionResetError(errno.ECONNRESET, "reset")
    tcp.ours.sink.send_text(b"4lost")
    tcp.reactor.advance(0)
    assert tcp.ours.sink.pending_bytes() == len(text_frame(b"4lost"))
    assert tcp.take() == b""
    assert tcp.ours.receiver.events == [("closed", "transport close")]
    assert tcp.ours.sink.pending_bytes() == 0


def test_a_reader_that_takes_nothing_is_cut_off() -> None:
    """Contract 16.2.4, 16.3.26: bounded, and told from a later turn, never from inside send."""
    tcp = tcp_socket(0, outbound_max_bytes=1_000)
    events = tcp.ours.receiver.events
    tcp.ours.sink.send_text(b"4" + b"x" * 1_500)  # one packet is never too much
    tcp.reactor.advance(0)
    assert events == []
    tcp.ours.sink.send_text(b"4more")
    assert events == []
    tcp.reactor.advance(0)
    tcp.reactor.advance(0)
    assert tcp.kernel.closed
    assert events == [("closed", "transport error")]
    tcp.ours.sink.send_text(b"4nobody")
    tcp.reactor.advance(0)
    assert tcp.reactor.getDelayedCalls() == []


class Choosy(MemoryTransport):
    """A transport that buffers by itself, as TLS does, and has enough when told so."""

    producer: Any

    def enough(self) -> None:
        self.producer.pauseProducing()

    def more(self) -> None:
        self.producer.resumeProducing()


def test_a_transport_that_has_enough_is_given_nothing_until_it_wants_more() -> None:
    choosy = Choosy()
    ours = open_socket(transport=choosy)
    ours.sink.send_text(b"4one")
    assert ours.frames() == [(1, b"4one")]
    choosy.enough()
    ours.sink.send_text(b"4two")
    assert ours.frames() == []
    ours.sink.send_text(b"4three")
    assert ours.frames() == []
    assert ours.sink.pending_bytes() == len(text_frame(b"4two") + text_frame(b"4three"))
    choosy.more()
    assert ours.frames() == [(1, b"4two"), (1, b"4three")]
    assert ours.sink.pending_bytes() == 0


def test_it_may_have_enough_again_in_the_middle() -> None:
    class Easily(Choosy):
        def write(self, data: bytes) -> None:
            super().write(data)
            if len(data) > 60_000:
                self.enough()

    easily = Easily()
    ours = open_socket(transport=easily)
    easily.enough()
    ours.sink.send_text(b"4" + b"x" * 150_000)
    ours.clock.advance(0)
    sizes = []
    for _ in range(3):
        easily.more()
        sizes.append(len(easily.value()))
    assert sizes == [65_536, 131_072, 150_011]


def test_what_waits_for_such_a_transport_is_sent_before_it_closes() -> None:
    choosy = Choosy()
    ours = open_socket(transport=choosy)
    choosy.enough()
    ours.sink.send_text(b"4last words")
    ours.feed(client_frame(b"\x03\xe8", 8))
    assert choosy.disconnecting
    assert choosy.producer is not None, "it must not close yet"
    choosy.more()
    assert choosy.producer is None
    assert ours.frames() == [(1, b"4last words"), (8, b"\x03\xe8")]


def test_however_many_readers_are_cut_off_few_lines_say_so(logged: Logged) -> None:
    house = House(with_settings(outbound_max_bytes=1_000))
    for _ in range(10):
        line = house.line()
        line.upgrade("/socket.io/?EIO=4&transport=websocket")
        house.clock.advance(0)
        line.transport.protocol.overflowed()
    assert logged() == ["a slow WebSocket reader was cut off with 0 bytes pending"] * LINES


def test_a_reader_behind_such_a_transport_is_cut_off_too() -> None:
    choosy = Choosy()
    ours = open_socket(with_settings(outbound_max_bytes=1_000), transport=choosy)
    choosy.enough()
    ours.sink.send_text(b"4" + b"x" * 1_500)
    ours.clock.advance(0)
    assert not choosy.aborted
    ours.sink.send_text(b"4more")
    ours.clock.advance(0)
    assert choosy.aborted


def test_a_lost_connection_leaves_nothing_waiting() -> None:
    choosy = Choosy()
    ours = open_socket(transport=choosy)
    choosy.enough()
    ours.sink.send_text(b"4x")
    ours.clock.advance(0)
    choosy.producer.stopProducing()
    choosy.lose()
    assert ours.sink.pending_bytes() == 0


def test_only_plain_tcp_is_written_to_directly() -> None:
    assert direct_sender(MemoryTransport()) is None
    left, right = socket.socketpair()
    with left, right:
        server = make_server(left, MemoryReactorClock())
        send = direct_sender(server)
        assert send is not None
        assert send(b"hello") == 5
        assert right.recv(10) == b"hello"
        directlyProvides(server, ISSLTransport)
        assert direct_sender(server) is None


def test_it_is_drained_when_nothing_waits_here_or_there() -> None:
    ours = open_socket()
    assert ours.sink.drained()
    ours.sink.send_text(b"4one")
    assert not ours.sink.drained(), "this turn's frames have not left"
    ours.clock.advance(0)
    assert ours.sink.drained()
    tcp = tcp_socket(0)
    tcp.ours.sink.send_text(b"4late")
    tcp.reactor.advance(0)
    assert not tcp.ours.sink.drained()
    tcp.take()
    assert tcp.ours.sink.drained()


def test_what_the_kernel_has_not_sent_yet_counts() -> None:
    """A real connection whose reader does not read."""
    listener = socket.create_server(("127.0.0.1", 0))
    reader = socket.create_connection(listener.getsockname())
    near, _ = listener.accept()
    near.setblocking(False)
    transport = make_server(near, MemoryReactorClock())
    assert unsent_bytes(transport) == 0
    with pytest.raises(BlockingIOError):
        while True:
            near.send(bytes(65_536))
    assert unsent_bytes(transport) > 0
    for each in (listener, reader, near):
        each.close()
    assert unsent_bytes(transport) == 0
    assert unsent_bytes(MemoryTransport()) == 0
