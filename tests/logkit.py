"""What the code under test logged."""

from __future__ import annotations

from typing import Any

from twisted.logger import LogEvent, formatEvent, globalLogPublisher


class Logged:
    """Hears everything that goes to the log from ``start`` to ``stop``; called, it gives newage's own lines."""

    def __init__(self) -> None:
        self.events: list[LogEvent] = []

    def start(self) -> Logged:
        globalLogPublisher.addObserver(self.events.append)
        return self

    def stop(self) -> None:
        globalLogPublisher.removeObserver(self.events.append)

    def __call__(self) -> list[str]:
        return [formatEvent(event) for event in self.events if str(event["log_namespace"]).startswith("newage")]

    def audited(self) -> list[dict[str, Any]]:
        """The facts of the audit log."""
        return [event["log_audit"] for event in self.events if "log_audit" in event]

    def tags(self) -> list[str]:
        return [event["tag"] for event in self.events if event.get("tag")]
