"""The streams of ``/llm``: what extensions send, and what readers of ``$stream`` say (contract 5.5-5.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen

from newage.dialect import messages, streams
from newage.domain.character import Character
from newage.domain.details import Details
from newage.domain.foreign_json import without_hostile_keys
from newage.domain.model import Kind
from newage.domain.text import well_formed
from newage.errors import NewAgeError, NotFound
from newage.namespaces import wire
from newage.ports import ISocket, Said
from newage.protocol.json_text import dumps
from newage.protocol.socket_packet import UNREAD
from newage.services.streams.downstream import DownstreamService
from newage.services.streams.upstream import UpstreamService

BINARY = (streams.WRITTEN,)  # what a client streams is refused in words, its bytes included
_EXTENSION = Kind.EXTENSION  # looking a member up takes longer than comparing it
MAX_NAME = 128  # characters of a character's name, and of the hash of its picture

# Members of an END or a message that say no more than extensions of today do; others are told of, or kept (A28).
PLAIN = frozenset(
    {"type", "streamId", "outputId", "requestId", "target", "numStreams", "chunkIndex", "data", "source", "clientId"}
    | {"identity", "final", "kind"}
)
TOLD = frozenset({"action", "character", "more", "reasoning", "extra", "name"})  # not kept as they are


def _said(socket: ISocket, args: list[Any]) -> Said | None:
    """What the packet names, if it is an object from an extension; everything else is ignored (contract 12.2)."""
    session = socket.caller.session
    if not args or type(args[0]) is not dict or session.kind is not _EXTENSION:
        return None
    body = args[0]
    stream_id, output_id, request_id = body.get("streamId"), body.get("outputId"), body.get("requestId")
    # What nearly all are, looked at here: a call for each of the three in each token costs more than all the rest.
    if type(stream_id) is not str or not stream_id.isascii() or not 0 < len(stream_id) <= wire.MAX_ID:
        stream_id = wire.identifier(stream_id) or ""
    if type(output_id) is not str or not output_id.isascii() or not 0 < len(output_id) <= wire.MAX_ID:
        output_id = wire.identifier(output_id)
    if request_id is not None and (
        type(request_id) is not str or not request_id.isascii() or not 0 < len(request_id) <= wire.MAX_ID
    ):
        request_id = wire.identifier(request_id)
    return Said(session.identity, stream_id, output_id, request_id, socket.sid)


def _as_text(data: Any) -> str:
    """What an extension sends as text and is none: nothing of it is lost."""
    if isinstance(data, str):
        return data
    if isinstance(data, bytes):
        return data.decode(errors="replace")
    return "" if data is None else dumps(data).decode()


def parse_character(value: Any) -> Character | None:
    """As whom an answer is given; None where that says no one."""
    if not isinstance(value, dict):
        return None
    found, name = wire.identifier(value.get("id")), wire.text(value.get("name"), MAX_NAME)
    if found is None or not name:
        return None
    return Character(found, well_formed(name), well_formed(wire.text(value.get("avatar"), MAX_NAME)))


def parse_details(payload: Any) -> Details:
    """What there is in a START, END or message besides ``PLAIN`` ones; unknown members are kept (A28)."""
    body = payload if isinstance(payload, dict) else {}
    action, reasoning, extra = wire.identifier(body.get("action")), body.get("reasoning"), body.get("extra")
    known = PLAIN | TOLD | messages.MEMBERS | messages.ANSWERED
    kept = {name: value for name, value in body.items() if name not in known}
    if isinstance(extra, dict):
        kept.update((name, value) for name, value in extra.items() if name not in known)
    return Details(
        action=action or "",
        character=parse_character(body.get("character")),
        reasoning="" if reasoning is None else _as_text(reasoning),
        more=body.get("more") is True,
        extra={} if wire.holds_bytes(kept) else without_hostile_keys(kept),
    )


def _of_output(said: Said) -> Said:
    """A stream without a name has its output's."""
    return said if said.stream else said._replace(stream=said.output or "")


