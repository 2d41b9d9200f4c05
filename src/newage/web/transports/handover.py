"""The hand-over of a transport from HTTP to a WebSocket, on any request of a connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from twisted.protocols.policies import ProtocolWrapper

from newage.telemetry.refusals import Refusals
from newage.web.channel import release
from newage.web.responses import address_of
from newage.web.transports.flushes import FlushList
from newage.web.transports.handshake import Handshakes
from newage.web.transports.masking import frame_rules
from newage.web.transports.websocket import EngineWebSocket, Surroundings

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.http import Request

    from newage.web.settings import WebSettings


_NO_HANDSHAKE: Final = "it asks for a WebSocket that RFC 6455 does not know, by version, key or extension"


class WebSockets:
    """Makes the WebSockets of one site."""

    def __init__(self, settings: WebSettings, clock: IReactorTime, flushes: FlushList, refusals: Refusals) -> None:
        self._refusals = refusals
        rules = frame_rules(settings.max_http_buffer_bytes, settings.max_empty_fragments)
        self._surroundings = Surroundings(settings, rules, clock, flushes, refusals)
        self._handshakes = Handshakes(clock)

    def take_over(
        self, request: Request, handshake: bytes, opener: Callable[[EngineWebSocket], None], *, base64: bool = False
    ) -> None:
        """Answer the ``handshake_in`` a request, and let a WebSocket have its transport.

        The channel and the request keep no reference to the transport, nor it to them.

        :param opener: gets the open WebSocket; not called if the handshake is refused.
        :param base64: binary packets go out as text.
        """
        answer = self._handshakes.answer(handshake)
        if not answer.accepted:
            self._refusals.tell("400", address_of(request), _NO_HANDSHAKE)
        released = release(request)
        sink = EngineWebSocket(
            self._surroundings,
            released.transport,
            untouched=released.untouched,
            answer=answer.response,
            base64=base64,
            on_lost=released.on_lost,
        )
        released.taken_over_by(sink)
        put_in_place(released.transport, sink)
        if answer.accepted:
            sink.open(opener)
        else:
            sink.refuse()


def put_in_place(transport: Any, sink: Any) -> None:
    """From now on the transport gives what it receives to the sink."""
    if isinstance(transport, ProtocolWrapper):
        transport.wrappedProtocol = sink  # TLS around us
    elif isinstance(getattr(transport, "protocol", None), ProtocolWrapper):
        transport.protocol.wrappedProtocol = sink
    else:
        transport.protocol = sink
