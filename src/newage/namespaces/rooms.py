"""``/rooms``: which rooms there are, who is in them; creating, deleting, joining, leaving (contract 3.5)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body, rooms
from newage.domain.model import Access, Caller
from newage.errors import AlreadyMember, InvalidRequest
from newage.namespaces import wire
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.rooms import RoomService
from newage.telemetry.audit import Recorder


@frozen
class RoomName:
    name: str


def parse_room_name(payload: Any) -> RoomName:
    """:raises InvalidRequest: no room is named."""
    name = wire.room_name(payload)
    if name is None:
        raise InvalidRequest("Invalid room name")
    return RoomName(name)


@frozen
class NewRoom:
    name: str
    access: Access


def parse_new_room(payload: Any) -> NewRoom:
    """:raises InvalidRequest: as ``parse_room_name``, or whom it is for is not understood."""
    name = parse_room_name(payload).name
    access = payload.get("access") if isinstance(payload, dict) else None
    return NewRoom(name, Access.OPEN if access is None else wire.access(access))


@frozen(kw_only=True)
class RoomEvents:
    """The handlers; each is one call of a service and a view of its result."""

    registry: RoomRegistry
    rooms: RoomService

    def get_rooms(self, caller: Caller, request: None) -> Body:
        return rooms.list_ack(self.registry.all_seen(caller))

    def clients_in_room(self, caller: Caller, request: RoomName) -> Body:
        return rooms.members_ack(self.rooms.members(caller, request.name), bots=caller.outputs)

    async def create(self, caller: Caller, request: NewRoom) -> Body:
        return rooms.created_ack(await self.rooms.create(caller, request.name, request.access))

    async def delete(self, caller: Caller, request: RoomName) -> Body:
        await self.rooms.delete(caller, request.name)
        return rooms.room_ack(request.name)

    async def join(self, caller: Caller, request: RoomName) -> Body | wire.Warned:
        try:
            return rooms.joined_ack(await self.rooms.join(caller, request.name), caller.identity)
        except AlreadyMember as error:
            room = self.registry.require(request.name)
            return wire.Warned(str(error), rooms.joined_ack(room, caller.identity))

    async def leave(self, caller: Caller, request: RoomName) -> Body:
        await self.rooms.leave(caller, request.name)
        return rooms.room_ack(request.name)

    def handlers(self) -> wire.Handlers:
        def noted(action: str, tag: str) -> Recorder:
            return Recorder(f"room.{action}", tag, "ROOM_ERROR", room="name")

        return {
            "GET_ROOMS": wire.answer(wire.nothing, self.get_rooms, query=True),
            "GET_CLIENTS_IN_ROOM": wire.answer(parse_room_name, self.clients_in_room, query=True),
            "CREATE_ROOM": wire.answer(parse_new_room, self.create, audit=noted("create", "ROOM_CREATED")),
            "DELETE_ROOM": wire.answer(parse_room_name, self.delete, audit=noted("delete", "ROOM_DELETED")),
            "JOIN_ROOM": wire.answer(parse_room_name, self.join, audit=noted("join", "ROOM_JOINED")),
            "LEAVE_ROOM": wire.answer(parse_room_name, self.leave, audit=noted("leave", "ROOM_LEFT")),
        }
