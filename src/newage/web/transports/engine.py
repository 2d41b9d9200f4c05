"""The Engine.IO endpoint: checks a request as contract 2.1 says and gives it to polling or to a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from newage.errors import Unavailable
from newage.telemetry.quota import LogQuota
from newage.web.gate import Gate
from newage.web.peer import Judgement, PeerJudge
from newage.web.responses import (
    BAD_HANDSHAKE_METHOD,
    BAD_REQUEST,
    FORBIDDEN,
    JSON,
    SESSION_UNKNOWN,
    TRANSPORT_UNKNOWN,
    UNSUPPORTED_VERSION,
    answer,
    refuse,
)
from newage.web.settings import WebSettings
from newage.web.transports.flushes import FlushList
from newage.web.transports.handover import WebSockets
from newage.web.transports.handshake import handshake_in
from newage.web.transports.polling import PollingSink

if TYPE_CHECKING:
    from twisted.web.http import Request

    from newage.gateway.engineio.engines import EngineServer
    from newage.web.transports.websocket import EngineWebSocket

_log = Logger()

# Control characters that end lines for somebody (contract 16.2.1); Node refuses them, too. Bytes from 0x80 on are text.
_LINE_ENDS: Final = b"\x00\r\n\x0b\x0c\x1c\x1d\x1e"
_PROTOCOL: Final = b"4"
_MAX_LINGERING: Final = 1_000  # sessions that wait for their last GET
_MAX_LAST_WORDS_BYTES: Final = 65_536  # of each of them
_LOGGED_PER_SECOND: Final = 5  # refusals for want of room


class EngineResource(Resource):
    """Engine.IO at one URL. May be mounted in any twisted.web site; ``make_site`` adds deadlines and body limits.

    :param engines: ``open(sink, peer)``, ``get(sid)`` and the connection's ``sink`` and ``start_probe`` are used.
    """

    isLeaf = True

    def __init__(
        self,
        engines: EngineServer,
        settings: WebSettings,
        clock: IReactorTime,
        flushes: FlushList | None = None,
        gate: Gate | None = None,
    ) -> None:
        super().__init__()
        self._engines = engines
        self._settings = settings
        self._clock = clock
        self._flushes = flushes or FlushList(clock)
        self._websockets = WebSockets(settings, clock, self._flushes)
        self._lingering: dict[str, PollingSink] = {}
        self._refusals = LogQuota(_LOGGED_PER_SECOND, clock.seconds)
        self._gate = gate or Gate(PeerJudge.of(settings), clock.seconds)

    # ------------------------------------------------------------------------------------------------------ requests

    def render(self, request: Request) -> int:
        headers = request.requestHeaders
        if any(
            len(value) != len(value.translate(None, _LINE_ENDS))
            for _, values in headers.getAllRawHeaders()
            for value in values
        ):
            refuse(request, BAD_REQUEST)
            return NOT_DONE_YET
        judgement = self._gate.judge(request)
        if self._gate.recognises(request, judgement):
            answer(request, 204, b"", JSON)
            return NOT_DONE_YET
        if judgement.refusal:
            refuse(request, FORBIDDEN)
            return NOT_DONE_YET
        response = request.responseHeaders
        response.setRawHeaders(b"Access-Control-Allow-Origin", [b"*"])
        response.setRawHeaders(b"Access-Control-Allow-Credentials", [b"true"])
        if request.method == b"OPTIONS":
            _preflight(request)
        else:
            self._verify(request, judgement)
        return NOT_DONE_YET

    def _verify(self, request: Request, judgement: Judgement) -> None:
        """The checks of Engine.IO, in the order in which its own server makes them."""
        args: dict[bytes, list[bytes]] = request.args
        transport = _single(args, b"transport")
        upgrade = _wants_websocket(request)
        sid = _single(args, b"sid")
        if transport not in (b"polling", b"websocket"):
            refuse(request, TRANSPORT_UNKNOWN)
        elif sid:
            self._follow_up(request, sid.decode("latin-1"), transport, upgrade, judgement)
        elif request.method != b"GET":
            refuse(request, BAD_HANDSHAKE_METHOD)
        elif upgrade != (transport == b"websocket") or any(args.get(b"sid", ())):
            refuse(request, BAD_REQUEST)
        elif _single(args, b"EIO") != _PROTOCOL:
            refuse(request, UNSUPPORTED_VERSION)
        else:
            self._gate.opened(judgement)
            (self._open_websocket if upgrade else self._open_polling)(request, judgement)

    def _follow_up(self, request: Request, sid: str, transport: bytes, upgrade: bool, judgement: Judgement) -> None:
        """A request with a session id."""
        connection = self._engines.get(sid)
        if connection is not None:
            connection.seen(self._gate.followed(connection.peer, judgement))
        if connection is None:
            lingering = self._lingering.pop(sid, None) if request.method == b"GET" and not upgrade else None
            if lingering is not None:
                _uncached(request)
                lingering.last_poll(request)
            else:
                refuse(request, SESSION_UNKNOWN)
        elif _single(request.args, b"EIO") != _PROTOCOL:
            refuse(request, BAD_REQUEST)
        elif upgrade:
            handshake = _handshake(request) if transport == b"websocket" else None
            if handshake is None:
                refuse(request, BAD_REQUEST)
            else:
                self._websockets.take_over(request, handshake, connection.start_probe, base64=_wants_base64(request))
        elif transport != b"polling" or not isinstance(connection.sink, PollingSink):
            refuse(request, BAD_REQUEST)
        elif request.method == b"GET":
            _uncached(request)
            connection.sink.poll(request)
        elif request.method == b"POST":
            _uncached(request)
            content: Any = request.content
            connection.sink.post(request, content.read())
        else:
            refuse(request, BAD_REQUEST)

    def _open_polling(self, request: Request, judgement: Judgement) -> None:
        def linger(sink: PollingSink) -> None:
            self._linger(connection.sid, sink)

        sink = PollingSink(self._settings, self._clock, self._flushes, linger)
        try:
            connection = self._engines.open(sink, judgement.peer)
        except Unavailable as error:
            self._not_taken(error)
            answer(request, 503, b'{"code":3,"message":"Service unavailable"}', JSON)
            return
        _uncached(request)
        sink.poll(request)

    def _open_websocket(self, request: Request, judgement: Judgement) -> None:
        handshake = _handshake(request)
        if handshake is None:
            refuse(request, BAD_REQUEST)
            return

        def opened(sink: EngineWebSocket) -> None:
            try:
                self._engines.open(sink, judgement.peer)
            except Unavailable as error:
                self._not_taken(error)
                sink.close("unavailable")

        self._websockets.take_over(request, handshake, opened, base64=_wants_base64(request))

    def _not_taken(self, error: Unavailable) -> None:
        unsaid = self._refusals.take()
        if unsaid is not None:
            _log.info("a connection was not taken: {reason} ({unsaid} more)", reason=str(error), unsaid=unsaid)

    # ----------------------------------------------------------------------------------------------- bodies to come

    def expect_body(self, request: Request, query: dict[bytes, list[bytes]]) -> None:
        """A POST's headers are there: reserve its place, so that a second one is seen while its body still comes."""
        sink = self._polling_sink(query)
        if sink is not None:
            sink.reserve_post(request)

    def body_too_large(self, query: dict[bytes, list[bytes]]) -> None:
        """A POST was refused for its size: its session ends (contract 2.1)."""
        sink = self._polling_sink(query)
        if sink is not None:
            sink.cut()

    def _polling_sink(self, query: dict[bytes, list[bytes]]) -> PollingSink | None:
        sid = _single(query, b"sid")
        connection = self._engines.get(sid.decode("latin-1")) if sid else None
        sink = connection.sink if connection is not None else None
        return sink if isinstance(sink, PollingSink) else None

    def _linger(self, sid: str, sink: PollingSink) -> None:
        if len(self._lingering) < _MAX_LINGERING and sink.pending_bytes() <= _MAX_LAST_WORDS_BYTES:
            self._lingering[sid] = sink
            self._clock.callLater(self._settings.poll_linger_seconds, self._lingering.pop, sid, None)


