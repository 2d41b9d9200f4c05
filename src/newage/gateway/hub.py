"""Who gets what: transport rooms of sockets, and the delivery of emissions, each encoded once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from newage.domain.model import EVERYBODY, Audience, Emission
from newage.errors import PeerGone
from newage.gateway.settings import GatewaySettings
from newage.ports import IChannel, IClusterAdapter, IOutbox
from newage.protocol.engine_packet import SharedPacket
from newage.protocol.socket_packet import EVENT, encode_arguments, prefix_of

if TYPE_CHECKING:
    from newage.gateway.sockets import ServerSocket

_log = Logger()


@implementer(IOutbox)
class Hub:
    """The sockets of this process by sid and by audience.

    :param cluster: given the function that delivers an emission here, makes the adapter that carries emissions to every
        hub, this one included (``cluster.local.LocalAdapter``).
    """

    def __init__(
        self,
        *,
        cluster: Callable[[Callable[[Emission], None]], IClusterAdapter],
        settings: GatewaySettings | None = None,
    ) -> None:
        self._sockets: dict[str, ServerSocket] = {}
        self._rooms: dict[tuple[str, Audience], dict[ServerSocket, None]] = {}
        self._max_audiences = (settings or GatewaySettings()).max_audiences
        self._cluster = cluster(self.deliver)

    # -------------------------------------------------------------------------------------------------- for services

    def publish(self, emission: Emission) -> None:
        self._cluster.broadcast(emission)

    def emit(self, sid: str, event: str, *args: Any) -> None:
        socket = self._sockets.get(sid)
        if socket is not None:
            socket.emit(event, *args)

    def socket(self, sid: str) -> ServerSocket | None:
        """A live socket of this process, for the operator's console."""
        return self._sockets.get(sid)

    def call(self, sid: str, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        socket = self._sockets.get(sid)
        if socket is None:
            return fail(PeerGone("The client is not connected."))
        return socket.call(event, args, timeout)

    def join(self, sid: str, audience: Audience) -> None:
        socket = self._sockets.get(sid)
        if socket is None or audience == EVERYBODY:
            return
        if socket.audiences is None:
            socket.audiences = set()
        if len(socket.audiences) >= self._max_audiences:
            _log.warn("a socket of {namespace} is in too many rooms", namespace=socket.namespace)
            return
        socket.audiences.add(audience)
        self._put_in(socket, audience)

    def leave(self, sid: str, audience: Audience) -> None:
        socket = self._sockets.get(sid)
        if socket is not None and socket.audiences and audience in socket.audiences:
            socket.audiences.remove(audience)
            self._take_out(socket, audience)

    def disconnect(self, sid: str) -> None:
        socket = self._sockets.get(sid)
        if socket is not None:
            socket.disconnect()

    def channel(self, sids: Iterable[str]) -> IChannel:
        sockets = (self._sockets.get(sid) for sid in dict.fromkeys(sids))
        return Channel([socket for socket in sockets if socket is not None])

    def pending_bytes(self, sid: str) -> int:
        socket = self._sockets.get(sid)
        return 0 if socket is None else socket.connection.sink.pending_bytes()

    def transport(self, sid: str) -> str:
        socket = self._sockets.get(sid)
        return "" if socket is None else socket.connection.sink.name

    # --------------------------------------------------------------------------------------------------- for sockets

    def attach(self, socket: ServerSocket) -> None:
        """A socket was made; it is in no audience and gets nothing before it is live."""
        self._sockets[socket.sid] = socket

    def admit(self, socket: ServerSocket) -> None:
        """Its caller is known: it is one of everybody."""
        self._put_in(socket, EVERYBODY)

    def detach(self, socket: ServerSocket) -> None:
        """The socket is gone."""
        self._sockets.pop(socket.sid, None)
        self._take_out(socket, EVERYBODY)
        for audience in socket.audiences or ():
            self._take_out(socket, audience)
        socket.audiences = None

    def _put_in(self, socket: ServerSocket, audience: Audience) -> None:
        self._rooms.setdefault((socket.namespace, audience), {})[socket] = None

    def _take_out(self, socket: ServerSocket, audience: Audience) -> None:
        key = (socket.namespace, audience)
        room = self._rooms.get(key)
        if room is not None:
            room.pop(socket, None)
            if not room:
                del self._rooms[key]

    # ------------------------------------------------------------------------------------------------------ delivery

    def deliver(self, emission: Emission) -> None:
        """Deliver to the receivers that are here (called by the cluster adapter)."""
        receivers = self._receivers(emission.namespace, emission.to)
        if receivers:
            _send(receivers, emission.namespace, (emission.event, *emission.args))

    def _receivers(self, namespace: str, to: Sequence[Audience]) -> Collection[ServerSocket]:
        if len(to) == 1 and to[0].kind != "sid":
            # Copied: a transport may fail and leave the room while we send.
            return tuple(self._rooms.get((namespace, to[0]), ()))
        union: dict[ServerSocket, None] = {}
        for audience in to:
            if audience.kind == "sid":
                socket = self._sockets.get(audience.name)
                if socket is not None and socket.namespace == namespace:
                    union[socket] = None
            else:
                union.update(self._rooms.get((namespace, audience), {}))
        return union


@implementer(IChannel)
class Channel:
    """Receivers chosen once, for many events. Those in one namespace share one encoding."""

    __slots__ = ("_by_namespace",)

    def __init__(self, sockets: Iterable[ServerSocket]) -> None:
        groups: dict[str, list[ServerSocket]] = {}
        for socket in sockets:
            groups.setdefault(socket.namespace, []).append(socket)
        self._by_namespace = tuple(groups.items())

    def emit(self, event: str, *args: Any) -> None:
        for namespace, sockets in self._by_namespace:
            _send(sockets, namespace, (event, *args))


def _send(receivers: Collection[ServerSocket], namespace: str, args: tuple[Any, ...]) -> None:
    """Encode once, hand to each receiver's transport: the path of every token."""
    try:
        text, attachments = encode_arguments(EVENT, prefix_of(namespace), args)
    except TypeError:
        _log.failure("event {event} cannot be encoded", event=args[0])
        return
    packet = SharedPacket(text)
    if attachments:
        for socket in receivers:
            socket.deliver(packet, attachments)
        return
    size = len(text)
    for socket in receivers:
        if socket.live:
            connection = socket.connection
            connection.sink.send_shared(packet)
            connection.credit -= size
            if connection.credit < 0:
                connection.check_outbound()
        else:
            socket.deliver(packet, attachments)
