"""A WebSocket that wants to take over from polling, until it won or lost."""

from __future__ import annotations

from typing import Protocol

from zope.interface import implementer

from newage.ports import IFrameSink, IPollingSink, IReceiver


class Upgrading(Protocol):
    """The connection that is being upgraded (``connection.Connection``)."""

    def probe_received(self, probe: Probe, packet: bytes) -> None: ...
    def probe_closed(self, probe: Probe) -> None: ...
    def faulty(self) -> None: ...


@implementer(IReceiver)
class Probe:
    """What the WebSocket feeds meanwhile; ``polling`` is the transport it wants to replace."""

    __slots__ = ("_connection", "polling", "sink")

    def __init__(self, connection: Upgrading, sink: IFrameSink, polling: IPollingSink) -> None:
        self._connection = connection
        self.sink = sink
        self.polling = polling
        sink.bind(self)

    def text_received(self, packet: bytes) -> None:
        self._received(packet)

    def binary_received(self, payload: bytes) -> None:
        self._received(b"")  # nothing that a probe may say

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        self._connection.probe_closed(self)

    def _received(self, packet: bytes) -> None:
        try:
            self._connection.probe_received(self, packet)
        except Exception:
            self._connection.faulty()
