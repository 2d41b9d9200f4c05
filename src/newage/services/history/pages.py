"""A room's whole history, sent to one socket page by page (contract 4.8)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.dialect import messages
from newage.domain.history import Update
from newage.domain.model import Caller, Role, Room
from newage.domain.policy import may_read
from newage.ports import IMessageStore, IOutbox
from newage.services.events import RoomListener
from newage.services.history.limits import HistorySettings
from newage.services.history.pushing import LOOK_SECONDS, Pushing
from newage.services.history.reading import readable
from newage.services.rooms.registry import RoomRegistry
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.telemetry.trouble import Trouble, trouble


@define(eq=False, kw_only=True)
class ContextPages(RoomListener):
    """Whoever joins a room is sent its history, too.

    Sends at most ``max_page_pushes`` histories at once; then the oldest is given up for the next. The next page goes to
    who has got all that was sent before, so that nothing waits long behind them (A34).
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
    _pushes: dict[tuple[str, str], Deferred[None]] = field(factory=dict, init=False)  # (sid, room id) -> being sent

    def close(self) -> None:
        for push in tuple(self._pushes.values()):
            push.cancel()

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        for caller in self._sessions.callers(identity, "/llm"):
            Deferred.fromCoroutine(self.push(caller, room.name)).addErrback(self._failed, room.name)

    async def push(self, caller: Caller, name: str) -> Update:
        """Begin to send a room's whole history to one socket.

        A second request for the same room restarts it. The pages follow the ack.

        :raises RoomMissing: no such room. :raises NotMember: not the caller's to read.
        """
        room = readable(self._rooms, caller, name)
        weights = await self._store.message_weights(room.id)
        pages = paged(weights, *self._pushing.page(caller.sid, self._settings.value.context_page_size))
        update = Update(update_id=self._world.new_id(), room=name, pages=pages, messages=len(weights))
        self._start(caller.sid, room, update)
        return update

    def _start(self, sid: str, room: Room, update: Update) -> None:
        key = (sid, room.id)
        superseded = self._pushes.pop(key, None)
        if superseded is None and len(self._pushes) >= self._settings.value.max_page_pushes:
            superseded = self._pushes.pop(next(iter(self._pushes)))
        if superseded is not None:
            superseded.cancel()
        d = self._pushes[key] = Deferred.fromCoroutine(self._send(sid, room, update))
        d.addErrback(self._failed, room.name)
        d.addBoth(self._over, key, d)

    def _over(self, result: None, key: tuple[str, str], push: Deferred[None]) -> None:
        if self._pushes.get(key) is push:
            del self._pushes[key]

    async def _send(self, sid: str, begun: Room, update: Update) -> None:
        after = 0
        for number, count in enumerate(update.pages, start=1):
            await self._pause(self._settings.value.context_send_delay / 1000 if number > 1 else 0)
            while (caller := self._reader(sid, begun)) and not self._pushing.is_ready(caller):
                await self._pause(LOOK_SECONDS)
            page, _ = await self._store.messages_after(begun.id, after, count)
            room = self._rooms.current(begun)
            if room is None or self._reader(sid, begun) is None:
                return
            after = page[-1].seq if page else after
            event = messages.page(update, number, page, room.seq)
            self._outbox.emit(sid, event.name, event.body)

    def _reader(self, sid: str, begun: Room) -> Caller | None:
        """Who is on that socket, if it may still read the room."""
        caller, room = self._sessions.caller(sid), self._rooms.current(begun)
        return caller if caller is not None and room is not None and may_read(caller, room) else None

    def _pause(self, seconds: float) -> Deferred[None]:
        d: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._world.clock.callLater(seconds, d.callback, None)
        return d

    def _failed(self, failure: Failure, room: str) -> None:
        if not isinstance(failure.value, CancelledError):  # else superseded, or the end of the daemon
            self._trouble.say("the pages of room {room} could not be sent", failure, room=room)


def paged(weights: Sequence[int], page_size: int, max_bytes: int) -> tuple[int, ...]:
    """How many messages go on each page: full ones, but none heavier than ``max_bytes`` unless it is one message."""
    pages: list[int] = [0]
    filled = 0
    for weight in weights:
        if pages[-1] and (pages[-1] >= page_size or filled + weight > max_bytes):
            pages.append(0)
            filled = 0
        pages[-1] += 1
        filled += weight
    return tuple(pages)
