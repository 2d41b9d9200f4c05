"""The text of answers that are not over, kept as it grows: a hub that is killed loses a second (contract 5.3, A35).

Tokens know nothing of this: a timer, which exists only while there is an open output, looks at what has grown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
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
from newage.services.streams.output_text import GrowingText, OutputText
from newage.services.world import World

WRITE_SECONDS = 1.0  # so much of an answer may be lost
GROWS = "continue"  # request_type of what is kept of an answer that shall grow


@define(eq=False)
class _Kept:
    """One output. Of each of its texts so many pieces are on their way to the store or there, up to that byte."""

    output: OutputText
    answer: Callable[[], Message]
    parts: dict[GrowingText, tuple[int, int]] = field(factory=dict)
    rev: int = 0  # as it was then
    begun: bool = False  # some of it is there, or was

    def anew(self) -> None:
        self.parts.clear()

    def pieces(self, output_id: str) -> list[OpenText]:
        """What it has grown by, to be written now; all of it, where something of it became void."""
        found = []
        if self.output.rev != self.rev:
            self.rev = self.output.rev
            self.anew()
            if self.begun and not (self.output.text.buffer or self.output.reasoning.buffer):
                found.append(OpenText(output_id, 0, "", self.answer()))
                self.parts[self.output.text] = (1, 0)
        for text in (self.output.text, self.output.reasoning):
            part, written = self.parts.get(text, (0, 0))
            size = len(text.buffer)
            if size != written:
                answer = self.answer() if not self.parts else None
                found.append(OpenText(output_id, part, text.text(written, size), answer, text is not self.output.text))
                self.parts[text] = (part + 1, size)
                self.begun = True
        return found


@define(eq=False)
class OpenOutputs:
    """At most one write is under way; what it could not store is written with the next one."""

    _log: ClassVar[Logger] = Logger()

    _world: World
    _store: IOpenOutputStore
    _open: dict[str, _Kept] = field(factory=dict, init=False)  # by output id
    _timer: IDelayedCall | None = field(default=None, init=False)
    _writing: bool = field(default=False, init=False)

    def begins(self, output_id: str, output: OutputText, answer: Callable[[], Message]) -> None:
        """Keep what comes of it from now on, and what there is. One that is kept already is.

        :param answer: makes the response as it would be stored if nothing more came, without its text.
        """
        if output_id not in self._open:
            self._open[output_id] = _Kept(output, answer)
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
        grown = {output_id: pieces for output_id, kept in self._open.items() if (pieces := kept.pieces(output_id))}
        if grown:
            self._writing = True
            texts = [piece for pieces in grown.values() for piece in pieces]
            written = [self._open[output_id] for output_id in grown]
            self._store.append_texts(texts).addCallbacks(self._written, partial(self._not_written, written))

    def _written(self, _: object) -> None:
        self._writing = False

    def _not_written(self, grown: Iterable[_Kept], failure: Failure) -> None:
        """All of these begin anew."""
        self._writing = False
        for kept in grown:
            kept.anew()
        self._failed(failure)

    def _failed(self, failure: Failure) -> None:
        """The store says itself that it refuses."""
        if not isinstance(failure.value, NewAgeError):
            self._log.failure("open outputs could not be kept", failure)
