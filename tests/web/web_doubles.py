"""What the web tests share: a transport in memory, a browser's side of HTTP and WebSocket, a receiver that records."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import define, evolve, field
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from zope.interface import implementer

from framekit import server_frames
from newage.domain.model import Peer
from newage.gateway.engineio.connection import Connection
from newage.gateway.engineio.engines import EngineServer
from newage.gateway.engineio.plain import Plain
from newage.ports import IFrameSink, IReceiver
from newage.protocol.engine_session import EngineSettings
from newage.telemetry.refusals import Refusals
from newage.web.settings import WebSettings
from newage.web.site import NewAgeSite, make_site
from newage.web.transports.flushes import FlushList
from newage.web.transports.handover import put_in_place
from newage.web.transports.handshake import Handshakes
from newage.web.transports.masking import frame_rules
from newage.web.transports.websocket import EngineWebSocket, Surroundings

LOCAL = Peer("127.0.0.1", local=True, near=True)
# What follows the status of a refusal by the channel.
REFUSED = (
    b"\r\nContent-Length: 0\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
    b"Cross-Origin-Resource-Policy: same-origin\r\n\r\n"
)


class MemoryTransport(StringTransport):
    """Records what is written; closing it tells its protocol, as a reactor would."""

    protocol: Any = None
    divert: Callable[[bytes], object] | None = None  # takes what is written, which is then not kept

    def __init__(self, address: str = "127.0.0.1") -> None:
        super().__init__(
            hostAddress=IPv4Address("TCP", "127.0.0.1", 4000), peerAddress=IPv4Address("TCP", address, 50000)
        )
        self._address = address
        self.half_closed = False
        self.aborted = False
        self._lost = False

    def getHandle(self) -> Any:
        """As a socket, as far as anybody asks."""
        return self

    def getpeername(self) -> tuple[str, int]:
        if not self.connected:
            raise OSError(errno.ENOTCONN, "not connected")
        return self._address, 50000

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass

    def write(self, data: bytes) -> None:
        if self.divert is None:
            super().write(data)
        else:
            self.divert(data)

    def unregisterProducer(self) -> None:
        self.producer = None  # as TCP does; StringTransport insists on there being one

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        super().abortConnection()
        self.aborted = True
        self.lose(ConnectionAborted())

    def lose(self, reason: Exception | None = None) -> None:
        """The connection ends, by whomever."""
        if not self._lost:
            self._lost = True
            self.connected = False
            self.protocol.connectionLost(Failure(reason or ConnectionLost()))

    def finish(self) -> None:
        """Do what a reactor does after loseConnection, once all is written."""
        if self.disconnecting:
            self.lose(ConnectionDone())

    def take(self) -> bytes:
        """What was written since last time."""
        value: bytes = self.value()
        self.clear()
        return value


@implementer(IReceiver)
@define
class Recorder:
    """A receiver that remembers, and may do something at each packet."""

    events: list[tuple[str, Any]] = field(factory=list)
    react: Any = None

    def text_received(self, packet: bytes) -> None:
        self.events.append(("text", packet))
        if self.react is not None:
            self.react(packet)

    def binary_received(self, payload: bytes) -> None:
        self.events.append(("binary", payload))
        if self.react is not None:
            self.react(payload)

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        self.events.append(("closed", reason))

    @property
    def texts(self) -> list[bytes]:
        return [packet for kind, packet in self.events if kind == "text"]


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@define
class OpenSocket:
    """An open WebSocket without HTTP before it."""

    clock: Clock
    transport: Any
    sink: EngineWebSocket
    receiver: Recorder

    def frames(self) -> list[tuple[int, bytes]]:
        """What was sent since last time; a turn of the reactor passes first."""
        self.clock.advance(0)
        return list(server_frames(self.transport.take()))

    def feed(self, *frames: bytes) -> None:
        self.transport.protocol.dataReceived(b"".join(frames))


def open_socket(
    settings: WebSettings | None = None,
    receiver: Recorder | None = None,
    transport: Any = None,
    clock: Clock | None = None,
    untouched: bool = True,
) -> OpenSocket:
    """:param transport: one in memory by default. What it was written is forgotten, if it can forget."""
    clock = clock or Clock()
    recorder = receiver or Recorder()
    transport = transport or MemoryTransport()
    settings = settings or WebSettings()
    rules = frame_rules(settings.max_http_buffer_bytes, settings.max_empty_fragments)
    answer = Handshakes(clock).answer(HANDSHAKE)
    sink = EngineWebSocket(
        Surroundings(settings, rules, clock, FlushList(clock), Refusals(clock.seconds)),
        transport,
        untouched=untouched,
        answer=answer.response,
        base64=False,
        on_lost=lambda: None,
    )
    put_in_place(transport, sink)
    sink.open(lambda opened: opened.bind(recorder))
    clock.advance(0)
    if isinstance(transport, MemoryTransport):
        assert transport.take().startswith(b"HTTP/1.1 101 ")
    return OpenSocket(clock, transport, sink, recorder)


@define
class Response:
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Response) and self.summary == other.summary

    @property
    def summary(self) -> tuple[int, bytes]:
        return self.status, self.body


def parse_responses(data: bytes, *, head: bool = False) -> list[Response]:
    """All responses in ``data``, each with a Content-Length or without a body."""
    responses = []
    while data:
        top, _, data = data.partition(b"\r\n\r\n")
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        size = 0 if head else int(headers.get("content-length", "0"))
        responses.append(Response(int(first.split()[1]), headers, data[:size]))
        data = data[size:]
    return responses


class Line:
    """One TCP connection of a browser to a site."""

    def __init__(self, house: House, address: str = "127.0.0.1") -> None:
        self.house = house
        self.transport = MemoryTransport(address)
        self.protocol = house.site.buildProtocol(self.transport.getPeer())
        if self.protocol is not None:
            self.transport.protocol = self.protocol
            self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.transport.protocol.dataReceived(data)

    def request(
        self, target: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
    ) -> None:
        lines = {"Host": "localhost:4000", **(headers or {})}
        if body or method == "POST":
            lines.setdefault("Content-Length", str(len(body)))
        top = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value is not None)
        self.send(f"{method} {target} HTTP/1.1\r\n{top}\r\n".encode("latin-1") + body)

    def responses(self, *, head: bool = False) -> list[Response]:
        """What came back since last time; a turn of the reactor passes first."""
        self.house.clock.advance(0)
        return parse_responses(self.transport.take(), head=head)

    def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Response:
        """One request, one response. Header names are written with underscores."""
        self.request(target, method, body, {name.replace("_", "-"): value for name, value in headers.items()})
        (response,) = self.responses(head=method == "HEAD")
        return response

    def upgrade(self, target: str, **headers: str) -> None:
        """Ask for a WebSocket."""
        self.request(
            target,
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
                **{name.replace("_", "-"): value for name, value in headers.items()},
            },
        )

    def open_websocket(self, target: str = "/socket.io/?EIO=4&transport=websocket", **headers: str) -> bytes:
        """Upgrade, and return the first packets of the server."""
        self.upgrade(target, **headers)
        self.house.clock.advance(0)
        top, _, rest = self.transport.take().partition(b"\r\n\r\n")
        assert top.startswith(b"HTTP/1.1 101 "), top
        return b"\x1e".join(payload for _, payload in server_frames(rest))

    def frames(self) -> list[tuple[int, bytes]]:
        self.house.clock.advance(0)
        return list(server_frames(self.transport.take()))


def settled(line: Line) -> bytes:
    """What was sent, after a turn."""
    line.house.clock.advance(0)
    return line.transport.take()


class House:
    """A whole web layer on a clock, over a real engine server that records and echoes what it gets."""

    def __init__(self, settings: WebSettings | None = None, engine: EngineSettings | None = None, **site: Any) -> None:
        self.clock = Clock()
        self.messages: list[tuple[bytes, bool]] = []
        self.connections: list[Connection] = []
        self.echo = True
        self.engines = EngineServer(
            clock=self.clock,
            make_upper=partial(Plain, on_message=self._message),
            engine=engine or EngineSettings(),
            make_sid=self._sid,
        )
        self._made = 0
        self.site: NewAgeSite = make_site(settings or WebSettings(), self.engines, self.clock, **site)

    def _sid(self) -> str:
        self._made += 1
        return f"sid{self._made}"

    def _message(self, connection: Connection, payload: bytes, binary: bool) -> None:
        self.messages.append((payload, binary))
        if not self.echo:
            return
        if binary:
            connection.send_binary(payload)
        else:
            connection.send_text(b"4" + payload)

    def line(self, address: str = "127.0.0.1") -> Line:
        return Line(self, address)

    def ask(self, target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Response:
        """One request on a connection of its own."""
        return self.line().ask(target, method, body, **headers)

    def open_polling(self) -> str:
        """A handshake; the new session's URL."""
        response = self.ask("/socket.io/?EIO=4&transport=polling")
        assert response.status == 200
        return f"/socket.io/?EIO=4&transport=polling&sid=sid{self._made}"


class WrittenRequest:
    """What an answer that is sent in pieces uses of a request."""

    def __init__(self) -> None:
        self.responseHeaders = Headers()
        self.written = b""
        self.method = b"GET"
        self.finished = False
        self.aborted = False
        self.producer: Any = None
        self.says: Callable[[], None] = lambda: None
        self.channel = self
        self._lost = Deferred[None]()

    def getHeader(self, name: bytes) -> None:
        """It has none."""

    def write(self, data: bytes) -> None:
        assert not self.finished
        self.written += data

    def finish(self) -> None:
        assert self.producer is None
        self.finished = True

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def asks_whether_it_is_there(self, say: Callable[[], None]) -> None:
        self.says = say

    def notifyFinish(self) -> Deferred[None]:
        return self._lost

    def lose(self) -> None:
        self._lost.errback(ConnectionLost())

    def forceAbortClient(self) -> None:
        self.aborted = True


def with_settings(**changes: Any) -> WebSettings:
    return evolve(WebSettings(), **changes)


def random_mask() -> bytes:
    return os.urandom(4)
