"""Rooms, members, who serves them and who does what in them (contract 3.5, 4.3-4.5, 4.9, 6.3, 6.4).

``who`` is the session of a member; of one that is away, what is known of it (``SessionService.named``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from newage.dialect import Body, Event, clients
from newage.domain.membership import Member, Roster
from newage.domain.model import Access, Bar, ConnectionPolicy, RequestMode, Role, Room, Session, Term
from newage.domain.times import iso

NOTICES = ("/", "/rooms")
EVERYWHERE = ("/", "/rooms", "/llm")


def _named(room: Room) -> Body:
    """Which room it is about: a name may be used again, an id is not (A24)."""
    return {"roomName": room.name, "roomId": room.id}


def _who(room: Room, who: Session) -> Body:
    return {"clientId": who.client_id, "identity": who.identity, **_named(room)}


# -------------------------------------------------------------------------------------------------------------- notices


def joined(room: Room, who: Session, role: Role, *, rejoin: bool = False, online: bool = True) -> Event:
    """:param rejoin: it was a member, and away (A26). :param online: it is there; else somebody absent was added."""
    body = {**_who(room, who), "role": role.wire}
    if rejoin:
        body["rejoin"] = True
    if not online:
        body["online"] = False
    return Event("MEMBER_JOINED", body, NOTICES)


def left(room: Room, who: Session, reason: str) -> Event:
    """:param reason: leave, kick, remove or disconnect."""
    return Event("MEMBER_LEFT", {**_who(room, who), "reason": reason}, NOTICES)


def kicked(room: Room) -> Event:
    """WARNING to who was kicked."""
    words = f"You have been kicked from room {room.name}."
    return Event("WARNING", {"type": "WARNING", "message": words, "roomName": room.name}, EVERYWHERE)


def role_changed(room: Room, who: Session, role: Role) -> Event:
    """MEMBER_ROLE_CHANGED to the member itself."""
    return Event("MEMBER_ROLE_CHANGED", {**_who(room, who), "role": role.wire}, NOTICES)


def role_changed_of(room: Room, who: Session, role: Role) -> Event:
    """MEMBER_ROLE_CHANGED to the staff: it says whose role it is."""
    body = {**_who(room, who), "role": role.wire, "targetIdentity": who.identity, "newRole": role.wire}
    return Event("MEMBER_ROLE_CHANGED", body, NOTICES)


def role_set(room: Room, who: Session, role: Role) -> Event:
    """SET_MEMBER_ROLE: the echo to the staff."""
    return Event("SET_MEMBER_ROLE", {**_who(room, who), "role": role.wire}, NOTICES)


def deleted(room: Room) -> Event:
    return Event("DELETE_ROOM", {**_named(room), "message": f'Room "{room.name}" has been deleted.'}, NOTICES)


def mode_changed(room: Room, by: str) -> Event:
    return Event("ROOM_MODE_CHANGED", {**_named(room), "mode": room.mode.value, "setter": by}, EVERYWHERE)


def access_changed(room: Room, by: str) -> Event:
    return Event("ROOM_ACCESS_CHANGED", {**_named(room), "access": room.access.value, "setter": by}, EVERYWHERE)


def muted(room: Room, who: Session, term: Term, by: str) -> Event:
    return Event("MEMBER_MUTED", {**_who(room, who), "mutedBy": by, **muted_ack(term)})


def unmuted(room: Room, who: Session, by: str) -> Event:
    return Event("MEMBER_UNMUTED", {**_who(room, who), "unmutedBy": by})


def status(room: str, who: Session, status: str, timestamp: str) -> Event:
    """MEMBER_STATUS_UPDATE: online, offline, typing, processing, muted or idle."""
    body = {
        "identity": who.identity,
        "clientId": who.client_id,
        "roomName": room,
        "status": status,
        "timestamp": timestamp,
    }
    return Event("MEMBER_STATUS_UPDATE", body)


def served(room: str, extensions: Sequence[str], policy: ConnectionPolicy) -> Event:
    """AVAILABLE_EXTENSIONS: who serves a room now."""
    body = {"extensions": list(extensions), "roomName": room, "policy": policy.value}
    return Event("AVAILABLE_EXTENSIONS", body, ("/rooms",))


# ----------------------------------------------------------------------------------------------------------------- acks


def list_ack(rooms: Sequence[Room]) -> Body:
    return {"rooms": [room.name for room in rooms], "roomDetails": [_details(room) for room in rooms]}


def _details(room: Room) -> Body:
    return {
        "name": room.name,
        "roomId": room.id,
        "master": room.master,
        "managers": list(room.with_role(Role.MANAGER)),
        "memberCount": len(room.members),
        "mode": room.mode.value,
        "access": room.access.value,
        "createdAt": iso(room.created_at),
        "kind": room.kind.value,
    }


def members_ack(roster: Roster, *, bots: bool = False) -> Body:
    """:param bots: who asks has declared that it reads more than what was there from the first (contract 3.5)."""
    listed = [{**_member(each), "bot": True} if bots and each.bot else _member(each) for each in roster.members]
    body: Body = {"roomId": roster.room.id, "clients": listed}
    if roster.barred is not None:
        body["barred"] = [_barred(client_id, bar) for client_id, bar in roster.barred.items()]
    return body


def _barred(client_id: str, bar: Bar) -> Body:
    told = {"clientId": client_id, "identity": bar.identity, "barredBy": bar.by, **barred_ack(bar.term)}
    return {**told, "reason": bar.reason} if bar.reason else told


def _member(member: Member) -> Body:
    return {
        **clients.info(member.session),
        "role": member.role.wire,
        "online": member.online,
        "muted": member.muted,
    }


def created_ack(room: Room) -> Body:
    return _named(room)


def joined_ack(room: Room, identity: str) -> Body:
    return {**_named(room), "role": room.members[identity].wire}


def room_ack(name: str) -> Body:
    """What was to happen to this room, or to somebody in it, has happened."""
    return {"roomName": name}


def added_ack(name: str, identity: str, role: Role) -> Body:
    return {"roomName": name, "identity": identity, "role": role.wire}


def role_ack(name: str, role: Role) -> Body:
    return {"roomName": name, "role": role.wire}


def muted_ack(term: Term) -> Body:
    """How long a mute holds; in its notice, too."""
    return {"mutedUntil": iso(term.until), "duration": "permanent" if term.permanent else term.seconds}


def kicked_ack(name: str, term: Term | None) -> Body:
    return {"roomName": name, **({} if term is None else barred_ack(term))}


def barred_ack(term: Term) -> Body:
    """How long a bar holds."""
    return {"barredUntil": iso(term.until), "duration": "permanent" if term.permanent else term.seconds}


def lifted_ack(name: str, lifted: Sequence[str]) -> Body:
    """Which clients are barred no more."""
    return {"roomName": name, "lifted": list(lifted)}


def access_ack(name: str, access: Access) -> Body:
    return {"roomName": name, "access": access.value}


def mode_ack(mode: RequestMode) -> Body:
    return {"mode": mode.value}


def policy_ack(policy: ConnectionPolicy) -> Body:
    return {"policy": policy.value}


def assigned_ack(room: str, extensions: Sequence[str]) -> Body:
    return {"clientRoom": room, "extensions": list(extensions)}


def assignments_ack(assignments: Mapping[str, Sequence[str]]) -> Body:
    return {"assignments": {room: list(extensions) for room, extensions in assignments.items()}}


def serving_ack(room: str, extensions: Sequence[str]) -> Body:
    """Who serves one room."""
    return {"roomName": room, "assignments": list(extensions), "extensions": list(extensions)}


def extensions_ack(extensions: Mapping[str, Session | None], serves: Mapping[str, Sequence[str]]) -> Body:
    """The available extensions by identity, and the rooms that each serves."""
    details = [
        {
            "identity": session.identity,
            "clientId": session.client_id,
            "desc": session.desc,
            "rooms": list(serves[session.identity]),
        }
        for session in extensions.values()
        if session is not None
    ]
    return {"extensions": list(extensions), "details": details}


def client_rooms_ack(rooms: Sequence[str]) -> Body:
    return {"rooms": list(rooms)}
