"""One output on its way into the hub."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from newage_client import _json
from newage_client._bell import Bell
from newage_client._failure import Failure, disconnected
from newage_client._line import Line
from newage_client._output import KINDS
from newage_client._pieces import head, same, units
from newage_client._types import Kind

LLM = "/llm"
PLACE: dict[Kind, str] = {"text": "at", "reasoning": "reasoningAt"}
CHUNK = 16_384  # characters of one event at most
Said = tuple[str, dict[str, Any]]


class Outlet:
    """Its text is kept here until the hub has it: after a cut it goes on from where the hub says that it is.

    :ivar finish_reason: is told at its end: ``stop``, ``length``, or a word of one's own.
    :ivar extra: is told at its end and kept with the answer.
    """

    def __init__(self, request_id: str, about: Mapping[str, Any], bell: Bell, new_id: Callable[[], str]) -> None:
        _json.check(about)
        self.output_id = new_id()
        self.finish_reason = ""
        self.extra: Mapping[str, Any] = {}
        self._request_id = request_id
        self._about = about
        self._bell = bell
        self._new_id = new_id
        self._text: dict[Kind, str] = {"text": "", "reasoning": ""}
        self._sent: dict[Kind, int] = {"text": 0, "reasoning": 0}  # characters
        self._lowest: dict[Kind, float] = {"text": math.inf, "reasoning": math.inf}  # units: void since the hub agreed
        self._voids: list[tuple[Kind, int]] = []  # RESETs that are to be said
        self._rev = 0  # how often something was voided
        self._stream_id = ""
        self._index = 0
        self._begun = False  # START was said, by this line or one before
        self._over = False
        self._last: Mapping[str, Any] = {}  # what is told at its end
        self._told = False  # END was said, by this line or one before
        self._open_end = False  # it has no END: its request ends it
        self._dropped = False

    @property
    def text(self) -> str:
        return self._text["text"]

    @property
    def reasoning(self) -> str:
        return self._text["reasoning"]

    def push(self, piece: str, kind: Kind = "text") -> None:
        """More of it."""
        if not self._over:
            self._text[kind] += piece
            self._bell.ring()

    def show(self, text: str, kind: Kind = "text") -> None:
        """It is this now: what is new is sent, and what has changed is taken back."""
        before = self._text[kind]
        self.reset(len(head(before, same(before, text))), kind)
        self.push(text[len(self._text[kind]) :], kind)

    def reset(self, at: int, kind: Kind = "text") -> None:
        """What came from that character on is void."""
        if self._over or at >= len(self._text[kind]):
            return
        self._text[kind] = self._text[kind][:at]
        if self._sent[kind] > at:
            self._void(kind, units(self._text[kind]))
        self._bell.ring()

    # ---- for its request

    @property
    def _unsure(self) -> bool:
        """Whether the hub may not have heard all of it."""
        return not self._dropped

    def _end(self, *, more: bool = False) -> None:
        """It is complete.

        :param more: another one of the same request follows.
        :raises TypeError: :raises ValueError: what is to be told at its end is no JSON.
        """
        if not self._over:
            told = {"more": more, "finishReason": self.finish_reason, "extra": dict(self.extra)}
            self._last = {name: value for name, value in told.items() if value}
            _json.check(self._last)
            self._over = True
            self._bell.ring()

    def _shut(self) -> None:
        """No more of it: what there is is said, and it ends with its request."""
        if not self._over:
            self._over = self._open_end = True
            self._bell.ring()

    def _drop(self) -> None:
        """The hub wants no more of it, or has all of it."""
        self._over = self._told = self._dropped = True
        self._bell.ring()

    async def _speak(self, line: Line) -> bool:
        """All of it, by the line that is there now, until it has ended.

        :return: whether the hub wanted it.
        :raises Failure: the line was cut.
        """
        if not self._dropped and not await self._start(line):
            self._drop()
        while not self._dropped:
            said = self._next()
            if said is not None:
                await _say(line, *said)
            elif self._told or self._open_end:
                return True
            else:
                await self._bell.wait()
        return False

    # ---- inside

    async def _start(self, line: Line) -> bool:
        """Begin, or go on where the hub is; False where it knows nothing of it any more."""
        self._stream_id, self._index = self._new_id(), 0
        start = {"type": 1, **self._names, "target": "server", **self._about}
        if not self._begun:
            await _say(line, "CLIENT_STREAM_START", start)
            self._begun = True
            return True
        try:
            ack = await line.ask(LLM, "CLIENT_STREAM_START", {**start, "resume": True, "at": units(self.text)})
        except Failure as failure:
            if failure.lost:
                raise
            return False
        self._go_on(ack)
        return True

    def _go_on(self, ack: Mapping[str, Any]) -> None:
        """Of what was voided since the hub may have heard nothing or a part: it is voided again from its lowest."""
        agrees = ack.get("rev") == self._rev
        self._rev = ack.get("rev", self._rev)
        self._voids.clear()
        self._told = False
        for kind in KINDS:
            text, there = self._text[kind], ack.get(PLACE[kind]) or 0
            to = min(math.inf if agrees else self._lowest[kind], units(text))
            self._lowest[kind] = math.inf
            self._sent[kind] = len(head(text, there))
            if there > to:
                self._void(kind, int(to))

    def _void(self, kind: Kind, at: int) -> None:
        """The hub is told, now or when the line is back; it may be lost on the way, which the hub's ``rev`` shows."""
        self._lowest[kind] = min(self._lowest[kind], at)
        self._rev += 1
        self._sent[kind] = len(head(self._text[kind], at))
        self._voids.append((kind, at))

    def _next(self) -> Said | None:
        """What is to be said next: it counts as said."""
        if self._voids:
            kind, at = self._voids.pop(0)
            return "CLIENT_STREAM_RESET", {**self._names, "kind": kind, "at": at}
        for kind in reversed(KINDS):  # what was thought comes first
            data = self._text[kind][self._sent[kind] :][:CHUNK]
            if data:
                self._sent[kind] += len(data)
                return self._chunk(kind, data)
        if not self._over or self._told or self._open_end:
            return None
        self._told = True
        return "CLIENT_STREAM_END", {"type": 3, **self._names, "final": True, **self._last}

    def _chunk(self, kind: Kind, data: str) -> Said:
        said = {**self._names, "kind": kind, "data": data}
        if kind == "reasoning":
            return "CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **said}
        index, self._index = self._index, self._index + 1
        if index == 0:
            return "CLIENT_STREAM_DATA_FIRST", {"type": 4, **said, "chunkIndex": 0}
        return "CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **said, "chunkIndex": index}

    @property
    def _names(self) -> dict[str, Any]:
        return {"streamId": self._stream_id, "outputId": self.output_id, "requestId": self._request_id}


async def _say(line: Line, event: str, payload: Mapping[str, Any]) -> None:
    if not await line.say(LLM, event, payload):
        raise disconnected()
