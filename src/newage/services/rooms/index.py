"""The rooms that there are now, by name, by id and by member (contract 2.10, 4.1, A41)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from newage.domain.model import Caller, Role, Room, RoomKind
from newage.domain.policy import may_see
from newage.errors import RoomMissing
from newage.services.sessions.names import Names
from newage.services.sessions.sessions import SessionService


class RoomIndex:
    """Look-ups; what is in it, ``RoomRegistry`` changes. Group rooms hold their names in ``names``."""

    def __init__(self, sessions: SessionService, names: Names) -> None:
        self._sessions = sessions
        self._taken = names
        self._rooms: dict[str, Room] = {}  # by name
        self._names: dict[str, str] = {}  # id -> name
        self._of: defaultdict[str, dict[str, None]] = defaultdict(dict)  # identity -> its rooms, in order of joining
        self._groups = 0

    def get(self, name: str) -> Room | None:
        return self._rooms.get(name)

    def require(self, name: str) -> Room:
        """:raises RoomMissing: with the contract's words."""
        room = self._rooms.get(name)
        if room is None:
            raise RoomMissing("Room not found")
        return room

    def seen(self, actor: Caller, name: str) -> Room | None:
        """The room of that name, if this one may know that there is one (A41)."""
        room = self._rooms.get(name)
        return room if room is not None and may_see(actor, room) else None

    def require_seen(self, actor: Caller, name: str) -> Room:
        """:raises RoomMissing: there is none that the actor may know of."""
        room = self.seen(actor, name)
        if room is None:
            raise RoomMissing("Room not found")
        return room

    def all_seen(self, actor: Caller) -> tuple[Room, ...]:
        """All rooms that the actor may know of."""
        return tuple(room for room in self._rooms.values() if may_see(actor, room))

    def meant(self, actor: Caller, name: str | None) -> str:
        """The room somebody means: none and the own clientId are the personal room (contract 5.1, 6.4)."""
        if name is None or (name == actor.client_id and name not in self._rooms):
            return actor.identity
        return name

    def current(self, room: Room) -> Room | None:
        """This very room as it is now; None when it is gone, whether or not there is one of its name again."""
        return self.with_id(room.id)

    def with_id(self, room_id: str) -> Room | None:
        """The room with that id, whatever there may be under its name."""
        name = self._names.get(room_id)
        return None if name is None else self._rooms[name]

    def members_of(self, room_id: str) -> tuple[str, ...]:
        """Of the room with that id; nobody when it is gone."""
        room = self.with_id(room_id)
        return () if room is None else tuple(room.members)

    def all(self) -> Iterable[Room]:
        return self._rooms.values()

    def rooms_of(self, identity: str) -> tuple[str, ...]:
        return tuple(self._of.get(identity, ()))

    def member(self, room: Room, subject: str) -> str | None:
        """The member meant: an identity, or the clientId of one that is there."""
        if subject in room.members:
            return subject
        for identity in room.members:
            session = self._sessions.by_identity(identity)
            if session is not None and session.client_id == subject:
                return identity
        session = self._sessions.resolve(subject)
        return session.identity if session is not None and session.identity in room.members else None

    def client_of(self, identity: str) -> str | None:
        """Whose identity it is, as far as is known of one that is away."""
        session = self._sessions.by_identity(identity)
        if session is not None:
            return session.client_id
        known = (self._rooms[name].clients.get(identity) for name in self._of.get(identity, ()))
        return next((client_id for client_id in known if client_id is not None), None)

    # ------------------------------------------------------------------------------------------------------ internals

    def _put(self, room: Room) -> None:
        before = self._rooms.get(room.name)
        if before is None and room.kind is RoomKind.GROUP:
            self._groups += 1
            self._taken.add_room(room.name)
        known: Mapping[str, Role] = before.members if before is not None else {}
        for identity in known:
            if identity not in room.members:
                self._forget_membership(room.name, identity)
        for identity in room.members:
            self._of[identity][room.name] = None
        self._rooms[room.name] = room
        self._names[room.id] = room.name

    def _take_out(self, room: Room) -> None:
        del self._rooms[room.name]
        del self._names[room.id]
        if room.kind is RoomKind.GROUP:
            self._groups -= 1
            self._taken.drop_room(room.name)
        for identity in room.members:
            self._forget_membership(room.name, identity)

    def _forget_membership(self, name: str, identity: str) -> None:
        rooms = self._of[identity]
        rooms.pop(name, None)
        if not rooms:
            del self._of[identity]
