"""The Socket.IO side of one connection: its sockets in their namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from newage.gateway.socketio.dispatch import NO_NAMESPACE
from newage.gateway.socketio.sockets import BY_CLIENT, ServerSocket
from newage.protocol.engine_session import NEVER
from newage.protocol.socket_packet import ACK, CONNECT, DISCONNECT, EVENT, encode_refusal, prefix_of
from newage.protocol.socket_session import SocketSession

if TYPE_CHECKING:
    from newage.gateway.engineio.connection import Connection
    from newage.gateway.engineio.engines import Gateway

_log = Logger()


class Client:
    """Gives each packet to its socket. Raises ProtocolError to the connection, which closes then."""

    __slots__ = ("_due", "_gateway", "_session", "connection", "settings", "timers")

    def __init__(self, connection: Connection, gateway: Gateway) -> None:
        self.connection = connection
        self.settings = gateway.settings
        self.timers = gateway.timers
        self._gateway = gateway
        self._session: SocketSession[ServerSocket] = SocketSession(
            max_namespaces=gateway.settings.max_namespaces, max_attachments=gateway.settings.max_attachments
        )
        # When a connection without a socket ends: because it never joined, or because we disconnected its last one.
        self._due = gateway.timers.now() + gateway.engine.connect_timeout_seconds

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
            else:
                self._act(kind, member, data, ack_id)

    def binary(self, payload: bytes) -> None:
        """One attachment."""
        received = self._session.receive_binary(payload, self._gateway.engine.max_payload_bytes, self.connection.cap)
        if received is not None:
            kind, member, data, ack_id = received
            if kind == EVENT:
                member.receive(data, ack_id)
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
            self._session.expect_attachments(self.timers.now() + self.settings.attachment_timeout_seconds)
            self.connection.arm()

    def _connect(self, path: str, auth: Any) -> None:
        namespace = self._gateway.dispatcher.get(path)
        if namespace is None:
            self.connection.send_text(encode_refusal(prefix_of(path), NO_NAMESPACE))
        elif self._session.full:
            self.connection.send_text(encode_refusal(namespace.prefix, {"message": "Too many namespaces"}))
        else:
            socket = ServerSocket(self._gateway.new_sid(), namespace, self)
            self._session.join(path, socket)
            self._gateway.hub.attach(socket)
            socket.join(auth)

    def tick(self, now: float) -> None:
        """:raises ProtocolError: attachments are overdue."""
        self._session.tick(now)
        if now >= self._due:
            if self._session.empty:
                self.connection.close("connect timeout")
            else:  # still joining
                self._due = now + self._gateway.engine.connect_timeout_seconds

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
        self.connection.cap = self._gateway.engine.max_payload_bytes
        self._gateway.hub.admit(socket)

    def gone(self, socket: ServerSocket, *, by_us: bool) -> None:
        """A socket ended; the connection follows soon when we disconnected its last one (contract 2.5)."""
        self._session.leave(socket.namespace, socket)
        self._gateway.hub.detach(socket)
        if by_us and self._session.empty:
            self._due = min(self._due, self.timers.now() + self.settings.empty_close_seconds)
            self.connection.arm()
