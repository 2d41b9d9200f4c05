"""The connections of one server by their sid."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from newage.errors import Unavailable
from newage.gateway.engineio.connection import Connection, EngineContext, MakeUpper
from newage.gateway.engineio.joinless import Joinless
from newage.gateway.engineio.timers import Timers
from newage.gateway.settings import GatewaySettings
from newage.ports import IFrameSink
from newage.protocol.engine_session import EngineSettings
from newage.telemetry import LogQuota
from newage.telemetry.metrics import Counters
from newage.telemetry.refusals import Refusals

if TYPE_CHECKING:
    from newage.domain.model import Peer

SHUTTING_DOWN = "server shutting down"
GAVE_WAY = "joined nothing"
_LOGGED_PER_SECOND = 5
_MANY = (
    "it had joined no namespace when another came; max_joinless, max_joinless_per_address and the connections of one "
    "address in [gateway] say how many may"
)


def new_sid() -> str:
    """160 random bits: an engine sid is all it takes to speak for its client."""
    return token_urlsafe(20)


class EngineServer:
    """Opens connections for transports and finds them again.

    :param clock: the reactor, or a ``Clock``.
    :param make_upper: makes the layer above of each connection: ``socketio.multiplex.multiplexer`` serves Socket.IO,
        ``plain.Plain`` plain messages.
    :param make_sid: makes ids that nobody can guess.
    :param counters: of those who are turned away.
    """

    def __init__(
        self,
        *,
        clock: IReactorTime,
        make_upper: MakeUpper,
        engine: EngineSettings | None = None,
        settings: GatewaySettings | None = None,
        make_sid: Callable[[], str] = new_sid,
        counters: Counters | None = None,
    ) -> None:
        self._connections: dict[str, Connection] = {}
        self._by_address: dict[str, int] = {}
        self._counted: dict[str, str] = {}  # sid -> the address it was counted under
        self._closing = False
        self._make_sid = make_sid
        self._engine = engine or EngineSettings()
        self._limits = settings or GatewaySettings()
        self._timers = Timers(clock)
        self._joinless: Joinless[Connection] = Joinless(
            self._limits.max_joinless, self._limits.max_joinless_per_address
        )
        self._context = EngineContext(
            engine=self._engine,
            limits=self._limits,
            timers=self._timers,
            make_upper=make_upper,
            forget=self._forget,
            broken=LogQuota(_LOGGED_PER_SECOND, self._timers.now),
            joinless=self._joinless,
            refusals=Refusals(self._timers.now, counters),
        )

    def __len__(self) -> int:
        return len(self._connections)

    def carried(self) -> dict[str, tuple[int, int]]:
        """Of each transport by its name: how many connections use it, and how many bytes wait for them in all."""
        found: dict[str, tuple[int, int]] = {}
        for connection in self._connections.values():
            number, waiting = found.get(connection.sink.name, (0, 0))
            found[connection.sink.name] = number + 1, waiting + connection.sink.pending_bytes()
        return found

    def open(self, sink: IFrameSink, peer: Peer, source: Hashable = None) -> Connection:
        """Make a connection: its OPEN packet is sent through the sink, and the sink is bound to it.

        One that has joined nothing yet may have to give way to it.

        :param source: the connection it came by; nothing where that is not known.
        :raises Unavailable: too many connections, in all or of this address, or the server is closing.
        """
        self._make_room(peer)
        connection = Connection(self._make_sid(), sink, peer, self._context)
        self._connections[connection.sid] = connection
        if not peer.local:
            self._by_address[peer.address] = self._by_address.get(peer.address, 0) + 1
            self._counted[connection.sid] = peer.address
        if connection.has_to_join:
            self._joinless.add(connection, peer.address, source)
        sink.bind(connection)
        sink.send_text(open_packet(connection.sid, self._engine, upgradable=sink.name == "polling"))
        return connection

    def _make_room(self, peer: Peer) -> None:
        """:raises Unavailable: there is none, and nobody who would have to give way."""
        gives_way: Connection | None
        if self._closing:
            raise Unavailable("The server takes no more connections.")
        if not peer.local and self._by_address.get(peer.address, 0) >= self._limits.max_connections_per_address:
            gives_way = self._joinless.of(peer.address)
            if gives_way is None:
                raise Unavailable("Too many connections from this address.")
        elif len(self._connections) >= self._limits.max_connections:
            gives_way = self._joinless.any()
            if gives_way is None:
                raise Unavailable("The server takes no more connections.")
        else:
            gives_way = self._joinless.surplus(peer.address)
        if gives_way is not None:
            self._context.refusals.tell("session", gives_way.peer.address, _MANY)
            gives_way.abort(GAVE_WAY)

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
        self._joinless.settle(connection)
        address = self._counted.pop(connection.sid, None)
        if address is None:
            return
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


def open_packet(sid: str, engine: EngineSettings, *, upgradable: bool) -> bytes:
    """OPEN: the session's id and the times and sizes that its client has to keep (contract 2.1)."""
    return b'0{"sid":"%b","upgrades":[%b],"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}' % (
        sid.encode(),
        b'"websocket"' if upgradable else b"",
        round(engine.ping_interval_seconds * 1000),
        round(engine.ping_timeout_seconds * 1000),
        engine.max_payload_bytes,
    )
