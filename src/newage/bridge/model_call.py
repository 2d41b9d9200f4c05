"""One question to a model server over HTTP: its timers, its one retry, and what comes of it.

Twisted says that an answer is there when its headers are; what comes after that has no time limit but ours. The body
ends with its connection, by which a server knows that nobody wants more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, cast

from attrs import define, field, frozen
from OpenSSL import SSL
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.error import ConnectError, DNSLookupError, TimeoutError
from twisted.internet.protocol import Protocol
from twisted.web.client import ResponseDone, ResponseNeverReceived
from twisted.web.http import PotentialDataLoss

from newage.bridge.hang_up import hang_up
from newage.bridge.whole_body import WholeBody
from newage.domain.completions import DONE, NOTHING, Fault, Piece, Reported, Usage, fault_of, read_piece, retry_seconds
from newage.errors import ProtocolError
from newage.protocol.json_text import loads
from newage.protocol.sse import EventStream

if TYPE_CHECKING:
    from treq.client import HTTPClient
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

    from newage.bridge.upstream_settings import Upstream

MAX_ERROR_BYTES: Final = 65_536  # of the body of an answer that is no success
TRIES: Final = 2


@frozen(kw_only=True)
class Outcome:
    """How it ended. ``fault`` is None where the answer is whole; ``retry_after`` in seconds where the server said it.

    ``reported`` is what its error said, for the operator alone.
    """

    fault: Fault | None = None
    retry_after: float | None = None
    reported: Reported | None = None
    finish: str = ""
    usage: Usage | None = None


class _Body(Protocol):
    """What comes after the headers."""

    def __init__(self, call: ModelCall) -> None:
        self._call = call

    def dataReceived(self, data: bytes) -> None:
        self._call.received(data)

    def connectionLost(self, reason: Any = None) -> None:
        self._call.ended(whole=reason.check(ResponseDone, PotentialDataLoss) is not None)


@define(eq=False)
class ModelCall:
    """
    :param said: told each piece with text or reasoning.
    :param over: told once how it ended; not after ``stop``.
    """

    _clock: IReactorTime
    _http: HTTPClient
    _upstream: Upstream
    _body: bytes = field(repr=False)
    _said: Callable[[Piece], None]
    _over: Callable[[Outcome], None]
    _stream: EventStream | None = field(default=None, init=False)  # None: the body is one JSON text, or an error
    _whole: bytearray = field(factory=bytearray, init=False)  # that
    _most: int = field(default=MAX_ERROR_BYTES, init=False)
    _status: int = field(default=0, init=False)
    _retry_after: float | None = field(default=None, init=False)
    _tries: int = field(default=0, init=False)
    _heard: bool = field(default=False, init=False)
    _size: int = field(default=0, init=False)
    _finish: str = field(default="", init=False)
    _usage: Usage | None = field(default=None, init=False)
    _done: bool = field(default=False, init=False)
    _request: Deferred[Any] | None = field(default=None, init=False)
    _reader: _Body | None = field(default=None, init=False)
    _silence: IDelayedCall | None = field(default=None, init=False)
    _end: IDelayedCall | None = field(default=None, init=False)

    def start(self) -> None:
        settings = self._upstream.settings
        self._silence = self._clock.callLater(settings.first_byte_seconds, self._silent)
        self._end = self._clock.callLater(settings.total_seconds, self._finished, Fault.TOO_SLOW)
        self._ask()

    def stop(self) -> None:
        """Nobody wants it any more: the server is told by the end of the connection."""
        self._done = True
        for timer in (self._silence, self._end):
            if timer is not None and timer.active():
                timer.cancel()
        request, self._request = self._request, None
        if request is not None:
            request.cancel()
        if self._reader is not None and self._reader.transport is not None:
            hang_up(self._reader.transport)

    def _ask(self) -> None:
        self._tries += 1
        headers: dict[bytes | str, bytes | str] = {
            "Content-Type": "application/json",
            "Accept": "text/event-stream, application/json",
        }
        if self._upstream.key:
            headers["Authorization"] = f"Bearer {self._upstream.key.reveal()}"
        asking = maybeDeferred(  # of a name that TLS does not take it raises
            self._http.post,
            self._upstream.settings.endpoint,
            headers=headers,
            data=WholeBody(self._body),
            allow_redirects=False,
            unbuffered=True,
            reactor=cast(Any, self._clock),  # asked for nothing, or it would take the global one
        )
        self._request = asking
        asking.addCallbacks(self._answered, self._failed)

    # ---------------------------------------------------------------------------------------------------- what happens

    def _answered(self, response: Any) -> None:
        self._request = None
        self._status = response.code
        headers = response.headers
        self._retry_after = retry_seconds(next(iter(headers.getRawHeaders("Retry-After", [])), None))
        kind = next(iter(headers.getRawHeaders("Content-Type", [])), "").partition(";")[0].strip().lower()
        reader = self._reader = _Body(self)
        if self._status == 200 and kind == "text/event-stream":
            self._stream = EventStream()
        elif self._status == 200 and kind == "application/json":
            self._most = self._upstream.settings.max_answer_bytes * 2  # JSON escapes
        elif 200 <= self._status < 300:
            response.deliverBody(reader)
            self._finished(Fault.STRANGE)
            return
        response.deliverBody(reader)

    def _failed(self, failure: Any) -> None:
        self._request = None
        if self._done or failure.check(CancelledError):
            return
        if failure.check(ConnectError, DNSLookupError, TimeoutError, UnicodeError):
            self._finished(Fault.AWAY)
            return
        reasons = getattr(failure.value, "reasons", None) or [failure]
        if any(each.check(SSL.Error) for each in reasons):
            self._finished(Fault.TLS)
        elif failure.check(ResponseNeverReceived):
            self._again()
        else:
            self._finished(Fault.STRANGE)

    def _again(self) -> None:
        """Not a byte came: the server may have closed the connection before it read the question."""
        if self._tries < TRIES:
            self._ask()
        else:
            self._finished(Fault.CUT)

    def received(self, data: bytes) -> None:
        if self._done:
            return
        self._heard = True
        if self._silence is not None:
            self._silence.reset(self._upstream.settings.between_seconds)
        if self._stream is None:
            self._whole += data
            if len(self._whole) > self._most:
                self._finished(Fault.TOO_MUCH if self._status == 200 else fault_of(self._status, None))
            return
        try:
            events = self._stream.feed(data)
        except ProtocolError:
            self._finished(Fault.STRANGE)
            return
        self._take([event.data for event in events])

    def ended(self, *, whole: bool) -> None:
        """The body is over. :param whole: as its length, or its last chunk, said."""
        if self._done:
            return
        if self._status != 200:
            error = _read(bytes(self._whole)).error
            self._finished(fault_of(self._status, error), error)
        elif self._stream is None:
            text = self._whole.decode(errors="replace")
            if whole and _read(text.encode()) == NOTHING:
                self._finished(Fault.STRANGE)
                return
            self._finish = "stop" if whole else ""  # unless it says something else
            self._take([text], closed=True)
        else:
            self._take([event.data for event in self._stream.end()], closed=True)

    def _take(self, texts: list[str], *, closed: bool = False) -> None:
        """What came at once is one piece: it costs its readers as much as one token."""
        text: list[str] = []
        reasoning: list[str] = []
        over, error = closed, None
        for each in texts:
            if each.strip() == DONE:
                over, self._finish = True, self._finish or "stop"
                break
            piece = _read(each.encode("utf-8", "surrogatepass"))
            error = piece.error
            if error is not None:
                break
            text.append(piece.text)
            reasoning.append(piece.reasoning)
            self._finish = piece.finish or self._finish
            self._usage = piece.usage or self._usage
        found = Piece("".join(text), "".join(reasoning))
        if found != NOTHING:
            self._size += len(found.text.encode("utf-8", "replace")) + len(found.reasoning.encode("utf-8", "replace"))
            if self._size > self._upstream.settings.max_answer_bytes:
                self._finished(Fault.TOO_MUCH)
                return
            self._said(found)
        if self._done:
            return  # by what that led to
        if error is not None:
            self._finished(Fault.TOO_LONG if error.too_long else Fault.BROKE, error)
        elif over:
            self._finished(None if self._finish else Fault.CUT)

    def _silent(self) -> None:
        if self._finish:
            self._finished(None)  # it said that it had ended
        else:
            self._finished(Fault.SILENT if self._heard else Fault.NO_SIGN)

    def _finished(self, fault: Fault | None, reported: Reported | None = None) -> None:
        if self._done:
            return
        self.stop()
        self._over(
            Outcome(
                fault=fault,
                retry_after=self._retry_after,
                reported=reported,
                finish=self._finish,
                usage=self._usage,
            )
        )


def _read(text: bytes) -> Piece:
    """What is no JSON says nothing."""
    try:
        return read_piece(loads(text))
    except ProtocolError:
        return NOTHING
