"""The Engine.IO endpoint: checks a request as contract 2.1 says and gives it to polling or to a WebSocket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from newage.errors import Unavailable
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
    address_of,
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

# Control characters that end lines for somebody (contract 16.2.1); Node refuses them, too. Bytes from 0x80 on are text.
_LINE_ENDS: Final = b"\x00\r\n\x0b\x0c\x1c\x1d\x1e"
_PROTOCOL: Final = b"4"
_MAX_LINGERING: Final = 1_000  # sessions that wait for their last GET
_MAX_LAST_WORDS_BYTES: Final = 65_536  # of each of them
_TOO_MUCH: Final = b'{"code":3,"message":"Service unavailable"}'
# Why a request is refused, and what helps.
_LINE_END: Final = "a header of it holds a character that ends lines for some; no client of ours sends such"
_NO_TRANSPORT: Final = "it names neither polling nor websocket as its transport; Socket.IO clients do"
_NO_SESSION: Final = "its session has ended, or the hub was restarted meanwhile; a client begins a new one by itself"
_NO_GET: Final = "a session begins with a GET; Socket.IO clients know that"
_BAD_UPGRADE: Final = (
    "its transport and its Upgrade header do not fit together; a proxy in front has to pass Upgrade on"
)
_BAD_HANDSHAKE: Final = (
    "it asks for a WebSocket in a way that is none; a proxy in front has to speak HTTP/1.1 and pass it on"
)
_OLD_CLIENT: Final = (
    "it speaks another Engine.IO than version 4: use socket.io-client 3 or newer, python-socketio 5.2 or newer"
)
_OTHER_TRANSPORT: Final = "its session has another transport by now; a client knows which"
_NO_METHOD: Final = "Engine.IO has GET and POST alone"


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
        self._lingering: dict[str, PollingSink] = {}
        self._gate = gate or Gate(PeerJudge.of(settings), clock.seconds)
        self._refusals = self._gate.refusals
        self._websockets = WebSockets(settings, clock, self._flushes, self._refusals)

    # ------------------------------------------------------------------------------------------------------ requests

    def render(self, request: Request) -> int:
        headers = request.requestHeaders
        if any(
            len(value) != len(value.translate(None, _LINE_ENDS))
            for _, values in headers.getAllRawHeaders()
            for value in values
        ):
            self._refuse(request, BAD_REQUEST, _LINE_END)
            return NOT_DONE_YET
        judgement = self._gate.judge(request)
        if self._gate.recognises(request, judgement):
            answer(request, 204, b"", JSON)
            return NOT_DONE_YET
        if judgement.refusal:
            refuse(request, FORBIDDEN)
            return NOT_DONE_YET
        self._gate.share(request)
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
            self._refuse(request, TRANSPORT_UNKNOWN, _NO_TRANSPORT)
        elif sid:
            self._follow_up(request, sid.decode("latin-1"), transport, upgrade, judgement)
        elif request.method != b"GET":
            self._refuse(request, BAD_HANDSHAKE_METHOD, _NO_GET)
        elif upgrade != (transport == b"websocket") or any(args.get(b"sid", ())):
            self._refuse(request, BAD_REQUEST, _BAD_UPGRADE)
        elif _single(args, b"EIO") != _PROTOCOL:
            self._refuse(request, UNSUPPORTED_VERSION, _OLD_CLIENT)
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
                self._refuse(request, SESSION_UNKNOWN, _NO_SESSION)
        elif _single(request.args, b"EIO") != _PROTOCOL:
            self._refuse(request, BAD_REQUEST, _OLD_CLIENT)
        elif upgrade:
            handshake = _handshake(request) if transport == b"websocket" else None
            if handshake is None:
                self._refuse(request, BAD_REQUEST, _BAD_HANDSHAKE)
            else:
                self._websockets.take_over(request, handshake, connection.start_probe, base64=_wants_base64(request))
        elif transport != b"polling" or not isinstance(connection.sink, PollingSink):
            self._refuse(request, BAD_REQUEST, _OTHER_TRANSPORT)
        elif request.method == b"GET":
            _uncached(request)
            connection.sink.poll(request)
        elif request.method == b"POST":
            _uncached(request)
            content: Any = request.content
            connection.sink.post(request, content.read())
        else:
            self._refuse(request, BAD_REQUEST, _NO_METHOD)

    def _open_polling(self, request: Request, judgement: Judgement) -> None:
        def linger(sink: PollingSink) -> None:
            self._linger(connection.sid, sink)

        sink = PollingSink(self._settings, self._clock, self._flushes, linger, self._refusals)
        try:
            connection = self._engines.open(sink, judgement.peer, id(request.channel))
        except Unavailable as error:
            self._refusals.tell("503", judgement.peer.address, _not_taken(error))
            answer(request, 503, _TOO_MUCH, JSON)
            return
        _uncached(request)
        sink.poll(request)

    def _open_websocket(self, request: Request, judgement: Judgement) -> None:
        handshake = _handshake(request)
        if handshake is None:
            self._refuse(request, BAD_REQUEST, _BAD_HANDSHAKE)
            return

        source = id(request.channel)

        def opened(sink: EngineWebSocket) -> None:
            try:
                self._engines.open(sink, judgement.peer, source)
            except Unavailable as error:
                self._refusals.tell("503", judgement.peer.address, _not_taken(error))
                sink.close(str(error))

        self._websockets.take_over(request, handshake, opened, base64=_wants_base64(request))

    def _refuse(self, request: Request, code: int, why: str) -> None:
        self._refusals.tell("400", address_of(request), why)
        refuse(request, code)

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


def _not_taken(error: Unavailable) -> str:
    return f"{error} max_connections and max_connections_per_address in [gateway] say how many it takes."


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
    headers.setRawHeaders(b"Vary", [b"Origin, Access-Control-Request-Headers"])
    if asked:
        headers.setRawHeaders(b"Access-Control-Allow-Headers", [b",".join(asked)])
    answer(request, 204, b"", JSON)
