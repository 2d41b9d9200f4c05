"""What staff and administrators do to members and rooms, on ``/rooms``; muting on ``/llm`` too (contract 3.5, 4.5)."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Any

from attrs import frozen

from newage.dialect import Body, rooms
from newage.domain.model import Access, Caller, RequestMode, Role
from newage.domain.text import well_formed
from newage.errors import InvalidRequest, RoomDenied
from newage.namespaces import wire
from newage.services.rooms.moderation import ModerationService
from newage.services.rooms.rooms import RoomService
from newage.telemetry.audit import Recorder

SUBJECT = ("targetIdentity", "identity", "targetClientId", "clientId")
MAX_REASON_CHARS = 500
MODES = tuple(mode.value for mode in RequestMode)


@frozen
class Subject:
    """A member of a room; ``who`` is None where the caller himself is meant."""

    room: str
    who: str | None
    role: Role = Role.GUEST
    duration: float = 0.0


def parse_subject(words: str) -> Callable[[Any], Subject]:
    """A parser that refuses a missing room or member with these words."""

    def parse(payload: Any) -> Subject:
        body = wire.members(payload)
        room, who = wire.room_name(body), wire.identifier(wire.first(body, *SUBJECT))
        if room is None or who is None:
            raise RoomDenied(words)
        return Subject(room, who, duration=_duration(wire.first(body, "duration", "durationSeconds")))

    return parse


@frozen
class Kick:
    """``duration``: seconds, None as the hub has it, 0 none, less until it is lifted."""

    room: str
    who: str
    duration: float | None
    reason: str


def parse_kick(payload: Any) -> Kick:
    subject = parse_subject("Failed to kick member")(payload)
    body = wire.members(payload)
    given = wire.first(body, "duration", "durationSeconds")
    duration = None if given is None else -1.0 if given == "permanent" else subject.duration
    reason = wire.text(body.get("reason"), MAX_REASON_CHARS)
    return Kick(subject.room, subject.who or "", duration, well_formed(reason))


@frozen
class Barred:
    room: str
    who: str


def parse_barred(payload: Any) -> Barred:
    """Whoever was kicked: an identity or a clientId."""
    body = wire.members(payload)
    room, who = wire.room_name(body), wire.identifier(wire.first(body, *SUBJECT))
    if room is None:
        raise InvalidRequest("Invalid room name")
    if who is None:
        raise InvalidRequest(wire.INVALID)
    return Barred(room, who)


@frozen
class RoomAccess:
    room: str
    access: Access


def parse_room_access(payload: Any) -> RoomAccess:
    body = wire.members(payload)
    room = wire.room_name(body)
    if room is None:
        raise InvalidRequest("Invalid room name")
    return RoomAccess(room, wire.access(body.get("access")))


def _duration(value: Any) -> float:
    """Seconds; missing, zero or negative means for ever (contract 4.5).

    :raises InvalidRequest: it is no number; a slip must not silence somebody for ever.
    """
    if value is None or value == "permanent":
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise InvalidRequest(wire.INVALID)
    try:
        seconds = float(value)
    except ValueError:
        raise InvalidRequest(wire.INVALID) from None
    if isnan(seconds):
        raise InvalidRequest(wire.INVALID)
    return seconds


def parse_add(payload: Any) -> Subject:
    subject = parse_maybe_self(payload)
    name = payload.get("role") if isinstance(payload, dict) else None
    role = Role.GUEST if name is None else Role.from_wire(name)
    if role is None:
        raise InvalidRequest("Invalid role")
    return Subject(subject.room, subject.who, role)


def parse_maybe_self(payload: Any) -> Subject:
    body = wire.members_or_room(payload)
    room, named = wire.room_name(body), wire.first(body, *SUBJECT)
    if room is None:
        raise InvalidRequest("Invalid room name")
    who = wire.identifier(named)
    if named is not None and who is None:
        raise InvalidRequest(wire.INVALID)  # somebody was meant, and certainly not the caller
    return Subject(room, who)


def parse_role(payload: Any) -> Subject:
    role = Role.from_wire(wire.members(payload).get("role"))
    if role is None:
        raise InvalidRequest("Invalid role")
    subject = parse_subject("Failed to set member role")(payload)
    return Subject(subject.room, subject.who, role)


@frozen
class Mode:
    mode: RequestMode
    room: str | None


def parse_room_mode(payload: Any) -> Mode:
    body = wire.members(payload)
    room = wire.room_name(body)
    if room is None or not body.get("mode"):
        raise InvalidRequest("roomName and mode are required.")
    return Mode(_mode(body.get("mode")), room)


def parse_mode(payload: Any) -> Mode:
    body = {"mode": payload} if isinstance(payload, str) else wire.members(payload)
    mode, room = _mode(body.get("mode")), wire.room_name(body)
    if room is None and wire.first(body, *wire.ROOM) is not None:
        raise InvalidRequest(wire.INVALID)  # one room was meant, and not all of them
    return Mode(mode, room)


def _mode(value: Any) -> RequestMode:
    if value not in MODES:
        raise InvalidRequest(f"Invalid mode specified. Valid modes are: {', '.join(MODES)}")
    return RequestMode(value)


@frozen(kw_only=True)
class ModerationEvents:
    rooms: RoomService
    moderation: ModerationService

    async def add(self, caller: Caller, request: Subject) -> Body:
        identity, role = await self.rooms.add(caller, request.room, request.who, request.role)
        return rooms.added_ack(request.room, identity, role)

    async def remove(self, caller: Caller, request: Subject) -> Body:
        await self.rooms.remove(caller, request.room, request.who)
        return rooms.room_ack(request.room)

    async def set_role(self, caller: Caller, request: Subject) -> Body:
        await self.moderation.set_role(caller, request.room, request.who or "", request.role)
        return rooms.role_ack(request.room, request.role)

    async def kick(self, caller: Caller, request: Kick) -> Body:
        term = await self.moderation.kick(caller, request.room, request.who, request.duration, request.reason)
        return rooms.kicked_ack(request.room, term)

    async def lift_bar(self, caller: Caller, request: Barred) -> Body:
        return rooms.lifted_ack(request.room, await self.moderation.lift_bar(caller, request.room, request.who))

    async def room_access(self, caller: Caller, request: RoomAccess) -> Body:
        await self.moderation.set_access(caller, request.room, request.access)
        return rooms.access_ack(request.room, request.access)

    async def mute(self, caller: Caller, request: Subject) -> Body:
        term = await self.moderation.mute(caller, request.room, request.who or "", request.duration)
        return rooms.muted_ack(term)

    async def unmute(self, caller: Caller, request: Subject) -> Body:
        await self.moderation.unmute(caller, request.room, request.who or "")
        return rooms.room_ack(request.room)

    async def room_mode(self, caller: Caller, request: Mode) -> Body:
        await self.moderation.set_mode(caller, request.room or "", request.mode)
        return rooms.mode_ack(request.mode)

    async def mode(self, caller: Caller, request: Mode) -> Body:
        await self.moderation.set_mode_anywhere(caller, request.room, request.mode)
        return rooms.mode_ack(request.mode)

    def mutes(self) -> wire.Handlers:
        """Muting is offered on ``/rooms`` and on ``/llm``."""
        muted = _noted("mute", "MEMBER_MUTED", seconds="duration")
        unmuted = _noted("unmute", "MEMBER_UNMUTED")
        return {
            "MUTE_MEMBER": wire.answer(parse_subject("Failed to mute member"), self.mute, audit=muted),
            "UNMUTE_MEMBER": wire.answer(parse_subject("Failed to unmute member"), self.unmute, audit=unmuted),
        }

    def handlers(self) -> wire.Handlers:
        """All but ``mutes``."""
        added = _noted("add", "MEMBER_JOINED", role="role")
        removed = _noted("remove", "MEMBER_LEFT")
        changed = _noted("role", "MEMBER_ROLE_CHANGED", role="role")
        kicked = _noted("kick", "MEMBER_KICKED", seconds="duration")
        lifted = _noted("unbar", "MEMBER_BAR_LIFTED")
        access = Recorder("room.access", "ROOM_ACCESS_CHANGED", "ROOM_ERROR", room="room", access="access")
        modes = Recorder("mode.set", "MESSAGE_REQUEST_MODE_SET", "ROOM_ERROR", room="room", mode="mode")
        return {
            "ADD_CLIENT_TO_ROOM": wire.answer(parse_add, self.add, audit=added),
            "REMOVE_CLIENT_FROM_ROOM": wire.answer(parse_maybe_self, self.remove, audit=removed),
            "SET_MEMBER_ROLE": wire.answer(parse_role, self.set_role, audit=changed),
            "KICK_MEMBER": wire.answer(parse_kick, self.kick, audit=kicked),
            "LIFT_BAR": wire.answer(parse_barred, self.lift_bar, audit=lifted),
            "SET_ROOM_ACCESS": wire.answer(parse_room_access, self.room_access, audit=access),
            "SET_ROOM_MESSAGE_REQUEST_MODE": wire.answer(parse_room_mode, self.room_mode, audit=modes),
            "SET_MESSAGE_REQUEST_MODE": wire.answer(parse_mode, self.mode, audit=modes),
        }


def _noted(action: str, tag: str, **keep: Any) -> Recorder:
    return Recorder(f"member.{action}", tag, "ROOM_ERROR", room="room", member="who", **keep)
