"""What receivers are shown of an output at one stretch: the downstream form of contract 5.6 and 5.7.6."""

from __future__ import annotations

from newage.dialect import Body, streams
from newage.domain.shown import ShownOutput
from newage.services.streams.output_text import OutputText


class Form:
    """An output from where it began, or went on after its end, to where it ended. Receivers count from its start.

    ``start`` and ``first`` are the byte and the chunk of the output's text with which it begins; ``head`` is common to
    all plain events.
    """

    __slots__ = ("_chunks", "_size", "about", "first", "head", "output", "over", "start", "text")

    def __init__(self, output: OutputText, about: ShownOutput) -> None:
        self.output = output
        self.text = output.text
        self.about = about
        self.start = len(self.text.buffer)
        self.first = self.text.chunks
        self.head = streams.head(about)
        self.over = False
        self._chunks = self._size = 0  # once it is over

    @property
    def chunks(self) -> int:
        """How many there are so far."""
        return self._chunks if self.over else self.text.chunks - self.first

    @property
    def size(self) -> int:
        """Where it ends so far, in bytes of the output's text."""
        return min(self._size, len(self.text.buffer)) if self.over else len(self.text.buffer)

    def close(self) -> None:
        """What comes of the output from now on does not belong to it."""
        self._chunks, self._size, self.over = self.chunks, self.size, True

    def chunk(self, index: int, start: int, end: int) -> Body:
        """The body of one plain event with what is between these bytes, which are ends of chunks."""
        return streams.chunk(self.head, index, self.text.text(start, end))

    def end(self, chunks: int, *, failed: bool) -> Body:
        """The body of the end. :param chunks: how many its receivers got."""
        return streams.end(self.head, chunks, self.text.text(self.start, self.size), failed=failed)
