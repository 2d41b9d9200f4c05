"""The Socket.IO side of one connection: its sockets in their namespaces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from newage.gateway.engineio.connection import Connection
from newage.gateway.engineio.engines import new_sid
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import BY_CLIENT, NO_NAMESPACE, Dispatcher
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.sockets import ServerSocket
from newage.protocol.arrival import Arrival
from newage.protocol.engine_session import NEVER
from newage.protocol.socket_packet import ACK, CONNECT, DISCONNECT, EVENT, encode_refusal, written
from newage.protocol.socket_session import SocketSession


def multiplexer(
    hub: Hub,
    dispatcher: Dispatcher,
    settings: GatewaySettings | None = None,
    make_sid: Callable[[], str] = new_sid,
) -> Callable[[Connection], Multiplex]:
    """What an ``EngineServer`` takes as ``make_upper`` in order to serve Socket.IO.

    :param make_sid: makes ids of sockets that nobody can guess.
    """
    limits = settings or GatewaySettings()
    return partial(Multiplex, hub=hub, dispatcher=dispatcher, settings=limits, make_sid=make_sid)


_TOO_MANY = "it has joined as many namespaces as one connection may: max_namespaces in [gateway]"
_UNKNOWN = "it joins a namespace that there is not; clients of another server than this hub do so"
_NEVER_JOINED = "it joined no namespace within connect_timeout_seconds; a Socket.IO client does so at once"


class Multiplex:
    """Gives each packet of a connection to its socket. Raises ProtocolError to the connection, which closes then."""

    has_to_join = True

    __slots__ = (
        "_attachments",
        "_dispatcher",
        "_due",
        "_hub",
        "_late",
        "_make_sid",
        "_session",
        "cap",
        "connection",
        "settings",
        "timers",
    )

    def __init__(
        self,
        connection: Connection,
        *,
        hub: Hub,
        dispatcher: Dispatcher,
        settings: GatewaySettings,
        make_sid: Callable[[], str],
    ) -> None:
        self.connection = connection
        self.settings = settings
        self.timers = connection.context.timers
        self._hub = hub
        self._dispatcher = dispatcher
        self._make_sid = make_sid
        self._session: SocketSession[ServerSocket] = SocketSession(
            max_namespaces=settings.max_namespaces, max_attachments=settings.max_attachments
        )
        self._attachments = Arrival(settings.least_bytes_per_second)
        self._late: Arrival | None = None  # the message of one that should have joined by now
        engine = connection.context.engine
        self.cap = min(settings.max_unauthenticated_bytes, engine.max_payload_bytes)
        # When a connection without a socket ends: because it never joined, or because we disconnected its last one.
        self._due = self.timers.now() + engine.connect_timeout_seconds

    @property
    def deadline(self) -> float:
        """When ``tick`` is due."""
        return min(self._due, self._session.deadline)

    def oversized(self, packet: bytes) -> None:
        """A MESSAGE that is too large of somebody who is not admitted yet: it is refused, unread."""
        received = self._session.receive_unread(packet)
        if received is not None:
            self._act(*received)

    def text(self, packet: bytes) -> None:
        """One MESSAGE packet, its kind included."""
        received = self._session.receive(packet)
        if received is not None:
            kind, member, data, ack_id = received
            if kind == EVENT:
                member.receive(data, ack_id)
            elif kind == ACK:
                member.acknowledged(ack_id, data)
            else:
                self._act(kind, member, data, ack_id)

    def binary(self, payload: bytes) -> None:
        """One attachment."""
        limit = self.connection.context.engine.max_payload_bytes
        received = self._session.receive_binary(payload, limit, self.cap)
        if received is not None:
            kind, member, data, ack_id = received
            if kind == EVENT:
                member.receive_attached(data, ack_id)
            else:
                member.acknowledged(ack_id, data)

    def _act(self, kind: int, member: Any, data: Any, ack_id: bytes | None) -> None:
        if kind == EVENT:
            member.receive(data, ack_id)
        elif kind == ACK:
            member.acknowledged(ack_id, data)
        elif kind == CONNECT:
            self._connect(member, data)
        elif kind == DISCONNECT:
            member.end(BY_CLIENT)
        else:
            now = self.timers.now()
            self._attachments.begin(self._attached(), now)
            self._session.expect_attachments(now + self.settings.attachment_timeout_seconds)
            self.connection.arm()

    def _attached(self) -> int:
        """Bytes of the packet whose attachments are awaited, as far as they are here."""
        return self._session.partial_bytes + self.connection.sink.arriving_bytes()

    def _connect(self, path: str, auth: Any) -> None:
        namespace = self._dispatcher.get(path)
        if namespace is None:
            self._tell("namespace", _UNKNOWN)
            self.connection.send_text(encode_refusal(written(path), NO_NAMESPACE))
        elif self._session.full:
            self._tell("namespace", _TOO_MANY)
            self.connection.send_text(encode_refusal(namespace.prefix, {"message": "Too many namespaces"}))
        else:
            socket = ServerSocket(self._make_sid(), namespace, self)
            self._session.join(path, socket)
            self._hub.add(socket)
            socket.join(auth)
            if socket.connected and not socket.live:
                self.connection.context.joinless.judge(self.connection, True)

    def _tell(self, what: str, why: str) -> None:
        self.connection.context.refusals.tell(what, self.connection.peer.address, why)

    def tick(self, now: float) -> None:
        """:raises ProtocolError: attachments are overdue, and come no more."""
        session = self._session
        if now >= session.deadline and (self.connection.paused or self._attachments.goes_on(self._attached(), now)):
            session.expect_attachments(now + self.settings.attachment_timeout_seconds)
        session.tick(now)
        if now >= self._due:
            if not session.empty:  # still joining
                self._due = now + self.connection.context.engine.connect_timeout_seconds
            elif self._is_coming(now):
                self._due = now + self.settings.attachment_timeout_seconds
            else:
                self._tell("session", _NEVER_JOINED)
                self.connection.close("connect timeout")

    def _is_coming(self, now: float) -> bool:
        """Whether who has not joined in time is sending something, and it goes on.

        Nobody can do so for ever: a message is bounded, and the next one begins at nothing.
        """
        arriving = self.connection.sink.arriving_bytes()
        if self._late is None:
            self._late = Arrival(self.settings.least_bytes_per_second)
            self._late.begin(arriving, now)
            return arriving > 0
        return self._late.goes_on(arriving, now)

    def closed(self, reason: str) -> None:
        """The connection is gone, and so are its sockets."""
        for socket in self._session.members:
            socket.end(reason)
        self._session.close()
        self._due = NEVER

    # ---------------------------------------------------------------------------------------------------- for sockets

    def joined(self) -> None:
        """CONNECT was answered."""
        self._due = NEVER

    def admitted(self, socket: ServerSocket) -> None:
        """A socket has a caller: it may send more, and gets what everybody gets."""
        self.cap = self.connection.context.engine.max_payload_bytes
        self.connection.context.joinless.settle(self.connection)
        self._hub.admit(socket)

    def gone(self, socket: ServerSocket, *, by_us: bool) -> None:
        """A socket ended; the connection follows soon when we disconnected its last one (contract 2.5)."""
        self._session.leave(socket.namespace, socket)
        self._hub.remove(socket)
        if self._session.empty:
            self.connection.context.joinless.judge(self.connection, False)
        if by_us and self._session.empty:
            self._due = min(self._due, self.timers.now() + self.settings.empty_close_seconds)
            self.connection.arm()
