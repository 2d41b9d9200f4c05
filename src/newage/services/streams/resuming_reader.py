"""A reader that comes back to an output: what it missed, as much as fits, then what comes (contract 5.7.7)."""

from __future__ import annotations

from attrs import frozen
from zope.interface import Interface, implementer

from newage.services.streams.cursor import Cursor, Piece, Position
from newage.services.streams.output_text import GrowingText, IOutputReader, OutputText, TextKind

# mypy-zope reads interface methods without ``self``.
# ruff: noqa: N805


class IPieces(Interface):
    """Where the pieces of an output go. Never raises."""

    def piece(piece: Piece) -> None:
        """It grew by that."""

    def cut(kind: TextKind, at: int, rev: int) -> None:
        """What came of that kind beyond so many UTF-16 units is void; the output has this ``rev`` now."""

    def over(failure: str | None) -> None:
        """No more comes; why it failed, if it did."""


@frozen
class Missed:
    """What a reader had not got. ``more``: that is not all, and nothing comes until it resumes again."""

    rev: int
    pieces: tuple[Piece, ...]
    more: bool


@implementer(IOutputReader)
class ResumingReader:
    """One reader of one output.

    :param position: what it has. :param pieces: is told what comes once it has all that there was.
    """

    __slots__ = ("_cursor", "_output", "_pieces")

    def __init__(self, output: OutputText, position: Position, pieces: IPieces) -> None:
        self._output = output
        self._cursor = Cursor(output, position)
        self._pieces = pieces

    def resume(self, limit: int) -> Missed:
        """Catch up.

        :param limit: bytes at once; four at least.
        """
        found = []
        while limit >= 4 and (piece := self._cursor.take(limit)) is not None:
            found.append(piece)
            limit -= len(piece.text.encode())
        more = self._cursor.left > 0
        if not more:
            self._output.add(self)
        return Missed(self._cursor.rev, tuple(found), more)

    def leave(self) -> None:
        """It went."""
        self._output.remove(self)

    def grew(self, part: GrowingText, text: str) -> None:
        piece = self._cursor.take(len(part.buffer))
        if piece is not None:
            self._pieces.piece(piece)

    def was_cut(self, part: GrowingText) -> None:
        at = self._cursor.step_back(part)
        if at is not None:
            self._pieces.cut(part.kind, at, self._cursor.rev)

    def ended(self, failure: str | None) -> None:
        self._pieces.over(failure)
