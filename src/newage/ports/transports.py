"""How bytes come and go: transports (``web``) and who they feed (``gateway``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from newage.protocol.engine_packet import SharedPacket


class IFrameSink(Interface):
    """One transport of one connection: a WebSocket, or a polling session with at most one parked GET.

    Order is kept across the three ``send_`` methods. Nothing is sent after ``close``. ``send_`` never raises: a
    transport that fails tells its receiver through ``sink_closed``.
    """

    name: str = Attribute("'websocket' or 'polling'")

    def send_text(packet: bytes) -> None:
        """Queue one Engine.IO text packet, UTF-8, its type character included (``b'42[...]'``)."""

    def send_binary(payload: bytes) -> None:
        """Queue one binary packet (an attachment)."""

    def send_shared(packet: SharedPacket) -> None:
        """Queue a text packet that other sinks get too; its WebSocket frame is built once.

        A sink that counts itself into ``packet.held`` promises to send what is added to the packet, and to set it to 0
        as soon as that would be too late (``SharedPacket``).
        """

    def pending_bytes() -> int:
        """Bytes accepted and not yet taken by the kernel (WebSocket) or a GET (polling, which also counts packets)."""

    def drained() -> bool:
        """Whether the peer has, as far as can be seen, got all that was sent: no byte of a WebSocket waits here or, not
        sent yet, in the kernel; a polling client has fetched all and come back for more.
        """

    def arriving_bytes() -> int:
        """Bytes that came of a message (WebSocket) or a POST (polling) of which more is to come; 0 if none is begun."""

    def pause_reading() -> None:
        """Stop taking bytes from the peer until ``resume_reading``; idempotent."""

    def resume_reading() -> None:
        """Idempotent counterpart of ``pause_reading``."""

    def bind(receiver: IReceiver) -> None:
        """From now on give what arrives to this receiver (the connection, once an upgrade is done)."""

    def close(reason: str) -> None:
        """Send what is queued, bounded in time, then close. The receiver is not told: it asked for it."""

    def abort(reason: str) -> None:
        """Close at once, for this reason in words, and drop what is queued (slow reader, protocol error).

        The receiver is not told.
        """


class IPollingSink(IFrameSink):
    """What a reader who comes and goes needs, and an upgrade to WebSocket, beyond ``IFrameSink``."""

    def offer(draw: Callable[[], list[bytes]]) -> None:
        """Send the text packets that ``draw()`` returns, now; or, when the reader is behind, give them a place in the
        queue and draw them when a GET, or the upgrade, takes it. ``draw`` is called once, or never when the sink ends.
        """

    def set_upgrading(upgrading: bool) -> None:
        """While True, a GET never parks: it gets what is queued, or NOOP, so that the client can finish polling."""

    def take_pending() -> list[tuple[bool, bytes]]:
        """The upgrade is done: everything no GET took, in order, as (is binary, packet); the sink is closed by this."""


class IReceiver(Interface):
    """What a transport feeds: a connection, or the probe of one that is upgrading. Total: never raises."""

    def text_received(packet: bytes) -> None:
        """One Engine.IO text packet, type character included; a binary one as ``b`` and base64, from any transport.

        UTF-8 validity is the receiver's to check.
        """

    def binary_received(payload: bytes) -> None:
        """One binary packet."""

    def sink_closed(sink: IFrameSink, reason: str) -> None:
        """The transport ended by itself or by its peer: 'transport close' or 'transport error'."""
