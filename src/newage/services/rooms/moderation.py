"""What staff does to members and rooms: roles, kick, mute, request mode (contract 3.5, 4.2, 4.5, 5.4)."""

from __future__ import annotations

from contextlib import suppress

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from newage.domain.model import Caller, RequestMode, Role, Room, Term
from newage.domain.policy import administers, governs, may_give_role, may_sanction
from newage.errors import NotAuthorised, NotMember, RoomDenied, RoomMissing
from newage.services.rooms.default_mode import DefaultMode
from newage.services.rooms.mutes import Mutes
from newage.services.rooms.registry import RoomRegistry
from newage.services.world import World

MODES_AT_ONCE = 500  # rooms


class ModerationService:
    """``NotAuthorised`` is raised wherever it is not the actor's to do; nothing has happened then.

    Subjects are identities, or clientIds of members that are there. :raises RoomDenied: no such room.
    :raises NotMember: no such member.
    """

    def __init__(self, world: World, rooms: RoomRegistry, mutes: Mutes, default_mode: DefaultMode) -> None:
        self._world = world
        self._rooms = rooms
        self._mutes = mutes
        self._default_mode = default_mode

    # -------------------------------------------------------------------------------------------------------- members

    async def set_role(self, actor: Caller, room_name: str, subject: str, role: Role) -> None:
        """:raises RoomDenied: also where that member may not have that role at all."""
        room, identity = self._find(room_name, subject, "Failed to set member role")
        if not may_give_role(actor, room, identity, role):
            raise NotAuthorised("Unauthorized")
        await self._rooms.give_role(room, identity, role)

    async def kick(self, actor: Caller, room_name: str, subject: str) -> None:
        """:raises RoomDenied: also for oneself, and for a room's owner."""
        room, identity = self._find(room_name, subject, "Failed to kick member")
        self._check(actor, room, identity)
        if room.name == identity or identity == actor.identity:
            raise RoomDenied("Failed to kick member")
        await self._rooms.remove(room.name, identity, "kick")

    async def mute(self, actor: Caller, room_name: str, subject: str, duration: float) -> Term:
        """Silence a member; it survives reconnects and restarts.

        :param duration: seconds; zero or less is permanent, and so is what ends after all time.
        """
        room, identity = self._find(room_name, subject, "Failed to mute member")
        self._check(actor, room, identity)
        term = Term.of(self._world.wall(), duration)
        await self._mutes.begin(room, identity, term, actor.identity)
        return term

    async def unmute(self, actor: Caller, room_name: str, subject: str) -> None:
        """Give the word back; not muted is fine."""
        room, identity = self._find(room_name, subject, "Failed to unmute member")
        self._check(actor, room, identity)
        await self._mutes.end(room, identity, actor.identity)

    def _check(self, actor: Caller, room: Room, identity: str) -> None:
        if not may_sanction(actor, room, identity):
            raise NotAuthorised("Unauthorized")

    def _find(self, room_name: str, subject: str, words: str) -> tuple[Room, str]:
        room = self._rooms.get(room_name)
        if room is None:
            raise RoomDenied(words)
        identity = self._rooms.member(room, subject)
        if identity is None:
            raise NotMember(words)
        return room, identity

    # ---------------------------------------------------------------------------------------------------------- modes

    async def set_mode(self, actor: Caller, room_name: str, mode: RequestMode) -> None:
        """:raises RoomMissing: no such room."""
        room = self._rooms.get(room_name)
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
