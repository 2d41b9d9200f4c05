"""Rooms, members and roles: who is where, who becomes master, what is kept (contract 2.10, 2.11, 4.1-4.3).

A change is in force in memory first, stored, and only then announced and acknowledged; a change that could not be
stored is taken back. Personal rooms are stored with their first message, not with every connection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from unicodedata import is_normalized

from attrs import evolve, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from newage.domain.model import (
    MONITOR_ROOM,
    RESERVED_IDS,
    Caller,
    Kind,
    RequestMode,
    Role,
    Room,
    RoomKind,
    Session,
)
from newage.domain.policy import successor
from newage.errors import AlreadyMember, InvalidRequest, NotMember, RoomExists, RoomMissing, Unavailable
from newage.ports import IOutbox, IRoomListener, IRoomStore
from newage.services.listeners import SessionListener
from newage.services.rooms.audiences import RoomAudiences
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live, limit, switch, text


@frozen(kw_only=True)
class RoomSettings:
    max_group_rooms: int = limit(1000, "rooms created by clients and administrators")
    max_rooms: int = limit(50_000, "rooms of all kinds, those of absent sessions included")
    max_members_per_room: int = limit(500, "members of one room")
    joins_per_minute: int = limit(20, "rooms an identity may enter by itself in a minute; each leaves a message there")
    offline_retention_seconds: int = limit(86_400, "how long membership outlives the session")
    empty_room_grace_seconds: int = limit(60, "how long an empty group room is kept")
    sweep_seconds: int = limit(60, "how often expired memberships are looked for")
    clients_may_create_rooms: bool = switch(False, "open CREATE_ROOM to client kind; off: administrators only")
    default_room_message_request_mode: str = text("Default", "request mode of new rooms (contract 5.4)")


JOIN_WINDOW = 60.0  # seconds


def valid_room_name(name: str) -> bool:
    """1-128 printable characters, not reserved (contract 4.1).

    In NFC and without blanks around it: two names that look the same shall be the same room.
    """
    return (
        0 < len(name) <= 128
        and name.isprintable()
        and name == name.strip()
        and is_normalized("NFC", name)
        and name not in RESERVED_IDS
    )


def _tidy(room: Room) -> Room:
    """Without the clients of those who are neither members nor muted any more."""
    if all(who in room.members or who in room.muted for who in room.clients):
        return room
    return evolve(room, clients={w: c for w, c in room.clients.items() if w in room.members or w in room.muted})


class RoomService(SessionListener):
    _log = Logger()

    def __init__(
        self, world: World, outbox: IOutbox, sessions: SessionService, store: IRoomStore, settings: Live[RoomSettings]
    ) -> None:
        self._world = world
        self._sessions = sessions
        self._transport = RoomAudiences(outbox, sessions)
        self._store = store
        self.settings = settings
        self.default_mode = RequestMode(settings.value.default_room_message_request_mode)
        self._rooms: dict[str, Room] = {}  # by name
        self._names: dict[str, str] = {}  # id -> name
        self._of: defaultdict[str, dict[str, None]] = defaultdict(dict)  # identity -> its rooms, in order of joining
        self._stored: set[str] = set()
        self._old_mutes: defaultdict[str, list[str]] = defaultdict(list)  # identity of unknown client -> rooms
        self._groups = 0
        self._joins: dict[str, list[float]] = {}  # identity -> when it entered rooms by itself in the last minutes
        self._offline_since: dict[str, float] = {}
        self._emptied: dict[str, IDelayedCall] = {}
        self._sweep: IDelayedCall | None = None
        self._listeners: list[IRoomListener] = []
        self.is_client_id: Callable[[str], bool] = lambda name: False  # whether a client that may be away has this id
        self.inherited: Callable[[Room, str], None] = lambda room, heir: None  # told of a new master

    def add_listener(self, listener: IRoomListener) -> None:
        self._listeners.append(listener)

    # ------------------------------------------------------------------------------------------------- start and stop

    async def load(self) -> None:
        """Take the stored rooms in; their members are offline from now on."""
        for room in await self._store.load_rooms():
            self._stored.add(room.id)
            self._put(room)
            for identity in room.muted:
                if identity not in room.clients:
                    self._old_mutes[identity].append(room.name)
            for identity in room.members:
                self._offline_since.setdefault(identity, self._world.clock.seconds())
            self._watch_empty(room)
        if MONITOR_ROOM not in self._rooms:
            monitors = Room(
                name=MONITOR_ROOM, id=self._world.new_id(), kind=RoomKind.MONITOR, created_at=self._world.wall()
            )
            self._put(monitors)
        self._schedule_sweep()

    def close(self) -> None:
        """Cancel all timers."""
        for call in self._emptied.values():
            call.cancel()
        self._emptied.clear()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    # -------------------------------------------------------------------------------------------------------- lookup

    def get(self, name: str) -> Room | None:
        return self._rooms.get(name)

    def require(self, name: str) -> Room:
        """:raises RoomMissing: with the contract's words."""
        room = self._rooms.get(name)
        if room is None:
            raise RoomMissing("Room not found")
        return room

    def current(self, room: Room) -> Room | None:
        """This very room as it is now; None when it is gone, whether or not there is one of its name again."""
        return self.with_id(room.id)

    def with_id(self, room_id: str) -> Room | None:
        """The room with that id, whatever there may be under its name."""
        name = self._names.get(room_id)
        return None if name is None else self._rooms[name]

    def all(self) -> Iterable[Room]:
        return self._rooms.values()

    def rooms_of(self, identity: str) -> tuple[str, ...]:
        return tuple(self._of.get(identity, ()))

    def is_group(self, name: str) -> bool:
        room = self._rooms.get(name)
        return room is not None and room.kind is RoomKind.GROUP

    @property
    def absent_count(self) -> int:
        """How many absent identities are remembered."""
        return len(self._offline_since)

    def online_members(self, room: Room) -> tuple[str, ...]:
        return tuple(identity for identity in room.members if self._sessions.is_online(identity))

    # ------------------------------------------------------------------------------------------------------- changes

    async def create(self, name: str, creator: Session) -> Room:
        """A group room with its creator as master (contract 3.5).

        :raises InvalidRequest: the name is not allowed or somebody's id. :raises RoomExists: it is taken.
        :raises Unavailable: the limit of rooms is reached.
        """
        holder = self._sessions.identity_holder(name) or self._sessions.resolve(name)
        if not valid_room_name(name) or (holder and name not in self._rooms):
            raise InvalidRequest("Invalid room name")
        if name not in self._rooms and name != creator.client_id and self._is_of_somebody_away(name):
            raise InvalidRequest("Invalid room name")  # whoever it is could not come back: the room has the name
        if name in self._rooms:
            raise RoomExists("Room already exists")
        if self._groups >= self.settings.value.max_group_rooms or len(self._rooms) >= self.settings.value.max_rooms:
            raise Unavailable("Too many rooms.")
        room = Room(
            name=name,
            id=self._world.new_id(),
            mode=self.default_mode,
            members={creator.identity: Role.MASTER},
            clients={creator.identity: creator.client_id},
            created_at=self._world.wall(),
        )
        await self._commit(None, room)
        self._transport.enter(room.name, creator.identity)
        self._tell_created(room)
        self._tell_joined(room, creator.identity)
        return room

    def _is_of_somebody_away(self, name: str) -> bool:
        return name in self._of or self.is_client_id(name)

    async def delete(self, name: str) -> None:
        """Delete a room with its history (contract 3.5).

        :raises RoomMissing: it does not exist.
        :raises InvalidRequest: it belongs to a live session or is the monitors'.
        """
        room = self.require(name)
        if room.kind is RoomKind.MONITOR or (room.kind is not RoomKind.GROUP and self._sessions.is_online(name)):
            raise InvalidRequest("Invalid operation")
        await self._delete(room)

    async def add(self, name: str, identity: str, role: Role = Role.GUEST) -> Room:
        """Make somebody a member.

        :raises AlreadyMember: it is one. :raises Unavailable: the room is full.
        """
        room = self.require(name)
        if identity in room.members:
            raise AlreadyMember("Already a member of this room.")
        if len(room.members) >= self.settings.value.max_members_per_room:
            raise Unavailable("Failed to join room")
        changed = self._with(room, identity, role)
        emptied = self._emptied.pop(name, None)
        if emptied is not None:
            emptied.cancel()
        await self._commit(room, changed)
        self._transport.enter(name, identity)
        self._tell_joined(changed, identity)
        return changed

    async def join(self, name: str, identity: str) -> Room:
        """``add``, at one's own wish: not too often, for who comes and goes all the time washes the history away.

        :raises Unavailable: too often, or the room is full. :raises AlreadyMember: it is one.
        """
        now = self._world.clock.seconds()
        lately = [at for at in self._joins.get(identity, ()) if at > now - JOIN_WINDOW]
        if len(lately) >= self.settings.value.joins_per_minute:
            raise Unavailable("Failed to join room")
        room = await self.add(name, identity)
        self._joins[identity] = [*lately, now]
        return room

    async def remove(self, name: str, identity: str, reason: str) -> Room:
        """End a membership; the master's place is filled again (contract 4.2, 4.3).

        :param reason: leave, kick, remove or disconnect.
        :raises InvalidRequest: it is the own personal room. :raises NotMember: it is no member.
        """
        room = self.require(name)
        if name == identity and reason != "disconnect":
            raise InvalidRequest("Invalid operation")
        if identity not in room.members:
            raise NotMember("Not a member of this room.")
        changed, heir = self._without(room, identity, forget=reason == "disconnect")
        await self._commit(room, changed)
        self._transport.leave(name, identity)
        for listener in self._listeners:
            listener.member_left(changed, identity, reason)
        if heir is not None:
            self.inherited(changed, heir)
        self._watch_empty(changed)
        return changed

    async def change(self, room: Room, **changes: object) -> Room:
        """Replace fields of a room and store it; announcing the change is the caller's."""
        changed = _tidy(evolve(room, **changes))  # type: ignore[arg-type]  # attrs checks the names at run time
        await self._commit(room, changed)
        return changed

    async def lapse(self, room: Room, **changes: object) -> Room:
        """``change`` for what time has brought about: in force even if it cannot be stored; the next change is.

        :raises RoomMissing: the room was deleted meanwhile.
        """
        changed = _tidy(evolve(room, **changes))  # type: ignore[arg-type]  # attrs checks the names at run time
        try:
            await self._commit(changed, changed)
        except RoomMissing:
            raise
        except Exception as error:
            self._not_stored(error, room.name)
        return changed

    def next_seq(self, room_id: str) -> int:
        """Number one history mutation; it reaches the store with the message that carries it.

        :raises RoomMissing: that room is gone, whether or not there is one of its name again.
        """
        room = self.with_id(room_id)
        if room is None:
            raise RoomMissing("Room not found")
        self._rooms[room.name] = evolve(room, seq=room.seq + 1)
        return room.seq + 1

    def ensure_stored(self, room_id: str) -> Deferred[None]:
        """Store a room that was only in memory, before its first message."""
        room = self._rooms[self._names[room_id]]
        if room.id in self._stored:
            return succeed(None)
        self._stored.add(room.id)
        d: Deferred[None] = self._store.save_room(room)
        d.addErrback(self._not_stored_yet, room)
        return d

    def is_stored(self, room_id: str) -> bool:
        """Will the room have this id after a restart, too, as far as is known?"""
        return room_id in self._stored

    def _not_stored_yet(self, failure: object, room: Room) -> None:
        self._stored.discard(room.id)  # the next message tries again
        self._not_stored(failure, room.name)

    # --------------------------------------------------------------------------------------------- session life cycle

    def session_appeared(self, session: Session) -> None:
        self._offline_since.pop(session.identity, None)
        own = self._rooms.get(session.identity)
        if own is None:
            self._make_own_room(session)
        elif session.identity not in own.members:  # it was away so long that only its guests were kept
            self._add_silently(own.name, session.identity, Role.MASTER)
        if session.kind is Kind.ADMIN:
            self._add_silently(MONITOR_ROOM, session.identity, Role.MANAGER)
        self._claim(session)

    def socket_attached(self, caller: Caller) -> None:
        if caller.kind is Kind.ADMIN:  # a session may turn out to be one with a later socket
            self._add_silently(MONITOR_ROOM, caller.identity, Role.MANAGER)
        for name in self._of.get(caller.identity, ()):
            self._transport.enter_socket(name, caller)

    def session_gone(self, session: Session) -> None:
        self._offline_since[session.identity] = self._world.clock.seconds()

    # ------------------------------------------------------------------------------------------------------ internals

    def _make_own_room(self, session: Session) -> None:
        kind = RoomKind.EXTENSION if session.kind is Kind.EXTENSION else RoomKind.PERSONAL
        if len(self._rooms) >= self.settings.value.max_rooms:
            self._forget_oldest_absent()
        room = Room(
            name=session.identity,
            id=self._world.new_id(),
            kind=kind,
            mode=self.default_mode,
            members={session.identity: Role.MASTER},
            clients={session.identity: session.client_id},
            created_at=self._world.wall(),
        )
        self._put(room)
        self._tell_created(room)

    def _add_silently(self, name: str, identity: str, role: Role) -> None:
        room = self._rooms[name]
        if identity not in room.members:
            self._put(self._with(room, identity, role))
            self._transport.enter(name, identity)

    def _with(self, room: Room, identity: str, role: Role) -> Room:
        client_id = self.client_of(identity)
        clients = room.clients if client_id is None else {**room.clients, identity: client_id}
        return evolve(room, members={**room.members, identity: role}, clients=clients)

    def client_of(self, identity: str) -> str | None:
        """Whose identity it is, as far as is known of one that is away."""
        session = self._sessions.by_identity(identity)
        if session is not None:
            return session.client_id
        known = (self._rooms[name].clients.get(identity) for name in self._of.get(identity, ()))
        return next((client_id for client_id in known if client_id is not None), None)

    def _claim(self, session: Session) -> None:
        """Memberships and mutes of before do not say whose they are: from now on they do (A16)."""
        identity = session.identity
        unclaimed = [*self.rooms_of(identity), *self._old_mutes.pop(identity, ())]
        for room in (self._rooms.get(name) for name in dict.fromkeys(unclaimed)):
            if room is not None and identity not in room.clients:
                claimed = evolve(room, clients={**room.clients, identity: session.client_id})
                d = Deferred.fromCoroutine(self._commit(room, claimed))
                d.addErrback(self._not_stored, room.name)

    def _forget_oldest_absent(self) -> None:
        """Make place: the personal room of whoever has been away longest."""
        for identity in self._offline_since:
            room = self._rooms.get(identity)
            if room is not None:
                d = Deferred.fromCoroutine(self._delete(room))
                d.addErrback(self._not_stored, identity)
                return

    def _put(self, room: Room) -> None:
        before = self._rooms.get(room.name)
        if before is None and room.kind is RoomKind.GROUP:
            self._groups += 1
        known: Mapping[str, Role] = before.members if before is not None else {}
        for identity in known:
            if identity not in room.members:
                self._forget_membership(room.name, identity)
        for identity in room.members:
            self._of[identity][room.name] = None
        self._rooms[room.name] = room
        self._names[room.id] = room.name

    async def _delete(self, room: Room) -> None:
        """Forget it, delete it from the store, then say so; put it back if that failed.

        Who owns it may return meanwhile: he finds no room and gets a new one.
        """
        was_stored = room.id in self._stored
        self._take_out(room)
        try:
            await self._store.delete_room(room.id)
        except BaseException:
            if room.name not in self._rooms:
                self._put_back(room, was_stored)
            raise
        for listener in self._listeners:
            listener.room_deleted(room)
        successor_room = self._rooms.get(room.name)
        for identity in room.members:
            if successor_room is None or identity not in successor_room.members:
                self._transport.leave(room.name, identity)

    def _put_back(self, room: Room, stored: bool) -> None:
        self._put(room)
        if stored:
            self._stored.add(room.id)
        for identity in room.members:
            if not self._sessions.is_online(identity):
                self._offline_since.setdefault(identity, self._world.clock.seconds())
        self._watch_empty(room)

    def _take_out(self, room: Room) -> None:
        del self._rooms[room.name]
        del self._names[room.id]
        self._stored.discard(room.id)
        self._groups -= room.kind is RoomKind.GROUP
        emptied = self._emptied.pop(room.name, None)
        if emptied is not None:
            emptied.cancel()
        for identity in room.members:
            self._forget_membership(room.name, identity)

    def _forget_membership(self, name: str, identity: str) -> None:
        rooms = self._of[identity]
        rooms.pop(name, None)
        if not rooms:
            del self._of[identity]
            self._offline_since.pop(identity, None)

    async def _commit(self, before: Room | None, after: Room) -> None:
        """Put in force, store, take back if that failed.

        :raises RoomMissing: the room was deleted meanwhile, whether or not there is one of its name again.
        """
        if before is not None and self.current(before) is None:
            raise RoomMissing("Room not found")
        self._put(after)
        self._stored.add(after.id)
        try:
            await self._store.save_room(after)
        except BaseException:
            self._take_back(before, after)
            raise
        if self.current(after) is None:
            await self._store.delete_room(after.id)
            raise RoomMissing("Room not found")

    def _take_back(self, before: Room | None, after: Room) -> None:
        now = self._rooms.get(after.name)
        if now is None or evolve(now, seq=after.seq) != after:
            return  # a later change builds on this one and stores both
        if before is not None:
            self._put(evolve(before, seq=now.seq))
        else:
            self._take_out(now)

    def _without(self, room: Room, identity: str, *, forget: bool) -> tuple[Room, str | None]:
        """The room without that member, and who became its master by that.

        :param forget: its mute, too, unless its client is there by another identity. Who leaves and comes back must
            not be rid of it; an open room could be left just for that.
        """
        members = {who: role for who, role in room.members.items() if who != identity}
        full = len(room.muted) > self.settings.value.max_members_per_room
        others = any(who in members for who in room.of_client(room.clients.get(identity)))
        drop = full or (forget and not others)
        muted = {who: term for who, term in room.muted.items() if who != identity or not drop}
        changed = _tidy(evolve(room, members=members, muted=muted))
        if room.kind is not RoomKind.GROUP or changed.master is not None:
            return changed, None
        heir = successor(changed, self._sessions.is_online)
        return changed if heir is None else evolve(changed, members={**members, heir: Role.MASTER}), heir

    def _watch_empty(self, room: Room) -> None:
        """An empty group room is kept for its grace."""
        if not room.members and room.kind is RoomKind.GROUP:
            grace = self.settings.value.empty_room_grace_seconds
            self._emptied[room.name] = self._world.clock.callLater(grace, self._delete_if_empty, room.name)

    def _delete_if_empty(self, name: str) -> None:
        del self._emptied[name]
        room = self._rooms.get(name)
        if room is not None and not room.members:
            Deferred.fromCoroutine(self._delete(room)).addErrback(self._not_stored, name)

    def _schedule_sweep(self) -> None:
        self._sweep = self._world.clock.callLater(self.settings.value.sweep_seconds, self._expire)

    def _expire(self) -> None:
        """Drop the memberships of those who have been away too long, and their own rooms."""
        self._schedule_sweep()
        horizon = self._world.clock.seconds() - JOIN_WINDOW
        self._joins = {who: times for who, times in self._joins.items() if times[-1] > horizon}
        oldest = self._world.clock.seconds() - self.settings.value.offline_retention_seconds
        for identity, since in list(self._offline_since.items()):
            if since <= oldest:
                del self._offline_since[identity]
                d = Deferred.fromCoroutine(self._expire_identity(identity))
                d.addErrback(self._not_expired, identity, since)

    async def _expire_identity(self, identity: str) -> None:
        for name in self.rooms_of(identity):
            room = self._rooms.get(name)
            if room is None or identity not in room.members or self._sessions.is_online(identity):
                continue
            if name == identity and len(room.members) == 1:
                await self._delete(room)
            else:
                await self.remove(name, identity, "disconnect")

    def _not_expired(self, failure: object, identity: str, since: float) -> None:
        if not self._sessions.is_online(identity):
            self._offline_since[identity] = since  # the next sweep tries again
        self._not_stored(failure, identity)

    def _not_stored(self, failure: object, name: str) -> None:
        self._log.error("room {name} could not be stored: {failure}", name=name, failure=failure)

    # --------------------------------------------------------------------------------------------------------- telling

    def _tell_created(self, room: Room) -> None:
        for listener in self._listeners:
            listener.room_created(room)

    def _tell_joined(self, room: Room, identity: str) -> None:
        for listener in self._listeners:
            listener.member_joined(room, identity, room.members[identity])
