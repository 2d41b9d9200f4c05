"""Watching one connection live: its transport and its receiver are wrapped while somebody looks, and cost nothing else.

For the manhole. Shows packets shortened; what is watched is the operator's business, so nothing of it is logged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from newage.gateway.connection import Connection
from newage.ports import IFrameSink, IReceiver
from newage.protocol.engine_packet import SharedPacket

SHOWN = 200  # bytes of a packet


def shown(packet: bytes) -> str:
    """A packet as one printable line."""
    text = packet[:SHOWN].decode("utf-8", "backslashreplace")
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    more = len(packet) - SHOWN
    return f"{printable} …{more} bytes more" if more > 0 else printable


class TracingSink:
    """What the hub sends to the client passes through here. Everything else is the transport's own."""

    def __init__(self, sink: IFrameSink, write: Callable[[str], None]) -> None:
        self._sink = sink
        self._write = write

    def send_text(self, packet: bytes) -> None:
        self._write(f"-> {shown(packet)}")
        self._sink.send_text(packet)

    def send_binary(self, payload: bytes) -> None:
        self._write(f"-> binary, {len(payload)} bytes")
        self._sink.send_binary(payload)

    def send_shared(self, packet: SharedPacket) -> None:
        self._write(f"-> {shown(packet.packet)}")
        self._sink.send_shared(packet)

    def wraps(self, sink: IFrameSink) -> bool:
        return sink is self._sink

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


@implementer(IReceiver)
class TracingReceiver:
    """What the client sends passes through here."""

    def __init__(self, connection: Connection, write: Callable[[str], None]) -> None:
        self._connection = connection
        self._write = write

    def text_received(self, packet: bytes) -> None:
        self._write(f"<- {shown(packet)}")
        self._connection.text_received(packet)

    def binary_received(self, payload: bytes) -> None:
        self._write(f"<- binary, {len(payload)} bytes")
        self._connection.binary_received(payload)

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        self._write(f"closed: {reason}")
        now = self._connection.sink
        own = isinstance(now, TracingSink) and now.wraps(sink)
        self._connection.sink_closed(now if own else sink, reason)


class Trace:
    """One connection being watched; ``stop`` takes the wrappers out again.

    Of a polling transport only what comes in is shown, for the web layer looks at such a transport itself. An upgrade
    replaces the transport and so ends the trace.
    """

    def __init__(self, connection: Connection, write: Callable[[str], None]) -> None:
        self._connection = connection
        self._sink = connection.sink
        self._sink.bind(TracingReceiver(connection, write))
        if self._sink.name == "websocket":
            connection.sink = TracingSink(self._sink, write)  # type: ignore[assignment]

    def stop(self) -> None:
        """Idempotent."""
        now = self._connection.sink
        if isinstance(now, TracingSink):
            now = self._connection.sink = self._sink
        if now is self._sink:
            self._sink.bind(self._connection)
