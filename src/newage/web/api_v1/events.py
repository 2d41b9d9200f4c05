"""An output as server-sent events, at the pace of who reads; he may come back with ``Last-Event-ID``.

What waits is nowhere but in the text of the output. Rights are those of the moment: who is put out of its room, or
whose key is revoked, is told ``gone`` and gets nothing more (B10, B15).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field

from newage.errors import AuthenticationFailed, InvalidRequest, NewAgeError, OverLimit
from newage.protocol.json_text import dumps
from newage.services.accounts.api_limits import ApiSettings
from newage.services.sessions.presence import PUT_OUT, Presence, Stay
from newage.services.streams.cursor import Position
from newage.services.streams.event_stream import EventStream
from newage.services.streams.lookouts import Lookouts
from newage.services.streams.output_text import OutputText
from newage.services.streams.resuming import ResumeService
from newage.services.world import World
from newage.web.event_answer import EventAnswer, answer_head
from newage.web.json_api import Exchange
from newage.web.responses import header_text

NO_POSITION: Final = "Last-Event-ID is the id of an event of this output, or is left out."
TOO_MANY: Final = "So many streams at once are open for this client already."
_GONE: Final = b"event: gone\ndata: %s\n\n"


@define(eq=False)
class _Reader:
    """Who reads one output. What is to be done ``at_end`` is done once, maybe before he has begun."""

    _exchange: Exchange
    _world: World
    _settings: ApiSettings
    _ends: list[Callable[[], None]] = field(factory=list, init=False)
    _stream: EventStream | None = field(default=None, init=False)
    _sent: EventAnswer | None = field(default=None, init=False)
    _over: bool = field(default=False, init=False)

    def at_end(self, call: Callable[[], None]) -> None:
        """Call that when he reads no more, which may be now."""
        self._ends.append(call)
        if self._over:
            self.end()

    def start(self, output: OutputText, position: Position) -> None:
        """:raises NewAgeError: he was put out meanwhile."""
        if self._over:
            raise AuthenticationFailed(PUT_OUT)
        request = self._exchange.request
        if request.method == b"HEAD":
            self.end()
            answer_head(request)
            return
        self._stream = stream = EventStream(output, position, request, self._finish)
        self._sent = EventAnswer(request, self._world.clock, self._settings, stream)
        self._sent.begin()
        stream.start()

    def gone(self) -> None:
        """It is the reader's no more."""
        self._finish(_GONE % dumps({}))

    def end(self) -> None:
        """Nothing more is written; idempotent."""
        self._over = True
        if self._sent is not None:
            self._sent.stop()
        if self._stream is not None:
            self._stream.stopProducing()
        while self._ends:
            self._ends.pop()()

    def _finish(self, last: bytes = b"") -> None:
        sent = None if self._over else self._sent
        self.end()
        if sent is not None:
            sent.end(last)


@define(eq=False, kw_only=True)
class OutputEvents:
    """``GET /outputs/{output}/events``."""

    _resuming: ResumeService
    _lookouts: Lookouts
    _presence: Presence
    _world: World
    _settings: ApiSettings

    async def send(self, exchange: Exchange, enter: Callable[[Callable[[], None]], Any]) -> None:
        """:param enter: lets the reader in, with what is called when he is put out; awaited.

        :raises NewAgeError: he may not, or there is no such output for him.
        """
        reader = _Reader(exchange, self._world, self._settings)
        position = _position(exchange)
        exchange.request.notifyFinish().addErrback(lambda _: reader.end())
        stay: Stay = await enter(reader.gone)
        reader.at_end(stay.leave)
        try:
            if self._presence.of(stay.caller.identity) > self._settings.events_at_once:
                raise OverLimit(TOO_MANY)
            room_id, output = await self._resuming.text_of(stay.caller, exchange.values["output"])
            reader.at_end(self._lookouts.watch(stay.caller.identity, room_id, reader.gone))
            reader.start(output, position)
        except NewAgeError:
            reader.end()
            raise


def _position(exchange: Exchange) -> Position:
    written = header_text(exchange.request, b"Last-Event-ID")
    found = Position() if written is None else Position.read(written.strip())
    if found is None:
        raise InvalidRequest(NO_POSITION)
    return found
