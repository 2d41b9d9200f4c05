"""The streams of ``/llm``: what extensions send, and what readers of ``$stream`` say (contract 5.5-5.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from newage.dialect import Body
from newage.domain.model import Kind
from newage.domain.text import well_formed
from newage.namespaces import wire
from newage.ports import ISocket
from newage.services.streams.downstream import DownstreamService
from newage.services.streams.upstream import StreamService

HEALTH_QUESTION, HEALTH_ANSWER = "Connection active?", "Yes,connection is fine."
MAX_TEXT = 1_000_000  # characters; the transport's own limit is lower in bytes

_EXTENSION = Kind.EXTENSION  # looking a member up takes longer than comparing it


def _extension_body(socket: ISocket, args: list[Any]) -> Body | None:
    """The payload, if it is an object from an extension; everything else is ignored (contract 12.2)."""
    if args and type(args[0]) is dict and socket.caller.session.kind is _EXTENSION:
        return args[0]
    return None


def _stream_ids(body: Body) -> tuple[str, str | None, str | None]:
    output_id = wire.identifier(body.get("outputId"))
    stream_id = wire.identifier(body.get("streamId")) or output_id or ""
    return stream_id, output_id, wire.identifier(body.get("requestId"))


@frozen(kw_only=True)
class UpstreamEvents:
    """What extensions send. The hot path: named members are read straight from the packet, nobody is acked."""

    streams: StreamService
    new_id: Callable[[], str]

    def start(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = _extension_body(socket, args)
        if body is not None and (stream_id := wire.identifier(body.get("streamId"))):
            output_id = wire.identifier(body.get("outputId")) or stream_id
            request_id = wire.identifier(body.get("requestId"))
            self.streams.stream_started(socket.caller.identity, stream_id, output_id, request_id)

    def data(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = _extension_body(socket, args)
        if body is None:
            return
        text, index = body.get("data"), body.get("chunkIndex")
        output_id = wire.identifier(body.get("outputId"))
        stream_id = wire.identifier(body.get("streamId")) or output_id
        if stream_id is not None and type(text) is str:
            self.streams.stream_data(
                socket.caller.session.identity,
                stream_id,
                output_id,
                wire.identifier(body.get("requestId")),
                index if type(index) is int else None,
                text,
            )

    def failed(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = _extension_body(socket, args)
        if body is not None:
            self.streams.stream_failed(socket.caller.identity, *_stream_ids(body))

    def end(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = _extension_body(socket, args)
        if body is not None:
            mode = socket.caller.stream_mode
            final = True if body.get("final") is True or mode == "output" else (False if mode == "token" else None)
            self.streams.stream_ended(socket.caller.identity, *_stream_ids(body), final)

    def error(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = _extension_body(socket, args)
        if body is not None:
            message = wire.text(body.get("message"), 1000) or "The extension reported an error."
            detail = well_formed(wire.text(body.get("error"), 1000)) or None
            request_id = wire.identifier(body.get("requestId"))
            self.streams.failed(socket.caller.identity, request_id, well_formed(message), detail)

    def message(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        """The health check of anybody, the non-stream answer of an extension (contract 5.5)."""
        body = args[0] if args and isinstance(args[0], dict) else {}
        data, request_id = body.get("data"), wire.identifier(body.get("requestId"))
        if data == HEALTH_QUESTION:
            answer = {"type": 0, "data": HEALTH_ANSWER, "source": "server", "outputId": self.new_id()}
            socket.emit("message", {**answer, "requestId": body.get("requestId")})
        elif body.get("type") not in (0, "NON_STREAM") or isinstance(body.get("type"), bool):
            return
        elif socket.caller.kind is not Kind.EXTENSION:
            warning = {"type": "WARNING", "message": "Only extensions answer requests.", "warningCode": 72}
            socket.emit("WARNING", warning)
        else:
            text = data if isinstance(data, str) else "" if data is None else str(data)
            output_id = wire.identifier(body.get("outputId"))
            self.streams.answered(socket.caller.identity, request_id, output_id, text[:MAX_TEXT])

    def handlers(self) -> wire.Handlers:
        """Each event of a stream has two names (contract 1.8)."""
        both: wire.Handlers = {
            "STREAM_START": self.start,
            "STREAM_DATA_FIRST": self.data,
            "STREAM_DATA_MIDDLE": self.data,
            "STREAM_DATA_LAST": self.data,
            "STREAM_DATA_RETRY": self.data,
            "STREAM_DATA_FAILED": self.failed,
            "STREAM_END": self.end,
        }
        clients = {f"CLIENT_{event}": handler for event, handler in both.items()}
        return {**both, **clients, "ERROR": self.error, "message": self.message}


@frozen(kw_only=True)
class ReaderEvents:
    """``$stream*`` as the library's reader sends them (contract 5.7)."""

    downstream: DownstreamService

    def read(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        if args and isinstance(args[0], str):
            self.downstream.read(socket.sid, args[0])

    def stopped(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        if args and isinstance(args[0], str):
            self.downstream.stopped(socket.sid, args[0])

    def opened(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        for arg in args[1:]:
            if isinstance(arg, dict) and isinstance(stream_id := arg.get("$stream"), str):
                socket.emit("$stream-error", stream_id[: wire.MAX_ID], "Streams from clients are not accepted.")

    def written(self, socket: ISocket, args: list[Any], wants_ack: bool) -> list[Any]:
        name = args[0][: wire.MAX_ID] if args and isinstance(args[0], str) else ""
        return [f"invalid stream id: {name}"]

    def handlers(self) -> wire.Handlers:
        return {
            "$stream-read": self.read,
            "$stream-end": self.stopped,
            "$stream-error": self.stopped,
            "$stream": self.opened,
            "$stream-write": self.written,
        }
