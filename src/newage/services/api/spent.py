"""What is spent of a day's ceilings and budgets outlasts a restart: written every few seconds, many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol

from attrs import define, evolve, field
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.domain.ceilings import DAY_SECONDS
from newage.domain.spent import Spent
from newage.ports import ISpentStore
from newage.services.world import World
from newage.telemetry.trouble import Trouble

_log = Logger()


class Spender(Protocol):
    """Whose figures are kept; ``since`` of them is of the monotonic clock."""

    scope: str

    def changed(self) -> Sequence[Spent]:
        """What is to be written down since the last call."""

    def resume(self, written: Iterable[Spent]) -> None:
        """Begin with that."""


@define(eq=False)
class SpentKeeper:
    """A hub that is killed loses what was spent in the last ``WRITE_SECONDS``, one that stops nothing."""

    WRITE_SECONDS: ClassVar[float] = 5.0
    MAX_ROWS: ClassVar[int] = 50_000  # that are kept; beyond, whose day began longest ago begins anew after a restart

    _world: World
    _store: ISpentStore
    _spenders: Sequence[Spender]
    _trouble: Trouble = field(factory=lambda: Trouble(_log), init=False)
    _next: IDelayedCall | None = field(default=None, init=False)
    _left: dict[tuple[str, str], Spent] = field(factory=dict, init=False)  # what could not be written

    async def load(self) -> None:
        """Read what was spent in the day until now, and begin to keep it. A clock that was set back makes nobody's day
        longer than one."""
        now, ahead = self._world.wall(), self._ahead()
        found: defaultdict[str, list[Spent]] = defaultdict(list)
        for each in await self._store.load_spent():
            since = min(each.since, now)
            if since > now - DAY_SECONDS:
                found[each.scope].append(evolve(each, since=since - ahead))
        for spender in self._spenders:
            spender.resume(found[spender.scope])
        self._later()

    def close(self) -> None:
        """Write the rest."""
        if self._next is not None:
            self._next.cancel()
            self._next = None
            self._write()

    def _ahead(self) -> float:
        return self._world.wall() - self._world.clock.seconds()

    def _later(self) -> None:
        self._next = self._world.clock.callLater(self.WRITE_SECONDS, self._due)

    def _due(self) -> None:
        self._later()
        self._write()

    def _write(self) -> None:
        ahead = self._ahead()
        rows, self._left = self._left, {}
        for spender in self._spenders:
            for each in spender.changed():
                rows[each.scope, each.who] = evolve(each, since=each.since + ahead)
        if rows:
            oldest = self._world.wall() - DAY_SECONDS
            self._store.save_spent(tuple(rows.values()), oldest, self.MAX_ROWS).addErrback(self._failed, rows)

    def _failed(self, failure: Failure, rows: dict[tuple[str, str], Spent]) -> None:
        self._left = {**rows, **self._left}
        self._trouble.say("what was spent of budgets and ceilings could not be stored", failure)
