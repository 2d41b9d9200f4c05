"""An answer that is sent as it grows: server-sent events, at the pace of who reads.

What waits is nowhere but in the output's own text: a reader who is slow is paused there (``EventAnswer``).
"""

from __future__ import annotations

from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from newage.dialect import openai
from newage.domain.request import Request
from newage.errors import NewAgeError
from newage.services.streams.output_text import GrowingText
from newage.web.event_answer import EventAnswer
from newage.web.json_errors import told
from newage.web.v1.answering import BETWEEN, Answering, Piece

_MAX_FRAME: Final = 65_536  # bytes of text in one event


@implementer(IPushProducer)
@define(eq=False)
class Streamed(Answering):
    _flowing: bool = field(default=False, init=False)
    _sent: EventAnswer | None = field(default=None, init=False)  # the first byte has left
    _current: int = field(default=0, init=False)  # which of the pieces is being sent
    _said: bool = field(default=False, init=False)  # whether there was text before it
    _last: bytes = field(default=b"", init=False)  # what comes after all text, once that is known

    def _start(self) -> None:
        end = self._end
        if end is not None and self._failure(*end) is not None:
            return
        asked = self.asked
        self._sent = EventAnswer(asked.exchange.request, asked.world.clock, asked.settings, self)
        self._flowing = True
        self._sent.begin(asked.completion.begins())
        self._flush()

    def _stop(self) -> None:
        super()._stop()
        if self._sent is not None:
            self._sent.stop()
        self._flowing = False

    @property
    def _hungry(self) -> bool:
        return True

    def grew(self, piece: Piece) -> None:
        if self._flowing:
            self._flush()

    def piece_over(self, piece: Piece) -> None:
        if self._flowing:
            self._flush()

    # ------------------------------------------------------------------------------------------------------- the end

    def _settle(self, request: Request, words: str | None) -> None:
        error = self._failure(request, words)
        if error is not None:
            self.fail(error, keeps_off=request.given)
            return
        self._last = self.asked.completion.ends(self.finish, self.used())
        for piece in self.pieces:
            piece.over = True
        self._flush()

    def _cancelled(self) -> NewAgeError | None:
        return None  # it ends where it is

    def fail(self, error: NewAgeError, *, keeps_off: bool = False) -> None:
        if self._sent is None:
            super().fail(error, keeps_off=keeps_off)
        elif not self._over:
            self._finish(self._sent, openai.frame(told(error).body) + openai.DONE)

    def _finish(self, sent: EventAnswer, last: bytes) -> None:
        self.over()
        sent.end(last)

    # ---------------------------------------------------------------------------------------------------------- writing

    def _flush(self) -> None:
        """Send what there is, as far as it is taken."""
        while self._flowing and self._current < len(self.pieces):
            piece = self.pieces[self._current]
            if self._send(piece):
                continue
            if not piece.over:
                return
            self._said = self._said or bool(piece.at)
            self._current += 1
        if self._flowing and self._last and self._sent is not None:
            self._finish(self._sent, self._last)

    def _send(self, piece: Piece) -> bool:
        """One event; False: there is nothing to send of it."""
        output, completion = piece.answer.output, self.asked.completion
        thoughts = _read(output.reasoning, piece.thought)
        if thoughts:
            piece.thought += len(thoughts)
            self._write(completion.reasoning(thoughts.decode("utf-8", "ignore")))
            return True
        text = _read(output.text, piece.at)
        if text:
            before = BETWEEN if self._said and not piece.at else ""
            piece.at += len(text)
            self._write(completion.text(before + text.decode("utf-8", "ignore")))
        return bool(text)

    def _write(self, data: bytes) -> None:
        self.asked.exchange.request.write(data)

    # ---------------------------------------------------------------------------------------------------- IPushProducer

    def pauseProducing(self) -> None:
        self._flowing = False

    def resumeProducing(self) -> None:
        if not self._over:
            self._flowing = True
            self._flush()

    def stopProducing(self) -> None:
        """The connection is lost: as ``lost``, which is told, too."""
        self._flowing = False


def _read(part: GrowingText, position: int) -> bytes:
    return part.read(position, _MAX_FRAME) if len(part.buffer) > position else b""
