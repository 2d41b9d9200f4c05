"""UPDATE_CONTEXT: the newest messages of a room after its changes, where that is asked for (contract 4.6, A34)."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import messages
from newage.domain.delivery import Audience
from newage.domain.model import Caller, Kind, Room
from newage.ports import IMessageStore, IOutbox
from newage.services.events import RoomListener, SessionListener
from newage.services.history.limits import HistorySettings
from newage.services.history.pushing import LOOK_SECONDS, Pushing
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble


@define(eq=False)
class _Due:
    """A room whose newest state somebody has still to be shown: all when it is ``fresh``, else those who wait."""

    room: Room
    call: IDelayedCall  # when that is looked at next
    fresh: bool = True
    waiting: set[str] = field(factory=set)  # sids


@define(eq=False)
class _Receiver:
    """When a socket was last sent a snapshot, and the rooms it is to be shown, which take turns."""

    last: float = -inf
    rooms: dict[str, None] = field(factory=dict)  # by id


@define(eq=False, kw_only=True)
class Snapshots(SessionListener, RoomListener):
    """One for all changes of a room within ``context_snapshot_delay_ms``, and none where nobody would get it.

    Who is not ready for it, or had one just now, gets it later, as the room is then: postponed, never dropped.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _rooms: RoomRegistry
    _store: IMessageStore
    _pushing: Pushing
    _settings: Live[HistorySettings]
    _trouble: Trouble = trouble()
    _due: dict[str, _Due] = field(factory=dict, init=False)  # by the room's id
    _receivers: dict[str, _Receiver] = field(factory=dict, init=False)  # by sid
    _reading: set[Deferred[None]] = field(factory=set, init=False)  # being taken

    def close(self) -> None:
        for due in self._due.values():
            due.call.cancel()
        self._due.clear()
        for reading in tuple(self._reading):
            reading.cancel()

    def room_deleted(self, room: Room) -> None:
        due = self._due.pop(room.id, None)
        if due is not None:
            due.call.cancel()
            self._give_up(due, due.waiting)

    def socket_detached(self, caller: Caller) -> None:
        self._receivers.pop(caller.sid, None)

    def changed(self, room: Room) -> None:
        """Its history did: show that soon, with what else happens until then."""
        clock, delay = self._world.clock, self._settings.value.context_snapshot_delay_ms / 1000
        due = self._due.get(room.id)
        if due is None:
            if self._wanting(room, at_least_one=True):
                self._due[room.id] = _Due(room, clock.callLater(delay, self._look, room.id))
        elif not due.fresh:
            due.fresh = True
            if due.call.getTime() > clock.seconds() + delay:
                due.call.reset(delay)

    def _wanting(self, room: Room, *, at_least_one: bool = False) -> dict[str, Caller]:
        """The sockets that want a room's snapshots; ``at_least_one``: one of them will do."""
        found: dict[str, Caller] = {}
        for identity in room.members:
            for caller in self._sessions.callers(identity, "/llm"):
                if not caller.incremental and caller.kind is not Kind.EXTENSION:
                    found[caller.sid] = caller
                    if at_least_one:
                        return found
        return found

    def _look(self, room_id: str) -> None:
        """Take the snapshot for those who are ready, and come again for the others."""
        due = self._due[room_id]
        room = self._rooms.current(due.room)
        wanting = {} if room is None else self._wanting(room)
        self._give_up(due, due.waiting.difference(wanting))
        callers = wanting if due.fresh else {sid: wanting[sid] for sid in due.waiting if sid in wanting}
        due.fresh = False
        seconds = {sid: self._seconds_left(caller, room_id) for sid, caller in callers.items()}
        ready = [sid for sid, left in seconds.items() if not left]
        due.waiting = {sid for sid, left in seconds.items() if left}
        if due.waiting:
            due.call = self._world.clock.callLater(min(filter(None, seconds.values())), self._look, room_id)
        else:
            del self._due[room_id]
        if ready:
            self._begin(due.room, ready)

    def _seconds_left(self, caller: Caller, room_id: str) -> float:
        """Until it is to be looked at again; 0: it is ready now."""
        receiver = self._receivers.setdefault(caller.sid, _Receiver())
        receiver.rooms.setdefault(room_id)
        left = receiver.last + self._pushing.interval(caller.sid) - self._world.clock.seconds()
        if left > 0.001:  # a millisecond: times are sums of fractions
            return left
        if next(iter(receiver.rooms)) == room_id and self._pushing.is_ready(caller):
            return 0
        return LOOK_SECONDS

    def _give_up(self, due: _Due, sids: Iterable[str]) -> None:
        """They do not wait for this room any more."""
        for sid in sids:
            if (receiver := self._receivers.get(sid)) is not None:
                receiver.rooms.pop(due.room.id, None)

    def _begin(self, room: Room, sids: list[str]) -> None:
        for sid in sids:
            receiver = self._receivers[sid]
            receiver.last = self._world.clock.seconds()
            del receiver.rooms[room.id]
        d = Deferred.fromCoroutine(self._send(room, sids))
        self._reading.add(d)
        d.addErrback(self._failed, room.name)
        d.addBoth(lambda _: self._reading.discard(d))

    async def _send(self, begun: Room, sids: list[str]) -> None:
        limit = self._settings.value.context_snapshot_max
        by_size: dict[int, list[str]] = {}
        for sid in sids:
            by_size.setdefault(self._pushing.max_bytes(sid), []).append(sid)
        newest, older = await self._store.messages_before(begun.id, None, limit, max(by_size), selected=True)
        room = self._rooms.current(begun)
        if room is None:
            return
        wanting = self._wanting(room)
        for max_bytes, receivers in by_size.items():
            event = messages.snapshot(room, newest, max_bytes, truncated=older)
            if event is not None:
                self._outbox.publish(*event.to(*(Audience.socket(sid) for sid in receivers if sid in wanting)))

    def _failed(self, failure: Failure, room: str) -> None:
        if not isinstance(failure.value, CancelledError):  # else the end of the daemon
            self._trouble.say("a snapshot of room {room} could not be sent", failure, room=room)