def _wants_base64(request: Request) -> bool:
    """A client that says ``b64`` wants binary packets as text, over its WebSocket as well."""
    return any(request.args.get(b"b64", ()))


def _single(args: dict[bytes, list[bytes]], name: bytes) -> bytes:
    """The value of a query key, which may be repeated; nothing when it is not there, or has two values."""
    values = args.get(name)
    return values[0] if values is not None and len(set(values)) == 1 else b""


def _wants_websocket(request: Request) -> bool:
    return any(
        token.strip().lower() == b"websocket"
        for value in request.requestHeaders.getRawHeaders(b"Upgrade") or ()
        for token in value.split(b",")
    )


def _handshake(request: Request) -> bytes | None:
    """What asks for a WebSocket; None without HTTP/1.1 and GET, with a body, or with anything odd in its headers."""
    content: Any = request.content
    plain = request.method == b"GET" and request.clientproto == b"HTTP/1.1" and not content.read(1)
    return handshake_in(request) if plain else None


def _uncached(request: Request) -> None:
    request.responseHeaders.setRawHeaders(b"Cache-Control", [b"no-store"])


def _preflight(request: Request) -> None:
    headers: Any = request.responseHeaders
    headers.setRawHeaders(b"Access-Control-Allow-Methods", [b"GET,POST"])
    asked = request.requestHeaders.getRawHeaders(b"Access-Control-Request-Headers")
    headers.setRawHeaders(b"Vary", [b"Access-Control-Request-Headers"])
    if asked:
        headers.setRawHeaders(b"Access-Control-Allow-Headers", [b",".join(asked)])
    answer(request, 204, b"", JSON)
