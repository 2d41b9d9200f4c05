"""Autobahn's WebSocket as an ``IFrameSink``.

Autobahn owns the protocol: opening handshake, closing handshake, pings, limits, errors. ``fastframes`` is the way in
and out for what is ordinary. This module sets Autobahn's own limits (its defaults have none: contract 16.2.6), adds
the ones it lacks (fragments per message, control frames per second, unsent bytes), and keeps little per connection.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.wamp.types import TransportDetails
from autobahn.websocket.protocol import TrafficStats, WebSocketProtocol
from autobahn.websocket.utf8validator import Utf8Validator
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from newage.ports import IFrameSink, IReceiver
from newage.protocol.engine_packet import encode_base64
from newage.web.settings import WebSettings
from newage.web.transports.fastframes import (
    STATE_CLOSED,
    STATE_OPEN,
    FastFrames,
    FlushList,
    buffered_bytes,
    direct_sender,
)

_log = Logger()

_POLICY_VIOLATION: Final = WebSocketProtocol.CLOSE_STATUS_CODE_POLICY_VIOLATION
_MAX_DIRECT_BYTES: Final = 65_535  # the largest frame with a 16 bit length


@implementer(IReceiver)
class _Nobody:
    """The receiver of a sink that has none: before ``bind`` and after ``close``."""

    def text_received(self, packet: bytes) -> None:
        pass

    def binary_received(self, payload: bytes) -> None:
        pass

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        pass


NOBODY: Final = _Nobody()


class _QuietLog:
    """Autobahn's logger here. It formats arguments per message and prints what peers send; we log what matters."""

    def debug(self, *args: object, **fields: object) -> None:
        pass

    trace = info = warn = debug

    def error(self, *args: object, **fields: object) -> None:
        _log.error("a WebSocket reported an error: {template}", template=args[0] if args else "")

    failure = error


# What Autobahn keeps in each instance although it is the same in all of them, once the handshake is over: kept here,
# once. An instance that needs another value sets its own.
_AT_REST: Final[Mapping[str, Any]] = {
    "_perMessageCompress": None,
    "trackedTimings": None,
    "send_state": WebSocketProtocol.SEND_STATE_GROUND,
    "data": b"",
    "triggered": False,
    "current_frame": None,
    "inside_message": False,
    "message_data": None,
    "frame_data": None,
    "control_frame_data": None,
    "wasMaxFramePayloadSizeExceeded": False,
    "wasMaxMessagePayloadSizeExceeded": False,
    "closedByMe": False,
    "failedByMe": False,
    "droppedByMe": False,
    "wasClean": False,
    "wasNotCleanReason": None,
    "wasServerConnectionDropTimeout": False,
    "wasOpenHandshakeTimeout": False,
    "wasCloseHandshakeTimeout": False,
    "wasServingFlashSocketPolicyFile": False,
    "localCloseCode": None,
    "localCloseReason": None,
    "remoteCloseCode": None,
    "remoteCloseReason": None,
    "openHandshakeTimeoutCall": None,
    "closeHandshakeTimeoutCall": None,
    "autoPingTimeoutCall": None,
    "autoPingPending": None,
    "autoPingPendingCall": None,
    "autoPingPendingSeq": 0,
    "autoPingPendingSent": None,
    "websocket_version": 13,
}
# What only the handshake needed, or what all connections can share.
_NOT_KEPT: Final = frozenset(
    {
        "http_request_data",
        "http_status_line",
        "http_headers",
        "http_request_uri",
        "http_request_path",
        "http_request_params",
        "http_request_host",
        "http_response_data",
        "websocket_protocols",
        "websocket_protocol_in_use",
        "websocket_origin",
        "websocket_extensions",
        "websocket_extensions_in_use",
        "_wskey",
        "is_open",
        "send_queue",
        "trafficStats",
        "utf8validator",
        "_opener",
    }
)


