"""One WebSocket of one Engine.IO connection, from its open state on: an ``IFrameSink``.

``protocol.websocket_frames`` reads and writes frames, ``outgoing`` sends them. Here is what needs a clock and a
transport: answering pings and goodbyes, closing in bounded time, pausing, and how much of a turn one peer may take.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from attrs import frozen
from twisted.internet.interfaces import IHalfCloseableProtocol, ISSLTransport
from twisted.logger import Logger
from zope.interface import implementer

from newage.ports import IFrameSink, IReceiver
from newage.protocol.arrival import Arrival
from newage.protocol.engine_packet import encode_base64
from newage.protocol.websocket_frames import (
    NORMAL,
    POLICY_VIOLATION,
    Binary,
    Close,
    Event,
    FrameReader,
    FrameRules,
    Ping,
    Violation,
    close_frame,
    pong_frame,
)
from newage.telemetry.refusals import Refusals
from newage.web.transports.flushes import SHARE_SECONDS, FlushList
from newage.web.transports.nobody import NOBODY
from newage.web.transports.outgoing import FrameWriter, Transport

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from newage.web.settings import WebSettings

_NOTHING: Final[Sequence[Event]] = ()
_TOO_SLOW: Final = "a slow WebSocket reader was cut off with {pending} bytes pending"
_log = Logger()


class State(Enum):
    OPEN = auto()
    CLOSING = auto()  # our close frame is sent; the peer's answer is awaited
    CLOSED = auto()  # what comes is thrown away, and nothing sent but what is queued


@frozen
class Surroundings:
    """What all WebSockets of one site share."""

    settings: WebSettings
    rules: FrameRules
    clock: IReactorTime
    flushes: FlushList
    refusals: Refusals


@implementer(IFrameSink, IHalfCloseableProtocol)
class EngineWebSocket(FrameWriter):
    """The protocol of a transport whose handshake is answered.

    :param untouched: nothing was written to this transport before.
    :param answer: the answer to the handshake, still to be sent.
    :param base64: binary packets go out as text.
    :param on_lost: called once, when the transport is gone.
    """

    __slots__ = (
        "_base64",
        "_closing",
        "_control_frames",
        "_control_second",
        "_failed",
        "_going",
        "_lingers",
        "_on_lost",
        "_paused",
        "_reader",
        "_receiver",
        "_resting",
        "_stopped",
        "_surroundings",
        "_undelivered",
        "state",
    )
    name = "websocket"

    def __init__(
        self,
        surroundings: Surroundings,
        transport: Transport,
        *,
        untouched: bool,
        answer: bytes,
        base64: bool,
        on_lost: Callable[[], None],
    ) -> None:
        self._surroundings = surroundings
        self._base64 = base64
        self._on_lost = on_lost
        self._receiver: IReceiver = NOBODY
        self._reader = FrameReader(surroundings.rules)
        self._undelivered = _NOTHING  # events that were read, while nothing may be delivered
        self._paused = False  # the receiver wants nothing more for now
        self._resting = False  # this peer had its share of the turn
        self._stopped = False  # for one of these reasons, or the end, nothing is delivered
        self._failed = False  # it ends by a fault, the peer's or the transport's
        self._closing: IDelayedCall | None = None
        self._going = Arrival(surroundings.settings.least_bytes_per_second)  # what is queued when it closes
        self._lingers = 0  # bytes that came after the end
        self._control_second = -1
        self._control_frames = 0  # in that second
        self.state = State.OPEN
        super().__init__(transport, untouched, answer, surroundings.flushes, surroundings.settings.outbound_max_bytes)

    def open(self, opener: Callable[[EngineWebSocket], None]) -> None:
        """The handshake was accepted: ``opener`` binds a receiver, and may send."""
        try:
            opener(self)
        except Exception:
            _log.failure("a WebSocket could not be opened")
            self.cut()

    def refuse(self) -> None:
        """The handshake was not accepted: close when its answer is sent."""
        self._drop(linger=True)

    # --------------------------------------------------------------------------------------------------- from Twisted

    def dataReceived(self, data: bytes) -> None:
        if self._stopped:
            if self.state is not State.CLOSED:
                self._reader.hold_data(data)
            else:
                self._thrown_away(len(data))
            return
        events = self._reader.receive_data(data)
        match events:
            case (event,) if type(event) is bytes:  # nearly always, and it costs less than the loop
                self._receiver.text_received(event)
                return
        at = 0
        for event in events:
            at += 1  # noqa: SIM113 (enumerate is one object more for each read)
            if type(event) is bytes:
                self._receiver.text_received(event)
            else:
                self._handle(event)
            if self._stopped:
                self._undelivered = events[at:]
                return
        if self._reader.more:
            self._read_on()

    def readConnectionLost(self) -> None:
        """The peer sends nothing more, not even a goodbye: what it is owed by now goes out, then it is over."""
        self._drop()

    def writeConnectionLost(self) -> None:
        """Our half is closed, as we wanted."""

    def connectionLost(self, reason: object) -> None:
        self._end()
        self._drop_writing()
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        receiver, self._receiver = self._receiver, NOBODY
        try:
            receiver.sink_closed(self, "transport error" if self._failed else "transport close")
        finally:
            self._on_lost()

    # -------------------------------------------------------------------------------------------------------- reading

    def _read_on(self) -> None:
        """Deliver what was received already; a peer that has had its share of the turn goes on in the next one."""
        seconds = self._flushes.seconds
        until = seconds() + SHARE_SECONDS
        while self._undelivered or self._reader.more:
            events = self._undelivered or self._reader.receive_data(b"")
            self._undelivered = _NOTHING
            for at, event in enumerate(events, 1):
                self._handle(event)
                if self._stopped:
                    self._undelivered = events[at:]
                    return
            if self._reader.more and seconds() >= until:
                self._resting = True
                self._stop()
                self._flushes.next_turn(self._rested)
                return

    def _rested(self) -> None:
        self._resting = False
        self._resume()

    def _stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self._transport.pauseProducing()

    def _resume(self) -> None:
        """Deliver what is here; only then take more from the transport."""
        if self._stopped and not self._paused and not self._resting and self.state is not State.CLOSED:
            self._stopped = False
            self._read_on()
            if not self._stopped:
                self._transport.resumeProducing()

    def pause_reading(self) -> None:
        self._paused = True
        self._stop()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            if self._undelivered or self._reader.more:
                self._flushes.next_turn(self._resume)  # not from within the caller
            else:
                self._resume()

    def _handle(self, event: Event) -> None:
        """Anything that may arrive."""
        if type(event) is bytes:
            self._receiver.text_received(event)
        elif isinstance(event, Binary):
            self._receiver.binary_received(event.payload)
        elif isinstance(event, Violation):
            self._fail(event.code, event.reason)
        elif isinstance(event, Close):
            self._close_received()
        elif self._control_frame_allowed() and isinstance(event, Ping) and self.state is State.OPEN:
            self._enqueue(pong_frame(event.payload))

    def _control_frame_allowed(self) -> bool:
        second = int(self._surroundings.clock.seconds())
        if second != self._control_second:
            self._control_second, self._control_frames = second, 0
        self._control_frames += 1
        if self._control_frames <= self._surroundings.settings.max_control_frames_per_second:
            return True
        self._fail(POLICY_VIOLATION, "too many control frames")
        return False

    # -------------------------------------------------------------------------------------------------------- closing

    def _close_received(self) -> None:
        if self.state is State.OPEN:
            self._enqueue(close_frame(NORMAL))
            self._drop()
        else:
            self._abort()  # it answered ours

    def _fail(self, code: int, reason: str) -> None:
        """Say why in a close frame, then drop the connection; its receiver learns of it at once."""
        if self.state is State.CLOSED:
            return
        _log.debug("WebSocket failed with {code}: {reason}", code=code, reason=reason)
        self._failed = True
        if self.state is State.OPEN:
            self._enqueue(close_frame(code, reason))
        self._drop(linger=True)
        receiver, self._receiver = self._receiver, NOBODY
        receiver.sink_closed(self, "transport error")

    def _drop(self, *, linger: bool = False) -> None:
        """Close when all that is queued is sent, in bounded time.

        :param linger: the peer may be sending still. What comes is thrown away until it ends, too: bytes that nobody
            read would make the system answer with a reset, and the peer would not read why (RFC 9112, 9.6).
        """
        self._end()
        self._end_writing()
        transport = self._transport
        lose_half = getattr(transport, "loseWriteConnection", None) if linger else None
        if lose_half is None or ISSLTransport.providedBy(transport):
            transport.loseConnection()
        else:
            lose_half()
            transport.resumeProducing()
        self._close_in_time()

    def _thrown_away(self, size: int) -> None:
        """More of what was refused; it may go on for the size of a message."""
        self._lingers += size
        if self._lingers > self._surroundings.settings.max_http_buffer_bytes:
            self._lingers = 0
            self._abort()

    def _abort(self) -> None:
        self._end()
        self._drop_writing()
        self._transport.abortConnection()

    def _end(self) -> None:
        self.state = State.CLOSED
        self._stopped = True
        self._undelivered = _NOTHING

    def _close_in_time(self) -> None:
        """A peer that takes nothing, or never answers our close frame, is dropped."""
        if self._closing is None:
            clock = self._surroundings.clock
            self._going.begin(-self.pending_bytes(), clock.seconds())
            self._closing = clock.callLater(self._surroundings.settings.close_timeout_seconds, self._give_up)

    def _give_up(self) -> None:
        """Enough of what is queued left since last time, or it is over."""
        self._closing = None
        clock = self._surroundings.clock
        if self._going.goes_on(-self.pending_bytes(), clock.seconds()):
            self._closing = clock.callLater(self._surroundings.settings.close_timeout_seconds, self._give_up)
        else:
            self._abort()

    def overflowed(self) -> None:
        """A reader that is slower than what it is sent: cut, and its receiver learns of it in a later turn."""
        if self.state is not State.CLOSED:
            self._surroundings.refusals.say(_TOO_SLOW, pending=self.pending_bytes())
            self.cut()

    def cut(self) -> None:
        """End at once, by a fault; the receiver learns of it when the transport is gone."""
        if self.state is not State.CLOSED:
            self._failed = True
            self._abort()

    # ---------------------------------------------------------------------------------------------------- IFrameSink

    # send_text, send_shared and pending_bytes: FrameWriter
    def arriving_bytes(self) -> int:
        return self._reader.begun_bytes

    def send_binary(self, payload: bytes) -> None:
        if self._base64:
            self.send_text(encode_base64(payload))
        else:
            super().send_binary(payload)

    def bind(self, receiver: IReceiver) -> None:
        self._receiver = receiver

    def close(self, reason: str) -> None:
        self._receiver = NOBODY
        if self.state is State.OPEN:
            self.resume_reading()  # the peer's close frame has to be read
            self._enqueue(close_frame(NORMAL, reason))
            self.state = State.CLOSING
            self._open = False
            self._close_in_time()

    def abort(self, reason: str) -> None:
        """Drops what is queued; a peer that reads is told why in a close frame."""
        self._receiver = NOBODY
        if self.state is State.CLOSED:
            return
        self._forget_queue()
        if self.state is State.OPEN and not self.is_held_up():
            self._fail(POLICY_VIOLATION, reason)
        else:
            self._abort()
