"""The plain receivers of one output: events, encoded once for all of them (contract 5.7.6)."""

from __future__ import annotations

from collections.abc import Sequence

from zope.interface import implementer

from newage.dialect import Body, streams
from newage.ports import IChannel, IOutbox
from newage.services.streams.form import Form, Had
from newage.services.streams.output_text import GrowingText, IOutputReader

DATA, DATA_ALIAS = streams.DATA, streams.ALIASES[streams.DATA]


@implementer(IOutputReader)
class PlainEvents:
    """Hungry as long as it has somebody to tell. ``grew`` is the path of each token."""

    __slots__ = ("_alias_channel", "_aliased", "_channel", "_form", "_head", "_outbox", "_silent", "_text")

    def __init__(self, form: Form, outbox: IOutbox) -> None:
        self._form = form
        self._outbox = outbox
        self._text = form.text
        self._head = form.head
        self._aliased: dict[str, bool] = {}  # sid -> also under the alias names
        self._silent: set[str] = set()  # whose text became wrong: they are told the end only
        self._channel: IChannel | None = None
        self._alias_channel: IChannel | None = None

    def __contains__(self, sid: str) -> bool:
        return sid in self._aliased

    def add(self, sid: str, ends: Sequence[int], *, alias: bool, start: int = 0) -> None:
        """One more. The text from ``start`` comes in pieces up to these ``ends``, the last one as the last chunk."""
        self._aliased[sid] = alias
        self._rebuild()
        for index, end in enumerate(ends, self._form.chunks - len(ends)):
            body = self._form.chunk(index, start, end)
            self._outbox.emit(sid, DATA, body)
            if alias:
                self._outbox.emit(sid, DATA_ALIAS, body)
            start = end

    def remove(self, sid: str) -> None:
        """Not being there is fine."""
        if self._aliased.pop(sid, None) is not None:
            self._silent.discard(sid)
            self._rebuild()

    def grew(self, part: GrowingText, text: str) -> None:
        if part is not self._text or self._channel is None:
            return
        body = streams.chunk(self._head, part.chunks, text)
        self._channel.emit(DATA, body)
        if self._alias_channel is not None:
            self._alias_channel.emit(DATA_ALIAS, body)

    def was_cut(self, part: GrowingText) -> None:
        if part is self._text:
            self._silent.update(self._aliased)
            self._rebuild()

    def ended(self, failure: str | None) -> None:
        body = self._form.end(self._form.chunks, failed=failure is not None)
        for alias in (True, False):
            tell_end(self._outbox, [sid for sid, also in self._aliased.items() if also is alias], body, alias=alias)
        self._form.had.update(dict.fromkeys(self._aliased, Had(self._form.chunks, self._form.size)))
        self._aliased.clear()
        self._silent.clear()
        self._rebuild()

    def _rebuild(self) -> None:
        told = [sid for sid in self._aliased if sid not in self._silent]
        aliased = [sid for sid in told if self._aliased[sid]]
        before, self._channel = self._channel, self._outbox.channel(told) if told else None
        self._alias_channel = self._outbox.channel(aliased) if aliased else None
        if self._channel is None:
            self._form.output.remove(self)
        elif before is None and not self._form.over:
            self._form.output.add(self)


def tell_end(outbox: IOutbox, sids: Sequence[str], body: Body, *, alias: bool) -> None:
    """SERVER_STREAM_END to these sockets. :param alias: also under its other name."""
    if sids:
        channel = outbox.channel(sids)
        channel.emit(streams.END, body)
        if alias:
            channel.emit(streams.ALIASES[streams.END], body)
