"""All rooms with their members: what is in force and what is stored (contract 2.10, 4.1-4.3).

Nobody's right is asked here: callers come through ``RoomService`` and ``ModerationService``.

A change is in force in memory first, stored, and only then announced and acknowledged; a change that could not be
stored is taken back. Personal rooms are stored with their first message, not with every connection.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.membership import (
    claimed,
    returned,
    role_is_open,
    tidy,
    vacated,
    valid_room_name,
    with_master,
    with_member,
    with_role,
    without_member,
)
from newage.domain.model import MONITOR_ROOM, Access, Bar, Caller, Kind, RequestMode, Role, Room, RoomKind, Session
from newage.errors import AlreadyMember, InvalidRequest, NotMember, RoomDenied, RoomExists, RoomMissing, Unavailable
from newage.ports import IOutbox, IRoomListener, IRoomStore
from newage.services.events import RoomEvents
from newage.services.rooms.audiences import RoomAudiences
from newage.services.rooms.default_mode import DefaultMode
from newage.services.rooms.index import RoomIndex
from newage.services.rooms.limits import RoomSettings
from newage.services.sessions.names import Names
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble

STAYS_MASTER = "Failed to set member role: nobody else is here to be master of this room."
BY_ITSELF = ("leave", "disconnect")  # reasons of an end of membership that nobody else wanted


class RoomRegistry(RoomIndex):
    """The rooms there are. Whoever wants to hear of them is added to ``events``."""

    _log = Logger()

    def __init__(
        self,
        *,
        world: World,
        outbox: IOutbox,
        sessions: SessionService,
        names: Names,
        store: IRoomStore,
        default_mode: DefaultMode,
        settings: Live[RoomSettings],
    ) -> None:
        super().__init__(sessions, names)
        self._world = world
        self._transport = RoomAudiences(outbox, sessions)
        self._store = store
        self._trouble = Trouble(self._log)
        self._settings = settings
        self._default_mode = default_mode
        self.events = RoomEvents()
        self._stored: set[str] = set()
        self._unclaimed: defaultdict[str, list[str]] = defaultdict(list)  # identity of unknown client -> rooms

    def add_listener(self, listener: IRoomListener) -> None:
        self.events.add(listener)

    async def load(self) -> None:
        """Take the stored rooms in."""
        for room in await self._store.load_rooms():
            self._stored.add(room.id)
            self._put(room)
            for identity in room.muted:
                if identity not in room.clients:
                    self._unclaimed[identity].append(room.name)
            for client_id, bar in room.barred.items():
                if client_id == bar.identity:
                    self._unclaimed[client_id].append(room.name)
        if MONITOR_ROOM not in self._rooms:
            monitors = Room(
                name=MONITOR_ROOM, id=self._world.new_id(), kind=RoomKind.MONITOR, created_at=self._world.wall()
            )
            self._put(monitors)

    @property
    def is_full(self) -> bool:
        """Is there no place for one more room?"""
        return len(self._rooms) >= self._settings.value.max_rooms

    # ------------------------------------------------------------------------------------------------------- changes

    async def create(self, name: str, creator: Session, access: Access = Access.OPEN) -> Room:
        """A group room with its creator as master (contract 3.5).

        :raises InvalidRequest: the name is not allowed or somebody's id. :raises RoomExists: it is taken.
        :raises Unavailable: the limit of rooms is reached.
        """
        if not valid_room_name(name) or (name not in self._rooms and not self._is_free(name, creator)):
            raise InvalidRequest("Invalid room name")
        if name in self._rooms:
            raise RoomExists("Room already exists")
        if self._groups >= self._settings.value.max_group_rooms or self.is_full:
            raise Unavailable("Too many rooms.")
        room = Room(
            name=name,
            id=self._world.new_id(),
            mode=self._default_mode.mode,
            access=access,
            members={creator.identity: Role.MASTER},
            clients={creator.identity: creator.client_id},
            created_at=self._world.wall(),
        )
        await self._commit(None, room)
        self._transport.enter(room.name, creator.identity)
        self.events.room_created(room)
        self.events.member_joined(room, creator.identity, Role.MASTER)
        return room

    def _is_free(self, name: str, creator: Session) -> bool:
        """Whoever has it as its id could not come back: the room would hold the name."""
        if self._taken.holder(name) is not None:
            return False
        return name == creator.client_id or not (name in self._of or self._taken.is_of_client(name))

    def make_own(self, session: Session) -> None:
        """The room named after an identity; there is none yet."""
        room = Room(
            name=session.identity,
            id=self._world.new_id(),
            kind=RoomKind.EXTENSION if session.kind is Kind.EXTENSION else RoomKind.PERSONAL,
            mode=self._default_mode.mode,
            members={session.identity: Role.MASTER},
            clients={session.identity: session.client_id},
            created_at=self._world.wall(),
        )
        self._put(room)
        self.events.room_created(room)

    async def delete(self, name: str) -> None:
        """Forget a room, delete it from the store with its history, then say so; put it back if that failed.

        Who owns it may return meanwhile: he finds no room and gets a new one.

        :raises RoomMissing: it does not exist.
        :raises InvalidRequest: it belongs to a live session or is the monitors'.
        """
        room = self.require(name)
        if room.kind is RoomKind.MONITOR or (room.kind is not RoomKind.GROUP and self._sessions.is_online(name)):
            raise InvalidRequest("Invalid operation")
        was_stored = room.id in self._stored
        self._take_out(room)
        self._stored.discard(room.id)
        try:
            await self._store.delete_room(room.id)
        except BaseException:
            if room.name not in self._rooms:
                self._put_back(room, was_stored)
            raise
        self.events.room_deleted(room)
        next_room = self._rooms.get(room.name)
        for identity in room.members:
            if next_room is None or identity not in next_room.members:
                self._transport.leave(room.name, identity)

    async def add(self, name: str, identity: str, role: Role = Role.GUEST) -> Room:
        """Make somebody a member.

        :raises AlreadyMember: it is one. :raises Unavailable: the room is full.
        """
        room = self.require(name)
        if identity in room.members:
            raise AlreadyMember("Already a member of this room.")
        if len(room.members) >= self._settings.value.max_members_per_room:
            raise Unavailable("Failed to join room")
        entered = returned(with_member(room, identity, role, self.client_of(identity)), identity)
        changed = with_master(entered, self._sessions.is_online)
        await self._commit(room, changed)
        self._transport.enter(name, identity)
        self.events.member_joined(changed, identity, changed.members[identity])
        for who, has in room.members.items():
            if changed.members[who] is not has:
                self.events.role_changed(changed, who, changed.members[who])
        return changed

    def add_silently(self, name: str, identity: str, role: Role) -> None:
        """Without a word in the history, and without storing it; a member already is fine."""
        room = self._rooms[name]
        if identity not in room.members:
            self._put(returned(with_member(room, identity, role, self.client_of(identity)), identity))
            self._transport.enter(name, identity)
            self.events.member_came(self._rooms[name], identity, False)

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
        return await self._remove(room, room, (identity,), reason)

    async def kick(self, room: Room, identities: Sequence[str], client_id: str, bar: Bar | None) -> Room:
        """End these memberships of one client at once, and bar it (A16).

        :param client_id: whose they are, or the one identity where that is not known.
        :param bar: None: it may come back.
        """
        before = room
        if bar is not None:
            room = evolve(room, barred={**room.barred, client_id: bar})
            if self.client_of(client_id) is None and room.name not in self._unclaimed[client_id]:
                self._unclaimed[client_id].append(room.name)
        return await self._remove(before, room, identities, "kick")

    async def _remove(self, before: Room, room: Room, identities: Sequence[str], reason: str) -> Room:
        for identity in identities:
            forget_mute = self._forgets_mute(room, identity, reason)
            left = without_member(room, identity, self._sessions.is_online, forget_mute=forget_mute)
            room = vacated(left, room, identity) if reason in BY_ITSELF else left
        await self._commit(before, room)
        for identity in identities:
            self._transport.leave(room.name, identity)
            self.events.member_left(room, identity, reason)
        if room.master is not None and room.master != before.master:
            self.events.master_changed(room, room.master)
        return room

    def came_back(self, name: str, identity: str) -> None:
        """A member is there again: if the room has no master, he is it (A25)."""
        room = self._rooms[name]
        changed = with_master(room, self._sessions.is_online)
        self._put(changed)
        self.events.member_came(changed, identity, True)
        if changed is not room:
            Deferred.fromCoroutine(self._inherited(changed)).addErrback(self.not_stored, name)

    async def _inherited(self, room: Room) -> None:
        changed = await self.change_anyway(room)
        if changed.master is not None:
            self.events.master_changed(changed, changed.master)

    def _forgets_mute(self, room: Room, identity: str, reason: str) -> bool:
        """Not of who leaves and comes back: an open room could be left just for that.

        Who stays away is forgotten, unless its client is there by another identity; and so is who comes when too many
        are remembered.
        """
        if len(room.muted) > self._settings.value.max_members_per_room:
            return True
        others = room.of_client(room.clients.get(identity))
        return reason == "disconnect" and not any(who in room.members and who != identity for who in others)

    async def give_role(self, room: Room, identity: str, role: Role) -> Room:
        """Change a member's role, and those of others by that (contract 4.2).

        :raises RoomDenied: nobody else may be master there, or its owner nothing else; or nobody else is there to be it
            (A25). :raises NotMember: it is none.
        """
        if identity not in room.members:
            raise NotMember("Not a member of this room.")
        if not role_is_open(room, identity, role):
            raise RoomDenied("Failed to set member role")
        changed = with_role(room, identity, role, self._sessions.is_online)
        if changed is None:
            raise RoomDenied(STAYS_MASTER)
        if role is Role.MASTER:
            changed = evolve(changed, heir=None)
        await self._commit(room, changed)
        for who, has in changed.members.items():
            if room.members[who] is not has:
                self.events.role_changed(changed, who, has)
        self.events.role_set(changed, identity, role)
        return changed

    async def set_access(self, room: Room, access: Access, by: str) -> None:
        """:raises RoomMissing: the room is gone."""
        if room.access is not access:
            self.events.access_changed(await self.change(room, evolve(room, access=access)), by)

    async def set_mode(self, room: Room, mode: RequestMode, by: str) -> None:
        """:raises RoomMissing: the room is gone."""
        if room.mode is not mode:
            self.events.mode_changed(await self.change(room, evolve(room, mode=mode)), by)

    async def change(self, room: Room, changed: Room) -> Room:
        """Replace a room and store it; announcing the change is the caller's."""
        changed = tidy(changed)
        await self._commit(room, changed)
        return changed

    async def change_anyway(self, changed: Room) -> Room:
        """``change`` for what time has brought about: in force even if it cannot be stored; the next change is.

        :raises RoomMissing: the room was deleted meanwhile.
        """
        changed = tidy(changed)
        try:
            await self._commit(changed, changed)
        except (RoomMissing, CancelledError):
            raise
        except Exception as error:
            self.not_stored(error, changed.name)
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

    def ensure_stored(self, room_id: str, *, said: bool = False) -> Deferred[None]:
        """Store a room that was only in memory, before its first message, or before it is referred to.

        :param said: somebody says it: the room is kept for long from then on (A42), the store knows it by the message.
        """
        room = self._rooms[self._names[room_id]]
        if said and not room.said:
            room = self._rooms[room.name] = evolve(room, said=True)
        if room.id in self._stored:
            return succeed(None)
        self._stored.add(room.id)
        d: Deferred[None] = self._store.save_room(room)
        d.addErrback(self._not_stored_yet, room)
        return d

    def is_stored(self, room_id: str) -> bool:
        """Will the room have this id after a restart, too, as far as is known?"""
        return room_id in self._stored

    def _not_stored_yet(self, failure: Failure, room: Room) -> None:
        self._stored.discard(room.id)  # the next message tries again
        self.not_stored(failure, room.name)

    def claim(self, session: Session) -> None:
        """Memberships, mutes and bars of before do not say whose they are: from now on they do (A16)."""
        identity = session.identity
        unclaimed = [*self.rooms_of(identity), *self._unclaimed.pop(identity, ())]
        for room in (self._rooms.get(name) for name in dict.fromkeys(unclaimed)):
            if room is None or (changed := claimed(room, identity, session.client_id)) is room:
                continue
            Deferred.fromCoroutine(self._commit(room, changed)).addErrback(self.not_stored, room.name)

    def enter_socket(self, caller: Caller) -> None:
        """A new socket hears what is said in all rooms of its identity."""
        for name in self._of.get(caller.identity, ()):
            self._transport.enter_socket(name, caller)

    def not_stored(self, failure: Failure | Exception, name: str) -> None:
        """Log what nobody waits for."""
        self._trouble.say("room {name} could not be stored", failure, name=name)

    # ------------------------------------------------------------------------------------------------------ internals

    def _put_back(self, room: Room, stored: bool) -> None:
        self._put(room)
        if stored:
            self._stored.add(room.id)
        self.events.room_restored(room)

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
            self._stored.discard(now.id)
