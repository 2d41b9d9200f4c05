"""What sessions bring and what they leave behind: rooms of their own, memberships of who is away, empty rooms
(contract 2.10, 2.11, 4.3, A42).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.python.failure import Failure

from newage.domain.model import MONITOR_ROOM, Caller, Kind, Role, Room, RoomKind, Session
from newage.errors import RoomMissing
from newage.services.events import RoomListener, SessionListener
from newage.services.rooms.absences import Absences
from newage.services.rooms.limits import RoomSettings
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.residents import Residents
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live

DAY = 86_400.0


class RoomRetention(SessionListener, RoomListener):
    """Bounded by the members of all rooms, and by the rooms.

    :param trusted: whether a client that may be away is trusted.
    """

    def __init__(
        self,
        *,
        world: World,
        sessions: SessionService,
        rooms: RoomRegistry,
        residents: Residents,
        trusted: Callable[[str], bool],
        settings: Live[RoomSettings],
    ) -> None:
        self._world = world
        self._sessions = sessions
        self._rooms = rooms
        self._residents = residents
        self._trusted = trusted
        self._settings = settings
        self.absences = Absences()
        self._emptied: dict[str, IDelayedCall] = {}  # room id -> its end; nobody has said anything there
        self._vacant: dict[str, float] = {}  # room id -> since when, in running time; somebody has
        self._sweep: IDelayedCall | None = None

    def load(self) -> None:
        """The members of the stored rooms are away: residents since they went, the others from now on."""
        now, since = self._residents.now(), dict[str, float]()
        for room in self._rooms.all():
            for identity in room.members:
                gone = self._residents.gone_since(identity)
                since[identity] = now if gone is None else gone
        for identity in sorted(since, key=since.__getitem__):
            self._begin(identity, since[identity])
        for room in tuple(self._rooms.all()):
            self._watch_empty(room)
        self._schedule_sweep()

    def close(self) -> None:
        """Cancel all timers."""
        for call in self._emptied.values():
            call.cancel()
        self._emptied.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    def owns(self, identity: str) -> bool:
        """Would anybody lose anything with it?"""
        if self._has_roots(identity):
            return True
        rooms = (self._rooms.require(name) for name in self._rooms.rooms_of(identity))
        return any(len(room.members) > 1 for room in rooms if room.master == identity)

    def _has_roots(self, identity: str) -> bool:
        own = self._rooms.get(identity)
        return identity in self._residents or (own is not None and own.said)

    def forget(self, identity: str) -> None:
        """End the memberships of one that is away, now, and its own room."""
        client_id, since = self.absences.client_of(identity), self.absences.since(identity)
        self.absences.end(identity)
        d = Deferred.fromCoroutine(self._end_memberships(identity))
        d.addErrback(self._not_ended, identity, client_id, since)

    # ------------------------------------------------------------------------------------------------------- sessions

    def session_appeared(self, session: Session) -> None:
        self.absences.end(session.identity)
        remembered = self._rooms.rooms_of(session.identity)
        own = self._rooms.get(session.identity)
        if own is None:
            self._rooms.make_own(session)
        else:  # it may have been away so long that only its guests were kept
            self._rooms.add_silently(own.name, session.identity, Role.MASTER)
        self._enter_monitors(session)
        self._rooms.claim(session)
        for name in remembered:
            self._rooms.came_back(name, session.identity)

    def socket_attached(self, caller: Caller) -> None:
        self._enter_monitors(caller.session)  # a session may turn out to be an administrator's with a later socket
        self._rooms.enter_socket(caller)

    def _enter_monitors(self, session: Session) -> None:
        """An administrator is in the monitors' room, unless another one has kicked him out for a while (A16)."""
        room = self._rooms.require(MONITOR_ROOM)
        if session.kind is Kind.ADMIN and not room.bars_of(session.identity, session.client_id):
            self._rooms.add_silently(MONITOR_ROOM, session.identity, Role.MANAGER)

    def session_gone(self, session: Session) -> None:
        self.absences.begin(session.identity, session.client_id, self._residents.now())

    # ---------------------------------------------------------------------------------------------------------- rooms

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        self._forget_empty(room)

    def member_came(self, room: Room, identity: str, rejoin: bool) -> None:
        self._forget_empty(room)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        self._forget_unless_member(identity)
        self._watch_empty(room)

    def room_deleted(self, room: Room) -> None:
        self._forget_empty(room)
        for identity in room.members:
            self._forget_unless_member(identity)

    def room_restored(self, room: Room) -> None:
        for identity in room.members:
            if not self._sessions.is_online(identity) and identity not in self.absences:
                self._begin(identity, self._residents.now())
        self._watch_empty(room)

    def _begin(self, identity: str, since: float) -> None:
        self.absences.begin(identity, self._rooms.client_of(identity) or identity, since)

    def _forget_unless_member(self, identity: str) -> None:
        if not self._rooms.rooms_of(identity) and not self._sessions.is_online(identity):
            self.absences.end(identity)
            self._residents.forget(identity)

    # ---------------------------------------------------------------------------------------------------- empty rooms

    def _watch_empty(self, room: Room) -> None:
        """A room without members is kept: for days if somebody has said something in it, else for its grace."""
        if room.members or room.kind is RoomKind.MONITOR or room.id in self._emptied or room.id in self._vacant:
            return
        if not room.said:
            grace = self._settings.value.empty_room_grace_seconds
            self._emptied[room.id] = self._world.clock.callLater(grace, self._grace_over, room.id)
        else:
            now = self._residents.now()
            self._vacant[room.id] = now if room.vacant_since is None else min(room.vacant_since, now)
            if room.vacant_since is None:
                self._spawn(self._note_vacant(room, now), room.name)

    async def _note_vacant(self, room: Room, now: float) -> None:
        current = self._rooms.current(room)
        if current is not None and not current.members:
            try:
                await self._rooms.change_anyway(evolve(current, vacant_since=now))
            except RoomMissing:  # it is deleted meanwhile
                return

    def _forget_empty(self, room: Room) -> None:
        self._vacant.pop(room.id, None)
        call = self._emptied.pop(room.id, None)
        if call is not None:
            call.cancel()

    def _grace_over(self, room_id: str) -> None:
        del self._emptied[room_id]
        room = self._rooms.with_id(room_id)
        if room is None or room.members:
            return
        if room.said:  # meanwhile: an answer that came late
            self._watch_empty(room)
        else:
            self._spawn(self._rooms.delete(room.name), room.name)

    def _spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        Deferred.fromCoroutine(work).addErrback(self._rooms.not_stored, name)

    # ---------------------------------------------------------------------------------------------------------- sweep

    def _schedule_sweep(self) -> None:
        self._sweep = self._world.clock.callLater(self._settings.value.sweep_seconds, self._expire)

    def _expire(self) -> None:
        """Drop the memberships of those who have been away too long, their own rooms, and rooms that nobody misses."""
        self._schedule_sweep()
        settings, now = self._settings.value, self._residents.now()
        for identity in self.absences:
            away = now - self.absences.since(identity)
            if away >= settings.offline_retention_seconds and (
                away >= settings.member_retention_days * DAY or not self._stays(identity)
            ):
                self.forget(identity)
        for room_id, since in tuple(self._vacant.items()):
            if now - since >= settings.empty_room_retention_days * DAY:
                del self._vacant[room_id]
                room = self._rooms.with_id(room_id)
                if room is not None and not room.members:
                    self._spawn(self._rooms.delete(room.name), room.name)

    def _stays(self, identity: str) -> bool:
        """Is it one of those who are kept for long?"""
        return self._has_roots(identity) or self._trusted(self.absences.client_of(identity))

    async def _end_memberships(self, identity: str) -> None:
        names = self._rooms.rooms_of(identity)
        for name in sorted(names, key=lambda name: name != identity):  # its own first: who comes may need the place
            room = self._rooms.get(name)
            if room is None or identity not in room.members or self._sessions.is_online(identity):
                continue
            if name == identity and len(room.members) == 1:
                await self._rooms.delete(name)
            else:
                await self._rooms.remove(name, identity, "disconnect")

    def _not_ended(self, failure: Failure, identity: str, client_id: str, since: float) -> None:
        if not self._sessions.is_online(identity):
            self.absences.begin(identity, client_id, since)  # the next sweep tries again
        self._rooms.not_stored(failure, identity)
