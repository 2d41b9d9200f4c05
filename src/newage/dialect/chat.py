"""The desk of an extension: its characters and the chat that a room is served in (contract 5.9)."""

from __future__ import annotations

from newage.dialect import Body, Event, messages
from newage.domain.character import Character
from newage.domain.chat import Characters, ChatLine, Offered, Picture, Snapshot
from newage.domain.model import Room

# What an extension is asked; people ask the hub under the same names.
LIST, PICTURE = "LIST_CHARACTERS", "GET_AVATAR"
SELECT, SNAPSHOT = "SELECT_CHARACTER", "CHAT_SNAPSHOT"


def picture_of(character_id: str) -> Body:
    """GET_AVATAR as an extension gets it."""
    return {"id": character_id}


def character_for(room: Room, character_id: str) -> Body:
    """SELECT_CHARACTER as an extension gets it."""
    return {"roomName": room.name, "id": character_id}


def newest_of(room: Room, limit: int) -> Body:
    """CHAT_SNAPSHOT as an extension gets it."""
    return {"roomName": room.name, "limit": limit}


# --------------------------------------------------------------------------------------------------------------- acks


def linked(room: Room | None) -> Body:
    """SET_CHAT_ROOM. :param room: None: none is linked now."""
    return {"roomName": None, "roomId": None} if room is None else {"roomName": room.name, "roomId": room.id}


def characters(extension: str, found: Characters) -> Body:
    """LIST_CHARACTERS."""
    body: Body = {"extension": extension}
    if found.current:
        body["current"] = found.current
    return {**body, "characters": [offered(each) for each in found.offered], "truncated": found.truncated}


def offered(one: Offered) -> Body:
    body: Body = {"id": one.id, "name": one.name}
    if one.avatar:
        body["avatar"] = one.avatar
    return {**body, "tags": list(one.tags)}


def picture(found: Picture) -> Body:
    """GET_AVATAR; ``data`` goes as an attachment."""
    return {"type": found.type, "hash": found.hash, "data": found.data}


def selected(character: Character) -> Body:
    """SELECT_CHARACTER."""
    return {"character": messages.character(character)}


def snapshot(found: Snapshot) -> Body:
    """CHAT_SNAPSHOT."""
    return {
        "chatId": found.chat_id,
        "messages": [line(each) for each in found.lines],
        "truncated": found.truncated,
    }


def line(said: ChatLine) -> Body:
    """One message of a chat."""
    body: Body = {"id": said.id, "name": said.name, "isUser": said.is_user, "text": said.text or ""}
    if said.reasoning:
        body["reasoning"] = said.reasoning
    if said.character is not None:
        body["character"] = messages.character(said.character)
    return {**body, **beside(said)}


def beside(said: ChatLine) -> Body:
    """What else is known of a message: which of its answers is shown, and its time at the desk."""
    known = (("swipe", said.swipe), ("swipes", said.swipes), ("at", said.at or None))
    return {name: value for name, value in known if value is not None}


# ------------------------------------------------------------------------------------------------------------- events


def changed(room: Room, extension: str, character: Character) -> Event:
    """CHARACTER_CHANGED: the room goes on with this one."""
    body = {"roomName": room.name, "identity": extension, "character": messages.character(character)}
    return Event("CHARACTER_CHANGED", body)
