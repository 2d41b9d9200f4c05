"""Sockets as namespaces and services see them: one of them, and how to reach many (``gateway``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from newage.domain.delivery import Audience, Emission
    from newage.domain.model import Peer


class ISocket(Interface):
    """What a namespace's handlers see of one Socket.IO socket: an engine connection joined to that namespace."""

    sid: str = Attribute("names it for as long as it lives; no secret")
    namespace: str = Attribute("the path of its namespace")
    peer: Peer = Attribute("where it comes from, as judged by now")
    connected: bool = Attribute("true from its CONNECT packet on until it goes")
    caller: Any = Attribute("who it is: set by the namespace's connect handler, a ``Caller`` here; None: not admitted")

    def emit(event: str, *args: Any) -> None:
        """Send an event; bytes in it become attachments. Before CONNECT is answered it waits, after the end it is lost.

        What cannot be encoded is logged, not raised.
        """

    def call(event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        """Send an event and await its ack: see ``IOutbox.call``."""

    def disconnect() -> None:
        """Send DISCONNECT; the other sockets of the connection stay. Its namespace hears so in the next turn."""


class IOutbox(Interface):
    """How services reach sockets. They publish values; the hub encodes once and delivers; nothing here waits."""

    def publish(*emissions: Emission) -> None:
        """Deliver each to every socket of its namespace in the union of its audiences, each socket at most once."""

    def emit(sid: str, event: str, *args: Any) -> None:
        """Deliver one event to one socket; unknown sids are ignored."""

    def offer(sid: str, draw: Callable[[], list[tuple[str, Any]]]) -> None:
        """Deliver the (event, argument) pairs that ``draw()`` returns to one socket: now; or, when it is a polling
        client that is behind, in this place of its queue, drawn when it comes for them: text that grows is one event.

        ``draw`` is called once, or never when the socket goes before; unknown sids are ignored. No attachments.
        """

    def call(sid: str, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        """Emit and await the ack.

        :return: fires with the ack's arguments; fails with TimedOut after ``timeout`` seconds, PeerGone when the
            socket goes, Unavailable when too many acks are open on it.
        """

    def subscribe(sid: str, audience: Audience) -> None:
        """From now on the socket gets what is published to the audience; idempotent, unknown sids are ignored."""

    def unsubscribe(sid: str, audience: Audience) -> None:
        """Undo ``subscribe``; idempotent, unknown sids are ignored."""

    def channel(sids: Iterable[str]) -> IChannel:
        """A fixed set of receivers for many events: the token path."""

    def disconnect(sid: str) -> None:
        """End one socket, after what it was sent; see ``ISocket.disconnect``. Unknown sids are ignored."""

    def transport(sid: str) -> str:
        """'websocket', 'polling', or '' if unknown."""

    def drained(sid: str) -> bool:
        """``IFrameSink.drained`` of the socket's transport; False if unknown."""


class IChannel(Interface):
    """A receiver list computed once. Sockets that went meanwhile are skipped."""

    def emit(event: str, *args: Any) -> None:
        """Encode once, deliver to each."""


class IClusterAdapter(Interface):
    """Carries emissions to every hub of a cluster, this one included."""

    def broadcast(emission: Emission) -> None:
        """Hand the emission to each node's hub, in order."""
