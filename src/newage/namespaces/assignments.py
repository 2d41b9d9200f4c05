"""Which extensions serve whom: policies and assignments, on ``/rooms`` (contract 6.4)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.dialect import Body, rooms
from newage.domain.model import Caller, ConnectionPolicy
from newage.errors import InvalidRequest
from newage.namespaces import wire
from newage.services.rooms.assignments import AssignmentService
from newage.telemetry.audit import Recorder

MAX_EXTENSIONS = 256
POLICIES = {policy.value: policy for policy in ConnectionPolicy}


def parse_policy(payload: Any) -> ConnectionPolicy:
    """:raises InvalidRequest: there is no such policy."""
    name = payload if isinstance(payload, str) else wire.members(payload).get("policy")
    policy = POLICIES.get(name) if isinstance(name, str) else None
    if policy is None:
        raise InvalidRequest("Failed to set connection policy")
    return policy


@frozen
class Assignment:
    room: str
    extensions: tuple[str, ...]


def parse_assignment(payload: Any) -> Assignment:
    """:raises InvalidRequest: the room or the list of extensions is missing or malformed."""
    body = wire.members(payload)
    room = wire.identifier(wire.first(body, "clientRoom", "roomName", "targetRoom", "room"))
    given = body.get("extensions")
    values = given if isinstance(given, list) else [given]
    names = [wire.identifier(value) for value in values]
    if room is None or given is None or len(names) > MAX_EXTENSIONS or None in names:
        raise InvalidRequest("Failed to assign extension")
    return Assignment(room, tuple(dict.fromkeys(name for name in names if name is not None)))


@frozen(kw_only=True)
class AssignmentEvents:
    assignments: AssignmentService

    async def set_policy(self, caller: Caller, policy: ConnectionPolicy) -> Body:
        await self.assignments.set_policy(caller, policy)
        return rooms.policy_ack(policy)

    def policy(self, caller: Caller, request: None) -> Body:
        return rooms.policy_ack(self.assignments.policy)

    async def assign(self, caller: Caller, request: Assignment) -> Body:
        extensions = await self.assignments.assign_manually(caller, request.room, request.extensions)
        return rooms.assigned_ack(request.room, extensions)

    def visible(self, caller: Caller, request: None) -> Body:
        return rooms.assignments_ack(self.assignments.visible_to(caller))

    def of_room(self, caller: Caller, ref: wire.RoomRef) -> Body:
        """An unknown room has none."""
        return rooms.serving_ack(*self.assignments.serving(caller, ref.name))

    def extensions(self, caller: Caller, request: None) -> Body:
        return rooms.extensions_ack(self.assignments.extension_sessions(), self.assignments.served(caller))

    def client_rooms(self, caller: Caller, request: None) -> Body:
        return rooms.client_rooms_ack(self.assignments.client_rooms(caller))

    def room_query(self) -> wire.Handlers:
        """On ``/llm`` too, where clients ask before they send (contract 3.3)."""
        return {"GET_ASSIGNMENTS_FOR_ROOM": wire.answer(wire.parse_room_ref, self.of_room, query=True)}

    def handlers(self) -> wire.Handlers:
        """All but ``room_query``."""
        set_policy = Recorder("policy.set", "CONNECTION_POLICY_SET", policy="")
        assign = Recorder("extension.assign", "EXTENSION_ASSIGNED", room="room", extensions="extensions")
        return {
            "SET_CONNECTION_POLICY": wire.answer(parse_policy, self.set_policy, audit=set_policy),
            "ASSIGN_EXTENSION_TO_CLIENT": wire.answer(parse_assignment, self.assign, audit=assign),
            "GET_CONNECTION_POLICY": wire.answer(wire.nothing, self.policy, query=True),
            "GET_ASSIGNMENTS": wire.answer(wire.nothing, self.visible, query=True),
            "GET_CONNECTED_EXTENSIONS": wire.answer(wire.nothing, self.extensions, query=True),
            "GET_CONNECTED_CLIENT_ROOMS": wire.answer(wire.nothing, self.client_rooms, query=True),
        }
