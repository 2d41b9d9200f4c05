"""The hand-over of a transport from HTTP to a WebSocket.

The request that Autobahn sees is written by us from the handful of headers a handshake needs. Autobahn splits lines
where Twisted does not (contract 16.2.1), so a header value it never sees cannot grow into other headers; origin, host
and peer were judged on the Twisted request before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.protocols.policies import ProtocolWrapper

from newage.web.transports.websocket import EngineWebSocket, EngineWebSocketFactory

if TYPE_CHECKING:
    from twisted.web.http import Request

_PROTOCOLS: Final = b"Sec-WebSocket-Protocol"
_HANDSHAKE_HEADERS: Final = (b"Upgrade", b"Connection", b"Sec-WebSocket-Version", b"Sec-WebSocket-Key", _PROTOCOLS)
_TOKENS: Final = re.compile(rb"[ \t]*[\w!#$%&'*+.^`|~-]+[ \t]*(?:,[ \t]*[\w!#$%&'*+.^`|~-]+[ \t]*)*")  # RFC 9110, 5.6


def can_hand_over(request: Request) -> bool:
    """Whether Autobahn reads the headers that ``hand_over`` copies as we do: it ends a line at 0x85, for one.

    Names of subprotocols are answered with the first of them, so they have to be names.
    """
    headers = request.requestHeaders
    return all(
        value.isascii() and (name != _PROTOCOLS or _TOKENS.fullmatch(value) is not None)
        for name in _HANDSHAKE_HEADERS
        for value in headers.getRawHeaders(name) or ()
    )


def hand_over(request: Any, factory: EngineWebSocketFactory, opener: Callable[[EngineWebSocket], None]) -> None:
    """Take the transport from the HTTP channel and let a WebSocket answer the request, on any request of a connection.

    The channel and the request keep no reference to the transport, nor it to them. A channel of ours gives its place
    in the connection count along (``handed_over``).
    """
    channel = request.channel
    transport = channel.transport
    protocol: Any = factory.buildProtocol(transport.getPeer())
    lines = [b"GET / HTTP/1.1", b"Host: localhost"]
    headers = request.requestHeaders
    for name in _HANDSHAKE_HEADERS:
        lines += [name + b": " + value for value in headers.getRawHeaders(name) or ()]
    lines += [b"", b""]

    channel.setTimeout(None)
    channel._networkProducer.unregisterProducer()
    handed_over = getattr(channel, "handed_over", None)
    if handed_over is not None:
        protocol._on_lost = handed_over(protocol)
    channel.transport = None
    channel.requests.clear()
    request.content.close()
    request.channel = request.transport = None
    if isinstance(transport, ProtocolWrapper):
        transport.wrappedProtocol = protocol  # TLS around us
    elif isinstance(getattr(transport, "protocol", None), ProtocolWrapper):
        transport.protocol.wrappedProtocol = protocol
    else:
        transport.protocol = protocol
    protocol.makeConnection(transport)
    protocol.accept(b"\r\n".join(lines), opener)
