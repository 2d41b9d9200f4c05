"""How late the reactor is: what it was to do a second later it does after whatever it is busy with."""

from __future__ import annotations

from typing import Final

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from newage.telemetry.metrics import Histogram

SECONDS: Final = 1.0  # between two looks
BOUNDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LagMeter(Service):
    """``late``: seconds, one observation a second while it runs."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None
        self._due = 0.0
        self.late = Histogram(BOUNDS)

    def startService(self) -> None:
        super().startService()
        self._next()

    def stopService(self) -> None:
        super().stopService()
        if self._call is not None:
            self._call.cancel()
            self._call = None

    def _next(self) -> None:
        self._due = self._clock.seconds() + SECONDS
        self._call = self._clock.callLater(SECONDS, self._look)

    def _look(self) -> None:
        self.late.observe(max(self._clock.seconds() - self._due, 0.0))
        self._next()
