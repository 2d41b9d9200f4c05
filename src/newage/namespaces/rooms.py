"""``/rooms``: which rooms there are, who is in them; creating, deleting, joining, leaving (contract 3.5)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body
from newage.domain.membership import Member
from newage.domain.model import Caller, Room
from newage.errors import AlreadyMember, InvalidRequest
from newage.namespaces import wire
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.rooms import RoomService
from newage.services.sessions.client_list import client_info
from newage.services.world import iso
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


@frozen(kw_only=True)
class RoomEvents:
    """The handlers; each is one call of a service and a view of its result."""

    registry: RoomRegistry
    rooms: RoomService

    def get_rooms(self, caller: Caller, request: None) -> Body:
        rooms = list(self.registry.all())
        return {"rooms": [room.name for room in rooms], "roomDetails": [_details(room) for room in rooms]}

    def clients_in_room(self, caller: Caller, request: RoomName) -> Body:
        room, members = self.rooms.members(request.name)
        return {"roomId": room.id, "clients": [_member(member) for member in members]}

    async def create(self, caller: Caller, request: RoomName) -> Body:
        room = await self.rooms.create(caller, request.name)
        return {"roomName": room.name, "roomId": room.id}

    async def delete(self, caller: Caller, request: RoomName) -> Body:
        await self.rooms.delete(caller, request.name)
        return {"roomName": request.name}

    async def join(self, caller: Caller, request: RoomName) -> Body | wire.Warned:
        try:
            return _joined(await self.rooms.join(caller, request.name), caller)
        except AlreadyMember as error:
            return wire.Warned(str(error), _joined(self.registry.require(request.name), caller))

    async def leave(self, caller: Caller, request: RoomName) -> Body:
        await self.rooms.leave(caller, request.name)
        return {"roomName": request.name}

    def handlers(self) -> wire.Handlers:
        def noted(action: str, tag: str) -> Recorder:
            return Recorder(f"room.{action}", tag, "ROOM_ERROR", room="name")

        return {
            "GET_ROOMS": wire.answer(wire.nothing, self.get_rooms, query=True),
            "GET_CLIENTS_IN_ROOM": wire.answer(parse_room_name, self.clients_in_room, query=True),
            "CREATE_ROOM": wire.answer(parse_room_name, self.create, audit=noted("create", "ROOM_CREATED")),
            "DELETE_ROOM": wire.answer(parse_room_name, self.delete, audit=noted("delete", "ROOM_DELETED")),
            "JOIN_ROOM": wire.answer(parse_room_name, self.join, audit=noted("join", "ROOM_JOINED")),
            "LEAVE_ROOM": wire.answer(parse_room_name, self.leave, audit=noted("leave", "ROOM_LEFT")),
        }


def _joined(room: Room, caller: Caller) -> Body:
    return {"roomName": room.name, "roomId": room.id, "role": room.members[caller.identity].wire}


def _member(member: Member) -> Body:
    return {
        **client_info(member.session),
        "role": member.role.wire,
        "online": member.online,
        "muted": member.muted,
    }


def _details(room: Room) -> Body:
    return {
        "name": room.name,
        "roomId": room.id,
        "master": room.master,
        "managers": [who for who, role in room.members.items() if role.wire == "manager"],
        "memberCount": len(room.members),
        "mode": room.mode.value,
        "createdAt": iso(room.created_at),
        "kind": room.kind.value,
    }
