"""Mutes: put in force, and ended in time (contract 4.5, A29)."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.model import Room, Term
from newage.errors import RoomMissing
from newage.services.events import RoomListener
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.terms import BY_TIME, RETRY_SECONDS, TermTimers
from newage.services.world import World
from newage.telemetry.trouble import Trouble


class Mutes(RoomListener):
    """Asks for no right: ``ModerationService`` does. A timer for each mute that ends; bounded by memberships."""

    _log = Logger()

    def __init__(self, world: World, rooms: RoomRegistry) -> None:
        self._world = world
        self._rooms = rooms
        self._trouble = Trouble(self._log)
        self._timers: TermTimers[str] = TermTimers(world.clock, self._expire)  # by identity

    def load(self) -> None:
        """Run the stored mutes to their ends."""
        for room in self._rooms.all():
            for identity, term in room.muted.items():
                self._timers.start(room.id, identity, term.left(self._world.wall()))

    def close(self) -> None:
        self._timers.close()

    async def begin(self, room: Room, identity: str, term: Term, by: str) -> None:
        """Put a mute in force that begins now; it takes the place of others of that client."""
        replaced = room.mutes_of(identity, self._rooms.client_of(identity))
        muted = {who: other for who, other in room.muted.items() if who not in replaced}
        try:
            await self._rooms.change(room, evolve(room, muted={**muted, identity: term}))
        finally:  # if it could not be stored, a later change of the room may have taken it along
            now = self._rooms.current(room)
            if now is not None and now.muted.get(identity) == term:
                self._rooms.events.member_muted(now, identity, by)

    async def end(self, room: Room, identity: str, by: str) -> None:
        """Give the word back to all identities of that client; not muted is fine."""
        ended = room.mutes_of(identity, self._rooms.client_of(identity))
        await self._end(room.id, ended, identity, by)

    async def _end(self, room_id: str, ended: Collection[str], identity: str, by: str, *, anyway: bool = False) -> None:
        """End these mutes, which are one client's; ``identity`` is told besides those that were muted.

        :param anyway: even if that cannot be stored.
        """
        for who in ended:
            self._timers.stop(room_id, who)
        room = self._rooms.with_id(room_id)
        if room is None or not any(who in room.muted for who in ended):
            return
        changed = evolve(room, muted={who: term for who, term in room.muted.items() if who not in ended})
        room = await (self._rooms.change_anyway(changed) if anyway else self._rooms.change(room, changed))
        for who in dict.fromkeys((*ended, identity)):
            if who in room.members:  # else it had left; nobody needs to hear of it
                self._rooms.events.member_unmuted(room, who, by)

    # --------------------------------------------------------------------------------------------------------- timers

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        for who in self._timers.waiting(room.id):
            if who not in room.muted:
                self._timers.stop(room.id, who)
        self._timers.start(room.id, identity, room.muted[identity].seconds)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        if identity not in room.muted:
            self._timers.stop(room.id, identity)

    def room_deleted(self, room: Room) -> None:
        self._timers.drop(room.id)

    def _expire(self, room_id: str, identity: str) -> None:
        room = self._rooms.with_id(room_id)
        if room is None:  # it is being deleted; if that fails, it is back
            self._timers.start(room_id, identity, RETRY_SECONDS)
            return
        d = Deferred.fromCoroutine(self._end(room_id, (identity,), identity, BY_TIME, anyway=True))
        d.addErrback(self._failed, room.name)

    def _failed(self, failure: Failure, name: str) -> None:
        if not isinstance(failure.value, RoomMissing):
            self._trouble.say("a mute in room {room} could not be ended", failure, room=name)
