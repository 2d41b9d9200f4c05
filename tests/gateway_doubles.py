"""Doubles of the gateway's tests: sinks that remember, and a server on a ``Clock``."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet.task import Clock
from zope.interface import implementer

from newage.cluster.local import LocalAdapter
from newage.domain.model import Peer
from newage.gateway.engineio.connection import Connection, MakeUpper
from newage.gateway.engineio.engines import EngineServer
from newage.gateway.engineio.plain import MessageHandler, Plain
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import Dispatcher, Namespace
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.multiplex import multiplexer
from newage.gateway.socketio.sockets import ServerSocket
from newage.ports import IFrameSink, IPollingSink, IReceiver, ISocket
from newage.protocol.engine_packet import SharedPacket
from newage.protocol.engine_session import EngineSettings

LOCAL = Peer("127.0.0.1", local=True)


@implementer(IFrameSink)
class FakeSink:
    """A WebSocket that keeps what it was given; ``stuck`` makes it count as unsent."""

    name = "websocket"

    def __init__(self) -> None:
        self.sent: list[bytes] = []  # text as it is, binary with b"B:" in front
        self.ended: tuple[str, str] | None = None  # ('close' or 'abort', reason)
        self.paused = False
        self.stuck = False
        self.queued = 0
        self.arriving = 0
        self.receiver: IReceiver | None = None

    def send_text(self, packet: bytes) -> None:
        assert type(packet) is bytes
        if self.ended is None:
            self.sent.append(packet)
            self.queued += len(packet)

    def send_binary(self, payload: bytes) -> None:
        self.send_text(b"B:" + payload)

    def send_shared(self, packet: SharedPacket) -> None:
        self.send_text(packet.packet)

    def pending_bytes(self) -> int:
        return self.queued if self.stuck else 0

    def drained(self) -> bool:
        return not self.pending_bytes()

    def arriving_bytes(self) -> int:
        return self.arriving

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def bind(self, receiver: IReceiver) -> None:
        self.receiver = receiver

    def close(self, reason: str) -> None:
        self.ended = self.ended or ("close", reason)

    def abort(self, reason: str) -> None:
        self.ended = self.ended or ("abort", reason)

    @property
    def aborted(self) -> bool:
        """It was closed at once, for whatever reason."""
        return self.ended is not None and self.ended[0] == "abort"

    def bound(self) -> IReceiver:
        """The receiver, which has to be there."""
        assert self.receiver is not None
        return self.receiver

    def take(self) -> list[bytes]:
        """What was sent since the last time."""
        sent, self.sent = self.sent, []
        return sent


@implementer(IPollingSink)
class FakePollingSink(FakeSink):
    """A polling transport without any GET: what is sent stays ``sent`` until taken.

    While it is ``behind``, what is offered is drawn then.
    """

    name = "polling"
    upgrading = False
    behind = False

    def __init__(self) -> None:
        super().__init__()
        self.places: list[tuple[int, Callable[[], list[bytes]]]] = []

    def offer(self, draw: Callable[[], list[bytes]]) -> None:
        if self.behind:
            self.places.append((len(self.sent), draw))
            return
        for packet in draw():
            self.send_text(packet)

    def take(self) -> list[bytes]:
        places, self.places = self.places, []
        for at, draw in reversed(places):
            self.sent[at:at] = draw()
        return super().take()

    def set_upgrading(self, upgrading: bool) -> None:
        self.upgrading = upgrading

    def take_pending(self) -> list[tuple[bool, bytes]]:
        self.ended = ("close", "upgraded")
        return [(packet[:2] == b"B:", packet.removeprefix(b"B:")) for packet in self.take()]


class Site:
    """A server with one clock, and a record of what its namespaces were told.

    :param on_message: makes it a server of plain Engine.IO.
    """

    def __init__(
        self,
        engine: EngineSettings | None = None,
        settings: GatewaySettings | None = None,
        on_message: MessageHandler | None = None,
    ) -> None:
        self.clock = Clock()
        self.hub = Hub(cluster=LocalAdapter, settings=settings)
        self.dispatcher = Dispatcher()
        self.serial = 0
        self.sockets: list[ServerSocket] = []
        self.gone: list[tuple[ServerSocket, str]] = []
        make_upper: MakeUpper = multiplexer(self.hub, self.dispatcher, settings, self.make_sid)
        if on_message is not None:
            make_upper = partial(Plain, on_message=on_message)
        self.engines = EngineServer(
            clock=self.clock, make_upper=make_upper, engine=engine, settings=settings, make_sid=self.make_sid
        )

    def make_sid(self) -> str:
        self.serial += 1
        return f"s{self.serial}"

    def namespace(self, path: str = "/", connect: Any = None, unknown: Any = None) -> Namespace:
        """Add one that admits everybody, unless told otherwise."""
        namespace = Namespace(
            path,
            connect=connect or self.admit,
            disconnected=self.ended,
            unknown=unknown,
        )
        self.dispatcher.add(namespace)
        return namespace

    def admit(self, socket: ISocket, auth: Any) -> None:
        assert isinstance(socket, ServerSocket)
        socket.caller = auth if auth is not None else "somebody"
        self.sockets.append(socket)

    def ended(self, socket: ISocket, reason: str) -> None:
        assert isinstance(socket, ServerSocket)
        self.gone.append((socket, reason))

    def open(self, sink: FakeSink | None = None, peer: Peer = LOCAL) -> tuple[Connection, FakeSink]:
        """A connection whose OPEN packet was taken."""
        sink = sink or FakeSink()
        connection = self.engines.open(sink, peer)
        sink.take()
        return connection, sink

    def joined(self, path: str = "/", sink: FakeSink | None = None, peer: Peer = LOCAL) -> tuple[Connection, FakeSink]:
        """A connection that has joined a namespace, its reply taken."""
        connection, sink = self.open(sink, peer)
        connection.text_received(b"40" if path == "/" else b"40" + path.encode())
        assert sink.take()[0].startswith(b"40")
        return connection, sink
