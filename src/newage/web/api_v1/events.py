"""An output as server-sent events, at the pace of who reads; he may come back with ``Last-Event-ID``.

What waits is nowhere but in the text of the output. Rights are those of the moment: who is put out of its room, or
whose key is revoked, is told ``gone`` and gets nothing more (B10, B15).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IPushProducer
from zope.interface import implementer

from newage.errors import InvalidRequest, NewAgeError, OverLimit
from newage.protocol.json_text import dumps
from newage.services.accounts.api_limits import ApiSettings
from newage.services.sessions.presence import Presence, Stay
from newage.services.streams.cursor import Position
from newage.services.streams.event_stream import EventStream
from newage.services.streams.lookouts import Lookouts
from newage.services.streams.output_text import OutputText
from newage.services.streams.resuming import ResumeService
from newage.services.world import World
from newage.web.json_api import Exchange
from newage.web.responses import header_text

MEDIA: Final = "text/event-stream"
NO_POSITION: Final = "Last-Event-ID is the id of an event of this output, or is left out."
TOO_MANY: Final = "So many streams at once are open for this client already."
_HEADERS: Final = (
    (b"Content-Type", b"text/event-stream; charset=utf-8"),
    (b"X-Accel-Buffering", b"no"),  # nginx would wait for more
)
_COMMENT: Final = b": keep-alive\n\n"
_GONE: Final = b"event: gone\ndata: %s\n\n"


@implementer(IPushProducer)
@define(eq=False)
class _Sent:
    """One reader. ``left`` is called once, when he reads no more."""

    _exchange: Exchange
    _world: World
    _settings: ApiSettings
    _left: Callable[[], None]
    _stream: EventStream | None = field(default=None, init=False)
    _paused: bool = field(default=False, init=False)
    _over: bool = field(default=False, init=False)
    _beat: IDelayedCall | None = field(default=None, init=False)
    _stall: IDelayedCall | None = field(default=None, init=False)

    def start(self, output: OutputText, position: Position) -> None:
        request = self._exchange.request
        for name, value in _HEADERS:
            request.responseHeaders.setRawHeaders(name, [value])
        if request.method == b"HEAD":
            request.write(b"")
            self._finish()
            return
        request.notifyFinish().addErrback(lambda _: self._end())
        self._stream = EventStream(output, position, request, self._finish)
        request.registerProducer(self, True)
        request.write(_COMMENT)
        self._beat = self._world.clock.callLater(self._settings.events_keep_alive_seconds, self._look)
        self._stream.start()

    def gone(self) -> None:
        """It is the reader's no more."""
        if not self._over and self._stream is not None:
            self._exchange.request.write(_GONE % dumps({}))
            self._finish()

    @property
    def is_over(self) -> bool:
        return self._over

    def _finish(self) -> None:
        if not self._over:
            producing = self._stream is not None
            self._end()
            if producing:
                self._exchange.request.unregisterProducer()
            self._exchange.request.finish()

    def _end(self) -> None:
        if self._over:
            return
        self._over = True
        if self._stream is not None:
            self._stream.stopProducing()
        for call in (self._beat, self._stall):
            if call is not None:
                call.cancel()
        self._beat = self._stall = None
        self._left()

    def _look(self) -> None:
        self._beat = self._world.clock.callLater(self._settings.events_keep_alive_seconds, self._look)
        self._comment()

    def _comment(self) -> None:
        if not self._paused and not self._over:
            self._exchange.request.write(_COMMENT)

    # ---------------------------------------------------------------------------------------------------- IPushProducer

    def pauseProducing(self) -> None:
        self._paused = True
        if self._stream is not None:
            self._stream.pauseProducing()
        if self._stall is None and not self._over:
            self._stall = self._world.clock.callLater(self._settings.events_stall_seconds, self._stalled)

    def resumeProducing(self) -> None:
        self._paused = False
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        if self._stream is not None and not self._over:
            self._stream.resumeProducing()

    def stopProducing(self) -> None:
        self._end()

    def _stalled(self) -> None:
        self._stall = None
        self._exchange.request.channel.forceAbortClient()


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
        ends: list[Callable[[], None]] = []

        def left() -> None:
            while ends:
                ends.pop()()

        sent = _Sent(exchange, self._world, self._settings, left)
        position = _position(exchange)
        stay: Stay = await enter(sent.gone)
        ends.append(stay.leave)
        try:
            if self._presence.of(stay.caller.identity) > self._settings.events_at_once:
                raise OverLimit(TOO_MANY)
            room_id, output = await self._resuming.text_of(stay.caller, exchange.values["output"])
        except NewAgeError:
            left()
            raise
        ends.append(self._lookouts.watch(stay.caller.identity, room_id, sent.gone))
        sent.start(output, position)


def _position(exchange: Exchange) -> Position:
    written = header_text(exchange.request, b"Last-Event-ID")
    found = Position() if written is None else Position.read(written.strip())
    if found is None:
        raise InvalidRequest(NO_POSITION)
    return found
