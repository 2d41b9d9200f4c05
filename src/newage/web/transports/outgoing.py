"""What goes out of one WebSocket: frames built once, and one write per socket and reactor turn (docs/performance.md).

Server frames are unmasked, so a broadcast is one bytes object for all its receivers. The frames of a turn leave as one
``send`` at its end: on plain TCP straight to the socket while nothing waits before them; what the kernel does not take
waits in a backlog, which the transport fetches piece by piece. Other transports (TLS) are always written to, and say
themselves when they have enough. Bytes never change their order.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from fcntl import ioctl
from typing import TYPE_CHECKING, Any, Final, Protocol

from twisted.internet.interfaces import IPullProducer, IPushProducer, ISSLTransport
from twisted.internet.tcp import Connection as TCPConnection
from zope.interface import implementer

from newage.protocol.engine_packet import SharedPacket
from newage.protocol.websocket_frames import HEADER_COUNT, TEXT_HEADERS, binary_frame, text_frame, text_header

if TYPE_CHECKING:
    from newage.web.transports.flushes import FlushList

_EARLY_FLUSH_BYTES: Final = 65_536  # a queue this long does not wait for the end of the turn
_PIECE_BYTES: Final = 65_536  # of a backlog, given to the transport at a time
_SIOCOUTQNSD: Final = 0x894B  # tcp(7): asks a socket for its unsent bytes

Send = Callable[[bytes], int]


class Transport(Protocol):
    """What a WebSocket needs of a transport of Twisted's, all of it public."""

    def write(self, data: bytes) -> None: ...
    def registerProducer(self, producer: Any, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...


class Backlog(Protocol):
    """Bytes that wait for a transport."""

    @property
    def waiting(self) -> int:
        """Bytes that the transport is not known to have sent; of what a TLS transport took, nothing is known."""

    @property
    def empty(self) -> bool:
        """What is added now goes out at once, as far as anybody knows."""

    def add(self, data: bytes) -> None:
        """To be sent after all that waits."""

    def end(self) -> None:
        """Nothing more comes: let the transport go when all that waits is sent."""


@implementer(IPullProducer)
class SocketBacklog:
    """What the kernel did not take of a plain TCP connection. ``emptied`` is called when it has taken all."""

    __slots__ = ("_data", "_emptied", "_given", "_transport")

    def __init__(self, transport: Transport, data: bytes, emptied: Callable[[], None]) -> None:
        self._transport = transport
        self._emptied = emptied
        self._data = bytearray(data)
        self._given = 0  # bytes that the transport has and did not send yet, or not all of them
        transport.registerProducer(self, False)  # it asks for the first piece at once

    @property
    def waiting(self) -> int:
        return len(self._data) + self._given

    @property
    def empty(self) -> bool:
        return not self.waiting

    def add(self, data: bytes) -> None:
        self._data += data

    def end(self) -> None:
        pass  # it always goes when it is empty

    def resumeProducing(self) -> None:
        """The transport sent what it was given."""
        piece = bytes(self._data[:_PIECE_BYTES])
        self._given = len(piece)
        if piece:
            del self._data[:_PIECE_BYTES]
            self._transport.write(piece)
        else:
            self._transport.unregisterProducer()
            self._emptied()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._data.clear()
        self._given = 0


@implementer(IPushProducer)
class TransportBacklog:
    """What waits for a transport that buffers by itself, and has enough at the moment."""

    __slots__ = ("_data", "_ended", "_paused", "_transport")

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._data = bytearray()
        self._paused = self._ended = False
        transport.registerProducer(self, True)

    @property
    def waiting(self) -> int:
        return len(self._data)

    @property
    def empty(self) -> bool:
        return not self._data and not self._paused

    def add(self, data: bytes) -> None:
        if self._paused:
            self._data += data
        else:
            self._transport.write(data)

    def end(self) -> None:
        self._ended = True
        self._let_go()

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        while self._data and not self._paused:
            piece = bytes(self._data[:_PIECE_BYTES])
            del self._data[:_PIECE_BYTES]
            self._transport.write(piece)
        self._let_go()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self._data.clear()

    def _let_go(self) -> None:
        if self._ended and not self._data:
            self._transport.unregisterProducer()


def direct_sender(transport: object) -> Send | None:
    """``socket.send`` of a plain TCP transport; None for TLS and for what is no socket."""
    if isinstance(transport, TCPConnection) and not ISSLTransport.providedBy(transport):
        send: Send = transport.getHandle().send
        return send
    return None


def unsent_bytes(transport: object) -> int:
    """What the kernel took of a plain TCP transport and did not send yet, as its peer or the way to it is slow.

    0 where that cannot be asked: for TLS, for what is no socket, and outside of Linux.
    """
    if not isinstance(transport, TCPConnection) or ISSLTransport.providedBy(transport):
        return 0
    try:
        found = ioctl(transport.getHandle().fileno(), _SIOCOUTQNSD, bytes(4))
    except (OSError, ValueError):  # ValueError: it is closed
        return 0
    return int.from_bytes(found, sys.byteorder)


class FrameWriter(ABC):
    """The way out of one WebSocket. Who inherits it says how it ends when too much waits.

    :param untouched: nothing was written to this transport before.
    :param first: bytes to be sent before all others, the answer to the handshake.
    :param outbound_max: bytes that may wait; the next write after them is one too many.
    """

    __slots__ = ("_backlog", "_flushes", "_open", "_outbound_max", "_queue", "_queued", "_send", "_transport")

    def __init__(
        self, transport: Transport, untouched: bool, first: bytes, flushes: FlushList, outbound_max: int
    ) -> None:
        self._transport = transport
        self._flushes = flushes
        self._outbound_max = outbound_max
        self._open = True  # frames may be sent
        self._queue: list[bytes | SharedPacket] = []  # frames of this turn, and packets that others get too
        self._queued = 0  # bytes of all of them but the last
        self._backlog: Backlog | None = None  # None: nothing waits, and ``_send`` may be used
        send = direct_sender(transport)
        self._send = send or _discard
        if send is None:
            self._backlog = TransportBacklog(transport)
        elif not untouched:
            self._backlog = SocketBacklog(transport, first, self._emptied)
            return
        self._enqueue(first)

    @abstractmethod
    def overflowed(self) -> None:
        """More waited than may wait, and what should follow was dropped."""

    @abstractmethod
    def cut(self) -> None:
        """End at once, by a fault."""

    def send_text(self, packet: bytes) -> None:
        if not self._open:
            return
        size = len(packet)
        frame = (TEXT_HEADERS[size] if size < HEADER_COUNT else text_header(size)) + packet
        if self._queue:
            self._enqueue(frame)
        else:  # the first of this turn, and mostly the only one: _enqueue without the call
            self._queue.append(frame)
            self._flushes.add(self)

    def send_binary(self, payload: bytes) -> None:
        if self._open:
            self._enqueue(binary_frame(payload))

    def send_shared(self, packet: SharedPacket) -> None:
        if not self._open:
            return
        packet.held += 1
        if self._queue:
            self._enqueue(packet)
        else:  # as above
            self._queue.append(packet)
            self._flushes.add(self)

    def pending_bytes(self) -> int:
        """Bytes of this turn, and those that wait."""
        backlog = self._backlog
        return sum(map(len, self._queue)) + (backlog.waiting if backlog is not None else 0)

    def drained(self) -> bool:
        return not (self.is_held_up() or self.pending_bytes() or unsent_bytes(self._transport))

    def is_held_up(self) -> bool:
        """Whether what is sent now has to wait for what the peer did not take yet."""
        return self._backlog is not None and not self._backlog.empty

    def flush(self) -> None:
        """Hand the queue over: to the kernel if nothing waits before it, else to what waits."""
        queue = self._queue
        if not queue:
            return
        if len(queue) == 1:
            item = queue[0]
            data = item.frame or _framed(item) if type(item) is SharedPacket else item
        else:
            data = b"".join(map(_framed, queue))
            self._queued = 0
        queue.clear()
        backlog = self._backlog
        if backlog is None:
            try:
                sent = self._send(data)
            except OSError:  # it would block; or it is broken, then the reactor meets the same and tells connectionLost
                sent = 0
            if sent != len(data):
                self._backlog = SocketBacklog(self._transport, data[sent:], self._emptied)
        elif backlog.waiting > self._outbound_max:
            self.overflowed()
        else:
            backlog.add(data)

    def _enqueue(self, item: bytes | SharedPacket) -> None:
        queue = self._queue
        if queue:
            last = queue[-1]
            if type(last) is SharedPacket:
                last.held = 0  # nothing may follow it any more: it would overtake this one
            self._queued += len(last)
            queue.append(item)
            if self._queued > _EARLY_FLUSH_BYTES:
                self.flush()
        else:
            queue.append(item)
            self._flushes.add(self)

    def _emptied(self) -> None:
        self._backlog = None

    def _end_writing(self) -> None:
        """All that is queued goes out; then nothing any more."""
        self._open = False
        self.flush()
        if self._backlog is not None:
            self._backlog.end()

    def _drop_writing(self) -> None:
        """Nothing goes out any more."""
        self._open = False
        self._forget_queue()
        self._send, self._backlog = _discard, None

    def _forget_queue(self) -> None:
        self._queue.clear()
        self._queued = 0


def _discard(data: bytes) -> int:
    """``send`` of a connection that is lost, or is not written to directly."""
    return len(data)


def _framed(item: bytes | SharedPacket) -> bytes:
    """What goes out for one thing in a queue. The first transport that writes a shared one makes it complete."""
    if type(item) is not SharedPacket:
        return item
    frame = item.frame
    if frame is None:
        item.held = 0
        frame = text_frame(item.packet)
        if item.more is not None:
            frame = b"".join([frame, *map(text_frame, item.more)])
        item.frame = frame
    return frame
