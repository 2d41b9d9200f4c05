"""When, and how much of, a history is sent to one socket: answers never wait behind it (contract A34)."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define, field

from newage.domain.model import Caller
from newage.ports import IOutbox
from newage.services.events import SessionListener
from newage.services.history.limits import HistorySettings
from newage.services.rooms.registry import RoomRegistry
from newage.services.world import World
from newage.settings import Live

_OVERHEAD_BYTES = 1024  # more than what a message takes as JSON beside its text and data
LOOK_SECONDS = 0.25  # until who was not ready is looked at again
SLOW_SECONDS = 2.0  # who was not ready at any look for so long reads slowly


@define(eq=False, kw_only=True)
class Pushing(SessionListener):
    """A push goes to who has got all that was sent before, so an answer waits behind one push at most. To a client that
    polls it is so short that this takes two seconds even at 8 KB/s; and while somebody in its rooms is being answered,
    it is sent none. A WebSocket that reads slowly is treated like that, too, for as long as it lasts.

    :param answering: whether an answer is on its way into the room of that id.
    """

    _world: World
    _outbox: IOutbox
    _rooms: RoomRegistry
    _answering: Callable[[str], bool]
    _settings: Live[HistorySettings]
    _late: dict[str, tuple[float, float]] = field(factory=dict, init=False)  # sid -> not ready since then, until then
    _slow: set[str] = field(factory=set, init=False)

    def is_slow(self, sid: str) -> bool:
        return sid in self._slow or self._outbox.transport(sid) == "polling"

    def max_bytes(self, sid: str) -> int:
        """Of one snapshot."""
        settings = self._settings.value
        return settings.context_push_poll_bytes if self.is_slow(sid) else settings.context_push_bytes

    def page(self, sid: str, most: int) -> tuple[int, int]:
        """How many messages, ``most`` at most, and how many bytes of text and data one page may hold: one of many, or
        an answer, which may be said twice."""
        settings = self._settings.value
        if self.is_slow(sid):  # so many that their names and times take half of it, too
            max_bytes = settings.context_push_poll_bytes // 2
            return max(1, min(most, max_bytes // _OVERHEAD_BYTES)), min(max_bytes, settings.context_max_bytes)
        return most, min(settings.context_push_bytes, settings.context_max_bytes)

    def interval(self, sid: str) -> float:
        """Seconds from one snapshot to the next."""
        settings = self._settings.value
        return settings.context_push_poll_seconds if self.is_slow(sid) else settings.context_push_interval_ms / 1000

    def is_ready(self, caller: Caller) -> bool:
        """Does nothing wait before a push to this socket, and nothing follow soon? Ask every ``LOOK_SECONDS``."""
        sid = caller.sid
        if self._outbox.drained(sid):
            self._late.pop(sid, None)
            return not (self.is_slow(sid) and self._is_answered(caller.identity))
        if not self.is_slow(sid):
            self._note_late(sid)
        return False

    def _note_late(self, sid: str) -> None:
        now = self._world.clock.seconds()
        since, until = self._late.get(sid, (now, now))
        if now - until > 2 * LOOK_SECONDS:
            since = now  # nobody has looked meanwhile
        self._late[sid] = since, now
        if now - since >= SLOW_SECONDS:
            self._slow.add(sid)

    def _is_answered(self, identity: str) -> bool:
        return any(self._answering(self._rooms.require(name).id) for name in self._rooms.rooms_of(identity))

    def socket_detached(self, caller: Caller) -> None:
        self._late.pop(caller.sid, None)
        self._slow.discard(caller.sid)
