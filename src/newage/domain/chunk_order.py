"""Which chunks of an upstream stream are new: they come in order, but may be repeated (contract 5.6)."""

from __future__ import annotations


class ChunkOrder:
    """Accepts each index once; remembers at most ``max_gaps`` skipped ones, for a resent chunk to fill.

    ``next`` is the index that comes if none is skipped: who takes that one without asking here counts it up.
    """

    __slots__ = ("_apart", "_gaps", "_max_gaps", "next")

    def __init__(self, max_gaps: int) -> None:
        self.next = 0
        self._apart = 0  # how many more were accepted than ``next`` says
        self._max_gaps = max_gaps
        self._gaps: set[int] = set()

    @property
    def accepted(self) -> int:
        """How many chunks were new."""
        return self.next + self._apart

    def accept(self, index: int | None) -> bool:
        """Has this chunk not been delivered yet? One without an index always counts as new."""
        if index is None:
            self._apart += 1
        elif index >= self.next:
            room = self._max_gaps - len(self._gaps)
            self._gaps.update(range(self.next, min(index, self.next + room)))
            self._apart -= index - self.next
            self.next = index + 1
        elif index in self._gaps:
            self._gaps.discard(index)
            self._apart += 1
        else:
            return False
        return True
