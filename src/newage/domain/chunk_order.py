"""Which chunks of an upstream stream are new: they come in order, but may be repeated (contract 5.6)."""

from __future__ import annotations

from bisect import bisect_right


class ChunkOrder:
    """Accepts each index once; remembers which were skipped, for a resent chunk to fill, as at most ``max_gaps`` runs.

    ``next`` is the index that comes if none is skipped: who takes that one without asking here counts it up.
    """

    __slots__ = ("_apart", "_gaps", "_max_gaps", "next")

    def __init__(self, max_gaps: int) -> None:
        self.next = 0
        self._apart = 0  # how many more were accepted than ``next`` says
        self._max_gaps = max_gaps
        self._gaps: list[tuple[int, int]] = []  # first missing and first after it, in order

    @property
    def accepted(self) -> int:
        """How many chunks were new."""
        return self.next + self._apart

    @property
    def overfull(self) -> bool:
        """More is missing than can be remembered."""
        return len(self._gaps) > self._max_gaps

    def accept(self, index: int | None) -> bool:
        """Has this chunk not been delivered yet? One without an index, or below 0, always counts as new."""
        if index is None or index < 0:
            self._apart += 1
            return True
        if index >= self.next:
            if index > self.next:
                self._gaps.append((self.next, index))
                self._apart -= index - self.next
            self.next = index + 1
            return True
        place = bisect_right(self._gaps, (index, self.next)) - 1
        if place < 0 or index >= self._gaps[place][1]:
            return False
        first, after = self._gaps[place]
        self._gaps[place : place + 1] = [run for run in ((first, index), (index + 1, after)) if run[0] < run[1]]
        self._apart += 1
        return True