@implementer(IFrameSink)
class EngineWebSocket(FastFrames, WebSocketServerProtocol):
    """One WebSocket of one connection. Built by ``EngineWebSocketFactory`` only, which makes its options class-wide."""

    name = "websocket"
    log = _QuietLog()
    peer = ""
    send_queue: deque[Any] = deque()  # Autobahn's for chopped writes; ours never chop
    trafficStats = TrafficStats()  # nobody reads them: one for all
    utf8validator: Any = None
    _transport_details = TransportDetails()

    factory: EngineWebSocketFactory
    _opener: Callable[[EngineWebSocket], None]
    _on_lost: Callable[[], None] | None = None
    base64 = False  # binary packets go out as text
    _closing: Any = None
    message_data: Any = None
    _fragments = 0
    _control_second = -1
    _control_frames = 0

    def __init__(self) -> None:
        # Autobahn's constructor without the transport details and listeners that nobody asks for.
        self.is_closed: Deferred[Any] = Deferred()
        self.is_open: Deferred[Any] = Deferred()
        self._receiver = NOBODY
        self._queue = []
        self._queued = 0
        self._paused = self._held = self._resting = False
        self._until = 0.0

    # --------------------------------------------------------------------------------------------- life, from Twisted

    def connectionMade(self) -> None:
        factory = self.factory
        self._flushes = factory.flushes
        self._read_max = factory.read_max
        self._outbound_max = factory.settings.outbound_max_bytes
        self._direct_send = direct_sender(self.transport)
        self._connectionMade()

    def connectionLost(self, reason: Any = None) -> None:
        self._direct_send = None
        self._queue.clear()
        if self._closing is not None:
            self._closing.cancel()
            self._closing = None
        try:
            self._connectionLost(reason)
        finally:
            if self._on_lost is not None:
                self._on_lost()
                self._on_lost = None

    def accept(self, handshake: bytes, opener: Callable[[EngineWebSocket], None]) -> None:
        """Let Autobahn answer the handshake; ``opener`` gets the open sink. Refusals are Autobahn's, as HTTP."""
        self._opener = opener
        self._dataReceived(handshake)
        kept = {
            name: value
            for name, value in self.__dict__.items()
            if name not in _NOT_KEPT and (name not in _AT_REST or value != _AT_REST[name])
        }
        self.__dict__ = kept  # a small dict instead of a large one with holes

    # ------------------------------------------------------------------------------------------------- from Autobahn

    def onConnect(self, request: Any) -> str | None:
        """A client that offers subprotocols gives up unless one is chosen; the first, as the reference does."""
        return request.protocols[0] if request.protocols else None

    def onOpen(self) -> None:
        try:
            self._opener(self)
        except Exception:
            _log.failure("a WebSocket could not be opened")
            self.cut()

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        self._enqueue(data)

    def sendHttpErrorResponse(self, code: int, reason: str, responseHeaders: Any = None) -> None:
        """A refused handshake, told as Engine.IO tells it; the reason would repeat what the peer sent."""
        body = b'{"code":3,"message":"Bad request"}'
        lines = [b"HTTP/1.1 %d Bad Request" % (code if 400 <= code < 600 else 400)]
        lines += [f"{name}: {value}".encode() for name, value in responseHeaders or ()]
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(body), b"Connection: close", b"", body]
        self._enqueue(b"\r\n".join(lines))

    def onFrameBegin(self) -> None:
        if self.utf8validator is None and self.current_frame.opcode == WebSocketProtocol.MESSAGE_TYPE_TEXT:
            self.utf8validator = Utf8Validator()
        super().onFrameBegin()

    def onMessageBegin(self, isBinary: bool) -> None:
        self._fragments = 0
        super().onMessageBegin(isBinary)

    def onMessageFrameBegin(self, length: int) -> None:
        self._fragments += 1
        if self._fragments > self.factory.settings.max_fragments:
            self._fail_connection(_POLICY_VIOLATION, "too many fragments")
            return
        super().onMessageFrameBegin(length)

    def onMessageFrameEnd(self) -> None:
        if self.state != STATE_CLOSED:
            super().onMessageFrameEnd()

    def onMessageEnd(self) -> None:
        # Autobahn's own also fires a 'message' event with a Deferred for each message.
        if not self.failedByMe and self.state != STATE_CLOSED:
            self.onMessage(b"".join(self.message_data), self.message_is_binary)
        self.message_data = None

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if isBinary:
            self._receiver.binary_received(payload)
        else:
            self._receiver.text_received(payload)

    def onPing(self, payload: bytes) -> None:
        if self._control_frame_allowed():
            self.sendPong(payload)

    def onPong(self, payload: bytes) -> None:
        self._control_frame_allowed()

    def _control_frame_allowed(self) -> bool:
        second = int(self.factory.reactor.seconds())
        if second != self._control_second:
            self._control_second, self._control_frames = second, 0
        self._control_frames += 1
        if self._control_frames <= self.factory.settings.max_control_frames_per_second:
            return True
        self._fail_connection(_POLICY_VIOLATION, "too many control frames")
        return False

    def _fail_connection(self, code: int = _POLICY_VIOLATION, reason: str = "") -> None:
        """Say why in a close frame, then drop the connection; nothing more is read (Autobahn does one or the other)."""
        if self.state == STATE_CLOSED:
            return
        _log.debug("WebSocket failed with {code}: {reason}", code=code, reason=reason)
        self.failedByMe = True
        self.wasNotCleanReason = reason
        if self.state == STATE_OPEN:
            self.sendFrame(opcode=8, payload=code.to_bytes(2, "big") + reason.encode()[:123])
        self.dropConnection(abort=False)

    def _closeConnection(self, abort: bool = False) -> None:
        transport = self.transport
        if abort and hasattr(transport, "abortConnection"):
            self._queue.clear()
            transport.abortConnection()
            return
        self.flush()
        transport.loseConnection()
        self._arm_abort()

    def _arm_abort(self) -> None:
        """A peer that takes nothing, or never answers our close frame, is dropped in bounded time."""
        if self._closing is None:
            self._closing = self.factory.reactor.callLater(self.factory.settings.close_timeout_seconds, self._give_up)

    def _give_up(self) -> None:
        self._closing = None
        self.state = STATE_CLOSED
        self._closeConnection(abort=True)

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        receiver, self._receiver = self._receiver, NOBODY
        receiver.sink_closed(self, "transport error" if self.failedByMe else "transport close")

    # ---------------------------------------------------------------------------------------------------- IFrameSink

    # send_text, send_shared and pending_bytes: FastFrames
    def send_binary(self, payload: bytes) -> None:
        if self.base64:
            self.send_text(encode_base64(payload))
        else:
            super().send_binary(payload)

    def bind(self, receiver: IReceiver) -> None:
        self._receiver = receiver

    def close(self, reason: str) -> None:
        self._receiver = NOBODY
        if self.state == STATE_OPEN:
            self.resume_reading()  # the peer's close frame has to be read
            self.sendClose(WebSocketProtocol.CLOSE_STATUS_CODE_NORMAL)
            self._arm_abort()

    def abort(self, reason: str) -> None:
        """Drops what is queued; a peer that reads is told why in a close frame."""
        self._receiver = NOBODY
        if self.state == STATE_CLOSED:
            return
        self._queue.clear()
        if self.state == STATE_OPEN and not buffered_bytes(self.transport):
            self._fail_connection(_POLICY_VIOLATION, reason)
        else:
            self.dropConnection(abort=True)

    def overflowed(self) -> None:
        """A reader that is slower than what it is sent: cut, and its receiver learns of it in a later turn."""
        if self.state != STATE_CLOSED:
            _log.info("a slow WebSocket reader was cut off with {pending} bytes pending", pending=self.pending_bytes())
            self.cut()

    def cut(self) -> None:
        """End at once, by a fault; the receiver learns of it when the transport is gone."""
        if self.state != STATE_CLOSED:
            self.failedByMe = True
            self.dropConnection(abort=True)


