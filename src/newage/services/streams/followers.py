"""The sockets that follow an output: events that say where their text belongs (contract 5.7.7, A21).

They declared ``outputs:true``. What they get is encoded once for all of them; who polls draws it at its own pace.
"""

from __future__ import annotations

from zope.interface import implementer

from newage.dialect import Event, streams
from newage.domain.shown import Missed
from newage.domain.text import utf16_length
from newage.ports import IChannel, IOutbox
from newage.services.streams.catching_up import catch_up
from newage.services.streams.cursor import Position
from newage.services.streams.form import Form
from newage.services.streams.output_text import GrowingText, IOutputReader
from newage.services.streams.polled_follower import KINDS, PolledFollower

DATA = streams.DATA


@implementer(IOutputReader)
class Followers:
    """Those of one form of an output. Hungry as long as one of them has a channel; ``grew`` is the path of each token.

    What became void, and the end, ``Receivers`` tells it.

    :param epoch: the hub's.
    """

    __slots__ = (
        "_at",
        "_channel",
        "_epoch",
        "_form",
        "_open",
        "_outbox",
        "_paused",
        "_polled",
        "_reasoning_at",
        "_reasoning_head",
        "_sids",
        "_text",
        "_text_head",
    )

    def __init__(self, form: Form, outbox: IOutbox, epoch: str) -> None:
        self._form = form
        self._outbox = outbox
        self._epoch = epoch
        self._text = form.text
        self._text_head = streams.text_head(form.head)
        self._reasoning_head = streams.reasoning_head(form.head)
        self._at = self._reasoning_at = 0  # UTF-16 units, while it is hungry
        self._sids: dict[str, None] = {}  # that get what comes over the channel
        self._polled: dict[str, PolledFollower] = {}
        self._paused: set[str] = set()  # that have not fetched all that they missed: nothing comes to them until then
        self._channel: IChannel | None = None
        self._open = False

    def __contains__(self, sid: str) -> bool:
        return sid in self._sids or sid in self._polled or sid in self._paused

    @property
    def _all(self) -> list[str]:
        return [*self._sids, *self._polled, *self._paused]

    # ------------------------------------------------------------------------------------------------ coming and going

    def open(self) -> None:
        """Tell those who are there that it begins, or goes on; who comes from now on is told when it comes."""
        self._open = True
        self._tell(self._started())

    def add(self, sid: str) -> None:
        """One more. What there is of the text it asks for, if it wants to."""
        self._follow(sid)
        if self._open:
            event = self._started()
            self._outbox.emit(sid, event.name, event.body)

    def remove(self, sid: str) -> None:
        """Not being there is fine."""
        self._stop(sid)

    def resume(self, sid: str, position: Position, limit: int) -> Missed:
        """What one of them has missed. What comes goes on right after it, once that is all."""
        missed = catch_up(self._form.output, position, limit)
        self._stop(sid)
        if missed.more:
            self._paused.add(sid)
        else:
            self._follow(sid)
        return missed

    # ----------------------------------------------------------------------------------------------- what it is told of

    def grew(self, part: GrowingText, text: str) -> None:
        channel = self._channel
        if channel is None:
            return
        if part is self._text:
            at = self._at
            self._at = at + (len(text) if text.isascii() else utf16_length(text))
            channel.emit(DATA, streams.text_at(self._text_head, at, part.chunks, text))
        else:
            at = self._reasoning_at
            self._reasoning_at = at + utf16_length(text)
            channel.emit(DATA, streams.reasoning_at(self._reasoning_head, at, text))

    def was_cut(self, part: GrowingText) -> None:
        """See ``cut``: those who are paused hear it, too."""

    def cut(self, part: GrowingText) -> None:
        self._count()
        told = [*self._sids, *self._paused]  # who polls draws it in its place
        if told:
            event = streams.reset(self._form.about, KINDS[part.kind], at=part.units, rev=self._form.output.rev)
            self._outbox.channel(told).emit(event.name, event.body)

    def ended(self, failure: str | None) -> None:
        """See ``close``."""

    def close(self, *, failed: bool) -> None:
        """It is over: they are told so, and there are none any more."""
        self._form.output.remove(self)
        for follower in self._polled.values():
            follower.close()
        if self._all:
            self._outbox.channel(self._all).emit(streams.END, self._form.followed_end(failed=failed))
        self._sids.clear()
        self._polled.clear()
        self._paused.clear()
        self._channel = None

    # ------------------------------------------------------------------------------------------------------- internals

    def _started(self) -> Event:
        output = self._form.output
        at, reasoning_at = output.text.units, output.reasoning.units
        return streams.started(self._form.about, at=at, reasoning_at=reasoning_at, rev=output.rev, epoch=self._epoch)

    def _tell(self, event: Event) -> None:
        if self._all:
            self._outbox.channel(self._all).emit(event.name, event.body)

    def _follow(self, sid: str) -> None:
        if self._outbox.transport(sid) == "polling":
            self._polled[sid] = PolledFollower(self._form, self._outbox, sid)
        else:
            self._sids[sid] = None
            self._rebuild()

    def _stop(self, sid: str) -> None:
        self._paused.discard(sid)
        follower = self._polled.pop(sid, None)
        if follower is not None:
            follower.leave()
        if sid in self._sids:
            del self._sids[sid]
            self._rebuild()

    def _rebuild(self) -> None:
        before, self._channel = self._channel, self._outbox.channel(self._sids) if self._sids else None
        if self._channel is None:
            self._form.output.remove(self)
        elif before is None:
            self._count()
            self._form.output.add(self)

    def _count(self) -> None:
        self._at, self._reasoning_at = self._text.units, self._form.output.reasoning.units
