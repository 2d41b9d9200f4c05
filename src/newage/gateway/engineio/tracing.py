"""Watching one connection live: its transport and its receiver are wrapped while somebody looks, and cost nothing else.

For the manhole. Shows packets shortened; what is watched is the operator's business, so nothing of it is logged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from twisted.logger import Logger
from zope.interface import implementer

from newage.gateway.engineio.connection import Connection
from newage.ports import IFrameSink, IReceiver
from newage.protocol.engine_packet import SharedPacket

SHOWN = 200  # bytes of a packet

_log = Logger()

Write: TypeAlias = Callable[[str], None]


def shown(packet: bytes) -> str:
    """A packet as one printable line."""
    text = packet[:SHOWN].decode("utf-8", "backslashreplace")
    printable = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
    more = len(packet) - SHOWN
    return f"{printable} …{more} bytes more" if more > 0 else printable


class TracingSink:
    """What the hub sends to the client passes through here. Everything else is the transport's own."""

    def __init__(self, sink: IFrameSink, write: Write) -> None:
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
        packet.held = 0  # nothing is to be added that would not pass through here

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)


@implementer(IReceiver)
class TracingReceiver:
    """What the client sends passes through here."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self._connection = tap.connection

    def text_received(self, packet: bytes) -> None:
        self._tap.say(f"<- {shown(packet)}")
        self._connection.text_received(packet)

    def binary_received(self, payload: bytes) -> None:
        self._tap.say(f"<- binary, {len(payload)} bytes")
        self._connection.binary_received(payload)

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        """The connection knows its sink by identity, so it gets back what it has."""
        self._tap.say(f"closed: {reason}")
        self._connection.sink_closed(self._connection.sink if sink is self._tap.sink else sink, reason)


class Tap:
    """The wrappers of one connection, for all who watch it.

    Of a polling transport only what comes in is shown, for the web layer looks at such a transport itself. An upgrade
    replaces the transport and so ends the watching.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.sink = connection.sink
        self.writers: list[Write] = []
        self._wrapper: Any = self.sink
        if self.sink.name == "websocket":
            self._wrapper = TracingSink(self.sink, self.say)
        connection.interpose(self._wrapper, TracingReceiver(self))

    @property
    def in_place(self) -> bool:
        return self.connection.sink is self._wrapper and not self.connection.closed

    def say(self, line: str) -> None:
        for write in list(self.writers):
            try:
                write(line)
            except Exception:  # whoever watches must not harm whom it watches
                _log.failure("a trace broke and ends")
                self.writers.remove(write)
                if not self.writers:
                    self.remove()

    def remove(self) -> None:
        if self.in_place:
            self.connection.interpose(self.sink, self.connection)


class Tracer:
    """Watches connections; several may watch the same one."""

    def __init__(self) -> None:
        self._taps: dict[Connection, Tap] = {}  # bounded by what operators ask for

    def start(self, connection: Connection, write: Write) -> Callable[[], None]:
        """Give a line for each packet to ``write`` from now on.

        :return: ends it; may be called again.
        """
        self._taps = {each: tap for each, tap in self._taps.items() if tap.in_place}
        tap = self._taps.get(connection)
        if tap is None:
            tap = self._taps[connection] = Tap(connection)
        tap.writers.append(write)

        def stop() -> None:
            if write not in tap.writers:
                return
            tap.writers.remove(write)
            if not tap.writers:
                tap.remove()
                self._taps = {each: other for each, other in self._taps.items() if other is not tap}

        return stop