class EngineWebSocketFactory(WebSocketServerFactory):
    """Autobahn's factory with every limit set. It never listens: ``hand_over`` gives its protocols a transport."""

    def __init__(self, settings: WebSettings, clock: IReactorTime, flushes: FlushList) -> None:
        super().__init__(reactor=clock, server="")
        self.settings = settings
        self.flushes = flushes
        self.read_max = min(_MAX_DIRECT_BYTES, settings.max_http_buffer_bytes)
        self.setProtocolOptions(
            versions=[13],
            webStatus=False,
            utf8validateIncoming=True,
            requireMaskedClientFrames=True,
            maxFramePayloadSize=settings.max_http_buffer_bytes,
            maxMessagePayloadSize=settings.max_http_buffer_bytes,
            failByDrop=True,  # a violation ends reading at once; _fail_connection still sends the close frame
            openHandshakeTimeout=0,  # the whole handshake is there at the hand-over
            closeHandshakeTimeout=0,  # ours, on this clock: Autobahn's timers are txaio's
            autoPingInterval=0,  # heartbeats are Engine.IO's
            perMessageCompressionAccept=_no_compression,
            serveFlashSocketPolicy=False,
            allowedOrigins=["*"],  # judged before, on the Twisted request
            allowNullOrigin=True,
        )
        options: dict[str, Any] = {name: getattr(self, name) for name in WebSocketServerProtocol.CONFIG_ATTRS}
        options["perMessageCompressionAccept"] = staticmethod(_no_compression)
        self.protocol: Any = type("EngineWebSocket", (EngineWebSocket,), {**_AT_REST, **options, "CONFIG_ATTRS": ()})


def _no_compression(offers: object) -> None:
    """Deflate stays off: a bomb of 1 KB becomes 100 MB (contract 16.3.14)."""
