"""What sessions bring and what they leave behind: rooms of their own, memberships of who is away, empty group rooms
(contract 2.10, 2.11, 4.3).
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from newage.domain.model import MONITOR_ROOM, Caller, Kind, Role, Room, RoomKind, Session
from newage.services.events import RoomListener, SessionListener
from newage.services.rooms.limits import RoomSettings
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live


class RoomRetention(SessionListener, RoomListener):
    """Bounded by the members of all rooms, and by the group rooms."""

    def __init__(
        self, world: World, sessions: SessionService, rooms: RoomRegistry, settings: Live[RoomSettings]
    ) -> None:
        self._world = world
        self._sessions = sessions
        self._rooms = rooms
        self._settings = settings
        self._away_since: dict[str, float] = {}  # identity -> on the clock; who is away longest comes first
        self._emptied: dict[str, IDelayedCall] = {}  # room id -> its end
        self._sweep: IDelayedCall | None = None

    def load(self) -> None:
        """The members of the stored rooms are away from now on."""
        for room in self._rooms.all():
            self._keep(room)
        self._schedule_sweep()

    def close(self) -> None:
        """Cancel all timers."""
        for call in self._emptied.values():
            call.cancel()
        self._emptied.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    @property
    def absent_count(self) -> int:
        """How many absent identities are remembered."""
        return len(self._away_since)

    # ------------------------------------------------------------------------------------------------------- sessions

    def session_appeared(self, session: Session) -> None:
        self._away_since.pop(session.identity, None)
        remembered = self._rooms.rooms_of(session.identity)
        own = self._rooms.get(session.identity)
        if own is None:
            if self._rooms.is_full:
                self._make_place()
            self._rooms.make_own(session)
        else:  # it may have been away so long that only its guests were kept
            self._rooms.add_silently(own.name, session.identity, Role.MASTER)
        if session.kind is Kind.ADMIN:
            self._rooms.add_silently(MONITOR_ROOM, session.identity, Role.MANAGER)
        self._rooms.claim(session)
        for name in remembered:
            self._rooms.came_back(name, session.identity)

    def socket_attached(self, caller: Caller) -> None:
        if caller.kind is Kind.ADMIN:  # a session may turn out to be one with a later socket
            self._rooms.add_silently(MONITOR_ROOM, caller.identity, Role.MANAGER)
        self._rooms.enter_socket(caller)

    def session_gone(self, session: Session) -> None:
        self._away_since[session.identity] = self._world.clock.seconds()

    def _make_place(self) -> None:
        """The personal room of whoever has been away longest goes."""
        for identity in self._away_since:
            if self._rooms.get(identity) is not None:
                self._delete(identity)
                return

    # ---------------------------------------------------------------------------------------------------------- rooms

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        self._forget_empty(room)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        self._forget_unless_member(identity)
        self._watch_empty(room)

    def room_deleted(self, room: Room) -> None:
        self._forget_empty(room)
        for identity in room.members:
            self._forget_unless_member(identity)

    def room_restored(self, room: Room) -> None:
        self._keep(room)

    def _keep(self, room: Room) -> None:
        for identity in room.members:
            if not self._sessions.is_online(identity):
                self._away_since.setdefault(identity, self._world.clock.seconds())
        self._watch_empty(room)

    def _forget_unless_member(self, identity: str) -> None:
        if not self._rooms.rooms_of(identity):
            self._away_since.pop(identity, None)

    def _watch_empty(self, room: Room) -> None:
        """An empty group room is kept for its grace."""
        if not room.members and room.kind is RoomKind.GROUP and room.id not in self._emptied:
            grace = self._settings.value.empty_room_grace_seconds
            self._emptied[room.id] = self._world.clock.callLater(grace, self._delete_if_empty, room.id)

    def _forget_empty(self, room: Room) -> None:
        call = self._emptied.pop(room.id, None)
        if call is not None:
            call.cancel()

    def _delete_if_empty(self, room_id: str) -> None:
        del self._emptied[room_id]
        room = self._rooms.with_id(room_id)
        if room is not None and not room.members:
            self._delete(room.name)

    def _delete(self, name: str) -> None:
        Deferred.fromCoroutine(self._rooms.delete(name)).addErrback(self._rooms.not_stored, name)

    # ---------------------------------------------------------------------------------------------------------- sweep

    def _schedule_sweep(self) -> None:
        self._sweep = self._world.clock.callLater(self._settings.value.sweep_seconds, self._expire)

    def _expire(self) -> None:
        """Drop the memberships of those who have been away too long, and their own rooms."""
        self._schedule_sweep()
        oldest = self._world.clock.seconds() - self._settings.value.offline_retention_seconds
        for identity, since in list(self._away_since.items()):
            if since <= oldest:
                del self._away_since[identity]
                d = Deferred.fromCoroutine(self._expire_identity(identity))
                d.addErrback(self._not_expired, identity, since)

    async def _expire_identity(self, identity: str) -> None:
        for name in self._rooms.rooms_of(identity):
            room = self._rooms.get(name)
            if room is None or identity not in room.members or self._sessions.is_online(identity):
                continue
            if name == identity and len(room.members) == 1:
                await self._rooms.delete(name)
            else:
                await self._rooms.remove(name, identity, "disconnect")

    def _not_expired(self, failure: object, identity: str, since: float) -> None:
        if not self._sessions.is_online(identity):
            self._away_since[identity] = since  # the next sweep tries again
        self._rooms.not_stored(failure, identity)
