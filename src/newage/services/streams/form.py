"""What receivers are shown of an output up to an end of it: the downstream form of contract 5.6 and 5.7.6."""

from __future__ import annotations

from typing import NamedTuple

from newage.dialect import Body, streams
from newage.domain.shown import ShownOutput
from newage.services.streams.output_text import OutputText


class Had(NamedTuple):
    """What a plain receiver got before an end: so many chunks, as it counts them, and bytes of text."""

    chunks: int
    size: int


class Form:
    """An output up to where it ended. One that goes on after that has a form more, which begins where the text does.

    ``head`` is common to all plain events. ``had`` is what plain receivers got of it by its ends, by sid: to these it
    goes on (A33).

    :param before: the form that ended, of an output that goes on.
    """

    __slots__ = (
        "_cancelled",
        "_chunks",
        "_size",
        "_stored",
        "about",
        "had",
        "head",
        "output",
        "over",
        "reopened",
        "text",
    )

    def __init__(self, output: OutputText, about: ShownOutput, before: Form | None = None) -> None:
        self.output = output
        self.text = output.text
        self.about = about
        self.reopened = before is not None
        self.had: dict[str, Had] = {} if before is None else before.had
        self.head = streams.head(about)
        self.over = False
        self._chunks = self._size = 0  # once it is over
        self._stored = self._cancelled = False

    @property
    def chunks(self) -> int:
        """How many there are so far."""
        return self._chunks if self.over else self.text.chunks

    @property
    def size(self) -> int:
        """Where it ends so far, in bytes of the output's text."""
        return min(self._size, len(self.text.buffer)) if self.over else len(self.text.buffer)

    def close(self) -> None:
        """What comes of the output from now on does not belong to it."""
        self._chunks, self._size, self.over = self.chunks, self.size, True
        self._stored, self._cancelled = self.output.stored, self.output.cancelled

    def chunk(self, index: int, start: int, end: int) -> Body:
        """The body of one plain event with what is between these bytes, which are ends of chunks."""
        return streams.chunk(self.head, index, self.text.text(start, end))

    def end(self, chunks: int, *, failed: bool) -> Body:
        """The body of the end. :param chunks: how many its receivers got."""
        text = self.text.text(0, self.size)
        return streams.end(
            self.head,
            chunks,
            text,
            failed=failed,
            stored=self._stored,
            reopened=self.reopened,
            cancelled=self._cancelled,
        )

    def followed_end(self, *, failed: bool) -> Body:
        """The body of the end for those who follow the output."""
        message_id = self.output.message_id if self._stored else ""
        reasoning = self.output.reasoning.text()
        body = self.end(self.chunks, failed=failed)
        finish = self.output.finish
        return streams.followed_end(body, self.about, reasoning=reasoning, message_id=message_id, finish=finish)

    def meta(self) -> Body:
        """What the reader of a ``$stream`` is told of it."""
        return streams.meta(self.about, reopened=self.reopened)
