"""A question, and what is answered to it as it is written, in one request: server-sent events until the end of it.

A reader who is cut off reads on at ``/outputs/{output}/events``, for the events of an output are those of there; what
he asked goes on without him. While nobody has let it through, or the extension thinks, there are signs of life.
"""

from __future__ import annotations

from collections import deque

from attrs import define, field
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from newage.domain.model import Caller
from newage.domain.request import Request
from newage.errors import CallFailed, NewAgeError, TimedOut, Unavailable
from newage.services.requests.intake import STOPPING
from newage.services.rooms.registry import RoomRegistry
from newage.services.streams.answers import Answer
from newage.services.streams.cursor import Position
from newage.services.streams.event_stream import EventStream
from newage.services.streams.lookouts import Lookouts
from newage.services.streams.own_outputs import IAsker
from newage.web.api_v1 import bodies, typed
from newage.web.api_v1.handlers import TalkHandlers
from newage.web.api_v1.readers import Reader, event
from newage.web.api_v1.table import Call
from newage.web.json_errors import told

LATE = "It was not answered in time."


@implementer(IAsker, IPushProducer)
@define(eq=False)
class _Answers:
    """Outputs one after the other, then how the question ended."""

    _reader: Reader
    _waiting: deque[Answer] = field(factory=deque, init=False)
    _had: dict[Answer, Position] = field(factory=dict, init=False)  # what the reader has of those that are over
    _current: tuple[Answer, EventStream] | None = field(default=None, init=False)
    _last: bytes = field(default=b"", init=False)  # what comes after all of them, once that is known
    _failure: str | None = field(default=None, init=False)  # why the question failed, if it did
    _begun: bool = field(default=False, init=False)
    _paused: bool = field(default=False, init=False)

    def begin(self, taken: bodies.Taken) -> None:
        if self._reader.begin(self, event("taken", typed.write(taken))):
            self._begun = True
            self._go_on()

    # --------------------------------------------------------------------------------------------------------- IAsker

    def output_opened(self, answer: Answer) -> None:
        if not self._reader.is_over:
            self._waiting.append(answer)
            self._go_on()

    def request_ended(self, request: Request, words: str | None) -> None:
        error = _failure(request, words)
        if error is None:
            self._last = event("done", {"requestId": request.request_id, "state": request.state})
        else:
            self._last, self._failure = _failed(error), str(error)
        self._close()
        self._go_on()

    def hub_stops(self) -> None:
        self._last = _failed(Unavailable(STOPPING))
        if self._begun:
            self._reader.finish(self._last)

    def _go_on(self) -> None:
        """With the next output, or the end, unless one is being read."""
        if not self._begun or self._reader.is_over or self._current is not None:
            return
        if self._waiting:
            self._read(self._waiting.popleft())
        elif self._last:
            self._reader.finish(self._last)

    def _read(self, answer: Answer) -> None:
        request = self._reader.exchange.request
        stream = EventStream(answer.output, self._had.pop(answer, Position()), request, self._one_over)
        self._current = answer, stream
        request.write(event("output", typed.write(bodies.Opened.of(answer))))
        if self._paused:
            stream.pauseProducing()
        stream.start()
        if self._last:
            self._close()

    def _close(self) -> None:
        """Nothing more comes of what is being read, whether somebody said so or not."""
        if self._current is not None and not self._current[0].output.ended:
            answer, stream = self._current
            answer.output.remove(stream)
            stream.ended(self._failure)

    def _one_over(self) -> None:
        if self._current is not None:
            answer, stream = self._current
            self._had[answer] = stream.position
            self._current = None
            self._go_on()

    # --------------------------------------------------------------------------------------------------- IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True
        if self._current is not None:
            self._current[1].pauseProducing()

    def resumeProducing(self) -> None:
        self._paused = False
        if self._current is not None:
            self._current[1].resumeProducing()

    def stopProducing(self) -> None:
        if self._current is not None:
            self._current[1].stopProducing()


def _failed(error: NewAgeError) -> bytes:
    return event("error", told(error).body)


def _failure(request: Request, words: str | None) -> NewAgeError | None:
    """Why there is no answer, where there should be one."""
    if request.state == "expired":
        return TimedOut(words or LATE)
    if request.state == "failed":
        return request.trouble or CallFailed(words or "The answer failed.")
    return None


@define(eq=False, kw_only=True)
class AskedEvents:
    """``POST /rooms/{room}/messages/events``."""

    _talk: TalkHandlers
    _rooms: RoomRegistry
    _lookouts: Lookouts

    async def send(self, actor: Caller, call: Call, reader: Reader) -> None:
        """:raises NewAgeError: it was not taken on."""
        room, answers = self._rooms.seen(actor, call.path["room"]), _Answers(reader)
        if room is not None:
            reader.at_end(self._lookouts.watch(actor.identity, room.id, reader.gone))
        answers.begin(await self._talk.ask(actor, call, answers))
