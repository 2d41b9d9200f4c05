"""Who reads server-sent events of ``/api/v1``.

Rights are those of the moment: who is put out of the room, or whose key is revoked, is told ``gone`` and gets nothing
more (B10, B15).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import define, field
from twisted.internet.interfaces import IPushProducer

from newage.errors import AuthenticationFailed
from newage.protocol.json_text import dumps
from newage.services.accounts.api_limits import ApiSettings
from newage.services.sessions.presence import PUT_OUT
from newage.services.world import World
from newage.web.event_answer import EventAnswer, answer_head
from newage.web.json_api import Exchange

GONE: Final = "gone"


def event(name: str, body: Mapping[str, Any]) -> bytes:
    """One that nobody comes back to by its id."""
    return b"event: %s\ndata: %s\n\n" % (name.encode(), dumps(body))


@define(eq=False)
class Reader:
    """One reader. What is to be done ``at_end`` is done once, maybe before he has begun."""

    exchange: Exchange
    _world: World
    _settings: ApiSettings
    _ends: list[Callable[[], None]] = field(factory=list, init=False)
    _sent: EventAnswer | None = field(default=None, init=False)
    _producer: IPushProducer | None = field(default=None, init=False)
    _over: bool = field(default=False, init=False)

    @property
    def is_over(self) -> bool:
        return self._over

    def at_end(self, call: Callable[[], None]) -> None:
        """Call that when he reads no more, which may be now."""
        self._ends.append(call)
        if self._over:
            self.end()

    def begin(self, producer: IPushProducer, first: bytes = b"") -> bool:
        """:param producer: writes to the request from now on, and is stopped when he reads no more.
        :param first: events that are there already.
        :return: whether there is somebody to write to: not for who asked for the headers alone.
        :raises NewAgeError: he was put out meanwhile, or has gone.
        """
        if self._over:
            raise AuthenticationFailed(PUT_OUT)
        request = self.exchange.request
        if request.method == b"HEAD":
            self.end()
            answer_head(request)
            return False
        self._producer = producer
        self._sent = EventAnswer(request, self._world.clock, self._settings, producer)
        self._sent.begin(first)
        return True

    def finish(self, last: bytes = b"") -> None:
        """It is over, with these events; idempotent."""
        sent = None if self._over else self._sent
        self.end()
        if sent is not None:
            sent.end(last)

    def gone(self) -> None:
        """It is the reader's no more."""
        self.finish(event(GONE, {}))

    def end(self) -> None:
        """He is gone, or it failed before it began; idempotent."""
        self._over = True
        if self._sent is not None:
            self._sent.stop()
        if self._producer is not None:
            self._producer.stopProducing()
        while self._ends:
            self._ends.pop()()
