"""What the code under test logged."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher
from zope.interface import implementer


@implementer(ILogObserver)
class _Observer:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def __call__(self, event: LogEvent) -> None:
        self.events.append(event)


class Logged:
    """Hears the log from ``start`` to ``stop``, or in a ``with`` block; called, it gives newage's lines."""

    def __init__(self) -> None:
        self._observer = _Observer()
        self.events = self._observer.events

    def start(self) -> Logged:
        globalLogPublisher.addObserver(self._observer)
        return self

    def stop(self) -> None:
        globalLogPublisher.removeObserver(self._observer)

    def __enter__(self) -> Logged:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def __call__(self) -> list[str]:
        return [formatEvent(event) for event in self.events if str(event["log_namespace"]).startswith("newage")]

    def audited(self) -> list[dict[str, Any]]:
        """The facts of the audit log."""
        return [event["log_audit"] for event in self.events if "log_audit" in event]

    def tags(self) -> list[str]:
        return [event["tag"] for event in self.events if event.get("tag")]
