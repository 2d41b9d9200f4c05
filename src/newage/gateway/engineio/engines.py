"""The connections of one server by their sid, and what they share."""

from __future__ import annotations

from collections.abc import Callable
from secrets import token_urlsafe
from typing import TYPE_CHECKING, TypeAlias

from twisted.internet.interfaces import IReactorTime

from newage.errors import ProtocolError, Unavailable
from newage.gateway.engineio.connection import Connection, Upper
from newage.gateway.engineio.timers import Timers
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import Dispatcher
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.multiplex import Client
from newage.ports import IFrameSink
from newage.protocol.engine_packet import MESSAGE
from newage.protocol.engine_session import NEVER, EngineSettings
from newage.telemetry.logs import LogQuota

if TYPE_CHECKING:
    from newage.domain.model import Peer

# (connection, payload without the packet's kind, is it binary): every message of a plain Engine.IO server
MessageHandler: TypeAlias = Callable[[Connection, bytes, bool], None]

SHUTTING_DOWN = "server shutting down"
_LOGGED_PER_SECOND = 5


def new_sid() -> str:
    """160 random bits: an engine sid is all it takes to speak for its client."""
    return token_urlsafe(20)


class EngineServer:
    """Opens connections for transports and finds them again.

    Serves Socket.IO when given ``hub`` and ``dispatcher``, else hands each message to ``on_message``.

    :param clock: the reactor, or a ``Clock``.
    :param make_sid: makes ids that nobody can guess.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        hub: Hub | None = None,
        dispatcher: Dispatcher | None = None,
        on_message: MessageHandler | None = None,
        engine: EngineSettings | None = None,
        settings: GatewaySettings | None = None,
        make_sid: Callable[[], str] = new_sid,
    ) -> None:
        self._connections: dict[str, Connection] = {}
        self._by_address: dict[str, int] = {}
        self._counted: dict[str, str] = {}  # sid -> the address it was counted under
        self._closing = False
        self._timers = Timers(clock)
        self._gateway = Gateway(
            engine=engine or EngineSettings(),
            settings=settings or GatewaySettings(),
            timers=self._timers,
            new_sid=make_sid,
            forget=self._forget,
            hub=hub,
            dispatcher=dispatcher,
            on_message=on_message,
        )

    def __len__(self) -> int:
        return len(self._connections)

    def open(self, sink: IFrameSink, peer: Peer) -> Connection:
        """Make a connection: its OPEN packet is sent through the sink, and the sink is bound to it.

        :raises Unavailable: too many connections, in all or of this address, or the server is closing.
        """
        gateway = self._gateway
        if self._closing or len(self._connections) >= gateway.settings.max_connections:
            raise Unavailable("The server takes no more connections.")
        if not peer.local:
            count = self._by_address.get(peer.address, 0)
            if count >= gateway.settings.max_connections_per_address:
                raise Unavailable("Too many connections from this address.")
            self._by_address[peer.address] = count + 1
        connection = Connection(gateway.new_sid(), sink, peer, gateway)
        self._connections[connection.sid] = connection
        if not peer.local:
            self._counted[connection.sid] = peer.address
        sink.bind(connection)
        sink.send_text(gateway.open_packet(connection.sid, sink.name == "polling"))
        return connection

    def get(self, sid: str) -> Connection | None:
        """The connection of that sid, unless it has ended; one whose time is up ends now."""
        self._timers.run_due()
        return self._connections.get(sid)

    def close_all(self) -> None:
        """Take no more connections and close those there are.

        Clients see ``transport close``, so they come back when the server does; a DISCONNECT packet would keep them
        away. What is queued for them is still sent, as far as their transports get to it.
        """
        self._closing = True
        for connection in tuple(self._connections.values()):
            connection.close(SHUTTING_DOWN)

    def cut_local(self, reason: str) -> None:
        """Close the connections of local peers: who they are is in doubt. They may come again."""
        for connection in tuple(self._connections.values()):
            if connection.peer.local:
                connection.close(reason)

    def _forget(self, connection: Connection) -> None:
        self._connections.pop(connection.sid, None)
        address = self._counted.pop(connection.sid, None)
        if address is None:
            return
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class Gateway:
    """What the connections of a server share; made by ``EngineServer``."""

    def __init__(
        self,
        *,
        engine: EngineSettings,
        settings: GatewaySettings,
        timers: Timers,
        new_sid: Callable[[], str],
        forget: Callable[[Connection], None],
        hub: Hub | None,
        dispatcher: Dispatcher | None,
        on_message: MessageHandler | None,
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.timers = timers
        self.new_sid = new_sid
        self.forget = forget
        self.credit = settings.max_outbound_bytes // 16
        self.broken = LogQuota(_LOGGED_PER_SECOND, timers.now)  # clients that broke the protocol
        self.make_upper: Callable[[Connection], Upper]
        if hub is not None and dispatcher is not None:
            self.hub = hub
            self.dispatcher = dispatcher
            self.first_cap = min(settings.max_unauthenticated_bytes, engine.max_payload_bytes)
            self.make_upper = lambda connection: Client(connection, self)
        elif on_message is not None:
            handler = on_message
            self.first_cap = engine.max_payload_bytes
            self.make_upper = lambda connection: Plain(connection, handler)
        else:
            raise ValueError("either hub and dispatcher, or on_message")
        self._open = b',"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}' % (
            round(engine.ping_interval_seconds * 1000),
            round(engine.ping_timeout_seconds * 1000),
            engine.max_payload_bytes,
        )

    def open_packet(self, sid: str, upgradable: bool) -> bytes:
        return b'0{"sid":"%b","upgrades":[%b]%b' % (sid.encode(), b'"websocket"' if upgradable else b"", self._open)


class Plain:
    """The upper layer of a plain Engine.IO server: each message to one function."""

    __slots__ = ("_connection", "_handler")
    deadline = NEVER

    def __init__(self, connection: Connection, handler: MessageHandler) -> None:
        self._connection = connection
        self._handler = handler

    def text(self, packet: bytes) -> None:
        try:
            packet.decode()
        except UnicodeDecodeError as error:
            raise ProtocolError("text is not UTF-8") from error
        self._handler(self._connection, packet[len(MESSAGE) :], False)

    def binary(self, payload: bytes) -> None:
        self._handler(self._connection, payload, True)

    def oversized(self, packet: bytes) -> None:
        """Nothing that is permitted is too large."""

    def tick(self, now: float) -> None:
        """Nothing is ever due."""

    def closed(self, reason: str) -> None:
        """Nobody wants to know."""
