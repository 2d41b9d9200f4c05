"""Which chunks of an upstream stream are new: they come in order, but may be repeated (contract 5.6)."""

from __future__ import annotations


class ChunkOrder:
    """Accepts each index once; remembers at most ``max_gaps`` skipped ones, for a resent chunk to fill."""

    __slots__ = ("_gaps", "_max_gaps", "_next", "accepted")

    def __init__(self, max_gaps: int) -> None:
        self.accepted = 0
        self._max_gaps = max_gaps
        self._next = 0
        self._gaps: set[int] = set()

    def accept(self, index: int | None) -> bool:
        """Has this chunk not been delivered yet? One without an index always counts as new."""
        if index is None or index == self._next:
            self._next += index is not None
        elif index > self._next:
            room = self._max_gaps - len(self._gaps)
            self._gaps.update(range(self._next, min(index, self._next + room)))
            self._next = index + 1
        elif index in self._gaps:
            self._gaps.discard(index)
        else:
            return False
        self.accepted += 1
        return True
