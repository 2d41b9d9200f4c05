"""An answer of server-sent events on its way to who reads it: his pace, signs of life, and what becomes of who is gone.

Once the first byte has left, the connection is never cut but for a reader who takes nothing any more: a client that is
cut reports nonsense, or waits for ever. Whatever happens is said in an event, and the answer ends as it should.
"""

from __future__ import annotations

from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from zope.interface import implementer

from newage.services.accounts.api_limits import ApiSettings
from newage.web.request import HardenedRequest

MEDIA: Final = "text/event-stream"
KEEP_ALIVE: Final = b": keep-alive\n\n"  # a comment: every client skips it
_HEADERS: Final = (
    (b"Content-Type", b"text/event-stream; charset=utf-8"),
    (b"Cache-Control", b"no-cache"),
    (b"X-Accel-Buffering", b"no"),  # nginx would wait for more
)


@implementer(IPushProducer)
@define(eq=False)
class EventAnswer:
    """What waits is nowhere but with its producer, which is paused while the reader takes nothing; for too long, and he
    is cut. One whose half of the connection is closed is asked whether he is there.

    :param producer: writes to the request, from ``begin`` until it has called ``end``, or is stopped.
    """

    _request: HardenedRequest
    _clock: IReactorTime
    _settings: ApiSettings
    _producer: IPushProducer
    _beat: IDelayedCall | None = field(default=None, init=False)
    _stall: IDelayedCall | None = field(default=None, init=False)

    def begin(self, first: bytes = b"") -> None:
        """At once, before there is anything to say: who waits hears that, and proxies have nothing to time out.

        :param first: events that are there already.
        """
        _headers(self._request)
        self._await_beat()
        self._request.registerProducer(self, True)
        self._request.asks_whether_it_is_there(self._comment)
        self._request.write(KEEP_ALIVE + first)

    def end(self, last: bytes = b"") -> None:
        """Whole. Also to one who is slow: what he has not taken waits in his connection, and is not much.

        :param last: events.
        """
        self.stop()
        self._request.write(last)
        self._request.unregisterProducer()
        self._request.finish()

    def stop(self) -> None:
        """The reader is gone, or it ends; idempotent."""
        for call in (self._beat, self._stall):
            if call is not None:
                call.cancel()
        self._beat = self._stall = None

    def _await_beat(self) -> None:
        self._beat = self._clock.callLater(self._settings.keep_alive_seconds, self._look)

    def _look(self) -> None:
        self._await_beat()
        self._comment()

    def _comment(self) -> None:
        if self._beat is not None and self._stall is None:
            self._request.write(KEEP_ALIVE)

    # ---------------------------------------------------------------------------------------------------- IPushProducer

    def pauseProducing(self) -> None:
        self._producer.pauseProducing()
        if self._stall is None and self._beat is not None:
            self._stall = self._clock.callLater(self._settings.stall_seconds, self._stalled)

    def resumeProducing(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None
        self._producer.resumeProducing()

    def stopProducing(self) -> None:
        """The connection is lost."""
        self.stop()
        self._producer.stopProducing()

    def _stalled(self) -> None:
        self._stall = None
        self._request.channel.forceAbortClient()


def answer_head(request: HardenedRequest) -> None:
    """All of the answer to who asked for its headers alone."""
    _headers(request)
    request.write(b"")
    request.finish()


def _headers(request: HardenedRequest) -> None:
    for name, value in _HEADERS:
        request.responseHeaders.setRawHeaders(name, [value])
