"""twisted.web's request, hardened: a body has a limit, stays in memory, and no form is parsed (contract 16.2).

Twisted reads any body; here the announced length is checked before and the real one while it comes.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import datetimeToString
from twisted.web.server import Request

from newage.web.responses import EVERYWHERE, HTML, answer

if TYPE_CHECKING:
    from twisted.web.http_headers import Headers

_log = Logger()


class SiteRules(Protocol):
    """What a site says of what it is sent; ``command`` and ``target`` are those of the request's first line."""

    def tls_came(self, address: str) -> None:
        """Somebody speaks TLS to this port, which does not."""

    def body_limit(self, request: HardenedRequest, command: bytes, target: bytes) -> int:
        """How large the body may be, in bytes."""

    def body_expected(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """The headers are complete; a body follows."""

    def body_too_large(self, request: HardenedRequest, command: bytes, target: bytes) -> None:
        """The body was refused for its size."""

    def refused(self, address: str, status: bytes) -> None:
        """A request was refused with this status before it was read."""


class Carrier(Protocol):
    """What a request comes over (``channel.HardenedChannel``); the names of its first line are twisted's."""

    refused: bool
    rules: SiteRules
    _command: bytes
    _path: bytes

    def refuse(self, status: bytes) -> None: ...


class HardenedRequest(Request):
    """One request. ``alone``: nothing else may come over its connection while it is being answered."""

    alone = False
    contradicted = False  # its target and its Host header name different hosts; the target's counts
    defaultContentType = None
    _arriving = True
    _room = 0  # bytes the body may have
    _received = 0  # bytes of it so far
    _say: Callable[[], None] | None = None

    channel: Any
    content: Any

    def process(self) -> None:
        """Have it answered. As twisted's, but for the banner; and every answer has ``EVERYWHERE``."""
        self.site = self.channel.site
        headers: Headers = self.responseHeaders
        headers.setRawHeaders(b"Date", [datetimeToString()])
        for name, value in EVERYWHERE:
            headers.setRawHeaders(name, [value])
        try:
            self.render(self.site.getResourceFor(self))
        except Exception:
            self.processingFailed(Failure())

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        self._arriving = False
        super().requestReceived(command, path, version)

    def have_connection_alone(self) -> None:
        """From now until it is answered, whatever else comes over its connection is refused."""
        self.alone = True

    def asks_whether_it_is_there(self, say: Callable[[], None]) -> None:
        """Its answer has begun and may be long: have that called when the peer has closed its half.

        :param say: writes what the peer skips, into which who is gone altogether answers with a reset.
        """
        self._say = say

    def ask_whether_it_is_there(self) -> bool:
        """:return: whether there was a way to, with an answer that has begun."""
        if self._say is not None:
            self._say()
        return self._say is not None

    def is_arriving(self) -> bool:
        """Whether some of its body is still to come."""
        return self._arriving

    def received_bytes(self) -> int:
        """Of its body, so far."""
        return self._received

    def refuse_the_rest(self) -> None:
        """Answer a request that ``is_arriving`` with 400, and read no more of it."""
        self.channel.refuse(b"400 Bad Request")

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
        channel: Carrier = self.channel
        self._room = channel.rules.body_limit(self, channel._command, channel._path)
        if length is not None and length > self._room:
            self._too_large()
        elif length != 0:
            channel.rules.body_expected(self, channel._command, channel._path)

    def handleContentChunk(self, data: bytes) -> None:
        channel: Carrier = self.channel
        if channel.refused:
            return
        self._received += len(data)
        if self._received > self._room:
            self._too_large()
        else:
            self.content.write(data)

    def _too_large(self) -> None:
        channel: Carrier = self.channel
        channel.refuse(b"413 Payload Too Large")
        channel.rules.body_too_large(self, channel._command, channel._path)

    def processingFailed(self, reason: Failure) -> Failure:
        """What a resource raised: logged here, told to nobody."""
        _log.failure("a request failed", failure=reason)
        if self.startedWriting:
            self.channel.transport.abortConnection()
        else:
            answer(self, 500, b"Internal Server Error", HTML)
        return reason
