"""One answer on its way to who asked over HTTP, in one piece; what streams is ``streaming.Streamed``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from attrs import define, field, frozen
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from zope.interface import implementer

from newage.dialect import Body, openai
from newage.dialect.messages import finish_reason
from newage.dialect.openai import Completion
from newage.domain.chat_question import ChatQuestion
from newage.domain.request import Request
from newage.errors import AuthenticationFailed, CallFailed, NewAgeError, NotAuthorised, TimedOut, Unavailable
from newage.services.accounts.api_limits import ApiSettings
from newage.services.api.usage import used
from newage.services.requests.intake import STOPPING
from newage.services.sessions.presence import PUT_OUT
from newage.services.streams.answers import Answer
from newage.services.streams.output_text import GrowingText, IOutputReader
from newage.services.streams.own_outputs import IAsker
from newage.services.world import World
from newage.web.json_api import Exchange
from newage.web.json_errors import HttpRefusal, Sort

_log = Logger()

CANCELLED: Final = HttpRefusal(Sort(409, "invalid_request_error", "cancelled"), "The request was cancelled.")
TOO_LATE: Final = "There was no whole answer in time."
BETWEEN: Final = "\n\n"  # of several answers to one question
_FINISHES: Final = frozenset({"stop", "length", "content_filter", "tool_calls"})


class Owner(Protocol):
    """Who is told what becomes of the outputs."""

    def grew(self, piece: Piece) -> None:
        """There is more of it."""

    def piece_over(self, piece: Piece) -> None:
        """No more comes of it, unless it opens again."""


@implementer(IOutputReader)
class Piece:
    """One output of the answer. ``at`` and ``thought`` are how many bytes of its text and reasoning were sent."""

    __slots__ = ("_owner", "answer", "at", "over", "thought")

    def __init__(self, answer: Answer, owner: Owner) -> None:
        self.answer = answer
        self.at = self.thought = 0
        self.over = False
        self._owner = owner

    @property
    def text(self) -> str:
        return self.answer.output.text.text()

    @property
    def reasoning(self) -> str:
        return self.answer.output.reasoning.text()

    def grew(self, part: GrowingText, text: str) -> None:
        self._owner.grew(self)

    def was_cut(self, part: GrowingText) -> None:
        """What was sent cannot be taken back; what is not sent yet is read as it is then."""

    def ended(self, failure: str | None) -> None:
        self.over = True
        self._owner.piece_over(self)


@frozen(kw_only=True)
class Asked:
    """What is answered, and with what."""

    exchange: Exchange
    question: ChatQuestion
    completion: Completion
    world: World
    settings: ApiSettings


@implementer(IAsker)
@define(eq=False)
class Answering:
    """An answer in one piece, when it is whole.

    :param left: called when it is over for who asked; maybe twice. :param cancel: called when nobody waits for it any
        more and it is not over.
    """

    asked: Asked
    _left: Callable[[], None]
    _cancel: Callable[[], None]
    pieces: list[Piece] = field(factory=list, init=False)
    _end: tuple[Request, str | None] | None = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)
    _late: IDelayedCall | None = field(default=None, init=False)

    def begin(self) -> None:
        """The request was taken on: from now on it is answered."""
        if self._over:
            return
        self._begun = True
        self._start()
        if self._end is not None:
            self._settle(*self._end)

    def over(self) -> None:
        """Nothing more is sent; idempotent."""
        if not self._over:
            self._over = True
            self._stop()
            self._left()

    @property
    def is_over(self) -> bool:
        return self._over

    def lost(self) -> None:
        """Who asked is gone."""
        if not self._over:
            self._over = True
            self._stop()
            self._cancel()

    def put_out(self) -> None:
        """As of ``Stay``."""
        if not self._over:
            self.fail(AuthenticationFailed(PUT_OUT), keeps_off=True)
            self._cancel()

    # -------------------------------------------------------------------------------------------------- what comes back

    def output_opened(self, answer: Answer) -> None:
        if self._over:
            return
        piece = next((each for each in self.pieces if each.answer is answer), None)
        if piece is None:
            piece = Piece(answer, self)
            self.pieces.append(piece)
        piece.over = False
        answer.output.add(piece, hungry=self._hungry)

    def request_ended(self, request: Request, words: str | None) -> None:
        self._end = request, words
        if self._over:
            self._left()
        elif self._begun:
            self._settle(request, words)

    def hub_stops(self) -> None:
        self.fail(Unavailable(STOPPING), keeps_off=True)
        self._left()

    def grew(self, piece: Piece) -> None:
        """``Owner``: nothing to do before the end."""

    def piece_over(self, piece: Piece) -> None:
        """``Owner``: nothing to do before the end."""

    @property
    def _hungry(self) -> bool:
        """Whether it is told of each token."""
        return False

    # ---------------------------------------------------------------------------------------------------------- the end

    def _start(self) -> None:
        self._late = self.asked.world.clock.callLater(self.asked.settings.whole_answer_seconds, self._is_late)

    def _stop(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
        for piece in self.pieces:
            piece.answer.output.remove(piece)

    def _is_late(self) -> None:
        self._late = None
        self.fail(TimedOut(TOO_LATE), keeps_off=True)
        self._cancel()

    def _settle(self, request: Request, words: str | None) -> None:
        error = self._failure(request, words)
        if error is not None:
            self.fail(error, keeps_off=request.given)
            return
        text = BETWEEN.join(each.text for each in self.pieces if each.text)
        thoughts = BETWEEN.join(each.reasoning for each in self.pieces if each.reasoning)
        self.asked.exchange.answer(200, self.asked.completion.whole(text, thoughts, self.finish, self.used()))
        self.over()

    def fail(self, error: NewAgeError, *, keeps_off: bool = False) -> None:
        """Say so, and nothing more. :param keeps_off: as of ``json_errors.told``."""
        if not self._over:
            self.asked.exchange.fail(error, keeps_off=keeps_off)
            self.over()

    def _failure(self, request: Request, words: str | None) -> NewAgeError | None:
        """Why there is no answer, if there is none."""
        state, mode = request.state, request.mode.value
        if state == "completed":
            return None
        if state == "cancelled":
            return self._cancelled()
        if state == "expired":
            return TimedOut(words or TOO_LATE)
        if state == "ignored":
            return NotAuthorised(f"In this room (mode {mode}) its master alone asks.")
        if state == "recorded":
            return NotAuthorised(f"In this room (mode {mode}) that was noted, and nobody answers by himself.")
        return request.trouble or CallFailed(words or "The answer failed.")

    def _cancelled(self) -> NewAgeError | None:
        """As ``_failure``, of what somebody took back: what there is of it is the answer."""
        return None if any(each.text for each in self.pieces) else CANCELLED

    @property
    def finish(self) -> str:
        """Why it ended there, as its extension says."""
        said = finish_reason(self.pieces[-1].answer.extra) if self.pieces else ""
        return said if said in _FINISHES else "stop"

    @property
    def used_tokens(self) -> int:
        """Of question and answer, so far; 0 where the question reached nobody."""
        return int(self.used()["total_tokens"]) if self.pieces else 0

    def used(self) -> Body:
        """As its extension counted, else as it may have been."""
        return openai.usage(*used([each.answer for each in self.pieces], self.asked.question.tokens))
