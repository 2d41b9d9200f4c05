"""What staff does to members and rooms: roles, kick, mute, access, request mode (contract 3.5, 4.1-4.5, 5.4)."""

from __future__ import annotations

from contextlib import suppress

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from newage.domain.membership import others_of_client
from newage.domain.model import Access, Bar, Caller, RequestMode, Role, Room, RoomKind, Term
from newage.domain.policy import administers, governs, may_give_role, may_sanction, may_set_access
from newage.errors import InvalidRequest, NotAuthorised, NotMember, RoomDenied, RoomMissing, Unavailable
from newage.services.rooms.bars import Bars
from newage.services.rooms.default_mode import DefaultMode
from newage.services.rooms.limits import RoomSettings
from newage.services.rooms.mutes import Mutes
from newage.services.rooms.registry import RoomRegistry
from newage.services.world import World
from newage.settings import Live

MODES_AT_ONCE = 500  # rooms


class ModerationService:
    """``NotAuthorised`` is raised wherever it is not the actor's to do; nothing has happened then.

    Subjects are identities, or clientIds of members that are there. :raises RoomDenied: no such room.
    :raises NotMember: no such member.
    """

    def __init__(
        self,
        *,
        world: World,
        rooms: RoomRegistry,
        mutes: Mutes,
        bars: Bars,
        default_mode: DefaultMode,
        settings: Live[RoomSettings],
    ) -> None:
        self._world = world
        self._rooms = rooms
        self._mutes = mutes
        self._bars = bars
        self._default_mode = default_mode
        self._settings = settings

    # -------------------------------------------------------------------------------------------------------- members

    async def set_role(self, actor: Caller, room_name: str, subject: str, role: Role) -> None:
        """:raises RoomDenied: also where that member may not have that role at all."""
        room, identity = self._find(actor, room_name, subject, "Failed to set member role")
        if not may_give_role(actor, room, identity, role):
            raise NotAuthorised("Unauthorized")
        await self._rooms.give_role(room, identity, role)

    async def kick(
        self, actor: Caller, room_name: str, subject: str, duration: float | None = None, reason: str = ""
    ) -> Term | None:
        """Take a member out; for a while its client does not come back by itself, under no identity (A16).

        Other members of that client go as well, as far as they are the actor's to kick. Nobody bars his own client.

        :param duration: seconds; None is ``kick_bar_seconds``, 0 no bar, less than 0 one until it is lifted.
        :return: how long it is barred, if it is.
        :raises RoomDenied: also for oneself, and for a room's owner. :raises Unavailable: too many are barred.
        """
        room, identity = self._find(actor, room_name, subject, "Failed to kick member")
        self._check(actor, room, identity)
        if room.name == identity or identity == actor.identity:
            raise RoomDenied("Failed to kick member")
        client_id = self._rooms.client_of(identity) or identity
        seconds = self._settings.value.kick_bar_seconds if duration is None else duration
        if seconds == 0 or client_id == actor.client_id:
            await self._rooms.kick(room, (identity,), client_id, None)
            return None
        if client_id not in room.barred and len(room.barred) >= self._settings.value.max_bars_per_room:
            raise Unavailable("Failed to kick member: too many are barred from this room.")

        def spared(who: str) -> bool:
            return who == actor.identity or not may_sanction(actor, room, who)

        term = Term.of(self._world.wall(), seconds)
        kicked = (identity, *others_of_client(room, client_id, identity, spared))
        await self._rooms.kick(room, kicked, client_id, Bar(term, identity, actor.identity, reason))
        return term

    async def lift_bar(self, actor: Caller, room_name: str, subject: str) -> tuple[str, ...]:
        """Let who was kicked come back; not barred is fine.

        :param subject: a clientId, or an identity of it.
        :return: the clients that are barred no more.
        :raises RoomMissing: no such room.
        """
        room = self._rooms.require_seen(actor, room_name)
        if not governs(actor, room):
            raise NotAuthorised("Unauthorized")
        return await self._bars.lift(room, subject)

    async def mute(self, actor: Caller, room_name: str, subject: str, duration: float) -> Term:
        """Silence a member; it survives reconnects and restarts.

        :param duration: seconds; zero or less is permanent, and so is what ends after all time.
        """
        room, identity = self._find(actor, room_name, subject, "Failed to mute member")
        self._check(actor, room, identity)
        term = Term.of(self._world.wall(), duration)
        await self._mutes.begin(room, identity, term, actor.identity)
        return term

    async def unmute(self, actor: Caller, room_name: str, subject: str) -> None:
        """Give the word back; not muted is fine."""
        room, identity = self._find(actor, room_name, subject, "Failed to unmute member")
        self._check(actor, room, identity)
        await self._mutes.end(room, identity, actor.identity)

    def _check(self, actor: Caller, room: Room, identity: str) -> None:
        if not may_sanction(actor, room, identity):
            raise NotAuthorised("Unauthorized")

    def _find(self, actor: Caller, room_name: str, subject: str, words: str) -> tuple[Room, str]:
        room = self._rooms.seen(actor, room_name)
        if room is None:
            raise RoomDenied(words)
        identity = self._rooms.member(room, subject)
        if identity is None:
            raise NotMember(words)
        return room, identity

    # ---------------------------------------------------------------------------------------------------------- rooms

    async def set_access(self, actor: Caller, room_name: str, access: Access) -> None:
        """Open a group room, or close it to all but who is in it and whom its staff adds (A41).

        :raises RoomMissing: no such room. :raises InvalidRequest: it is no group room.
        """
        room = self._rooms.require_seen(actor, room_name)
        if not may_set_access(actor, room):
            raise NotAuthorised("Unauthorized")
        if room.kind is not RoomKind.GROUP:
            raise InvalidRequest("Invalid operation")
        await self._rooms.set_access(room, access, actor.identity)

    async def set_mode(self, actor: Caller, room_name: str, mode: RequestMode) -> None:
        """:raises RoomMissing: no such room."""
        room = self._rooms.seen(actor, room_name)
        if room is None:
            raise RoomMissing(f"Room {room_name} not found.")
        if not governs(actor, room):
            raise NotAuthorised("Permission denied. Only room master/manager or admin can set the mode.")
        await self._rooms.set_mode(room, mode, actor.identity)

    async def set_mode_anywhere(self, actor: Caller, room_name: str | None, mode: RequestMode) -> None:
        """The administrators' event: of one room, or of all there are and will be."""
        if not administers(actor):
            raise NotAuthorised("Unauthorized")
        if room_name is None:
            await self.set_default_mode(actor, mode)
        else:
            await self.set_mode(actor, room_name, mode)

    async def set_default_mode(self, actor: Caller, mode: RequestMode) -> None:
        """The mode of new rooms and of every existing one (contract 3.5)."""
        if not administers(actor):
            raise NotAuthorised("Unauthorized")
        await self._default_mode.change(mode)
        names = [room.name for room in self._rooms.all()]
        for start in range(0, len(names), MODES_AT_ONCE):  # each lot shares a commit
            changes = (self._take_mode(name, mode, actor.identity) for name in names[start : start + MODES_AT_ONCE])
            outcomes = await DeferredList([Deferred.fromCoroutine(change) for change in changes], consumeErrors=True)
            for _, outcome in outcomes:
                if isinstance(outcome, Failure):
                    outcome.raiseException()

    async def _take_mode(self, name: str, mode: RequestMode, by: str) -> None:
        room = self._rooms.get(name)  # as it is now: storing the others took a while
        if room is not None:
            with suppress(RoomMissing):  # deleted while its mode was being stored
                await self._rooms.set_mode(room, mode, by)
