"""The receiver of a transport that has none: before ``bind`` and after ``close``."""

from __future__ import annotations

from typing import Final

from zope.interface import implementer

from newage.ports import IFrameSink, IReceiver


@implementer(IReceiver)
class _Nobody:
    """Hears everything and does nothing."""

    def text_received(self, packet: bytes) -> None:
        pass

    def binary_received(self, payload: bytes) -> None:
        pass

    def sink_closed(self, sink: IFrameSink, reason: str) -> None:
        pass


NOBODY: Final = _Nobody()
