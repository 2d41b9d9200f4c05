"""How much somebody may do: so many a second with so many at once, and so many bytes within ten seconds (A39)."""

from __future__ import annotations

from collections import deque
from math import inf

WINDOW = 10.0  # seconds


class Allowance:
    """Of one identity or one client. Full at first; times are seconds of one monotonic clock."""

    __slots__ = ("_bytes", "_left", "_seen", "_spent")

    def __init__(self) -> None:
        self._left = inf  # never more than the burst
        self._seen = 0.0
        self._bytes: deque[tuple[float, int]] = deque()  # when, how many
        self._spent = 0  # the sum of these

    def wait(self, now: float, rate: float, burst: float) -> float:
        """Seconds until it may do one thing more; 0: now.

        :param rate: things a second. :param burst: at once, after a rest.
        """
        self._left = min(burst, self._left + (now - self._seen) * rate)
        self._seen = now
        return 0.0 if self._left >= 1 else (1 - self._left) / rate

    def take(self) -> None:
        """It does one; after ``wait`` at that time."""
        self._left -= 1

    def holds(self, now: float, size: int, most: int) -> bool:
        """May it tell others so many bytes now? Something always fits after ten seconds of silence.

        :param most: within ten seconds.
        """
        while self._bytes and self._bytes[0][0] <= now - WINDOW:
            self._spent -= self._bytes.popleft()[1]
        return not self._bytes or self._spent + size <= most

    def tell(self, now: float, size: int) -> None:
        """It does; after ``holds``."""
        self._bytes.append((now, size))
        self._spent += size

    def is_rested(self, now: float, rate: float, burst: float) -> bool:
        """Has it been quiet for so long that it is as good as new? Parameters as of ``wait``."""
        quiet = not self._bytes or self._bytes[-1][0] <= now - WINDOW
        return quiet and self._left + (now - self._seen) * rate >= burst
