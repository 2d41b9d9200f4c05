"""Who gets what: the audiences of sockets, and the delivery of emissions, each encoded once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger
from zope.interface import implementer

from newage.domain.delivery import EVERYBODY, Audience, AudienceKind, Emission
from newage.errors import PeerGone
from newage.gateway.settings import GatewaySettings
from newage.ports import IChannel, IClusterAdapter, IOutbox
from newage.protocol.engine_packet import SharedPacket
from newage.protocol.json_text import plain_dumps
from newage.protocol.socket_packet import EVENT, encode_arguments, prefix_of

if TYPE_CHECKING:
    from newage.gateway.socketio.sockets import ServerSocket

# A group charges its receivers after so much, and makes a new start. A small part of what may be queued for one.
_CHARGE_BYTES: Final = 8_192

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
        self._groups: dict[tuple[str, Audience], Group] = {}
        self._max_audiences = (settings or GatewaySettings()).max_audiences
        self._cluster = cluster(self.deliver)
        self.epoch = 0  # how often a socket went or left an audience; what is being added to then, gets no more

    # -------------------------------------------------------------------------------------------------- for services

    def publish(self, *emissions: Emission) -> None:
        for emission in emissions:
            self._cluster.broadcast(emission)

    def emit(self, sid: str, event: str, *args: Any) -> None:
        socket = self._sockets.get(sid)
        if socket is not None:
            socket.emit(event, *args)

    def offer(self, sid: str, draw: Callable[[], list[tuple[str, Any]]]) -> None:
        socket = self._sockets.get(sid)
        if socket is not None:
            socket.offer(draw)

    def socket(self, sid: str) -> ServerSocket | None:
        """A live socket of this process, for the operator's console."""
        return self._sockets.get(sid)

    def call(self, sid: str, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        socket = self._sockets.get(sid)
        if socket is None:
            return fail(PeerGone("The client is not connected."))
        return socket.call(event, args, timeout)

    def subscribe(self, sid: str, audience: Audience) -> None:
        socket = self._sockets.get(sid)
        if socket is None or audience == EVERYBODY:
            return
        if socket.audiences is None:
            socket.audiences = set()
        if len(socket.audiences) >= self._max_audiences:
            _log.warn("a socket of {namespace} has too many audiences", namespace=socket.namespace)
            return
        socket.audiences.add(audience)
        self._subscribe(socket, audience)

    def unsubscribe(self, sid: str, audience: Audience) -> None:
        socket = self._sockets.get(sid)
        if socket is not None and socket.audiences and audience in socket.audiences:
            socket.audiences.remove(audience)
            self._unsubscribe(socket, audience)

    def channel(self, sids: Iterable[str]) -> IChannel:
        by_namespace: dict[str, dict[ServerSocket, None]] = {}
        for sid in sids:
            socket = self._sockets.get(sid)
            if socket is not None:
                by_namespace.setdefault(socket.namespace, {})[socket] = None
        groups = [Group(self, namespace, sockets) for namespace, sockets in by_namespace.items()]
        return groups[0] if len(groups) == 1 else Channel(groups)

    def disconnect(self, sid: str) -> None:
        socket = self._sockets.get(sid)
        if socket is not None:
            socket.disconnect()

    def transport(self, sid: str) -> str:
        socket = self._sockets.get(sid)
        return "" if socket is None else socket.connection.sink.name

    def drained(self, sid: str) -> bool:
        socket = self._sockets.get(sid)
        return socket is not None and socket.connection.sink.drained()

    # --------------------------------------------------------------------------------------------------- for sockets

    def add(self, socket: ServerSocket) -> None:
        """A socket was made; it is in no audience and gets nothing before it is live."""
        self._sockets[socket.sid] = socket

    def admit(self, socket: ServerSocket) -> None:
        """Its caller is known: it is one of everybody."""
        self._subscribe(socket, EVERYBODY)

    def remove(self, socket: ServerSocket) -> None:
        """The socket is gone."""
        self._sockets.pop(socket.sid, None)
        self.epoch += 1
        self._unsubscribe(socket, EVERYBODY)
        for audience in socket.audiences or ():
            self._unsubscribe(socket, audience)
        socket.audiences = None

    def _subscribe(self, socket: ServerSocket, audience: Audience) -> None:
        key = (socket.namespace, audience)
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(self, socket.namespace, {})
        group.add(socket)

    def _unsubscribe(self, socket: ServerSocket, audience: Audience) -> None:
        key = (socket.namespace, audience)
        group = self._groups.get(key)
        if group is not None:
            group.sockets.pop(socket, None)
            self.epoch += 1
            if not group.sockets:
                del self._groups[key]

    # ------------------------------------------------------------------------------------------------------ delivery

    def deliver(self, emission: Emission) -> None:
        """Deliver to the receivers that are here (called by the cluster adapter)."""
        to = emission.to
        if len(to) == 1 and to[0].kind != AudienceKind.SOCKET:
            group = self._groups.get((emission.namespace, to[0]))
            if group is not None:
                group.emit(emission.event, *emission.args)
        else:
            union = Group(self, emission.namespace, self._union(emission.namespace, to))
            if union.sockets:
                union.emit(emission.event, *emission.args)
                union.charge()

    def _union(self, namespace: str, to: Sequence[Audience]) -> dict[ServerSocket, None]:
        union: dict[ServerSocket, None] = {}
        for audience in to:
            if audience.kind == AudienceKind.SOCKET:
                socket = self._sockets.get(audience.name)
                if socket is not None and socket.namespace == namespace:
                    union[socket] = None
            else:
                group = self._groups.get((namespace, audience))
                if group is not None:
                    union.update(group.sockets)
        return union


@implementer(IChannel)
class Channel:
    """Receivers in several namespaces, or none at all."""

    __slots__ = ("_groups",)

    def __init__(self, groups: Sequence[Group]) -> None:
        self._groups = groups

    def emit(self, event: str, *args: Any) -> None:
        for group in self._groups:
            group.emit(event, *args)


@implementer(IChannel)
class Group:
    """Sockets of one namespace that get the same: the path of every token.

    An event is encoded once. The first of a turn is queued in every transport; those that follow are added to it, once
    for all receivers, until one of the transports has something else to send (``SharedPacket.held``) or a socket goes.
    """

    __slots__ = ("_epoch", "_head", "_hub", "_prefix", "_shared", "_uncharged", "sockets")

    def __init__(self, hub: Hub, namespace: str, sockets: dict[ServerSocket, None]) -> None:
        self.sockets = sockets
        self._hub = hub
        self._prefix = prefix_of(namespace)
        self._head = b"42" + self._prefix
        self._shared: SharedPacket | None = None  # the last one, while it may be added to
        self._uncharged = 0  # bytes sent to each that nobody's credit was charged for yet
        self._epoch = 0

    def add(self, socket: ServerSocket) -> None:
        self._shared = None  # what is being added to is not for the newcomer
        self.sockets[socket] = None

    def emit(self, *args: Any) -> None:
        """Encode once, hand to each receiver's transport. The first argument is the event's name."""
        try:
            text = self._head + plain_dumps(args)
        except TypeError:
            self._emit_with_attachments(args)
            return
        shared = self._shared
        if shared is not None and shared.held == len(self.sockets) and self._epoch == self._hub.epoch:
            shared.add(text)
        else:
            self._start(text)
        self._uncharged += len(text)
        if self._uncharged > _CHARGE_BYTES:
            self.charge()

    def _start(self, text: bytes) -> None:
        self._shared = shared = SharedPacket(text)
        self._epoch = self._hub.epoch
        # Copied: a transport may fail, and its socket go, while we send.
        for socket in tuple(self.sockets):
            if socket.live:
                socket.connection.sink.send_shared(shared)
            else:
                socket.deliver(shared, ())

    def charge(self) -> None:
        """Charge what was sent to the receivers' credit, so that their queues are looked at in time."""
        self._shared = None
        uncharged, self._uncharged = self._uncharged, 0
        for socket in tuple(self.sockets):
            if socket.live:
                connection = socket.connection
                connection.credit -= uncharged
                if connection.credit < 0:
                    connection.check_outbound()

    def _emit_with_attachments(self, args: tuple[Any, ...]) -> None:
        """What JSON alone cannot carry: with attachments, or not at all."""
        try:
            text, attachments = encode_arguments(EVENT, self._prefix, args)
        except TypeError:
            _log.failure("event {event} cannot be encoded", event=args[0])
            return
        shared = SharedPacket(text)
        for socket in tuple(self.sockets):
            socket.deliver(shared, attachments)
