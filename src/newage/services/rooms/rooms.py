"""What people do with rooms: create, delete, join, leave, add, remove; each where the actor may (contract 3.5)."""

from __future__ import annotations

from collections.abc import Callable

from newage.dialect import rooms
from newage.domain.membership import Member, Roster, role_is_open
from newage.domain.model import BOT, Access, Caller, Role, Room
from newage.domain.policy import (
    governs,
    may_appoint,
    may_create_rooms,
    may_delete_room,
    may_enter,
    may_join,
    may_remove,
    may_see,
)
from newage.domain.times import iso
from newage.errors import (
    AlreadyMember,
    InvalidRequest,
    NewAgeError,
    NotAuthorised,
    NotMember,
    RoomDenied,
    RoomMissing,
    Unavailable,
)
from newage.services.rooms.limits import RoomSettings
from newage.services.rooms.places import Places
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.residents import Residents
from newage.services.sessions.rates import EventRates
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live

JOIN_WINDOW = 60.0  # seconds
NOT_ADDED = "Failed to add client to room"
BARRED = "Failed to join room: you were kicked, and may come back at {}."
BARRED_FOR_EVER = "Failed to join room: you were kicked, until that is lifted."
NOT_REMOVED = "Failed to remove client from room"


class RoomService:
    """``NotAuthorised`` is raised wherever the actor has no right to what it wants; nothing has happened then."""

    def __init__(
        self,
        *,
        world: World,
        sessions: SessionService,
        rooms: RoomRegistry,
        residents: Residents,
        places: Places,
        rates: EventRates,
        settings: Live[RoomSettings],
        has_key: Callable[[str], bool],
        is_bot: Callable[[str], bool],
    ) -> None:
        """
        :param has_key: whether that client has a key of the hub's, wherever it is.
        :param is_bot: whether all that it has are those of a bot.
        """
        self._world = world
        self._has_key = has_key
        self._is_bot = is_bot
        self._residents = residents
        self._places = places
        self._rates = rates
        self._sessions = sessions
        self._rooms = rooms
        self._settings = settings
        # Identity or client -> when it entered rooms by itself in the last minutes.
        self._joins: dict[tuple[str, str], list[float]] = {}
        self._looked = -JOIN_WINDOW  # when old entries of these were last thrown away

    def members(self, actor: Caller, name: str) -> Roster:
        """Who belongs to a room, those who are away included; anybody may ask who sees the room. Its staff also learns
        who is barred from it.

        :raises RoomMissing: there is none.
        """
        room = self._rooms.require_seen(actor, name)
        members = tuple(self._member(room, identity, role) for identity, role in room.members.items())
        return Roster(room=room, members=members, barred=room.barred if governs(actor, room) else None)

    def _member(self, room: Room, identity: str, role: Role) -> Member:
        session, online = self._sessions.named(identity), self._sessions.is_online(identity)
        client_id = self._rooms.client_of(identity)
        return Member(
            session=session,
            role=role,
            online=online,
            muted=room.is_muted(identity, client_id),
            bot=session.client_type == BOT if online else self._is_bot(client_id or identity),
        )

    async def create(self, actor: Caller, name: str, access: Access = Access.OPEN) -> Room:
        """A group room whose master the actor is; raises as ``RoomRegistry.create``."""
        if not may_create_rooms(actor, clients_may=self._settings.value.clients_may_create_rooms):
            raise NotAuthorised("Unauthorized")
        taken = self._rooms.get(name)
        if taken is not None and not may_see(actor, taken):
            raise InvalidRequest("Invalid room name")  # as if it were the id of somebody who is away
        self._places.in_rooms(name)
        return await self._rooms.create(name, actor.session, access)

    async def delete(self, actor: Caller, name: str) -> None:
        """With its history, for its master and administrators; raises as ``RoomRegistry.delete``."""
        if not may_delete_room(actor, self._rooms.require_seen(actor, name)):
            raise NotAuthorised("Unauthorized")
        await self._rooms.delete(name)

    async def join(self, actor: Caller, name: str) -> Room:
        """Enter an open room.

        :raises AlreadyMember: it is one. :raises Unavailable: too often, or the room is full.
        :raises RoomDenied: it was kicked, and does not come back yet (A16).
        """
        room = self._rooms.require_seen(actor, name)
        if not may_enter(actor, room):
            raise NotAuthorised("Failed to join room")
        self._check_bars(actor, room)
        return await self._join(name, actor)

    async def _join(self, name: str, actor: Caller) -> Room:
        """Not too often: who comes and goes all the time washes the history away."""
        if actor.identity in self._rooms.require(name).members:
            raise AlreadyMember("Already a member of this room.")
        now = self._world.clock.seconds()
        if now - self._looked >= JOIN_WINDOW:
            self._looked = now
            self._joins = {who: times for who, times in self._joins.items() if times[-1] > now - JOIN_WINDOW}
        counted: dict[tuple[str, str], list[float]] = {}
        for account, times in self._rates.shares(actor.identity, actor.client_id):
            lately = [at for at in self._joins.get(account, ()) if at > now - JOIN_WINDOW]
            if len(lately) >= times * self._settings.value.joins_per_minute:
                raise Unavailable("Failed to join room")
            counted[account] = [*lately, now]
        self._joins.update(counted)
        return await self._rooms.add(name, actor.identity)

    def _check_bars(self, actor: Caller, room: Room) -> None:
        """A bar keeps out whoever comes by himself, and nobody who is in."""
        for bar in room.bars_of(actor.identity, actor.client_id):
            if actor.identity not in room.members:
                term = room.barred[bar].term
                error = RoomDenied(BARRED_FOR_EVER if term.permanent else BARRED.format(iso(term.until)))
                error.add(rooms.barred_ack(term))
                raise error

    async def leave(self, actor: Caller, name: str) -> None:
        """:raises RoomMissing: no such room, or no member of it. :raises InvalidRequest: it is the own one."""
        try:
            await self._rooms.remove(name, actor.identity, "leave")
        except NotMember as error:
            raise RoomMissing("Room not found") from error

    async def add(self, actor: Caller, name: str, subject: str | None, role: Role = Role.GUEST) -> tuple[str, Role]:
        """Whoever governs a room adds anybody who is there; others only themselves, to an open room, as a guest.

        :param subject: an identity or clientId; None is the actor.
        :return: who was added, and as what.
        :raises RoomDenied: no such room or person, a role that is not open to it, a full room.
        """
        room, identity = self._rooms.seen(actor, name), self._somebody(actor, subject)
        if room is None:
            raise RoomDenied(NOT_ADDED)
        staff = governs(actor, room)
        if not staff and (identity != actor.identity or not may_join(room)):
            raise NotAuthorised("Unauthorized")
        if identity is None or not may_appoint(actor, room, role):
            raise RoomDenied(NOT_ADDED)
        if not staff:
            role = Role.GUEST
            self._check_bars(actor, room)
        if role is Role.MASTER and not role_is_open(room, identity, role):
            raise RoomDenied(NOT_ADDED)
        try:
            if not staff:
                room = await self._join(name, actor)
            elif role is Role.MASTER:
                room = await self._rooms.add(name, identity, Role.MANAGER)
                room = await self._rooms.give_role(self._rooms.current(room) or room, identity, role)
            else:
                room = await self._rooms.add(name, identity, role)
        except NewAgeError as error:
            raise RoomDenied(NOT_ADDED) from error
        if identity != actor.identity:
            self._residents.settle(identity, self._rooms.client_of(identity))
        return identity, room.members[identity]

    async def remove(self, actor: Caller, name: str, subject: str | None) -> None:
        """Take a member out; oneself is leaving.

        :param subject: as for ``add``.
        :raises RoomDenied: no such room or member, or one of the actor's role or above.
        :raises InvalidRequest: a room's owner stays in it.
        """
        room = self._rooms.seen(actor, name)
        if room is None:
            raise RoomDenied(NOT_REMOVED)
        identity = actor.identity if subject is None else self._rooms.member(room, subject)
        if (identity or subject) == name:
            raise InvalidRequest("Invalid operation")
        if identity == actor.identity or (identity is None and subject in (actor.identity, actor.client_id)):
            await self._remove(name, actor.identity, "leave")
            return
        if not governs(actor, room):
            raise NotAuthorised("Unauthorized")
        if identity is None or not may_remove(actor, room, identity):
            raise RoomDenied(NOT_REMOVED)
        await self._remove(name, identity, "remove")

    async def _remove(self, name: str, identity: str, reason: str) -> None:
        try:
            await self._rooms.remove(name, identity, reason)
        except (RoomMissing, NotMember) as error:  # it went meanwhile
            raise RoomDenied(NOT_REMOVED) from error

    def _somebody(self, actor: Caller, subject: str | None) -> str | None:
        """The identity meant: the actor, a connected session, a member of any room, or who has a key: a chat program is
        here only while it asks."""
        if subject is None:
            return actor.identity
        session = self._sessions.resolve(subject)
        if session is not None:
            return session.identity
        return subject if self._rooms.rooms_of(subject) or self._has_key(subject) else None
