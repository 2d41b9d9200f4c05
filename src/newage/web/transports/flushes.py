"""The end of a reactor turn: what was queued during it is sent then, all at once for each transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from twisted.logger import Logger

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

SHARE_SECONDS: Final = 0.005
"""One read may hold thousands of small messages. After its share of a turn a peer waits until others had theirs."""

_log = Logger()


class Flushed(Protocol):
    """A transport with something to send."""

    def flush(self) -> None:
        """Send it; with nothing left to send, do nothing."""

    def cut(self) -> None:
        """End at once, by a fault."""


class FlushList:
    """Who has something to send this turn; one list per reactor."""

    __slots__ = ("_call_later", "_sinks", "seconds")

    def __init__(self, clock: IReactorTime) -> None:
        self.seconds = clock.seconds
        self._call_later = clock.callLater
        self._sinks: list[Flushed] = []

    def add(self, sink: Flushed) -> None:
        """Have ``sink.flush()`` called at the end of this turn."""
        if not self._sinks:
            self._call_later(0, self.flush)
        self._sinks.append(sink)

    def next_turn(self, call: Callable[[], None]) -> None:
        """Have this called when others had their turn."""
        self._call_later(0, call)

    def flush(self) -> None:
        sinks, self._sinks = self._sinks, []
        for sink in sinks:
            try:
                sink.flush()
            except Exception:
                _log.failure("flushing {sink} failed", sink=type(sink).__name__)
                sink.cut()
