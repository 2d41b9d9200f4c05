"""twisted.web's HTTP channel and request, hardened: deadlines, body limits, connection counts (contract 16.2).

Twisted's idle timeout starts again with every byte; here the headers of a request and its body each have a deadline.
Twisted reads any body; here the announced length is checked before and the real one while it comes, it stays in memory,
and no form is parsed. A refused peer gets an answer, then half a connection, then none.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.server import Request

from newage.web.responses import HTML, answer

if TYPE_CHECKING:
    from newage.web.settings import WebSettings
    from newage.web.site import NewAgeSite
    from newage.web.transports.websocket import EngineWebSocket

_log = Logger()


class ConnectionCount:
    """How many TCP connections there are, in total and per address. ``exempt`` addresses count in the total only."""

    def __init__(self, settings: WebSettings, exempt: Callable[[str], bool]) -> None:
        self._max_total = settings.max_connections
        self._max_each = settings.max_connections_per_address
        self._exempt = exempt
        self._each: dict[str, int] = {}
        self.total = 0

    def take(self, address: str) -> bool:
        """Count one more; False, and not counted, beyond a limit."""
        if self.total >= self._max_total:
            return False
        if not self._exempt(address):
            count = self._each.get(address, 0)
            if count >= self._max_each:
                return False
            self._each[address] = count + 1
        self.total += 1
        return True

    def give_back(self, address: str) -> None:
        """One that ``take`` counted is gone."""
        self.total -= 1
        count = self._each.get(address, 0)
        if count > 1:
            self._each[address] = count - 1
        elif count:
            del self._each[address]


class HardenedRequest(Request):
    """One request. ``exclusive``: nothing else may come over its connection while it is being answered."""

    exclusive = False
    arrived = False  # headers and body are here
    defaultContentType = None
    _room = 0  # bytes the body may have
    _received = 0  # bytes of it so far

    channel: Any
    content: Any

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self.arrived = True
        super().requestReceived(command, path, version)

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        channel: HardenedChannel = self.channel
        self._room = channel.site.body_limit(self, channel._command, channel._path)
        if length is not None and length > self._room:
            self._too_large()
        elif length != 0:
            channel.site.body_expected(self, channel._command, channel._path)

    def handleContentChunk(self, data: bytes) -> None:
        channel: HardenedChannel = self.channel
        if channel.refused:
            return
        self._received += len(data)
        if self._received > self._room:
            self._too_large()
        else:
            self.content.write(data)

    def _too_large(self) -> None:
        channel: HardenedChannel = self.channel
        channel.refuse(b"413 Payload Too Large")
        channel.site.body_too_large(self, channel._command, channel._path)

    def processingFailed(self, reason: Failure) -> Failure:
        """What a resource raised: logged here, told to nobody."""
        _log.failure("a request failed", failure=reason)
        if self.startedWriting:
            self.channel.transport.abortConnection()
        else:
            answer(self, 500, b"Internal Server Error", HTML)
        return reason


class HardenedChannel(HTTPChannel):
    """One HTTP connection, until it ends or its transport is handed to a WebSocket."""

    refused = False  # an error was sent: whatever else comes is thrown away
    totalHeadersSize = 16_384
    maxHeaders = 100

    site: NewAgeSite
    transport: Any
    _idle = True  # between two requests
    _successor: EngineWebSocket | None = None
    _counted: str | None = None  # the address this connection counts for
    _networkProducer: Any

    def connectionMade(self) -> None:
        self._idle = False  # the first request's headers are due from now on
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:
        if self.refused:
            return
        if self._idle:
            self._idle = False
            self.setTimeout(self.site.settings.header_timeout_seconds)
        # Not HTTPChannel's own, which would start the timeout again: LineReceiver's.
        super(HTTPChannel, self).dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if not self.refused:
            super().lineReceived(line)

    def allHeadersReceived(self) -> None:
        headers = self.requests[-1].requestHeaders
        hosts = headers.getRawHeaders(b"Host") or ()
        if len(hosts) > 1 or (not hosts and self._version == b"HTTP/1.1"):
            self.refuse(b"400 Bad Request")  # RFC 9112, 3.2
        elif headers.hasHeader(b"Transfer-Encoding") and self.length is not None:
            self.refuse(b"400 Bad Request")  # 'identity', which another server might read differently
        if self.refused:
            return
        super().allHeadersReceived()
        if self.length != 0 and not self.refused:
            self.setTimeout(self.site.settings.body_timeout_seconds)

    def allContentReceived(self) -> None:
        if not self.refused:
            super().allContentReceived()

    def rawDataReceived(self, data: bytes) -> None:
        if self.refused:
            return
        if self._successor is not None:
            self._successor.cut()  # bytes before our 101: nobody who is in earnest sends them
        elif self._handlingRequest and self.requests and self.requests[0].exclusive:
            self.transport.abortConnection()  # pipelined behind a parked GET (contract 16.3.16)
        else:
            super().rawDataReceived(data)

    def requestDone(self, request: Request) -> None:
        self._savedTimeOut = self.site.settings.idle_timeout_seconds
        self._idle = True
        super().requestDone(request)

    def timeoutConnection(self) -> None:
        if self._idle:
            self.refused = True
            self._end()
        else:
            self.refuse(b"408 Request Timeout")

    def refuse(self, status: bytes) -> None:
        """Answer with an error without a body and close; what else the peer sends is thrown away meanwhile."""
        if self.refused or self.transport is None:
            return
        self.refused = True
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self._end()

    def _end(self) -> None:
        """Close our half, so that the answer is not lost in a reset; all of it after ``linger_seconds``."""
        self.setTimeout(None)
        self._networkProducer.unregisterProducer()
        if self._abortingCall is None:
            self._abortingCall = self.callLater(self.site.settings.linger_seconds, self.forceAbortClient)
        lose_half = getattr(self.transport, "loseWriteConnection", None)
        (lose_half or self.transport.loseConnection)()

    def forceAbortClient(self) -> None:
        self._abortingCall = None
        self.transport.abortConnection()

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(b"400 Bad Request")

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(b"400 Bad Request")

    def _send100Continue(self) -> None:
        if not self.refused:
            super()._send100Continue()

    def handed_over(self, successor: EngineWebSocket) -> Callable[[], None]:
        """The transport is the successor's from now on; to be called when that ends."""
        self._successor = successor
        counted, self._counted = self._counted, None
        connections = self.site.connections
        if counted is None:
            return _nothing
        return lambda: connections.give_back(counted)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.refused = True
        if self._counted is not None:
            self.site.connections.give_back(self._counted)
            self._counted = None
        super().connectionLost(reason)


def _nothing() -> None:
    pass
