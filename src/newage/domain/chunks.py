"""Which chunks of an upstream stream are new: they come in order, but may be repeated (contract 5.6)."""

from __future__ import annotations


class ChunkOrder:
    """Accepts each index once; remembers at most ``max_gaps`` skipped ones, for a resent chunk to fill.

    ``next``: the index that comes if none is skipped; ``accepted``: how many chunks were new. Who takes the next one
    without asking here counts both up.
    """

    __slots__ = ("_gaps", "_max_gaps", "accepted", "next")

    def __init__(self, max_gaps: int) -> None:
        self.accepted = 0
        self._max_gaps = max_gaps
        self.next = 0
        self._gaps: set[int] = set()

    def accept(self, index: int | None) -> bool:
        """Has this chunk not been delivered yet? One without an index always counts as new."""
        if index is None or index == self.next:
            self.next += index is not None
        elif index > self.next:
            room = self._max_gaps - len(self._gaps)
            self._gaps.update(range(self.next, min(index, self.next + room)))
            self.next = index + 1
        elif index in self._gaps:
            self._gaps.discard(index)
        else:
            return False
        self.accepted += 1
        return True
