"""The opening handshake of a WebSocket, answered by Autobahn.

One of Autobahn's protocols reads the request, writes the answer to a transport in memory, and is dropped. The request
that it sees is written by us from the handful of headers a handshake needs: Autobahn splits lines where Twisted does
not (contract 16.2.1), so a header value that it never sees cannot grow into other headers. Origin, host and peer were
judged before, on the Twisted request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.logger import Logger

from newage.web.responses import EVERYWHERE

if TYPE_CHECKING:
    from autobahn.websocket.types import ConnectionRequest
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.http import Request

_PROTOCOLS: Final = b"Sec-WebSocket-Protocol"
_HEADERS: Final = (b"Upgrade", b"Connection", b"Sec-WebSocket-Version", b"Sec-WebSocket-Key", _PROTOCOLS)
_TOKENS: Final = re.compile(rb"[ \t]*[\w!#$%&'*+.^`|~-]+[ \t]*(?:,[ \t]*[\w!#$%&'*+.^`|~-]+[ \t]*)*")  # RFC 9110, 5.6
_REFUSAL: Final = b'{"code":3,"message":"Bad request"}'  # as Engine.IO refuses
_log = Logger()


@frozen
class Answer:
    """The whole HTTP response, and whether it opens a WebSocket."""

    accepted: bool
    response: bytes


def handshake_in(request: Request) -> bytes | None:
    """The handshake that a request holds, as HTTP.

    :return: None if Autobahn would read its headers otherwise than we do: it ends a line at 0x85, for one. Subprotocols
        are answered with the first name among them, so they have to be names.
    """
    headers = request.requestHeaders
    lines = [b"GET / HTTP/1.1", b"Host: localhost"]
    for name in _HEADERS:
        for value in headers.getRawHeaders(name) or ():
            if not value.isascii() or (name is _PROTOCOLS and _TOKENS.fullmatch(value) is None):
                return None
            lines.append(name + b": " + value)
    return b"\r\n".join([*lines, b"", b""])


class Handshakes:
    """Answers handshakes; one for all connections."""

    def __init__(self, clock: IReactorTime) -> None:
        factory = WebSocketServerFactory(reactor=clock, server="")
        factory.setProtocolOptions(
            versions=[13],
            webStatus=False,
            openHandshakeTimeout=0,  # the whole handshake is there
            closeHandshakeTimeout=0,
            perMessageCompressionAccept=_no_compression,
            serveFlashSocketPolicy=False,
            allowedOrigins=["*"],  # judged before
            allowNullOrigin=True,
        )
        # Autobahn copies its options into each protocol, and describes them for its log, at 0.7 ms a connection. What
        # the class has is not copied.
        names = WebSocketServerProtocol.CONFIG_ATTRS
        options: dict[str, Any] = {name: getattr(factory, name) for name in names}
        options["perMessageCompressionAccept"] = staticmethod(_no_compression)
        server: Any = type("_ServerOf", (_Server,), {**options, "CONFIG_ATTRS": ()})
        factory.protocol = server
        self._factory: Any = factory

    def answer(self, handshake: bytes) -> Answer:
        """:param handshake: the request, from its first line to the empty one."""
        server = self._factory.buildProtocol(None)
        written = _Written()
        server.makeConnection(written)
        server.dataReceived(handshake)
        return Answer(server.accepted, b"".join(written.pieces))


class _Written:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def unregisterProducer(self) -> None:
        pass

    def loseConnection(self) -> None:
        pass


class _QuietLog:
    """Autobahn's logger here. Its lines hold what peers send; we log what matters."""

    def debug(self, *args: object, **fields: object) -> None:
        pass

    trace = info = warn = debug

    def error(self, *args: object, **fields: object) -> None:
        _log.error("a WebSocket handshake reported an error: {template}", template=args[0] if args else "")

    failure = error


class _Server(WebSocketServerProtocol):
    """One handshake."""

    log = _QuietLog()
    accepted = False
    transport: Any

    def onConnect(self, request: ConnectionRequest) -> str | None:
        """A client that offers subprotocols gives up unless one is chosen; the first, as the reference does."""
        return request.protocols[0] if request.protocols else None

    def onOpen(self) -> None:
        self.accepted = True

    def sendHttpErrorResponse(
        self, code: int, reason: str, responseHeaders: Sequence[tuple[str, str]] | None = None
    ) -> None:
        """A refusal, told as Engine.IO tells it; the reason would repeat what the peer sent."""
        lines = [b"HTTP/1.1 %d Bad Request" % code]
        lines += [f"{name}: {value}".encode() for name, value in responseHeaders or ()]
        lines += [name + b": " + value for name, value in EVERYWHERE]
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(_REFUSAL), b"Connection: close"]
        self.transport.write(b"\r\n".join([*lines, b"", _REFUSAL]))


def _no_compression(offers: object) -> None:
    """Deflate stays off: a bomb of 1 KB becomes 100 MB (contract 16.3.14)."""
