"""Stages of the daemon: they start in order and stop in reverse, and one that cannot start says why in a line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TextIO

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.errors import NewAgeError

LEAST_STAGE_SECONDS = 0.25  # what a stage gets although earlier ones used up the time


class StartRefused(SystemExit, Exception):
    """The hub cannot start; ``str()`` says why and what to do, one cause a line.

    Both bases matter. As a SystemExit it ends ``twistd -n`` with its text on stderr, code 1 and no traceback; as an
    Exception it lets twistd remove its pid file and tell the waiting parent of a daemon.
    """

    def __init__(self, reason: object) -> None:
        super().__init__("\n".join(f"newage: {line}" for line in str(reason).splitlines() if line))

    def tell(self, terminal: TextIO | None) -> None:
        """Say it on the real stderr, which twistd has turned into its log by now. None: a daemon, nobody listens."""
        if terminal is not None:
            terminal.write(f"{self}\n")
            terminal.flush()
        self.code = 1


def refusal(error: Exception) -> StartRefused:
    """What to say about an exception at start-up: our own texts as they are, others with their type."""
    if isinstance(error, StartRefused):
        return error
    if isinstance(error, NewAgeError):
        return StartRefused(error)
    return StartRefused(f"cannot start: {type(error).__name__}: {error}; the log has the details")


class StagedService(MultiService):
    """Children start in the order added and stop in reverse, each awaited, all within a bound.

    :param stop_seconds: for the whole stop; a stage that takes longer is cancelled, logged and left behind.
    :param joined: told what it becomes a part of: twistd's application, before anything starts.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self, clock: IReactorTime, stop_seconds: float, joined: Callable[[object], object] = lambda parent: None
    ) -> None:
        super().__init__()
        self._clock = clock
        self._stop_seconds = stop_seconds
        self._joined = joined

    def setServiceParent(self, parent: Any) -> None:
        super().setServiceParent(parent)
        self._joined(parent)

    def privilegedStartService(self) -> None:
        """:raises StartRefused: a child failed; those before it are stopped again."""
        Service.privilegedStartService(self)
        self._each(list(self), lambda child: child.privilegedStartService(), also_stop=list(self))

    def startService(self) -> None:
        """:raises StartRefused: a child failed; all are stopped again, bound ports included."""
        Service.startService(self)
        self._each(list(self), lambda child: child.startService(), also_stop=list(self))

    def _each(self, children: list[Any], start: Callable[[Any], object], *, also_stop: list[Any]) -> None:
        for child in children:
            try:
                start(child)
            except Exception as error:
                if not isinstance(error, (NewAgeError, StartRefused)):
                    self._log.failure("{child} did not start", child=type(child).__name__)
                self._undo(also_stop)
                self.running = False
                reason = refusal(error)
                self._log.critical("{reason}", reason=str(reason))
                reason.tell(sys.__stderr__)
                raise reason from None

    def _undo(self, children: Sequence[Any]) -> None:
        """The reactor will never run: whatever their Deferreds wait for, it does not come."""
        for child in reversed(children):
            maybeDeferred(child.stopService).addErrback(self._unclean, child)

    def _unclean(self, failure: Failure, child: object) -> None:
        self._log.failure("{child} did not stop cleanly", failure, child=type(child).__name__)

    def stopService(self) -> Deferred[None]:
        """:return: fires when the last child stopped or its time was over; never fails."""
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        Service.stopService(self)
        until = self._clock.seconds() + self._stop_seconds
        children = list(self)
        while children:
            child = children.pop()
            left = until - self._clock.seconds() - LEAST_STAGE_SECONDS * len(children)
            try:
                await maybeDeferred(child.stopService).addTimeout(max(left, LEAST_STAGE_SECONDS), self._clock)
            except Exception:  # even a cancellation must not keep the next child running
                self._log.failure("{child} did not stop cleanly", child=type(child).__name__)


class Banner(Service):
    """Last to start: everything before it works, so say what to do next."""

    _log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: Any, hint: str) -> None:
        self._reactor = reactor
        self._hint = hint

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self._log.info, "{hint}", hint=self._hint)