@frozen(kw_only=True)
class UpstreamEvents:
    """What extensions send. The hot path: named members are read straight from the packet, nobody is acked."""

    streams: UpstreamService
    new_id: Callable[[], str]

    def start(self, socket: ISocket, args: list[Any], wants_ack: bool) -> list[Any] | None:
        said = _said(socket, args)
        if args and type(args[0]) is dict and "resume" in args[0] and args[0]["resume"] is True:
            return self._resumed(wire.Exchange(socket, args, wants_ack), said)
        if said is not None and said.stream:
            if said.output is None:
                said = said._replace(output=said.stream)
            body = args[0]
            if "action" in body or "character" in body:
                details = Details(
                    action=wire.identifier(body.get("action")) or "", character=parse_character(body.get("character"))
                )
                self.streams.stream_started(said, details)
            else:
                self.streams.stream_started(said)
        return None

    def _resumed(self, exchange: wire.Exchange, said: Said | None) -> list[Any] | None:
        """The one START that is answered. To who is no extension there is no such output."""
        try:
            if said is None:
                raise NotFound("Unknown output")
            text = self.streams.resume(_of_output(said))
        except NewAgeError as error:
            return exchange.failed(error)
        return exchange.succeeded(streams.position(text.text.units, text.reasoning.units, text.rev))

    def data(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        said = _said(socket, args)
        if said is None:
            self._not_read(socket, args)
            return
        if not said.stream:
            said = _of_output(said)
        body = args[0]
        text, index = body.get("data"), body.get("chunkIndex")
        if type(text) is not str:
            text = _as_text(text)
        if type(index) is not int:
            index = None
        if "kind" in body and body["kind"] == "reasoning":
            self.streams.stream_reasoning(said, index, text)
        else:
            self.streams.stream_data(said, index, text)

    def _not_read(self, socket: ISocket, args: list[Any]) -> None:
        """What stands for the data of a packet that is too much."""
        if args and args[0] is UNREAD and socket.caller.kind is Kind.EXTENSION:
            self.streams.unreadable(Said(socket.caller.identity, socket=socket.sid))

    def failed(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        said = _said(socket, args)
        if said is not None:
            self.streams.stream_failed(_of_output(said))

    def reset(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        """For extensions that declared it; what says no place is ignored."""
        said = _said(socket, args)
        if said is not None and "reset" in socket.caller.features:
            at = args[0].get("at")
            if type(at) is int and at >= 0:
                self.streams.stream_reset(_of_output(said), at, args[0].get("kind") == "reasoning")

    def end(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        said = _said(socket, args)
        if said is not None:
            body, mode = args[0], socket.caller.stream_mode
            final = True if body.get("final") is True or mode == "output" else (False if mode == "token" else None)
            if not said.stream:
                said = _of_output(said)
            for name in body:  # a call would cost each token of the reference extension as much
                if name not in PLAIN:
                    details = parse_details(body)
                    self.streams.stream_ended(said, True if details.more else final, details)
                    return
            self.streams.stream_ended(said, final)

    def error(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        said = _said(socket, args)
        if said is not None:
            body = args[0]
            message = wire.text(body.get("message"), 1000) or "The extension reported an error."
            detail = well_formed(wire.text(body.get("error"), 1000)) or None
            self.streams.failed(said, well_formed(message), detail)

    def message(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        """The health check of anybody, the non-stream answer of an extension (contract 5.5)."""
        body = args[0] if args and isinstance(args[0], dict) else {}
        data, request_id = body.get("data"), wire.identifier(body.get("requestId"))
        if data == streams.HEALTH_QUESTION:
            wire.tell(socket, streams.healthy(self.new_id(), body.get("requestId")))
        elif body.get("type") not in (0, "NON_STREAM") or isinstance(body.get("type"), bool):
            return
        elif socket.caller.kind is not Kind.EXTENSION:
            wire.tell(socket, streams.not_an_extension())
        else:
            said = Said(socket.caller.identity, "", wire.identifier(body.get("outputId")), request_id, socket.sid)
            if PLAIN.issuperset(body):
                self.streams.answered(said, _as_text(data))
            else:
                self.streams.answered(said, _as_text(data), parse_details(body))

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
        return {**both, **clients, "CLIENT_STREAM_RESET": self.reset, "ERROR": self.error, "message": self.message}


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
                socket.emit(streams.BROKEN, stream_id[: wire.MAX_ID], "Streams from clients are not accepted.")

    def written(self, socket: ISocket, args: list[Any], wants_ack: bool) -> list[Any]:
        name = args[0][: wire.MAX_ID] if args and isinstance(args[0], str) else ""
        return [f"invalid stream id: {name}"]

    def handlers(self) -> wire.Handlers:
        return {
            streams.READ: self.read,
            streams.OVER: self.stopped,
            streams.BROKEN: self.stopped,
            streams.OPENED: self.opened,
            streams.WRITTEN: self.written,
        }
