"""A place in an output, for a reader that takes its text at its own pace or comes back to it (contract 5.7.7)."""

from __future__ import annotations

import re

from attrs import frozen

from newage.domain.text import utf16_length
from newage.services.streams.output_text import GrowingText, OutputText, TextKind

_WRITTEN = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


@frozen
class Position:
    """What a reader has: UTF-16 units of text and of reasoning, and the ``rev`` of the output that they are of."""

    rev: int = 0
    at: int = 0
    reasoning_at: int = 0

    def __str__(self) -> str:
        return f"{self.rev}.{self.at}.{self.reasoning_at}"

    @classmethod
    def read(cls, written: str) -> Position | None:
        """The opposite of ``str``; None for anything else, however odd."""
        found = _WRITTEN.fullmatch(written)
        return None if found is None else cls(*map(int, found.groups()))


@frozen
class Piece:
    """Part of an output. ``at`` counts the UTF-16 units before it."""

    kind: TextKind
    at: int
    text: str


class _Place:
    """In one kind of text: what was taken, in bytes and in units, and where to stop."""

    __slots__ = ("at", "byte", "end", "part")

    def __init__(self, part: GrowingText, at: int) -> None:
        self.part = part
        self.byte = part.byte_at(at) if at <= part.units else 0
        self.at = utf16_length(part.text(0, self.byte))
        self.end: int | None = None

    @property
    def left(self) -> int:
        end = len(self.part.buffer)
        return max(0, (end if self.end is None else min(end, self.end)) - self.byte)

    def take(self, limit: int) -> Piece:
        chunk = self.part.read(self.byte, min(limit, self.left))
        piece = Piece(self.part.kind, self.at, chunk.decode())
        self.byte += len(chunk)
        self.at += utf16_length(piece.text)
        return piece

    def step_back(self) -> bool:
        if self.byte <= len(self.part.buffer):
            return False
        self.byte, self.at = len(self.part.buffer), self.part.units
        return True


class Cursor:
    """Where a reader is in an output.

    Who has more than there is, or has it of another ``rev``, has something else: it starts anew. A position within a
    character is the one before it.
    """

    __slots__ = ("_output", "_reasoning", "_text", "rev")

    def __init__(self, output: OutputText, position: Position) -> None:
        if position.rev != output.rev:
            position = Position()
        self.rev = output.rev
        self._output = output
        self._text = _Place(output.text, position.at)
        self._reasoning = _Place(output.reasoning, position.reasoning_at)

    @property
    def position(self) -> Position:
        """What the reader has, with all that was taken."""
        return Position(self.rev, self._text.at, self._reasoning.at)

    @property
    def left(self) -> int:
        """Bytes that may be taken now."""
        return self._reasoning.left + self._text.left

    def take(self, limit: int) -> Piece | None:
        """The next piece, of at most so many bytes (four at least: a character is whole); None while there is none.

        Reasoning comes before text.
        """
        place = self._reasoning if self._reasoning.left else self._text
        return place.take(limit) if place.left else None

    def step_back(self, part: GrowingText) -> int | None:
        """The end of it became void. :return: where the reader must cut it, None when it has nothing of that."""
        place = self._text if part is self._output.text else self._reasoning
        self.rev = self._output.rev
        return place.at if place.step_back() else None

    def close(self) -> None:
        """What comes from now on is not for this reader."""
        for place in (self._text, self._reasoning):
            place.end = len(place.part.buffer)
