"""One POST to a receiver outside: no redirects, no cookies, TLS verified, a time limit, a bounded answer (B22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field
from OpenSSL import SSL
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError, DNSLookupError, TimeoutError
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.http_headers import Headers
from zope.interface import implementer

from newage.bridge.hang_up import hang_up
from newage.bridge.whole_body import WholeBody
from newage.domain.completions import retry_seconds
from newage.domain.webhooks import Said
from newage.ports import IPoster

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.web.iweb import IAgent, IResponse

MAX_ANSWER_BYTES: Final = 65_536  # what is read of an answer; nobody looks at it


@implementer(IPoster)
@define(eq=False)
class WebhookPoster:
    """:param agent: one that follows no redirects and keeps no connections."""

    _clock: IReactorTime
    _agent: IAgent

    def post(self, url: str, headers: Mapping[str, str], body: bytes, seconds: float) -> Deferred[Said]:
        return _Post(self._clock, seconds).sent(self._agent, url, headers, body)


@define(eq=False)
class _Post:
    """One of them. What is told when its headers are there holds, however its body ends."""

    _clock: IReactorTime
    _seconds: float
    _done: Deferred[Said] = field(init=False)
    _said: Said = field(default=Said(), init=False)
    _request: Deferred[IResponse] | None = field(default=None, init=False)
    _reader: _Answer | None = field(default=None, init=False)
    _end: IDelayedCall | None = field(default=None, init=False)

    @_done.default
    def _make_done(self) -> Deferred[Said]:
        return Deferred(lambda _: self._stop())

    def sent(self, agent: IAgent, url: str, headers: Mapping[str, str], body: bytes) -> Deferred[Said]:
        self._said = Said(why=f"did not answer within {self._seconds:g} seconds")
        self._end = self._clock.callLater(self._seconds, self.over)
        fields = Headers({name: [value] for name, value in headers.items()})
        # Of a name that TLS does not take it raises.
        self._request = maybeDeferred(agent.request, b"POST", url.encode("ascii"), fields, WholeBody(body))
        self._request.addCallbacks(self._answered, self._failed)
        return self._done

    def _answered(self, response: Any) -> None:
        self._request = None
        retry_after = next(iter(response.headers.getRawHeaders("Retry-After", [])), None)
        self._said = Said(response.code, retry_seconds(retry_after))
        self._reader = _Answer(self)
        response.deliverBody(self._reader)

    def _failed(self, failure: Failure) -> None:
        self._request = None
        if self._end is not None:  # else it was taken back
            self._said = Said(why=_words(failure))
            self.over()

    def over(self) -> None:
        """As far as anybody needs it."""
        self._stop()
        if not self._done.called:
            self._done.callback(self._said)

    def _stop(self) -> None:
        end, self._end = self._end, None
        if end is not None and end.active():
            end.cancel()
        request, self._request = self._request, None
        if request is not None:
            request.cancel()
        reader, self._reader = self._reader, None
        if reader is not None and reader.transport is not None:
            hang_up(reader.transport)


class _Answer(Protocol):
    """The body of an answer: read, that its sender is not cut off, and thrown away."""

    def __init__(self, post: _Post) -> None:
        self._post = post
        self._size = 0

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_ANSWER_BYTES:
            self._post.over()

    def connectionLost(self, reason: Any = None) -> None:
        self._post.over()


def _words(failure: Failure) -> str:
    """Why there was no answer, without anything that the other side has written."""
    error = failure.value
    causes = [each.value for each in getattr(error, "reasons", None) or [failure]]
    if any(isinstance(each, SSL.Error) for each in causes):
        return "has no certificate that this machine trusts, or speaks no TLS"
    if isinstance(error, ConnectionRefusedError):
        return "does not run: the connection was refused"
    if isinstance(error, DNSLookupError | UnicodeError):
        return "has a name that is not known"
    if isinstance(error, TimeoutError):
        return "could not be reached"
    if any(isinstance(each, ConnectionLost | ConnectionDone) for each in causes):
        return "closed the connection without an answer"
    return f"gave no answer that can be read ({type(error).__name__})"
