"""The fast path of a WebSocket: three changes to Autobahn's ordinary way, all in this module (docs/performance.md).

1. **Whole small frames are read directly.** In the open state, between two frames, complete unfragmented masked text
   frames below 64 KiB are unmasked and delivered straight from the received bytes. Everything else (control frames,
   fragments, binary, bad UTF-8, a frame that is not yet complete, anything odd) goes to Autobahn unchanged: the bytes
   it gets are exactly those nobody read. Autobahn owns handshake, close, ping, limits and errors.
2. **Frames are built once, as bytes.** Server frames are unmasked: a broadcast is one bytes object for all receivers.
3. **One write per socket and reactor turn.** Frames queued during a turn leave as one ``send`` at its end; on plain TCP
   with an empty transport buffer straight to the socket, what the kernel does not take through the transport. With TLS
   always through the transport. Bytes never change their order.

UTF-8 is checked here for every text frame, whatever is in it: ``isascii`` decides nearly always, and costs nothing
beside the unmasking; other frames are decoded strictly. A frame that fails is left to Autobahn, which fails it the
ordinary way (1007). So what a receiver gets is valid, and the JSON parser's own check is a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from autobahn.websocket.protocol import WebSocketProtocol
from twisted.internet.tcp import Connection as TCPConnection
from twisted.logger import Logger

from newage.protocol.engine_packet import SharedPacket

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

    from newage.ports import IReceiver

STATE_OPEN: Final = WebSocketProtocol.STATE_OPEN
STATE_CLOSED: Final = WebSocketProtocol.STATE_CLOSED

# One read may hold thousands of small frames. After its share of a turn a peer waits until others had theirs.
SHARE_SECONDS: Final = 0.005
_LOOK_AFTER: Final = 8  # frames between two looks at the clock

_EARLY_FLUSH_BYTES: Final = 65_536  # a queue this long does not wait for the end of the turn
_log = Logger()


def _header(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


_TEXT: Final = tuple(_header(0x81, size) for size in range(1024))  # headers of nearly all frames, 36 KB
_COUNTED: Final = len(_TEXT)


def text_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented text frame."""
    size = len(payload)
    return (_TEXT[size] if size < _COUNTED else _header(0x81, size)) + payload


def binary_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented binary frame."""
    return _header(0x82, len(payload)) + payload


def _frames(item: bytes | SharedPacket) -> bytes:
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


_number: Final = int.from_bytes


def _unmask_small(data: bytes, mask: bytes) -> bytes:
    """One operation on big integers: 0.35 us for 60 bytes, 7 us for 4 KB."""
    size = len(data)
    key = _number((mask * ((size + 3) >> 2))[:size], "little")
    return (_number(data, "little") ^ key).to_bytes(size, "little")


def _find_native() -> tuple[Callable[[bytes, bytes], bytes], int]:
    """Autobahn's SIMD masker, 0.9 us for 4 KB, and the size from which it is the faster one.

    Called below its Python API, which takes 3 us for building an object. Where the module is missing or does not do
    what it should, the big integers do everything.
    """
    try:
        from _nvx_xormasker import ffi, lib  # type: ignore[import-not-found,import-untyped,unused-ignore]

        new, process, free, view = lib.nvx_xormask_new, lib.nvx_xormask_process, lib.nvx_xormask_free, ffi.from_buffer

        def unmask_native(data: bytes, mask: bytes) -> bytes:
            plain = bytearray(data)
            masker = new(mask)
            process(masker, view(plain), len(plain))
            free(masker)
            return bytes(plain)

        sample, mask = bytes(range(251)) * 5, b"\x01\x80\xfe\x7f"
        if all(unmask_native(sample[at:], mask) == _unmask_small(sample[at:], mask) for at in range(20)):
            return unmask_native, 256
    except (ImportError, AttributeError, TypeError):
        _log.info("Autobahn's native masking is not there; large messages take longer to read")
    return _unmask_small, 2**63


_unmask_large, _LARGE = _find_native()


def unmask(data: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask."""
    return _unmask_small(data, mask) if len(data) < _LARGE else _unmask_large(data, mask)


