"""One Socket.IO socket: an engine connection joined to a namespace, its events in order, its acks.

States: *joining* until the connect handler is done, *live* (or connected but not admitted, when the handler set no
caller), then gone. While a handler is awaited, later events wait in a bounded backlog, then the transport is paused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.errors import PeerGone, Unavailable
from newage.gateway.socketio.acks import AwaitedAcks
from newage.gateway.socketio.dispatch import BY_SERVER, INTERNAL_ERROR, ConnectRefused, Later, Namespace, as_deferred
from newage.ports import ISocket
from newage.protocol.engine_packet import SharedPacket
from newage.protocol.json_text import plain_dumps
from newage.protocol.socket_packet import (
    ACK,
    EVENT,
    MAX_ID_DIGITS,
    UNREAD,
    encode_arguments,
    encode_connect,
    encode_disconnect,
    encode_refusal,
)

if TYPE_CHECKING:
    from newage.domain.delivery import Audience
    from newage.domain.model import Peer
    from newage.gateway.engineio.connection import Connection
    from newage.gateway.engineio.timers import Timer, Timers
    from newage.gateway.settings import GatewaySettings

_log = Logger()

_TOO_MUCH_HELD = "a socket that still joins {path} was sent more than max_held_packets in [gateway]: the rest is lost"


class Carrier(Protocol):
    """What carries the sockets of one connection (``multiplex.Multiplex``)."""

    connection: Connection
    settings: GatewaySettings
    timers: Timers

    def joined(self) -> None: ...
    def admitted(self, socket: ServerSocket) -> None: ...
    def gone(self, socket: ServerSocket, *, by_us: bool) -> None: ...


@implementer(ISocket)
class ServerSocket:
    """What handlers and the hub see of one socket.

    ``connected`` is true from the CONNECT packet on until the socket goes. ``caller`` says who it is; its connect
    handler sets it. The rest is the gateway's own.
    """

    __slots__ = (
        "_acks",
        "_awaiting",
        "_backlog",
        "_carrier",
        "_drain_timer",
        "_draining",
        "_ended",
        "_handlers",
        "_held",
        "_joining",
        "_namespace",
        "_paused",
        "audiences",
        "caller",
        "connected",
        "connection",
        "live",
        "sid",
    )

    def __init__(self, sid: str, namespace: Namespace, carrier: Carrier) -> None:
        self.sid = sid
        self.caller: Any = None
        self.connected = True
        self.live = False  # CONNECT was answered and the socket has not gone: packets may be sent
        self.audiences: set[Audience] | None = None  # the hub's
        self.connection: Connection = carrier.connection
        self._carrier = carrier
        self._namespace = namespace
        self._handlers = namespace.handlers
        self._acks: AwaitedAcks | None = None  # made when the first is asked for
        self._held: list[tuple[SharedPacket, Sequence[bytes]]] | None = None  # emitted before CONNECT was answered
        self._backlog: deque[tuple[list[Any], bytes | None]] | None = deque()  # None when nothing is awaited
        self._joining = True
        self._awaiting = True
        self._draining = False
        self._paused = False
        self._ended: str | None = None  # the reason, while the backlog is worked off after the end
        self._drain_timer: Timer | None = None

    @property
    def namespace(self) -> str:
        return self._namespace.path

    @property
    def peer(self) -> Peer:
        return self.connection.peer

    # -------------------------------------------------------------------------------------------------- for handlers

    def emit(self, event: str, *args: Any) -> None:
        """Send an event; bytes in it become attachments. Before CONNECT is answered it waits, after the end it is lost.

        What cannot be encoded is logged, not raised.
        """
        self._send_event((event, *args), b"")

    def call(self, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        """Send an event and await its ack: see ``IOutbox.call``."""
        if not self.connected:
            return fail(PeerGone("The client is not connected."))
        if self._acks is None:
            self._acks = AwaitedAcks(self._carrier.timers, self._carrier.settings.max_open_acks)
        try:
            ack_id, answer = self._acks.expect(timeout)
        except Unavailable as error:
            return fail(error)
        self._send_event((event, *args), ack_id)
        return answer

    def disconnect(self) -> None:
        """Send DISCONNECT; the other sockets of the connection stay. The handler of it runs in the next turn."""
        if not self.connected:
            return
        if not self.live:
            self.connection.send_text(encode_connect(self._namespace.prefix, self.sid))
        self.connection.send_text(encode_disconnect(self._namespace.prefix))
        self.end(BY_SERVER, local=True)

    # -------------------------------------------------------------------------------------------------------- sending

    def offer(self, draw: Callable[[], list[tuple[str, Any]]]) -> None:
        """See ``IOutbox.offer``."""
        if self.live:
            self.connection.offer(partial(self._drawn, draw))
        else:
            for args in draw():
                self._send_event(args, b"")

    def _drawn(self, draw: Callable[[], list[tuple[str, Any]]]) -> list[bytes]:
        """The packets, when the transport takes them; none for a socket that has gone meanwhile."""
        events = draw()
        prefix = self._namespace.prefix
        return [encode_arguments(EVENT, prefix, args)[0] for args in events] if self.live else []

    def _send_event(self, args: tuple[Any, ...], ack_id: bytes) -> None:
        try:
            text, attachments = encode_arguments(EVENT, self._namespace.prefix, args, ack_id)
        except TypeError:
            _log.failure("event {event} cannot be encoded", event=args[0])
            return
        if self.live:
            self.connection.send_text(text)
            for attachment in attachments:
                self.connection.send_binary(attachment)
        else:
            self.deliver(SharedPacket(text), attachments)

    def deliver(self, packet: SharedPacket, attachments: Sequence[bytes]) -> None:
        """Send, or hold until CONNECT is answered, or drop when gone."""
        if self.live:
            self.connection.send_shared(packet)
            for attachment in attachments:
                self.connection.send_binary(attachment)
        elif self._joining and self.connected:
            if self._held is None:
                self._held = []
            if len(self._held) < self._carrier.settings.max_held_packets:
                self._held.append((packet, attachments))
            else:
                self.connection.context.refusals.say(_TOO_MUCH_HELD, level=LogLevel.warn, path=self.namespace)

    def _answer(self, ack_id: bytes | None, result: list[Any]) -> None:
        """Send the ack, if one was asked for."""
        if ack_id is None or not self.live:
            return
        try:
            text = plain_dumps(result)
        except TypeError:
            self._answer_with_attachments(ack_id, result)
            return
        self.connection.send_text(self._namespace.ack_head + ack_id + text)

    def _answer_with_attachments(self, ack_id: bytes, result: list[Any]) -> None:
        """What JSON alone cannot carry: with attachments, or not at all."""
        try:
            text, attachments = encode_arguments(ACK, self._namespace.prefix, result, ack_id)
        except TypeError:
            _log.failure("an ack on {path} cannot be encoded", path=self.namespace)
            text, attachments = self._namespace.ack_head + ack_id + plain_dumps(self._namespace.fault), []
        self.connection.send_text(text)
        for attachment in attachments:
            self.connection.send_binary(attachment)

    # -------------------------------------------------------------------------------------------------------- joining

    def join(self, auth: Any) -> None:
        """Run the connect handler. Never raises."""
        try:
            outcome = self._namespace.connect(self, auth)
        except ConnectRefused as refusal:
            self._refuse(refusal.data)
            return
        except Exception:
            _log.failure("the connect handler of {path} broke", path=self.namespace)
            self._refuse(INTERNAL_ERROR)
            return
        if isawaitable(outcome):
            as_deferred(outcome).addCallback(self._joined).addErrback(self._not_joined)
        else:
            self._joined(outcome)

    def _joined(self, outcome: Any) -> None:
        self._joining = False
        if not self.connected:
            # It went while its handler was awaited: what the handler built has to be taken down.
            self._report_end(self._ended or BY_SERVER)
            return
        self.connection.send_text(encode_connect(self._namespace.prefix, self.sid))
        self.live = True
        held, self._held = self._held, None
        if self.caller is not None:
            self._carrier.admitted(self)
            for packet, attachments in held or ():
                self.deliver(packet, attachments)
        self._carrier.joined()
        if callable(outcome):
            try:
                outcome()
            except Exception:
                _log.failure("what follows CONNECT on {path} broke", path=self.namespace)
        self._next(None)

    def _not_joined(self, failure: Failure) -> None:
        error = failure.value
        if not isinstance(error, (ConnectRefused, CancelledError)):
            _log.failure("the connect handler of {path} broke", failure, path=self.namespace)
        if self._joining:
            self._refuse(error.data if isinstance(error, ConnectRefused) else INTERNAL_ERROR)

    def _refuse(self, data: Any) -> None:
        self._joining = False
        self.caller = None
        if self.connected:
            self.connection.send_text(encode_refusal(self._namespace.prefix, data))
            self.end(BY_SERVER, local=True)

    # --------------------------------------------------------------------------------------------------------- events

    def receive(self, args: list[Any], ack_id: bytes | None) -> None:
        """Take one event, ``args[0]`` is its name: handle it now, or after those that came before."""
        if self._backlog is None:
            self._run(args, ack_id)
            return
        self._backlog.append((args, ack_id))
        if len(self._backlog) >= self._carrier.settings.max_event_backlog and not self._paused:
            self._paused = True
            self.connection.pause()

    def receive_attached(self, args: list[Any], ack_id: bytes | None) -> None:
        """Take one event that came with attachments; unread, where it takes none (contract C6)."""
        binary = self._namespace.binary
        self.receive(args if binary is None or args[0] in binary else [args[0], UNREAD], ack_id)

    def _run(self, args: list[Any], ack_id: bytes | None) -> None:
        handler = self._handlers.get(args[0])
        if self.caller is None:
            return
        try:
            if handler is not None:
                del args[0]
                result = handler(self, args, ack_id is not None)
            elif self._namespace.unknown is not None:
                result = self._namespace.unknown(self, args[0], args[1:], ack_id is not None)
            else:
                return
        except Exception:
            _log.failure("a handler of {path} broke", path=self.namespace)
            self._answer(ack_id, self._namespace.fault)
            return
        if result is None:
            return
        if type(result) is list:
            self._answer(ack_id, result)
        elif isawaitable(result):
            self._await(result, ack_id)
        elif isinstance(result, Later):
            as_deferred(result.result).addCallback(partial(self._finish, ack_id)).addErrback(
                self._handler_failed, ack_id
            )
        else:
            self._finish(ack_id, result)

    def _finish(self, ack_id: bytes | None, result: Any) -> None:
        """A handler's result that was awaited, or is wrong."""
        if isinstance(result, list):
            self._answer(ack_id, result)
        elif result is not None:
            _log.error("a handler of {path} returned {kind}", path=self.namespace, kind=type(result).__name__)
            self._answer(ack_id, self._namespace.fault)

    def _await(self, result: Awaitable[Any], ack_id: bytes | None) -> None:
        if self._backlog is None:
            self._backlog = deque()
        self._awaiting = True
        outcome = as_deferred(result)
        outcome.addCallback(partial(self._finish, ack_id))
        outcome.addErrback(self._handler_failed, ack_id)
        outcome.addBoth(self._next)

    def _handler_failed(self, failure: Failure, ack_id: bytes | None) -> None:
        if not isinstance(failure.value, CancelledError):
            _log.failure("a handler of {path} broke", failure, path=self.namespace)
            self._answer(ack_id, self._namespace.fault)

    def _next(self, _: object) -> None:
        """Nothing is awaited any more: go on with the backlog, in a loop however deep it is."""
        self._awaiting = False
        if self._draining:
            return
        self._draining = True
        backlog = self._backlog
        while backlog and not self._awaiting:
            self._run(*backlog.popleft())
        self._draining = False
        if self._awaiting:
            return
        self._backlog = None
        self._unpause()
        if self._ended is not None:
            self._end_drain(0.0)

    def _unpause(self) -> None:
        if self._paused:
            self._paused = False
            self.connection.resume()

    def acknowledged(self, ack_id: bytes | None, args: list[Any]) -> None:
        """The peer acked; what nobody awaits is ignored."""
        if ack_id is not None and self._acks is not None and len(ack_id) <= MAX_ID_DIGITS:
            self._acks.arrived(int(ack_id), args)

    # ------------------------------------------------------------------------------------------------------------ end

    def end(self, reason: str, *, local: bool = False) -> None:
        """The socket is gone; idempotent.

        :param local: our side did it: what it still wanted is dropped, and its handler is told in the next turn, for
            we may be deep in a call of somebody who does not expect that. Else the events that arrived before the
            end are handled first, within ``drain_seconds``.
        """
        if not self.connected:
            return
        self.connected = self.live = False
        self._held = None
        self._carrier.gone(self, by_us=local)
        if self._acks is not None:
            self._acks.close()
        timers = self._carrier.timers
        if self._joining:
            self._ended = reason
            if self._backlog:
                self._backlog.clear()  # nobody will handle it, and the rest of the connection must not wait
            self._unpause()
        elif local:
            if self._backlog:
                self._backlog.clear()
            self._unpause()
            timers.at(timers.now(), lambda _: self._report_end(reason))
        elif self._backlog:
            self._ended = reason
            self._drain_timer = timers.at(timers.now() + self._carrier.settings.drain_seconds, self._end_drain)
        else:
            self._report_end(reason)

    def _end_drain(self, _: float) -> None:
        """The backlog is done with, or took too long."""
        if self._drain_timer is not None:
            self._carrier.timers.cancel(self._drain_timer)
            self._drain_timer = None
        if self._backlog:
            self._backlog.clear()
        self._unpause()
        reason, self._ended = self._ended, None
        if reason is not None:
            self._report_end(reason)

    def _report_end(self, reason: str) -> None:
        if self.caller is None:
            return
        try:
            self._namespace.disconnected(self, reason)
        except Exception:
            _log.failure("the disconnect handler of {path} broke", path=self.namespace)
