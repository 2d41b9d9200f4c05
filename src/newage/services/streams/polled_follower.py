"""One socket that follows an output over long polling (contract 5.7.7, A30).

As ``polled_reader``: what waits of an output for a client that is between two polls is drawn when it comes for it, as
one event of each kind, and what became void meanwhile is said once.
"""

from __future__ import annotations

from typing import Any, Final

from zope.interface import implementer

from newage.dialect import streams
from newage.ports import IOutbox
from newage.services.streams.cursor import Cursor, Position
from newage.services.streams.form import Form
from newage.services.streams.output_text import GrowingText, IOutputReader, TextKind

KINDS: Final = {TextKind.TEXT: streams.KIND_TEXT, TextKind.REASONING: streams.KIND_REASONING}
_ALL = 1 << 30  # more bytes than there are
_Events = list[tuple[str, Any]]


@implementer(IOutputReader)
class PolledFollower:
    """Gets what comes of an output from now on. A merged chunk has the index of the last one in it."""

    __slots__ = ("_cursor", "_form", "_heads", "_index", "_last", "_outbox", "_sid", "_void", "_waiting")

    def __init__(self, form: Form, outbox: IOutbox, sid: str) -> None:
        output = form.output
        self._form = form
        self._outbox = outbox
        self._sid = sid
        self._heads = streams.text_head(form.head), streams.reasoning_head(form.head)
        self._cursor = Cursor(output, Position(output.rev, output.text.units, output.reasoning.units))
        self._index = form.chunks
        self._void: dict[TextKind, None] = {}  # of what something became void since it last came
        self._waiting = False
        self._last: _Events | None = None  # once nothing more is for it
        output.add(self)

    def grew(self, part: GrowingText, text: str) -> None:
        if part is self._form.text:
            self._index = part.chunks
        self._offer()

    def was_cut(self, part: GrowingText) -> None:
        self._cursor.step_back(part)
        self._void[part.kind] = None
        self._offer()

    def ended(self, failure: str | None) -> None:
        """See ``close``."""

    def close(self) -> None:
        """It is over, or goes on for others: what waits is what there is now."""
        self._form.output.remove(self)
        self._last = self._events()

    def leave(self) -> None:
        """Nothing that waits is for it."""
        self._form.output.remove(self)
        self._last = []

    def _offer(self) -> None:
        if not self._waiting:
            self._waiting = True
            self._outbox.offer(self._sid, self._draw)

    def _draw(self) -> _Events:
        self._waiting = False
        return self._events() if self._last is None else self._last

    def _events(self) -> _Events:
        cursor, about = self._cursor, self._form.about
        found: _Events = []
        have = cursor.position
        for left, kind in zip(reversed(range(len(self._void))), self._void, strict=True):
            at = have.at if kind is TextKind.TEXT else have.reasoning_at
            event = streams.reset(about, KINDS[kind], at=at, rev=have.rev - left)  # who gets the first has not all
            found.append((event.name, event.body))
        self._void.clear()
        while (piece := cursor.take(_ALL)) is not None:
            if piece.kind is TextKind.TEXT:
                body = streams.text_at(self._heads[0], piece.at, self._index, piece.text)
            else:
                body = streams.reasoning_at(self._heads[1], piece.at, piece.text)
            found.append((streams.DATA, body))
        return found
