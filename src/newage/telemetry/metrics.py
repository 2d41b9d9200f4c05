"""Counts of what happened, gauges of what is, and how long things took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence


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


class Histogram:
    """How often something was how large. Plain numbers: an observation costs half a microsecond and no lock.

    :param bounds: upper ends of the buckets, ascending; what is larger than the last one has a bucket of its own.
    """

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0  # of all that was observed

    def observe(self, value: float) -> None:
        """One more."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        """How many were observed."""
        return sum(self._counts)

    def up_to(self) -> Iterator[tuple[float, int]]:
        """Each bound, infinity the last one, and how many were not larger."""
        count = 0
        for bound, each in zip((*self._bounds, float("inf")), self._counts, strict=True):
            count += each
            yield bound, count