def buffered_bytes(transport: Any) -> int:
    """What a transport has taken and not yet given to the kernel; TLS and other wrapping layers included."""
    total = 0
    while transport is not None:
        total += sum(map(len, getattr(transport, "_appSendBuffer", None) or ()))
        held = getattr(transport, "dataBuffer", None)
        if held is not None:
            return int(total + len(held) - transport.offset + transport._tempDataLen)
        transport = getattr(transport, "transport", None)
    return total


class FlushList:
    """The sinks that have something to send this turn; one per reactor."""

    __slots__ = ("_call_later", "_sinks", "seconds")

    def __init__(self, clock: IReactorTime) -> None:
        self.seconds = clock.seconds
        self._call_later = clock.callLater
        self._sinks: list[Any] = []

    def add(self, sink: Any) -> None:
        """Have ``sink.flush()`` called at the end of this turn; a sink with nothing left to send does nothing then."""
        if not self._sinks:
            self._call_later(0, self.flush)
        self._sinks.append(sink)

    def flush(self) -> None:
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.flush()
            except Exception:
                _log.failure("flushing {sink} failed", sink=type(sink).__name__)
                sink.cut()


class FastFrames:
    """Mixin before Autobahn's ``WebSocketServerProtocol``: its ``dataReceived`` and its way out.

    The host class sets the slots, and supplies ``overflowed()``: called instead of a write when more than
    ``_outbound_max`` bytes were waiting already.
    """

    __slots__ = (
        "_direct_send",
        "_flushes",
        "_held",
        "_outbound_max",
        "_paused",
        "_queue",
        "_queued",
        "_read_max",
        "_receiver",
        "_resting",
        "_until",
    )

    _flushes: FlushList
    _receiver: IReceiver
    _direct_send: Callable[[bytes], int] | None  # socket.send, on plain TCP
    _queue: list[bytes | SharedPacket]  # frames of this turn, and packets that others get too
    _queued: int  # bytes of all of them but the last
    _paused: bool  # nothing is delivered: ``_held`` or ``_resting``
    _held: bool  # somebody asked for a pause
    _resting: bool  # had its share of the turn
    _until: float  # when the share is used up; 0: not looked at yet
    _read_max: int  # bytes of a frame that may be read directly
    _outbound_max: int  # bytes

    # Autobahn's; ``data`` holds what was received and not read, ``current_frame`` a frame begun.
    state: int
    data: bytes
    transport: Any
    current_frame: Any
    inside_message: bool

    # ------------------------------------------------------------------------------------------------------- inbound

    def dataReceived(self, data: bytes) -> None:
        if self.state != STATE_OPEN:
            if self.state != STATE_CLOSED:
                self._dataReceived(data)  # type: ignore[attr-defined]
            return
        if self.data:
            data = self.data + data
        if self._paused:
            self.data = data  # type: ignore[misc]
            return
        self._until = 0.0
        if self.current_frame is None and not self.inside_message:
            data = self._read_frames(data)
        self.data = data  # type: ignore[misc]
        if data and not self._paused:
            self.consumeData()  # type: ignore[attr-defined]

    def processData(self) -> bool:
        """Autobahn's step: one frame's header or payload. Between two frames the direct reader goes first again."""
        if self._paused or self._had_its_share():
            return False
        if self.current_frame is None and not self.inside_message and self.state == STATE_OPEN:
            data = self.data
            if data[:1] == b"\x81":
                self.data = data = self._read_frames(data)  # type: ignore[misc]
            if not data or self._paused or self.state == STATE_CLOSED:
                return False
        return bool(super().processData())  # type: ignore[misc]

    def _read_frames(self, data: bytes) -> bytes:
        """Deliver the whole small text frames at the start of ``data``; return what was not read."""
        size = len(data)
        start = 0
        read_max = self._read_max
        unlooked = _LOOK_AFTER
        while size - start >= 6 and data[start] == 0x81:
            length = data[start + 1] - 128
            if length < 126:
                body = start + 6
            elif length == 126 and size - start >= 8:
                length = data[start + 2] << 8 | data[start + 3]
                if length < 126:
                    break
                body = start + 8
            else:
                break
            end = body + length
            if length < 0 or length > read_max or end > size:
                break
            if length < _LARGE:  # _unmask_small, without the call
                key = _number((data[body - 4 : body] * ((length + 3) >> 2))[:length], "little")
                payload = (_number(data[body:end], "little") ^ key).to_bytes(length, "little")
            else:
                payload = _unmask_large(data[body:end], data[body - 4 : body])
            if not payload.isascii() and not _is_utf8(payload):
                break
            start = end
            self._receiver.text_received(payload)
            unlooked -= 1
            if not unlooked:
                unlooked = _LOOK_AFTER
                self._had_its_share()
            if self._paused or self.state != STATE_OPEN:
                break
        return data if not start else data[start:] if start < size else b""

    def pause_reading(self) -> None:
        if not self._held:
            self._held = True
            self._stop()

    def resume_reading(self) -> None:
        if self._held:
            self._held = False
            if self.data:  # received before the pause; not delivered from within the caller
                self._flushes._call_later(0, self._go_on)
            else:
                self._go_on()

    def _stop(self) -> None:
        if not self._paused:
            self._paused = True
            if self.state != STATE_CLOSED:
                self.transport.pauseProducing()

    def _go_on(self) -> None:
        """Deliver what is here; only then take more from the transport."""
        if not self._paused or self._held or self._resting:
            return
        self._paused = False
        self._until = 0.0
        if self.data and self.state != STATE_CLOSED:
            self.consumeData()  # type: ignore[attr-defined]
        if not self._paused and self.state != STATE_CLOSED:
            self.transport.resumeProducing()

    def _had_its_share(self) -> bool:
        """Looks at the clock; a peer that had its share of this turn rests until the next one."""
        now = self._flushes.seconds()
        if not self._until:
            self._until = now + SHARE_SECONDS
        elif now >= self._until and not self._resting:
            self._resting = True
            self._stop()
            self._flushes._call_later(0, self._rested)
        return self._resting

    def _rested(self) -> None:
        self._resting = False
        self._go_on()

    # ------------------------------------------------------------------------------------------------------ outbound

    def send_text(self, packet: bytes) -> None:
        if self.state != STATE_OPEN:
            return
        size = len(packet)
        frame = (_TEXT[size] if size < _COUNTED else _header(0x81, size)) + packet
        if self._queue:
            self._enqueue(frame)
        else:  # the first of this turn, and mostly the only one: _enqueue without the call
            self._queue.append(frame)
            self._flushes.add(self)

    def send_binary(self, payload: bytes) -> None:
        if self.state == STATE_OPEN:
            self._enqueue(binary_frame(payload))

    def send_shared(self, packet: SharedPacket) -> None:
        if self.state != STATE_OPEN:
            return
        packet.held += 1
        if self._queue:
            self._enqueue(packet)
        else:  # as above
            self._queue.append(packet)
            self._flushes.add(self)

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

    def flush(self) -> None:
        """Hand the queue over: to the kernel if nothing waits before it, else to the transport."""
        queue = self._queue
        if not queue:
            return
        if len(queue) == 1:
            item = queue[0]
            data = item.frame or _frames(item) if type(item) is SharedPacket else item
        else:
            data = b"".join(map(_frames, queue))
            self._queued = 0
        queue.clear()
        send, transport = self._direct_send, self.transport
        if send is None or transport.dataBuffer or transport._tempDataBuffer:
            self._write(data)
            return
        try:
            sent = send(data)
        except OSError:  # it would block; or it is broken, then the reactor meets the same and tells connectionLost
            sent = 0
        if sent != len(data):
            transport.write(data[sent:])

    def _write(self, data: bytes) -> None:
        transport = self.transport
        if transport is None:
            return
        if buffered_bytes(transport) > self._outbound_max:
            self.overflowed()
        else:
            transport.write(data)

    def overflowed(self) -> None:
        """More was waiting than may wait, and what should follow was dropped."""
        raise NotImplementedError

    def pending_bytes(self) -> int:
        """The queue of this turn and the transport's buffer."""
        return sum(map(len, self._queue)) + buffered_bytes(self.transport)


def direct_sender(transport: Any) -> Callable[[bytes], int] | None:
    """``socket.send`` of a plain TCP transport; None for TLS and for what is no socket."""
    if isinstance(transport, TCPConnection) and not getattr(transport, "TLS", False):
        send: Callable[[bytes], int] = transport.getHandle().send
        return send
    return None


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
