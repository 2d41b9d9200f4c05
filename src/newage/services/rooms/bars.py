"""Bars: kicks that last, lifted and ended in time (contract 4.3, A16, A29)."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.model import Bar, Role, Room
from newage.errors import RoomMissing
from newage.services.events import RoomListener
from newage.services.rooms.registry import RoomRegistry
from newage.services.rooms.terms import RETRY_SECONDS, TermTimers
from newage.services.world import World
from newage.telemetry.trouble import Trouble


class Bars(RoomListener):
    """Asks for no right: ``ModerationService`` does. A timer for each bar that ends, of ``max_bars_per_room``."""

    _log = Logger()

    def __init__(self, world: World, rooms: RoomRegistry) -> None:
        self._world = world
        self._rooms = rooms
        self._trouble = Trouble(self._log)
        self._timers: TermTimers[Bar] = TermTimers(world.clock, self._expire)

    def load(self) -> None:
        """Run the stored bars to their ends."""
        for room in self._rooms.all():
            for bar in room.barred.values():
                self._timers.start(room.id, bar, bar.term.left(self._world.wall()))

    def close(self) -> None:
        self._timers.close()

    async def lift(self, room: Room, subject: str) -> tuple[str, ...]:
        """Let a client come back; not barred is fine.

        :param subject: a clientId, or one of its identities: the kicked one, or one that is known.
        :return: what was lifted, by the clientId.
        """
        client = self._rooms.client_of(subject)
        lifted = tuple(who for who, bar in room.barred.items() if subject in (who, bar.identity) or who == client)
        if lifted:
            barred = {who: bar for who, bar in room.barred.items() if who not in lifted}
            self._follow(await self._rooms.change(room, evolve(room, barred=barred)))
        return lifted

    # ------------------------------------------------------------------------------------------------------ listening

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        self._follow(room)

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        if reason == "kick":
            self._follow(room)

    def room_deleted(self, room: Room) -> None:
        self._timers.drop(room.id)

    def _follow(self, room: Room) -> None:
        """Wait for the ends of the bars that there are now; new ones begin now."""
        room = self._rooms.current(room) or room
        bars, waiting = set(room.barred.values()), self._timers.waiting(room.id)
        for bar in waiting:
            if bar not in bars:
                self._timers.stop(room.id, bar)
        for bar in bars.difference(waiting):
            self._timers.start(room.id, bar, bar.term.seconds)

    def _expire(self, room_id: str, bar: Bar) -> None:
        room = self._rooms.with_id(room_id)
        if room is None:  # it is being deleted; if that fails, it is back
            self._timers.start(room_id, bar, RETRY_SECONDS)
            return
        barred = {who: other for who, other in room.barred.items() if other != bar}
        d = Deferred.fromCoroutine(self._rooms.change_anyway(evolve(room, barred=barred)))
        d.addErrback(self._failed, room.name)

    def _failed(self, failure: Failure, name: str) -> None:
        if not isinstance(failure.value, RoomMissing):
            self._trouble.say("a bar of room {room} could not be ended", failure, room=name)
