"""``/llm``: the desk of an extension: its characters, and the chat that a room is served in (contract 5.9)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from attrs import frozen

from newage.dialect import Body, chat
from newage.domain.chat import ChatEvent, ChatLine, Op
from newage.domain.model import Caller, Kind
from newage.errors import InvalidRequest
from newage.gateway.socketio.dispatch import Handler, Later
from newage.namespaces import wire
from newage.namespaces.chat_calls import parse_chat_id, parse_line
from newage.ports import ISocket
from newage.services.chat.characters import CharacterService
from newage.services.chat.links import ChatLinks
from newage.services.chat.mirror import Mirror
from newage.services.chat.reading import ChatReading

MAX_LINES = 200  # messages in one CHAT_SNAPSHOT
OPS = {op.value: op for op in Op}


@frozen
class Offer:
    """Whose characters are asked for; see ``CharacterService.offered``."""

    room: str | None
    target: str | None


def parse_offer(payload: Any) -> Offer:
    """LIST_CHARACTERS. :raises InvalidRequest: what names a room or an extension is no name."""
    body = wire.members_or_room(payload)
    return Offer(_name(wire.first(body, *wire.ROOM)), _name(body.get("target")))


def _name(value: Any) -> str | None:
    """:raises InvalidRequest: it is there, and no name."""
    name = wire.identifier(value)
    if name is None and value is not None:
        raise InvalidRequest(wire.INVALID)
    return name


@frozen
class Portrait:
    target: str
    character_id: str


def parse_portrait(payload: Any) -> Portrait:
    """GET_AVATAR. :raises InvalidRequest: extension or character are missing."""
    body = wire.members(payload)
    target, character_id = wire.identifier(body.get("target")), wire.identifier(body.get("id"))
    if target is None or character_id is None:
        raise InvalidRequest("target and id are required.")
    return Portrait(target, character_id)


@frozen
class Casting:
    room: str
    character_id: str


def parse_casting(payload: Any) -> Casting:
    """SELECT_CHARACTER. :raises InvalidRequest: room or character are missing."""
    body = wire.members(payload)
    room, character_id = wire.room_name(body), wire.identifier(body.get("id"))
    if room is None or character_id is None:
        raise InvalidRequest("roomName and id are required.")
    return Casting(room, character_id)


@frozen
class Peek:
    room: str
    limit: int


def parse_peek(payload: Any) -> Peek:
    """CHAT_SNAPSHOT. :raises InvalidRequest: it names no room. :raises BadParameter: the limit is out of range."""
    body = wire.members_or_room(payload)
    room, limit = wire.room_name(body), body.get("limit")
    if room is None:
        raise InvalidRequest("roomName is required.")
    return Peek(room, 50 if limit is None else wire.whole_number(limit, "limit", 1, MAX_LINES))


def parse_link(payload: Any) -> str | None:
    """SET_CHAT_ROOM: a room, or null for none. :raises InvalidRequest: it is neither."""
    body = wire.members_or_room(payload)
    if not any(name in body for name in wire.ROOM):
        raise InvalidRequest("roomName is required.")
    return _name(wire.first(body, *wire.ROOM))


def parse_chat_event(payload: Any) -> ChatEvent | None:
    """CHAT_EVENT; None where it says nothing that makes sense."""
    if not isinstance(payload, dict):
        return None
    op, chat_id = payload.get("op"), parse_chat_id(payload.get("chatId"))
    known = OPS.get(op) if isinstance(op, str) else None
    line = ChatLine(id="") if known is Op.CHAT else parse_line(payload)
    return None if known is None or not chat_id or line is None else ChatEvent(known, chat_id, line)


@frozen(kw_only=True)
class ChatEvents:
    """Questions to an extension hold up nothing else of who asks."""

    links: ChatLinks
    characters: CharacterService
    reading: ChatReading
    mirror: Mirror

    async def offered(self, caller: Caller, offer: Offer) -> Body:
        return chat.characters(*await self.characters.offered(caller, offer.room, offer.target))

    async def picture(self, caller: Caller, portrait: Portrait) -> Body:
        return chat.picture(await self.characters.picture(caller, portrait.target, portrait.character_id))

    async def select(self, caller: Caller, casting: Casting) -> Body:
        return chat.selected(await self.characters.select(caller, casting.room, casting.character_id))

    async def snapshot(self, caller: Caller, peek: Peek) -> Body:
        return chat.snapshot(await self.reading.snapshot(caller, peek.room, peek.limit))

    def link(self, caller: Caller, room: str | None) -> Body:
        return chat.linked(self.links.link(caller, room))

    def happened(self, socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        """Nobody is answered, as with all that extensions send of their own."""
        if socket.caller.kind is Kind.EXTENSION:
            event = parse_chat_event(args[0] if args else None)
            if event is None:
                self.mirror.unreadable(socket.caller)
            else:
                self.mirror.heard(socket.caller, event)

    def handlers(self) -> wire.Handlers:
        return {
            chat.LIST: _later(wire.answer(parse_offer, self.offered, query=True)),
            chat.PICTURE: _later(wire.answer(parse_portrait, self.picture, query=True)),
            chat.SELECT: _later(wire.answer(parse_casting, self.select)),
            chat.SNAPSHOT: _later(wire.answer(parse_peek, self.snapshot, query=True)),
            "SET_CHAT_ROOM": wire.answer(parse_link, self.link),
            "CHAT_EVENT": self.happened,
        }


def _later(handler: Handler) -> Handler:
    def handle(socket: ISocket, args: list[Any], wants_ack: bool) -> wire.Answer | Later:
        answer: wire.Answer | Awaitable[wire.Answer] = handler(socket, args, wants_ack)
        return answer if answer is None or isinstance(answer, list) else Later(answer)

    return handle
