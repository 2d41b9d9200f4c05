"""Counts of what happened, and gauges of what is."""

from __future__ import annotations

from collections.abc import Callable


class Counters:
    """Named numbers that only grow, and gauges that are asked when somebody looks. Names come from code, not peers."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._gauges: dict[str, Callable[[], float]] = {}

    def add(self, name: str, amount: int = 1) -> None:
        self._counts[name] = self._counts.get(name, 0) + amount

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """:raises ValueError: the name is taken."""
        if name in self._gauges:
            raise ValueError(f"gauge {name} exists")
        self._gauges[name] = read

    def snapshot(self) -> dict[str, float]:
        return {**self._counts, **{name: read() for name, read in self._gauges.items()}}
