"""``/rooms``: which rooms there are, who is in them; creating, deleting, joining, leaving (contract 3.5)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.domain.model import Caller, Kind, Room, Session
from newage.domain.policy import administers, may_join
from newage.errors import AlreadyMember, InvalidRequest, NotAuthorised, NotMember, RoomMissing
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces import wire
from newage.services.rooms.rooms import RoomService
from newage.services.sessions.client_list import client_info
from newage.services.sessions.sessions import SessionService
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

    rooms: RoomService
    sessions: SessionService

    def get_rooms(self, caller: Caller, request: None) -> wire.Body:
        rooms = list(self.rooms.all())
        return {"rooms": [room.name for room in rooms], "roomDetails": [_details(room) for room in rooms]}

    def clients_in_room(self, caller: Caller, request: RoomName) -> wire.Body:
        """Who belongs to it, those who are away included."""
        room = self.rooms.require(request.name)
        return {"roomId": room.id, "clients": [self._member(room, identity) for identity in room.members]}

    def _member(self, room: Room, identity: str) -> wire.Body:
        session = self.sessions.by_identity(identity)
        known = session if session is not None else Session(client_id=identity, identity=identity)
        return {
            **client_info(known),
            "role": room.members[identity].wire,
            "online": session is not None,
            "muted": bool(room.mutes_of(identity, self.rooms.client_of(identity))),
        }

    async def create(self, caller: Caller, request: RoomName) -> wire.Body:
        if not administers(caller) and not self._clients_may_create(caller):
            raise NotAuthorised("Unauthorized")
        room = await self.rooms.create(request.name, caller.session)
        return {"roomName": room.name, "roomId": room.id}

    def _clients_may_create(self, caller: Caller) -> bool:
        return self.rooms.settings.value.clients_may_create_rooms and caller.kind is Kind.CLIENT

    async def delete(self, caller: Caller, request: RoomName) -> wire.Body:
        room = self.rooms.require(request.name)
        if not administers(caller) and room.master != caller.identity:
            raise NotAuthorised("Unauthorized")
        await self.rooms.delete(request.name)
        return {"roomName": request.name}

    async def join(self, caller: Caller, request: RoomName) -> Any:
        room = self.rooms.require(request.name)
        if caller.identity not in room.members and not may_join(room) and not administers(caller):
            raise NotAuthorised("Failed to join room")
        try:
            room = await self.rooms.join(request.name, caller.identity)
        except AlreadyMember as error:
            role = room.members[caller.identity].wire
            return wire.Warned(str(error), {"roomName": request.name, "roomId": room.id, "role": role})
        return {"roomName": room.name, "roomId": room.id, "role": room.members[caller.identity].wire}

    async def leave(self, caller: Caller, request: RoomName) -> wire.Body:
        try:
            await self.rooms.remove(request.name, caller.identity, "leave")
        except NotMember as error:
            raise RoomMissing("Room not found") from error
        return {"roomName": request.name}


def add_room_events(namespace: Namespace, events: RoomEvents) -> None:
    def noted(action: str, tag: str) -> Recorder:
        return Recorder(f"room.{action}", tag, "ROOM_ERROR", room="name")

    namespace.on("GET_ROOMS", wire.answer(wire.nothing, events.get_rooms, query=True))
    namespace.on("GET_CLIENTS_IN_ROOM", wire.answer(parse_room_name, events.clients_in_room, query=True))
    namespace.on("CREATE_ROOM", wire.answer(parse_room_name, events.create, audit=noted("create", "ROOM_CREATED")))
    namespace.on("DELETE_ROOM", wire.answer(parse_room_name, events.delete, audit=noted("delete", "ROOM_DELETED")))
    namespace.on("JOIN_ROOM", wire.answer(parse_room_name, events.join, audit=noted("join", "ROOM_JOINED")))
    namespace.on("LEAVE_ROOM", wire.answer(parse_room_name, events.leave, audit=noted("leave", "ROOM_LEFT")))


def _details(room: Room) -> wire.Body:
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
