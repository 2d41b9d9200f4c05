"""Whose a room's history is to read (contract 4.8)."""

from __future__ import annotations

from newage.domain.model import Caller, Room
from newage.domain.policy import may_read
from newage.errors import NotMember, RoomMissing
from newage.services.rooms.registry import RoomRegistry


def readable(rooms: RoomRegistry, caller: Caller, name: str) -> Room:
    """The room of that name, for who may read what was said there.

    :raises RoomMissing: there is none that the caller may know of. :raises NotMember: it is not the caller's to read.
    """
    room = rooms.seen(caller, name)
    if room is None:
        raise RoomMissing(f"Could not retrieve context for room {name}.")
    if not may_read(caller, room):
        raise NotMember(f"You are not a member of room {name}.")
    return room
