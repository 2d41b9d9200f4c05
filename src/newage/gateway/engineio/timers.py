"""Many deadlines, one delayed call: thousands of connections wait for a heartbeat and nearly none of them is due."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Any, Final, TypeAlias

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

_log = Logger()

# [when, serial, call]: a list compares without Python code, and losing its call is how it is cancelled.
Timer: TypeAlias = list[Any]

_COMPACT: Final = 64  # dead timers that are kept at least before the heap is rebuilt


class Timers:
    """A heap of deadlines on one clock. Times are absolute seconds of that clock."""

    __slots__ = ("_alarm", "_clock", "_dead", "_heap", "_serial", "now")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._heap: list[Timer] = []
        self._serial = count()
        self._alarm: IDelayedCall | None = None
        self._dead = 0
        self.now: Callable[[], float] = clock.seconds

    def at(self, when: float, call: Callable[[float], None]) -> Timer:
        """Call ``call(now)`` once ``when`` has come; a time that has passed means the next turn of the reactor."""
        timer: Timer = [when, next(self._serial), call]
        heappush(self._heap, timer)
        if self._heap[0] is timer:
            self._set_alarm()
        return timer

    def cancel(self, timer: Timer) -> None:
        """Idempotent, also for one that was called."""
        if timer[2] is None:
            return
        timer[2] = None
        self._dead += 1
        heap = self._heap
        if self._dead > _COMPACT and self._dead * 2 > len(heap):
            heap[:] = [alive for alive in heap if alive[2] is not None]
            heapify(heap)
            self._dead = 0
        while heap and heap[0][2] is None:
            heappop(heap)
            self._dead -= 1
        if not heap:
            self._silence()

    def run_due(self) -> None:
        """Call what is due by now. Failures are logged and keep nobody else from being called."""
        now = self._clock.seconds()
        heap = self._heap
        due: list[Timer] = []
        # First taken, then called: what these add is for the next turn, however soon.
        while heap and heap[0][0] <= now:
            timer = heappop(heap)
            if timer[2] is None:
                self._dead -= 1
            else:
                due.append(timer)
        for timer in due:
            call, timer[2] = timer[2], None
            if call is not None:
                try:
                    call(now)
                except Exception:
                    _log.failure("a timer broke")
        if heap:
            self._set_alarm()
        else:
            self._silence()

    def _ring(self) -> None:
        self._alarm = None
        self.run_due()

    def _set_alarm(self) -> None:
        delay = max(0.0, self._heap[0][0] - self._clock.seconds())
        if self._alarm is None:
            self._alarm = self._clock.callLater(delay, self._ring)
        else:
            self._alarm.reset(delay)

    def _silence(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
