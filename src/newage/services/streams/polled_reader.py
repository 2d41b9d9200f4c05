"""One plain receiver of one output over long polling (contract 5.7.6, A30).

What is sent while such a client is between two polls may be too many events for it: python-engineio takes 16 in one
answer. So for a reader that is behind, what waits of an output's text is one event, drawn when it comes for it. Its
chunks are numbered as it gets them, and its END counts these: nothing is missing to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from newage.dialect import streams
from newage.ports import IOutbox
from newage.services.streams.form import Form, Had
from newage.services.streams.output_text import GrowingText, IOutputReader
from newage.services.streams.plain_events import tell_end

NAMES = streams.LIBRARY_NAMES  # the event, and its alias


@implementer(IOutputReader)
class PolledReader:
    """Gets the text of ``form`` from its start, or what it has not had before.

    :param ends: the text so far comes in pieces up to these bytes, the last one as the last chunk.
    :param alias: also under the alias name.
    :param had: what it got of the output before; its chunks are counted on from there.
    """

    __slots__ = ("_end", "_form", "_index", "_names", "_outbox", "_sid", "_start", "_waiting")

    def __init__(
        self, form: Form, outbox: IOutbox, sid: str, ends: Sequence[int], *, alias: bool, had: Had | None = None
    ) -> None:
        self._form = form
        self._outbox = outbox
        self._sid = sid
        self._index = form.chunks - len(ends) if had is None else had.chunks  # of its next chunk
        self._names = NAMES if alias else NAMES[:1]
        self._start = self._end = 0 if had is None else had.size  # what was drawn, and up to where it may be
        self._waiting = False  # to be drawn
        for end in ends:
            self._advance(end)

    def grew(self, part: GrowingText, text: str) -> None:
        if part is self._form.text:
            self._advance(len(part.buffer))

    def was_cut(self, part: GrowingText) -> None:
        """It is told the end only."""
        if part is self._form.text:
            self._form.output.remove(self)

    def ended(self, failure: str | None) -> None:
        chunks = self._index + self._waiting  # when all that waits is drawn
        body = self._form.end(chunks, failed=failure is not None)
        self._form.had[self._sid] = Had(chunks, self._end)
        tell_end(self._outbox, [self._sid], body, alias=self._names is NAMES)

    def _advance(self, end: int) -> None:
        """There is a chunk more, up to this byte of the text."""
        self._end = end
        if not self._waiting:
            self._waiting = True
            self._outbox.offer(self._sid, self._draw)

    def _draw(self) -> list[tuple[str, Any]]:
        body = self._form.chunk(self._index, self._start, self._end)
        self._waiting = False
        self._index += 1
        self._start = self._end
        return [(name, body) for name in self._names]
