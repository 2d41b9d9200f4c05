"""What keeps the hub from serving, in one word, for ``/readyz`` (B4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from newage.storage.database import Database

STOPPING: Final = "stopping"
STORE: Final = "store"

KEPT_SECONDS: Final = 1.0  # how long an answer of the store holds, however many ask
PATIENCE_SECONDS: Final = 2.0  # with the store


@define(eq=False)
class Readiness:
    """
    :param running: whether the hub has started and does not stop.
    :param database: None when everything is in memory, which can always be written.
    """

    _running: Callable[[], bool]
    _database: Database | None
    _clock: IReactorTime
    _until: float = field(default=float("-inf"), init=False)
    _known: str = field(default="", init=False)

    def __call__(self) -> Deferred[str]:
        if not self._running():
            return succeed(STOPPING)
        now = self._clock.seconds()
        if self._database is None or now < self._until:
            return succeed(self._known)
        self._until = now + PATIENCE_SECONDS  # who asks meanwhile is told what was known
        asked = self._database.write(lambda _: "").addTimeout(PATIENCE_SECONDS, self._clock)
        return asked.addErrback(lambda _: STORE).addCallback(self._found)

    def _found(self, obstacle: str) -> str:
        self._known = obstacle
        self._until = self._clock.seconds() + KEPT_SECONDS
        return obstacle
