"""Timers of what holds for a while in rooms: mutes, bars (contract A29)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable
from math import isinf
from typing import Generic, TypeVar

from twisted.internet.interfaces import IDelayedCall, IReactorTime

LONGEST_TIMER = 86_400.0 * 24  # seconds; what holds longer is looked at again then
RETRY_SECONDS = 60.0  # until a term is looked at again that ran out while its room was being deleted
BY_TIME = "System"  # who ends what has run out

Key = TypeVar("Key", bound=Hashable)


class TermTimers(Generic[Key]):
    """Calls ``over(room_id, key)`` when a term has run out; bounded by what the rooms hold."""

    def __init__(self, clock: IReactorTime, over: Callable[[str, Key], object]) -> None:
        self._clock = clock
        self._over = over
        self._calls: defaultdict[str, dict[Key, IDelayedCall]] = defaultdict(dict)  # by room id

    def start(self, room_id: str, key: Key, left: float) -> None:
        """Wait these seconds, instead of what was waited for; infinity is never."""
        self.stop(room_id, key)
        if isinf(left):
            return
        if left > LONGEST_TIMER:
            call = self._clock.callLater(LONGEST_TIMER, self.start, room_id, key, left - LONGEST_TIMER)
        else:
            call = self._clock.callLater(left, self._end, room_id, key)
        self._calls[room_id][key] = call

    def stop(self, room_id: str, key: Key) -> None:
        """Wait no longer; not waiting is fine."""
        call = self._forget(room_id, key)
        if call is not None and call.active():
            call.cancel()

    def waiting(self, room_id: str) -> tuple[Key, ...]:
        """What is waited for in this room."""
        return tuple(self._calls.get(room_id, ()))

    def drop(self, room_id: str) -> None:
        """The room is gone."""
        for key in self.waiting(room_id):
            self.stop(room_id, key)

    def close(self) -> None:
        for room_id in tuple(self._calls):
            self.drop(room_id)

    def _end(self, room_id: str, key: Key) -> None:
        self._forget(room_id, key)
        self._over(room_id, key)

    def _forget(self, room_id: str, key: Key) -> IDelayedCall | None:
        calls = self._calls.get(room_id, {})
        call = calls.pop(key, None)
        if not calls:
            self._calls.pop(room_id, None)
        return call
