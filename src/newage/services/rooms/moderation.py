"""What staff does to members and rooms: roles, kick, mute, request mode (contract 3.5, 4.2, 4.5, 5.4)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from math import isinf

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.delivery import Audience, Emission
from newage.domain.model import Caller, RequestMode, Role, Room, RoomKind, Term
from newage.domain.policy import administers, is_staff, may_set_role, outranks, successor
from newage.errors import NotAuthorised, NotMember, RoomDenied, RoomMissing
from newage.ports import IOutbox, IStateStore
from newage.services.history.log import HistoryService
from newage.services.listeners import RoomListener
from newage.services.rooms.activity import PresenceService
from newage.services.rooms.notices import RoomNotices
from newage.services.rooms.rooms import RoomService
from newage.services.sessions.sessions import SessionService
from newage.services.world import World, iso

MODES_AT_ONCE = 500  # rooms
LONGEST_TIMER = 86_400.0 * 24  # seconds; longer mutes are looked at again then
RETRY_SECONDS = 60.0  # until a mute is looked at again that ran out while its room was being deleted


class ModerationService(RoomListener):
    _log = Logger()

    def __init__(
        self,
        world: World,
        outbox: IOutbox,
        sessions: SessionService,
        rooms: RoomService,
        history: HistoryService,
        presence: PresenceService,
        notices: RoomNotices,
        store: IStateStore,
        mode_changed: Callable[[Room], None],
        muted: Callable[[Room], None],
        unmuted: Callable[[Room, str], None],
    ) -> None:
        """
        :param mode_changed: told after a room's mode is in force: its queue wants settling.
        :param muted: told after somebody was muted: what waits of him is to be heard by nobody.
        :param unmuted: told when an identity has its voice back.
        """
        self._muted = muted
        self._unmuted = unmuted
        self._world = world
        self._outbox = outbox
        self._sessions = sessions
        self._rooms = rooms
        self._history = history
        self._presence = presence
        self._notices = notices
        self._store = store
        self._mode_changed = mode_changed
        self._mutes: dict[tuple[str, str], IDelayedCall] = {}  # (room id, identity); bounded by memberships

    async def load(self) -> None:
        """Take over the default mode, and run the stored mutes to their ends."""
        mode = (await self._store.load_state()).get("messageRequestMode")
        if mode in {known.value for known in RequestMode}:
            self._rooms.default_mode = RequestMode(mode)
        elif mode is not None:
            self._log.warn("the stored request mode is none: {mode}", mode=mode)
        for room in self._rooms.all():
            for identity, term in room.muted.items():
                self._run_out(room.id, identity, term.left(self._world.wall()))

    def close(self) -> None:
        for call in self._mutes.values():
            call.cancel()
        self._mutes.clear()

    # ---------------------------------------------------------------------------------------------------------- roles

    async def set_role(self, actor: Caller, room_name: str, subject: str, role: Role) -> None:
        """:raises RoomDenied: no such room or member. :raises NotAuthorised: not the actor's to do."""
        room, identity = self._find(room_name, subject, "Failed to set member role")
        current = room.members[identity]
        if not administers(actor) and not may_set_role(_role(room, actor), current, role):
            raise NotAuthorised("Unauthorized")
        if not role_is_open(room, identity, role):
            raise RoomDenied("Failed to set member role")
        before = room
        members = {**room.members, identity: role}
        if role is Role.MASTER and room.master not in (None, identity):
            members[str(room.master)] = Role.MANAGER
        room = await self._rooms.change(room, members=self._with_master(room, members, identity))
        for who, has in room.members.items():
            if before.members[who] is not has:
                self._notices.role_changed(room, who, has)
        self._notices.role_set(room, identity, role)

    def _with_master(self, room: Room, members: dict[str, Role], demoted: str) -> dict[str, Role]:
        """A group room that lost its master gets the next one, other than who has just been demoted."""
        if room.kind is not RoomKind.GROUP or Role.MASTER in members.values():
            return members
        others = Room(name=room.name, members={who: has for who, has in members.items() if who != demoted})
        heir = successor(others, self._sessions.is_online)
        return members if heir is None else {**members, heir: Role.MASTER}

    async def kick(self, actor: Caller, room_name: str, subject: str) -> None:
        """:raises RoomDenied: no such room or member, or it cannot be kicked. :raises NotAuthorised: not allowed."""
        room, identity = self._find(room_name, subject, "Failed to kick member")
        if not administers(actor) and not outranks(_role(room, actor), room.members[identity]):
            raise NotAuthorised("Unauthorized")
        if room.name == identity or identity == actor.identity:
            raise RoomDenied("Failed to kick member")
        await self._rooms.remove(room.name, identity, "kick")

    # ---------------------------------------------------------------------------------------------------------- mutes

    async def mute(self, actor: Caller, room_name: str, subject: str, duration: float) -> dict[str, object]:
        """Silence a member; it survives reconnects and restarts.

        :param duration: seconds; zero or less is permanent, and so is what ends after all time.
        :return: ``mutedUntil`` and ``duration`` of the ack.
        """
        room, identity = self._find(room_name, subject, "Failed to mute member")
        self._check_mute(actor, room, identity)
        term = Term.of(self._world.wall(), duration)
        await self.silence(room, identity, term)
        told: dict[str, object] = {
            "mutedUntil": iso(term.until),
            "duration": "permanent" if term.permanent else duration,
        }
        self._publish(room, identity, "MEMBER_MUTED", {"mutedBy": actor.identity, **told})
        for who in dict.fromkeys((identity, *room.of_client(self._rooms.client_of(identity)))):
            self._presence.stop_typing(room.name, who)  # else it would look idle when that runs out
        self._presence.show(room.name, identity, "muted")
        how = "permanently muted by " if term.permanent else "muted by "
        length = "" if term.permanent else f" for {_in_full(duration)} seconds"
        self._history.note(room.name, f"[System] {identity} has been {how}{actor.identity}{length}.")
        return told

    async def silence(self, room: Room, identity: str, term: Term) -> None:
        """Put a mute that begins now in force, and end it in time; it takes the place of others of that client."""
        replaced = room.mutes_of(identity, self._rooms.client_of(identity))
        muted = {who: other for who, other in room.muted.items() if who not in replaced}
        try:
            await self._rooms.change(room, muted={**muted, identity: term})
        finally:  # if it could not be stored, a later change of the room may have taken it along
            now = self._rooms.current(room)
            if now is not None and now.muted.get(identity) == term:
                for who in replaced:
                    self._stop_waiting(room.id, who)
                self._run_out(room.id, identity, term.seconds)
                self._muted(now)

    async def unmute(self, actor: Caller, room_name: str, subject: str) -> None:
        """Give the word back; not muted is fine."""
        room, identity = self._find(room_name, subject, "Failed to unmute member")
        self._check_mute(actor, room, identity)
        ended = room.mutes_of(identity, self._rooms.client_of(identity))
        await self._unmute(room.id, ended, identity, actor.identity, self._rooms.change)

    def _check_mute(self, actor: Caller, room: Room, identity: str) -> None:
        if not administers(actor) and not outranks(_role(room, actor), room.members[identity]):
            raise NotAuthorised("Unauthorized")

    async def _unmute(
        self, room_id: str, ended: Collection[str], identity: str, by: str, store: Callable[..., Awaitable[Room]]
    ) -> None:
        """End these mutes, which are one client's; ``identity`` is told besides those that were muted."""
        for who in ended:
            self._stop_waiting(room_id, who)
        room = self._rooms.with_id(room_id)
        if room is None or not any(who in room.muted for who in ended):
            return
        room = await store(room, muted={who: term for who, term in room.muted.items() if who not in ended})
        for who in dict.fromkeys((*ended, identity)):
            if who in room.members:  # else it had left; nobody needs to hear of it
                self._publish(room, who, "MEMBER_UNMUTED", {"unmutedBy": by})
                self._unmuted(room, who)
                self._presence.show(room.name, who, "idle")
                self._history.note(room.name, f"[System] {who} has been unmuted by {by}.")

    def _run_out(self, room_id: str, identity: str, left: float) -> None:
        """End the mute after ``left`` seconds; infinity is never."""
        self._stop_waiting(room_id, identity)
        if isinf(left):
            return
        if left > LONGEST_TIMER:
            again = (room_id, identity, left - LONGEST_TIMER)
            self._mutes[room_id, identity] = self._world.clock.callLater(LONGEST_TIMER, self._look_again, *again)
        else:
            self._mutes[room_id, identity] = self._world.clock.callLater(left, self._expire, room_id, identity)

    def _look_again(self, room_id: str, identity: str, left: float) -> None:
        del self._mutes[room_id, identity]
        self._run_out(room_id, identity, left)

    def _expire(self, room_id: str, identity: str) -> None:
        del self._mutes[room_id, identity]
        room = self._rooms.with_id(room_id)
        if room is None:  # it is being deleted; if that fails, it is back
            self._run_out(room_id, identity, RETRY_SECONDS)
            return
        d = Deferred.fromCoroutine(self._unmute(room_id, (identity,), identity, "System", self._rooms.lapse))
        d.addErrback(self._failed, room.name)

    def _publish(self, room: Room, identity: str, event: str, members: dict[str, object]) -> None:
        session = self._sessions.by_identity(identity)
        client_id = session.client_id if session is not None else identity
        body = {"identity": identity, "clientId": client_id, **members, "roomName": room.name, "roomId": room.id}
        to = (Audience.room(room.name), Audience.identity(identity))
        self._outbox.publish(Emission("/llm", event, (body,), to))

    # ---------------------------------------------------------------------------------------------------------- modes

    async def set_mode(self, actor: Caller, room_name: str, mode: RequestMode) -> None:
        """:raises RoomMissing: no such room. :raises NotAuthorised: neither staff nor administrator."""
        room = self._rooms.get(room_name)
        if room is None:
            raise RoomMissing(f"Room {room_name} not found.")
        if not administers(actor) and not is_staff(room, actor.identity):
            raise NotAuthorised("Permission denied. Only room master/manager or admin can set the mode.")
        await self._change_mode(room, mode, actor.identity)

    async def set_default_mode(self, actor: Caller, mode: RequestMode) -> None:
        """The mode of new rooms and of every existing one (contract 3.5).

        :raises NotAuthorised: the actor is no administrator.
        """
        if not administers(actor):
            raise NotAuthorised("Unauthorized")
        await self._store.save_state("messageRequestMode", mode.value)
        self._rooms.default_mode = mode
        names = [room.name for room in self._rooms.all()]
        for start in range(0, len(names), MODES_AT_ONCE):  # each lot shares a commit
            changes = (self._take_mode(name, mode, actor.identity) for name in names[start : start + MODES_AT_ONCE])
            outcomes = await DeferredList([Deferred.fromCoroutine(change) for change in changes], consumeErrors=True)
            for _, outcome in outcomes:
                if isinstance(outcome, Failure):
                    outcome.raiseException()

    async def _take_mode(self, name: str, mode: RequestMode, setter: str) -> None:
        room = self._rooms.get(name)  # as it is now: storing the others took a while
        if room is not None:
            with suppress(RoomMissing):  # deleted while its mode was being stored
                await self._change_mode(room, mode, setter)

    async def _change_mode(self, room: Room, mode: RequestMode, setter: str) -> None:
        if room.mode is mode:
            return
        changed = await self._rooms.change(room, mode=mode)
        self._notices.mode_changed(changed, setter)
        self._mode_changed(changed)

    # ------------------------------------------------------------------------------------------------- rooms' changes

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        if identity not in room.muted:
            self._stop_waiting(room.id, identity)
        self._presence.stop_typing(room.name, identity)

    def room_deleted(self, room: Room) -> None:
        for identity in room.muted:
            self._stop_waiting(room.id, identity)

    def _stop_waiting(self, room_id: str, identity: str) -> None:
        running = self._mutes.pop((room_id, identity), None)
        if running is not None:
            running.cancel()

    # ------------------------------------------------------------------------------------------------------ internals

    def _find(self, room_name: str, subject: str, words: str) -> tuple[Room, str]:
        """The room and the member meant: an identity, or the clientId of a member that is there."""
        room = self._rooms.get(room_name)
        if room is None:
            raise RoomDenied(words)
        identity = self.member(room, subject)
        if identity is None:
            raise NotMember(words)
        return room, identity

    def member(self, room: Room, subject: str) -> str | None:
        if subject in room.members:
            return subject
        for identity in room.members:
            session = self._sessions.by_identity(identity)
            if session is not None and session.client_id == subject:
                return identity
        session = self._sessions.resolve(subject)
        return session.identity if session is not None and session.identity in room.members else None

    def _failed(self, failure: Failure, name: str) -> None:
        if not isinstance(failure.value, RoomMissing):
            self._log.failure("a mute in room {room} could not be ended", failure, room=name)


def role_is_open(room: Room, identity: str, role: Role) -> bool:
    """May that be the role of this one at all? Whoever a room is named by is its master for ever (contract 2.10)."""
    if room.kind not in (RoomKind.PERSONAL, RoomKind.EXTENSION):
        return True
    return (role is Role.MASTER) == (identity == room.name)


def _in_full(seconds: float) -> str:
    """Without an exponent, and without decimals where there are none."""
    return str(int(seconds)) if seconds == int(seconds) else str(round(seconds, 3))


def _role(room: Room, actor: Caller) -> Role:
    return room.members.get(actor.identity, Role.GUEST)
