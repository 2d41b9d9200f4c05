"""How often somebody may ask ``/api/v1`` for anything at all, reading included."""

from __future__ import annotations

from typing import ClassVar

from attrs import define, field
from twisted.logger import Logger

from newage.domain.budget import MINUTE, Allowed, Budget
from newage.domain.model import Caller
from newage.errors import OverLimit
from newage.services.accounts.api_limits import ApiSettings
from newage.services.world import World
from newage.telemetry.quota import LogQuota, left_out

LOGGED_PER_SECOND = 1  # of who is over


@define(eq=False)
class Visits:
    """Of a client, by all its keys. Bounded by who asked in the last minutes."""

    _log: ClassVar[Logger] = Logger()

    _world: World
    _settings: ApiSettings
    _known: dict[str, Budget] = field(factory=dict, init=False)
    _looked: float = field(default=0.0, init=False)  # when those who rest were last forgotten
    _quota: LogQuota = field(init=False)

    @_quota.default
    def _make_quota(self) -> LogQuota:
        return LogQuota(LOGGED_PER_SECOND, self._world.clock.seconds)

    def __len__(self) -> int:
        return len(self._known)

    def count(self, actor: Caller) -> None:
        """One more. :raises OverLimit: it is too much; it is not counted then."""
        now = self._world.clock.seconds()
        self._forget_who_rests(now)
        visits = self._known.setdefault(actor.client_id, Budget())
        over = visits.over(now, Allowed(self._settings.visits_per_minute, tokens=0, at_once=1))
        if over is not None:
            if (unsaid := self._quota.take()) is not None:
                self._log.warn(
                    "{client} asks /api/v1 too often (visits_per_minute){more}",
                    client=actor.client_id,
                    more=left_out(unsaid),
                )
            raise OverLimit(over.words, retry_after=over.seconds)
        visits.begin(now)
        visits.end(now, 0)

    def _forget_who_rests(self, now: float) -> None:
        if now - self._looked >= MINUTE:
            self._looked = now
            self._known = {who: visits for who, visits in self._known.items() if not visits.is_rested(now)}
