"""Who comes next where several wait: round robin over their names, each one's own in order of arrival (A18)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Turns(Generic[T]):
    """What waits for one place. Bounded by who adds to it.

    :param last: who had the turn before these came, if he has the place still: others come before his next.
    """

    __slots__ = ("_last", "_lines")

    def __init__(self, last: str | None = None) -> None:
        self._last = last
        self._lines: dict[str, deque[T]] = {}  # name -> what it waits with; who is next stands first

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __iter__(self) -> Iterator[T]:
        """Everything in the order in which it would be taken if nothing were added."""
        lines = list(self._lines.values())
        for round_number in range(max(map(len, lines), default=0)):
            yield from [line[round_number] for line in lines if round_number < len(line)]

    def add(self, name: str, waiting: T) -> None:
        self._lines.setdefault(name, deque()).append(waiting)
        if self._last in self._lines:  # its line is the last one
            self._lines[self._last] = self._lines.pop(self._last)

    def take(self, name: str, waiting: T) -> None:
        """It has its turn: whoever else waits comes before this one's next."""
        line = self._drop(name, waiting)
        self._last = name
        if line:
            self._lines[name] = self._lines.pop(name)

    def put_back(self, name: str, waiting: T) -> None:
        """It had its turn in vain: it is the next again."""
        line = self._lines.pop(name, deque())
        line.appendleft(waiting)
        self._last = None
        self._lines = {name: line, **self._lines}

    def leave(self, name: str, waiting: T) -> None:
        """It waits no longer, and had no turn."""
        self._drop(name, waiting)

    def _drop(self, name: str, waiting: T) -> deque[T]:
        line = self._lines[name]
        line.remove(waiting)
        if not line:
            del self._lines[name]
        return line
