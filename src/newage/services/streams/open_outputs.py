"""The text of answers that are not over, kept as it grows: a hub that is killed loses a second (contract 5.3, A35).

Tokens know nothing of this: a timer, which exists only while there is an open output, looks at what has grown.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.model import Message
from newage.domain.open_text import OpenText
from newage.errors import NewAgeError
from newage.ports import IOpenOutputStore
from newage.services.streams.output_text import GrowingText
from newage.services.world import World

WRITE_SECONDS = 1.0  # so much of an answer may be lost


@define(eq=False)
class _Kept:
    """One output. ``part`` pieces of its text are on their way to the store or there, up to the byte ``written``."""

    text: GrowingText
    answer: Callable[[], Message]
    part: int = 0
    written: int = 0
    begun: bool = False  # some of it is there, or was


@define(eq=False)
class OpenOutputs:
    """At most one write is under way; what it could not store is written with the next one."""

    _log: ClassVar[Logger] = Logger()

    _world: World
    _store: IOpenOutputStore
    _open: dict[str, _Kept] = field(factory=dict, init=False)  # by output id
    _timer: IDelayedCall | None = field(default=None, init=False)
    _writing: bool = field(default=False, init=False)

    def begins(self, output_id: str, text: GrowingText, answer: Callable[[], Message]) -> None:
        """Keep what comes of it from now on, and what there is. One that is kept already is.

        :param answer: makes the response as it would be stored if nothing more came, without its text.
        """
        if output_id not in self._open:
            self._open[output_id] = _Kept(text, answer)
            if self._timer is None:
                self._timer = self._world.clock.callLater(WRITE_SECONDS, self._write)

    def over(self, output_id: str) -> None:
        """What became of it is stored, or cannot be. Not being kept is fine."""
        kept = self._open.pop(output_id, None)
        if kept is not None and kept.begun:
            self._store.forget_texts(output_id).addErrback(self._failed)
        if not self._open:
            self.close()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def cut_off(self) -> tuple[Message, ...]:
        """What there was when the hub died: responses that failed."""
        return await self._store.load_texts()

    async def forget(self, found: Message) -> None:
        """It is stored with the others now."""
        await self._store.forget_texts(found.output_id or "")

    def _write(self) -> None:
        self._timer = self._world.clock.callLater(WRITE_SECONDS, self._write)
        if self._writing:
            return
        grown = {output_id: kept for output_id, kept in self._open.items() if len(kept.text.buffer) != kept.written}
        if grown:
            self._writing = True
            texts = [self._piece(output_id, kept) for output_id, kept in grown.items()]
            self._store.append_texts(texts).addCallbacks(self._written, partial(self._not_written, grown))

    def _piece(self, output_id: str, kept: _Kept) -> OpenText:
        size = len(kept.text.buffer)
        if size < kept.written:  # some of it became void
            kept.part = kept.written = 0
        text, part = kept.text.text(kept.written, size), kept.part
        kept.part, kept.written, kept.begun = part + 1, size, True
        return OpenText(output_id, part, text, kept.answer() if part == 0 else None)

    def _written(self, _: object) -> None:
        self._writing = False

    def _not_written(self, grown: dict[str, _Kept], failure: Failure) -> None:
        """All of these begin anew."""
        self._writing = False
        for kept in grown.values():
            kept.part = kept.written = 0
        self._failed(failure)

    def _failed(self, failure: Failure) -> None:
        """The store says itself that it refuses."""
        if not isinstance(failure.value, NewAgeError):
            self._log.failure("open outputs could not be kept", failure)
