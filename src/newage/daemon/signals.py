"""Signals that stop the hub."""

from __future__ import annotations

import signal
from typing import Any, ClassVar

from twisted.application.service import Service
from twisted.internet.error import ReactorNotRunning
from twisted.logger import Logger


class Signals(Service):
    """SIGTERM and SIGINT stop the reactor, and the process ends with code 0.

    twistd's own handlers would make it end by the signal itself, which supervisors and scripts take for a crash.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def startService(self) -> None:
        """A signal that comes while the hub is still starting stops it as soon as it has started."""
        super().startService()
        self.install()
        self._reactor.callWhenRunning(self.install)  # again, over the reactor's own handlers

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._received)

    def _received(self, number: int, _frame: object) -> None:
        self._reactor.callFromThread(self.stop, signal.Signals(number).name)

    def stop(self, name: str) -> None:
        """Stop once; further signals change nothing, the stop is bounded anyway."""
        try:
            self._reactor.stop()
        except ReactorNotRunning:
            return
        self._log.info("Received {signal}, stopping", signal=name)
