"""Whether what is on its way still comes: a least rate instead of an absolute end (contract 16.2.3). No clock.

Whatever a peer has begun to send, or to take, may last as long as it makes progress. It is looked at now and then,
not at every byte: who counts the bytes keeps a number that he has anyway.
"""

from __future__ import annotations

from typing import Final

LEAST_BYTES_PER_SECOND: Final = 500.0
"""The default: a tenth of what the slowest mobile networks carry, and no long wait for 1 MB that never ends."""


class Arrival:
    """One thing on its way. Bytes only grow while it is the same thing; times are seconds on the caller's clock."""

    __slots__ = ("_at", "_bytes", "_rate")

    def __init__(self, least_bytes_per_second: float) -> None:
        self._rate = least_bytes_per_second
        self._bytes = 0
        self._at = 0.0

    def begin(self, so_far: int, now: float) -> None:
        """Count from here: so many bytes are there."""
        self._bytes = so_far
        self._at = now

    def goes_on(self, so_far: int, now: float) -> bool:
        """Whether enough came since ``begin``, or since the last time this was true: then it counts from here."""
        if so_far <= self._bytes or so_far - self._bytes < self._rate * (now - self._at):
            return False
        self.begin(so_far, now)
        return True


class Patience:
    """Whether an answer to a heartbeat may be late because something is on its way before it.

    Either the peer is sending something long, and its answer comes behind; or the heartbeat itself waits behind what
    the peer still takes, and the time of the answer begins when it has left.
    """

    __slots__ = ("_left", "_mark", "_receiving", "_sending")

    def __init__(self, least_bytes_per_second: float) -> None:
        self._receiving = Arrival(least_bytes_per_second)
        self._sending = Arrival(least_bytes_per_second)
        self._left = True  # the heartbeat has
        self._mark = 0

    def pinged(self, *, arriving: int, taken: int, queued: int, now: float) -> None:
        """A heartbeat is about to be sent.

        :param arriving: bytes of what the peer has begun to send.
        :param taken: bytes that the peer's side has ever taken from us.
        :param queued: bytes that were ever queued for it.
        """
        self._receiving.begin(arriving, now)
        self._sending.begin(taken, now)
        self._left = taken >= queued
        self._mark = queued

    def lasts(self, *, arriving: int, taken: int, now: float) -> bool:
        """Whether the answer, which is overdue, gets its time once more."""
        if not self._left:
            self._left = taken >= self._mark
            if self._left or self._sending.goes_on(taken, now):
                return True
        return self._receiving.goes_on(arriving, now)
