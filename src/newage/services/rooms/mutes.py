"""Mutes: put in force, and ended in time (contract 4.5, A29)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from math import isinf

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.model import Room, Term
from newage.errors import RoomMissing
from newage.services.events import RoomListener
from newage.services.rooms.registry import RoomRegistry
from newage.services.world import World

LONGEST_TIMER = 86_400.0 * 24  # seconds; longer mutes are looked at again then
RETRY_SECONDS = 60.0  # until a mute is looked at again that ran out while its room was being deleted
BY_TIME = "System"  # who ends a mute that has run out


class Mutes(RoomListener):
    """Asks for no right: ``ModerationService`` does. A timer for each mute that ends; bounded by memberships."""

    _log = Logger()

    def __init__(self, world: World, rooms: RoomRegistry) -> None:
        self._world = world
        self._rooms = rooms
        self._timers: defaultdict[str, dict[str, IDelayedCall]] = defaultdict(dict)  # room id -> identity -> its end

    def load(self) -> None:
        """Run the stored mutes to their ends."""
        for room in self._rooms.all():
            for identity, term in room.muted.items():
                self._run_out(room.id, identity, term.left(self._world.wall()))

    def close(self) -> None:
        for timers in self._timers.values():
            for call in timers.values():
                call.cancel()
        self._timers.clear()

    async def begin(self, room: Room, identity: str, term: Term, by: str) -> None:
        """Put a mute in force that begins now; it takes the place of others of that client."""
        replaced = room.mutes_of(identity, self._rooms.client_of(identity))
        muted = {who: other for who, other in room.muted.items() if who not in replaced}
        try:
            await self._rooms.change(room, muted={**muted, identity: term})
        finally:  # if it could not be stored, a later change of the room may have taken it along
            now = self._rooms.current(room)
            if now is not None and now.muted.get(identity) == term:
                self._rooms.events.member_muted(now, identity, by)

    async def end(self, room: Room, identity: str, by: str) -> None:
        """Give the word back to all identities of that client; not muted is fine."""
        ended = room.mutes_of(identity, self._rooms.client_of(identity))
        await self._end(room.id, ended, identity, by, self._rooms.change)

    async def _end(
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
                self._rooms.events.member_unmuted(room, who, by)

    # --------------------------------------------------------------------------------------------------------- timers

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        for who in [who for who in self._timers.get(room.id, ()) if who not in room.muted]:
            self._stop_waiting(room.id, who)
        self._run_out(room.id, identity, room.muted[identity].seconds)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        if identity not in room.muted:
            self._stop_waiting(room.id, identity)

    def room_deleted(self, room: Room) -> None:
        for call in self._timers.pop(room.id, {}).values():
            call.cancel()

    def _run_out(self, room_id: str, identity: str, left: float) -> None:
        """End the mute after ``left`` seconds; infinity is never."""
        self._stop_waiting(room_id, identity)
        if isinf(left):
            return
        clock = self._world.clock
        if left > LONGEST_TIMER:
            call = clock.callLater(LONGEST_TIMER, self._look_again, room_id, identity, left - LONGEST_TIMER)
        else:
            call = clock.callLater(left, self._expire, room_id, identity)
        self._timers[room_id][identity] = call

    def _look_again(self, room_id: str, identity: str, left: float) -> None:
        self._forget(room_id, identity)
        self._run_out(room_id, identity, left)

    def _expire(self, room_id: str, identity: str) -> None:
        self._forget(room_id, identity)
        room = self._rooms.with_id(room_id)
        if room is None:  # it is being deleted; if that fails, it is back
            self._run_out(room_id, identity, RETRY_SECONDS)
            return
        d = Deferred.fromCoroutine(self._end(room_id, (identity,), identity, BY_TIME, self._rooms.change_anyway))
        d.addErrback(self._failed, room.name)

    def _stop_waiting(self, room_id: str, identity: str) -> None:
        running = self._forget(room_id, identity)
        if running is not None:
            running.cancel()

    def _forget(self, room_id: str, identity: str) -> IDelayedCall | None:
        timers = self._timers.get(room_id, {})
        call = timers.pop(identity, None)
        if not timers:
            self._timers.pop(room_id, None)
        return call

    def _failed(self, failure: Failure, name: str) -> None:
        if not isinstance(failure.value, RoomMissing):
            self._log.failure("a mute in room {room} could not be ended", failure, room=name)
