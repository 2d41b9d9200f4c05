"""UPDATE_CONTEXT: the newest messages of a room after each change, where that is asked for (contract 4.8)."""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import messages
from newage.domain.delivery import Audience
from newage.domain.model import Kind, Room
from newage.ports import IMessageStore, IOutbox
from newage.services.events import RoomListener
from newage.services.history.limits import HistorySettings
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live


@define(eq=False, kw_only=True)
class Snapshots(RoomListener):
    """One for all changes of a room within ``context_snapshot_delay_ms``, and none where nobody would get it."""

    _log: ClassVar[Logger] = Logger()

    _world: World
    _outbox: IOutbox
    _sessions: SessionService
    _rooms: RoomRegistry
    _store: IMessageStore
    _settings: Live[HistorySettings]
    _due: dict[str, IDelayedCall] = field(factory=dict, init=False)  # room id -> when it is taken
    _reading: set[Deferred[None]] = field(factory=set, init=False)  # being taken

    def close(self) -> None:
        for call in self._due.values():
            call.cancel()
        self._due.clear()
        for reading in tuple(self._reading):
            reading.cancel()

    def room_deleted(self, room: Room) -> None:
        due = self._due.pop(room.id, None)
        if due is not None:
            due.cancel()

    def changed(self, room: Room) -> None:
        """Its history did: show that soon, with what else happens until then."""
        if room.id in self._due or not self._is_wanted(room):
            return
        delay = self._settings.value.context_snapshot_delay_ms / 1000
        self._due[room.id] = self._world.clock.callLater(delay, self._take, room)

    def _is_wanted(self, room: Room) -> bool:
        return any(
            not caller.incremental and caller.kind is not Kind.EXTENSION
            for identity in room.members
            for caller in self._sessions.callers(identity, "/llm")
        )

    def _take(self, room: Room) -> None:
        del self._due[room.id]
        d = Deferred.fromCoroutine(self._send(room))
        self._reading.add(d)
        d.addErrback(self._failed, room.name)
        d.addBoth(lambda _: self._reading.discard(d))

    async def _send(self, due: Room) -> None:
        limit, max_bytes = self._settings.value.context_snapshot_max, self._settings.value.context_max_bytes
        newest = await self._store.last_messages(due.id, limit, max_bytes, selected=True)
        total = await self._store.count_messages(due.id, 0, selected=True)
        room = self._rooms.current(due)
        if room is None:
            return
        event = messages.snapshot(room, newest, truncated=total > len(newest))
        self._outbox.publish(*event.to(Audience.snapshots(room.name)))

    def _failed(self, failure: Failure, room: str) -> None:
        if not isinstance(failure.value, CancelledError):  # else the end of the daemon
            self._log.failure("a snapshot of room {room} could not be sent", failure, room=room)
