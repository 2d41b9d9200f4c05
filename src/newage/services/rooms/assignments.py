"""Which extensions serve which client rooms, and who is told when that changes (contract 6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from attrs import frozen
from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import Event, rooms
from newage.domain.delivery import Audience
from newage.domain.model import Caller, ConnectionPolicy, Kind, Role, Room, RoomKind, Session
from newage.domain.policy import Assignments, administers, assign
from newage.errors import ClientMissing, InvalidRequest, NotAuthorised, NotMember, RoomMissing
from newage.ports import IOutbox, IStateStore
from newage.services.events import RoomListener, SessionListener
from newage.services.rooms.precedence import Precedence
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import limit, text
from newage.telemetry.trouble import Trouble


@frozen(kw_only=True)
class AssignmentSettings:
    connection_policy: str = text(
        "Free",
        "policy of a fresh home: Free, Manual, Balanced, Broadcast, Random, Failover",
        among=(policy.value for policy in ConnectionPolicy),
    )
    max_manual_assignments: int = limit(1000, "rooms with a stored manual assignment")
    max_known_extensions: int = limit(1000, "extensions whose order of first connection is kept, for Failover")


Lists = dict[str, tuple[str, ...]]


class AssignmentService(SessionListener, RoomListener):
    """Assignments are recomputed when they are next looked at after a trigger, and announced once per reactor turn."""

    _log = Logger()

    def __init__(
        self,
        *,
        world: World,
        outbox: IOutbox,
        sessions: SessionService,
        rooms: RoomRegistry,
        store: IStateStore,
        settings: AssignmentSettings,
        choose: Callable[[Sequence[str]], str],
    ) -> None:
        self._world = world
        self._outbox = outbox
        self._sessions = sessions
        self._rooms = rooms
        self._store = store
        self._precedence = Precedence(store, settings.max_known_extensions)
        self._trouble = Trouble(self._log)
        self.settings = settings
        self._choose = choose
        self.policy = ConnectionPolicy(settings.connection_policy)
        self._manual: Lists = {}  # by room id
        self._by_name: Lists = {}  # of before rooms had ids: the next room of that name is meant, once
        self._storing = DeferredLock()
        self._extensions: dict[str, None] = {}  # in order of their first /llm socket
        self._client_rooms: dict[str, None] = {}  # in order of registration
        self._assignments: Assignments = {}
        self._announced: Assignments = {}
        self._stale = False
        self._fresh = False
        self._everybody = False
        self._announcement: IDelayedCall | None = None

    async def load(self) -> None:
        """Take over the policy and the manual assignments set before the last stop."""
        state = await self._store.load_state()
        if state.policy is not None:
            self.policy = state.policy
        self._manual = {room_id: names for room_id, names in state.assignments.items() if self._rooms.with_id(room_id)}
        self._by_name = dict(state.assignments_by_name)
        self._precedence.load(state.extensions)
        for room in self._rooms.all():
            self._bind(room)

    def close(self) -> None:
        if self._announcement is not None:
            self._announcement.cancel()
            self._announcement = None

    # -------------------------------------------------------------------------------------------------------- lookup

    def extensions(self) -> tuple[str, ...]:
        """Identities of the available extensions that are not outranked, earliest first."""
        return tuple(identity for identity in self._extensions if not self._sessions.is_outranked(identity))

    def asked(self) -> tuple[str, ...]:
        """The same, in the order in which they are asked where no room says otherwise."""
        return self._in_order(self.extensions())

    def client_rooms(self, actor: Caller) -> tuple[str, ...]:
        """Those that the actor may know of."""
        return tuple(room for room in self._client_rooms if self._rooms.seen(actor, room) is not None)

    def serving(self, actor: Caller, name: str | None) -> tuple[str, tuple[str, ...]]:
        """The room that is meant, and who serves it, if the actor may know of it."""
        room = self._rooms.meant(actor, name)
        return room, self.assigned(room) if self._rooms.seen(actor, room) is not None else ()

    def assigned(self, room: str) -> tuple[str, ...]:
        """The extensions that serve a room; empty for what is no client room."""
        self._recompute()
        return self._assignments.get(room, ())

    def would_serve(self, room: str, extensions: Sequence[str]) -> tuple[str, ...]:
        """Those of these that would be assigned to a room if they alone were here, and somebody of that room."""
        rooms, manual = tuple(dict.fromkeys([*self._client_rooms, room])), self._manual_by_name()
        dealt = assign(
            self.policy,
            rooms,
            self._in_order(extensions),
            manual=manual,
            previous=self.all(),
            fresh=False,
            choose=lambda among: among[0],
        )
        return dealt.get(room, ())

    def all(self) -> Mapping[str, tuple[str, ...]]:
        self._recompute()
        return self._assignments

    def visible_to(self, actor: Caller) -> Mapping[str, tuple[str, ...]]:
        """All of them for an administrator; for others those of their rooms."""
        seen = self.all()
        if administers(actor):
            return seen
        return {room: seen[room] for room in self._rooms.rooms_of(actor.identity) if room in seen}

    def taking_part(self, actor: Caller, name: str | None) -> Room:
        """The room that somebody means, who is a member of it or, as an extension, serves it.

        :raises NotMember: neither.
        """
        meant = self._rooms.meant(actor, name)
        room = self._rooms.get(meant)
        if room is not None and actor.identity in room.members:
            return room
        if room is None or actor.kind is not Kind.EXTENSION or actor.identity not in self.assigned(meant):
            raise NotMember(f"You are not a member of room {meant}.")
        return room

    def extension_sessions(self) -> dict[str, Session | None]:
        """The available extensions by identity, earliest first."""
        return {identity: self._sessions.by_identity(identity) for identity in self._extensions}

    def served(self, actor: Caller) -> dict[str, tuple[str, ...]]:
        """The rooms that each available extension serves, of those that the actor may know of."""
        found: dict[str, list[str]] = {identity: [] for identity in self._extensions}
        for room, extensions in self.all().items():
            for identity in extensions if self._rooms.seen(actor, room) is not None else ():
                found[identity].append(room)
        return {identity: tuple(served) for identity, served in found.items()}

    def announce_to(self, sid: str, identity: str) -> None:
        """Tell who serves its rooms to a socket that has just come to ``/rooms``."""
        for room in self._rooms.rooms_of(identity):
            if room in self._client_rooms:
                event = self._served(room)
                self._outbox.emit(sid, event.name, event.body)

    # ------------------------------------------------------------------------------------------------------- changes

    async def set_policy(self, actor: Caller, policy: ConnectionPolicy) -> None:
        """Deal anew under this policy; it outlives a restart.

        :raises NotAuthorised: the actor is no administrator.
        """
        if not administers(actor):
            raise NotAuthorised("Unauthorized")
        await self._store.save_policy(policy)
        self.policy = policy
        self._touch(fresh=True, everybody=True)

    async def assign_manually(self, actor: Caller, room: str, targets: Sequence[str]) -> tuple[str, ...]:
        """Replace a room's manual assignment; an empty one clears it (contract 6.4).

        One assignment after the other: each is stored with those before it.

        :param targets: identities or clientIds of available extensions.
        :raises NotAuthorised: the actor is no administrator.
        :raises InvalidRequest: the policy is not Manual, or the limit is reached. :raises RoomMissing: no client room.
        :raises ClientMissing: no such extension.
        """
        if not administers(actor):
            raise NotAuthorised("Unauthorized")
        found: tuple[str, ...] = await self._storing.run(
            lambda: Deferred.fromCoroutine(self._assign_manually(room, targets))
        )
        return found

    async def _assign_manually(self, room: str, targets: Sequence[str]) -> tuple[str, ...]:
        if self.policy is not ConnectionPolicy.MANUAL:
            raise InvalidRequest("Manual assignment is only allowed in Manual mode")
        there = self._rooms.get(room)
        known = room in self._by_name or (there is not None and there.id in self._manual)
        if room not in self._client_rooms and not known:
            raise RoomMissing("Client room not found")
        found: dict[str, None] = {}
        for target in targets:
            session = self._sessions.resolve_extension(target)
            if session is None:
                raise ClientMissing(f"Extension not found: {target}")
            found[session.identity] = None
        by_name = {name: names for name, names in self._by_name.items() if name != room}
        manual = {room_id: names for room_id, names in self._manual.items() if self._rooms.with_id(room_id)}
        if there is not None:
            manual.pop(there.id, None)
            if found:
                manual[there.id] = tuple(found)
                await self._rooms.ensure_stored(there.id)
        too_many = len(manual) + len(by_name) > self.settings.max_manual_assignments
        if too_many or (found and (there is None or not self._rooms.is_stored(there.id))):
            raise InvalidRequest("Failed to assign extension")
        await self._save(manual, by_name)
        self._touch(everybody=True)
        return tuple(found)

    async def _save(self, manual: Lists, by_name: Lists) -> None:
        await self._store.save_assignments(manual)
        self._manual = manual
        if by_name != self._by_name:
            await self._store.save_assignments_by_name(by_name)
            self._by_name = by_name

    def _bind(self, room: Room) -> None:
        """What was assigned to a name is this room's from now on."""
        if room.name in self._by_name:
            self._manual[room.id] = self._by_name.pop(room.name)
            self._touch()
            self._rooms.ensure_stored(room.id)
            self._keep()

    def _keep(self) -> None:
        """Store it as it is; who fails to learns it from the log, and a restart finds what was before."""
        self._store.save_assignments(self._manual).addErrback(self._not_stored)
        self._store.save_assignments_by_name(self._by_name).addErrback(self._not_stored)

    def _not_stored(self, failure: Failure) -> None:
        self._trouble.say("manual assignments could not be stored", failure)

    # ------------------------------------------------------------------------------------------------------- triggers

    def session_appeared(self, session: Session) -> None:
        if session.kind is Kind.CLIENT:
            for room in self._rooms.rooms_of(session.identity):
                self._consider(room)

    def socket_attached(self, caller: Caller) -> None:
        self._precedence.attached(caller)
        self._consider(caller.identity)  # a later socket may have shown that it is no client
        self._ranks(caller)

    def socket_detached(self, caller: Caller) -> None:
        self._ranks(caller)

    def session_gone(self, session: Session) -> None:
        for room in self._rooms.rooms_of(session.identity):
            self._consider(room)

    def extension_available(self, session: Session) -> None:
        self._precedence.came(session.identity, self._extensions)
        self._extensions[session.identity] = None
        self._touch()

    def extension_lost(self, session: Session) -> None:
        self._extensions.pop(session.identity, None)
        self._precedence.left(session.identity)
        self._touch()

    def extension_gone(self, session: Session) -> None:
        self._touch()  # whom it outranked serves again

    def room_created(self, room: Room) -> None:
        self._bind(room)
        self._consider(room.name)

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        self._consider(room.name)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        self._consider(room.name)

    def room_deleted(self, room: Room) -> None:
        """What was assigned to it goes with it: another one of its name, which may be there already, begins without."""
        if self._manual.pop(room.id, None) is not None:
            self._keep()
        if room.name in self._client_rooms:
            del self._client_rooms[room.name]
            self._assignments.pop(room.name, None)
            self._announced.pop(room.name, None)
            self._touch()
        self._consider(room.name)

    # ------------------------------------------------------------------------------------------------------ internals

    def _ranks(self, caller: Caller) -> None:
        """One that declared features has come or gone: others of its client do not serve, or do again."""
        if caller.features:
            self._touch()

    def _consider(self, name: str) -> None:
        """Is this a connected client room (contract 6.1)? Enter it or strike it out."""
        room = self._rooms.get(name)
        belongs = room is not None and self._is_client_room(room)
        if belongs == (name in self._client_rooms):
            return
        if belongs:
            self._client_rooms[name] = None
        else:
            del self._client_rooms[name]
        self._touch()

    def _is_client_room(self, room: Room) -> bool:
        if room.kind not in (RoomKind.PERSONAL, RoomKind.GROUP):
            return False
        sessions = (self._sessions.by_identity(identity) for identity in room.members)
        return any(session is not None and session.kind is Kind.CLIENT for session in sessions)

    def _touch(self, *, fresh: bool = False, everybody: bool = False) -> None:
        self._stale = True
        self._fresh = self._fresh or fresh
        self._everybody = self._everybody or everybody
        if self._announcement is None:
            self._announcement = self._world.clock.callLater(0, self._announce)

    def _recompute(self) -> None:
        if not self._stale:
            return
        self._assignments = assign(
            self.policy,
            tuple(self._client_rooms),
            self.asked(),
            manual=self._manual_by_name(),
            previous=self._assignments,
            fresh=self._fresh,
            choose=self._choose,
        )
        self._stale = self._fresh = False

    def _in_order(self, extensions: Sequence[str]) -> tuple[str, ...]:
        failover = self.policy is ConnectionPolicy.FAILOVER
        return self._precedence.ordered(extensions) if failover else self._precedence.inside_last(extensions)

    def _manual_by_name(self) -> Lists:
        rooms = ((self._rooms.with_id(room_id), names) for room_id, names in self._manual.items())
        instead_of = self._sessions.instead_of
        return {room.name: tuple(dict.fromkeys(map(instead_of, names))) for room, names in rooms if room is not None}

    def _announce(self) -> None:
        """Tell every client room whose list changed or that is new, empty lists included."""
        self._announcement = None
        self._recompute()
        before, self._announced = self._announced, dict(self._assignments)
        everybody, self._everybody = self._everybody, False
        for room, extensions in self._assignments.items():
            if everybody or before.get(room) != extensions:
                self._outbox.publish(*self._served(room).to(Audience.room(room)))

    def _served(self, room: str) -> Event:
        return rooms.served(room, self.assigned(room), self.policy)
