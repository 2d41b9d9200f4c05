"""twisted.web's HTTP channel, hardened: least rates, and an end that is no reset (contract 16.2).

Twisted's idle timeout starts again with every byte; here the headers of a request and its body each have to come at a
least rate. A refused peer gets an answer, then half a connection, then none. A peer that closes its own half gets the
answers that it has asked for, then the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from attrs import frozen
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.web.http import HTTPChannel
from zope.interface import implementer

from newage.protocol.arrival import Arrival
from newage.web.health import PATHS as HEALTH_PATHS
from newage.web.responses import EVERYWHERE
from newage.web.target import Target, read_target

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.python.failure import Failure
    from twisted.web.server import Request, Site

    from newage.web.connection_count import ConnectionCount
    from newage.web.request import HardenedRequest, SiteRules
    from newage.web.settings import WebSettings

_EVERYWHERE: Final = b"".join(name + b": " + value + b"\r\n" for name, value in EVERYWHERE) + b"\r\n"
_TLS_HANDSHAKE: Final = 0x16  # the first byte of a client that was told https
_MAX_LENGTH_DIGITS: Final = 18
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
# When somebody whose half is closed is asked whether he is there. Who has gone altogether answers the first with a
# reset, and the kernel tells it at the second.
_IS_THERE_SECONDS: Final = (0.0, 0.1, 1.0, 5.0)
_MAX_LINGERS: Final = 15  # windows in which more of what was refused comes


class Successor(Protocol):
    """What a transport was handed to."""

    def cut(self) -> None:
        """End at once, by a fault."""


@frozen
class Released:
    """A transport that HTTP gave up.

    :param untouched: nothing was written to it.
    :param on_lost: to be called when it is gone.
    :param taken_over_by: to be called with who has it now.
    """

    transport: Any
    untouched: bool
    on_lost: Callable[[], None]
    taken_over_by: Callable[[Successor], None]


@implementer(IHalfCloseableProtocol)
class HardenedChannel(HTTPChannel):
    """One HTTP connection, until it ends or its transport is handed to a WebSocket."""

    refused = False  # an error was sent: whatever else comes is thrown away
    totalHeadersSize = 16_384
    maxHeaders = 100

    transport: Any

    def __init__(
        self,
        site: Site,
        rules: SiteRules,
        settings: WebSettings,
        clock: IReactorTime,
        connections: ConnectionCount,
        address: str,
    ) -> None:
        """:param address: whose connection it is; counted in ``connections`` already."""
        super().__init__()
        self.site = self.factory = site
        self.requestFactory = site.requestFactory
        self.timeOut = settings.header_timeout_seconds  # type: ignore[assignment]
        self._call_later = clock.callLater
        self.callLater = clock.callLater  # type: ignore[assignment,method-assign]
        self.rules = rules
        self._settings = settings
        self._seconds = clock.seconds
        self._connections = connections
        self._address = address
        self._counted: str | None = address
        self._idle = True  # between two requests
        self._untouched = True  # nothing was received
        self._answered = False  # something was written
        self._successor: Successor | None = None
        self._ended = False  # the peer has closed its half: nothing more comes
        self._is_there_call: IDelayedCall | None = None
        # The headers, the body, or what is thrown away: bytes that came, and in how many seconds enough must have.
        self._arrival = Arrival(settings.least_bytes_per_second)
        self._arrived = 0
        self._window = settings.header_timeout_seconds
        self._lingers = 0

    def connectionMade(self) -> None:
        self._idle = False  # the first request's headers are due from now on
        self._arrival.begin(0, self._seconds())
        super().connectionMade()

    def _expect(self, window: float) -> None:
        """Something begins to arrive: in so many seconds enough of it must be there, and again in as many more."""
        self._window = window
        self._arrived = 0
        self._arrival.begin(0, self._seconds())
        self.setTimeout(window)

    def dataReceived(self, data: bytes) -> None:
        if self.refused:
            self._arrived += len(data)
            return
        if self._idle:
            self._idle = False
            self._expect(self._settings.header_timeout_seconds)
        if self._untouched:
            self._untouched = False
            if data[0] == _TLS_HANDSHAKE:
                self.refused = True
                self.rules.tls_came(self._address)
                self._end()
                return
        self._arrived += len(data)
        # Not HTTPChannel's own, which would start the timeout again: LineReceiver's.
        super(HTTPChannel, self).dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if not self.refused:
            super().lineReceived(line)

    def _maybeChooseTransferDecoder(self, header: bytes, data: bytes) -> bool:
        if header == b"Content-Length" and len(data) > _MAX_LENGTH_DIGITS:
            return bool(self._failChooseTransferDecoder())  # int() has a limit, too, and raises
        return bool(super()._maybeChooseTransferDecoder(header, data))

    def allHeadersReceived(self) -> None:
        request: HardenedRequest = self.requests[-1]
        headers = request.requestHeaders
        hosts = headers.getRawHeaders(b"Host") or ()
        codings = headers.getRawHeaders(b"Transfer-Encoding")
        target = read_target(self._path, secure=self.isSecure())
        probes = self._path.partition(b"?")[0] in HEALTH_PATHS  # supervisors may be as terse as they like
        if len(hosts) > 1 or (not hosts and self._version == b"HTTP/1.1" and not probes):
            self.refuse(b"400 Bad Request")  # RFC 9112, 3.2
        elif codings is not None and not self._is_chunked(codings):
            self.refuse(b"400 Bad Request")  # RFC 9112, 6.1 and 6.3: another server might read it differently
        elif not isinstance(target, Target):
            self.refuse(target)
        elif target.authority is not None:
            self._path = target.path
            request.contradicted = bool(hosts) and hosts[0].lower() != target.authority.lower()
            headers.setRawHeaders(b"Host", [target.authority])
        if self.refused:
            return
        super().allHeadersReceived()
        if self.length != 0 and not self.refused:
            self._expect(self._settings.body_timeout_seconds)

    def _is_chunked(self, codings: Sequence[bytes]) -> bool:
        """Whether the body is chunked and no more, in a version that knows it, and no length contradicts."""
        single = len(codings) == 1 and codings[0].lower() == b"chunked"
        return single and self.length is None and self._version == b"HTTP/1.1"

    def allContentReceived(self) -> None:
        if not self.refused:
            super().allContentReceived()

    def rawDataReceived(self, data: bytes) -> None:
        if self.refused:
            return
        if self._successor is not None:
            self._successor.cut()  # bytes before our 101: nobody who is in earnest sends them
        elif self.requests and self.requests[0].alone and not self.requests[0].is_arriving():
            self.transport.abortConnection()  # pipelined behind a parked GET (contract 16.3.16)
        else:
            super().rawDataReceived(data)

    def requestDone(self, request: Request) -> None:
        self._answered = True
        self._savedTimeOut = self._settings.idle_timeout_seconds
        self._idle = True
        super().requestDone(request)
        if self._ended and not self._is_answering():
            self.loseConnection()

    def timeoutConnection(self) -> None:
        if self._idle:
            self.refused = True
            self._end()
        elif self._arrival.goes_on(self._arrived, self._seconds()):
            self.setTimeout(self._window)
        else:
            self.refuse(b"408 Request Timeout")

    # ------------------------------------------------------------------------------------------------ half a connection

    def readConnectionLost(self) -> None:
        """The peer sends nothing more. It may wait for answers, or be gone altogether."""
        self._ended = True
        if self.refused or not self._is_answering():
            self.transport.loseConnection()
        elif self._version_of_answer() == b"HTTP/1.1":
            self._ask_whether_it_is_there(_IS_THERE_SECONDS)
        else:
            self.transport.abortConnection()  # HTTP/1.0 has no way to ask

    def writeConnectionLost(self) -> None:
        """Our half is closed, as we wanted."""

    def _is_answering(self) -> bool:
        """Whether a request is complete and its answer is not."""
        return bool(self.requests) and not self.requests[0].is_arriving()

    def _version_of_answer(self) -> bytes:
        version: bytes = self.requests[0].clientproto
        return version

    def _ask_whether_it_is_there(self, seconds: tuple[float, ...]) -> None:
        """Say 100 Continue, which any client skips: who is gone altogether answers with a reset."""
        self._is_there_call = None
        if self.transport is None or not self._is_answering():
            return
        if not self.requests[0].startedWriting:
            self.transport.write(_CONTINUE)
        elif not self.requests[0].ask_whether_it_is_there():
            return
        if len(seconds) > 1:
            wait = seconds[1] - seconds[0]
            self._is_there_call = self._call_later(wait, self._ask_whether_it_is_there, seconds[1:])

    def refuse(self, status: bytes) -> None:
        """Answer with an error without a body and close; what else the peer sends is thrown away meanwhile."""
        if self.refused or self.transport is None:
            return
        self.refused = True
        self.rules.refused(self._address, status)
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n" + _EVERYWHERE)
        self._end()

    def _end(self) -> None:
        """Close our half, so that the answer is not lost in a reset; all of it after ``linger_seconds``."""
        self.setTimeout(None)
        self.transport.unregisterProducer()
        if self._abortingCall is None:
            self._arrived = 0
            self._arrival.begin(0, self._seconds())
            self._linger()
        lose_half = None if self._ended else getattr(self.transport, "loseWriteConnection", None)
        (lose_half or self.transport.loseConnection)()

    def _linger(self) -> None:
        self._lingers += 1
        self._abortingCall = self.callLater(self._settings.linger_seconds, self.forceAbortClient)

    def forceAbortClient(self) -> None:
        """Abort, unless it still sends what was refused: it would lose the answer in a reset."""
        self._abortingCall = None
        if self._lingers < _MAX_LINGERS and self._arrival.goes_on(self._arrived, self._seconds()):
            self._linger()
        else:
            self.transport.abortConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(b"400 Bad Request")

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(b"400 Bad Request")

    def _send100Continue(self) -> None:
        if not self.refused:
            self._answered = True
            super()._send100Continue()

    def give_away(self) -> Released:
        """The transport is another's from now on, and its place in the connection count."""
        counted, self._counted = self._counted, None
        connections = self._connections

        def on_lost() -> None:
            if counted is not None:
                connections.give_back(counted)

        return Released(self.transport, not self._answered, on_lost, self._taken_over_by)

    def _taken_over_by(self, successor: Successor) -> None:
        self._successor = successor

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.refused = True
        if self._is_there_call is not None:
            self._is_there_call.cancel()
            self._is_there_call = None
        if self._counted is not None:
            self._connections.give_back(self._counted)
            self._counted = None
        super().connectionLost(reason)


def release(request: Any) -> Released:
    """Take the transport from a request of any twisted.web site, and from its channel; they are done with."""
    channel = request.channel
    channel.setTimeout(None)
    channel.transport.unregisterProducer()
    if isinstance(channel, HardenedChannel):
        released = channel.give_away()
    else:
        released = Released(channel.transport, False, _nothing, _nothing)
    channel.transport = None
    channel.requests.clear()
    request.content.close()
    request.channel = request.transport = None
    return released


def _nothing(*_: object) -> None:
    pass
