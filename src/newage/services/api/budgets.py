"""What keys and clients have asked of models over HTTP, and whether it is too much (B19).

The tokens of a day outlast a restart (``spent.SpentKeeper``), the questions of a minute do not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Final, TypeAlias

from attrs import define, field
from twisted.logger import Logger

from newage.domain.budget import MINUTE, Allowed, Budget
from newage.domain.model import Caller
from newage.domain.spent import Spent
from newage.errors import OverLimit
from newage.services.accounts.api_limits import ApiSettings
from newage.services.world import World
from newage.telemetry.quota import LogQuota, left_out

LOGGED_PER_SECOND = 1  # of who is over
SCOPE: Final = "api"

_Who: TypeAlias = tuple[str, str]  # "key" or "client", and its id


@define(eq=False)
class Spending:
    """One request that is under way."""

    _end: Callable[[int], None]
    _over: bool = field(default=False, init=False)

    def end(self, tokens: int) -> None:
        """It is over, and has taken so many; idempotent."""
        if not self._over:
            self._over = True
            self._end(tokens)


@define(eq=False)
class Budgets:
    """Bounded by who asked in the last day. Whoever shows no key shares one budget with all who do not."""

    _log: ClassVar[Logger] = Logger()

    _world: World
    _settings: ApiSettings
    _known: dict[_Who, Budget] = field(factory=dict, init=False)
    _looked: float = field(default=0.0, init=False)  # when those who rest were last forgotten
    _changed: set[_Who] = field(factory=set, init=False)  # whose tokens are not written down
    scope: str = field(default=SCOPE, init=False)
    _quota: LogQuota = field(init=False)

    @_quota.default
    def _make_quota(self) -> LogQuota:
        return LogQuota(LOGGED_PER_SECOND, self._world.clock.seconds)

    def __len__(self) -> int:
        return len(self._known)

    def begin(self, actor: Caller) -> Spending:
        """One more request of this key and of its client.

        :raises OverLimit: it is too much; nothing is counted then.
        """
        now, settings = self._world.clock.seconds(), self._settings
        self._forget_who_rests(now)
        allowed = Allowed(settings.requests_per_minute, settings.tokens_per_day, settings.requests_at_once)
        whose: list[_Who] = [("client", actor.client_id)]
        if actor.credential:
            whose.append(("key", actor.credential))
        budgets = [self._known.setdefault(who, Budget()) for who in whose]
        for budget in budgets:
            over = budget.over(now, allowed)
            if over is not None:
                self._tell(actor, over.words)
                raise OverLimit(over.words, retry_after=over.seconds)
        for budget in budgets:
            budget.begin(now)

        def end(tokens: int) -> None:
            for budget in budgets:
                budget.end(self._world.clock.seconds(), tokens)
            self._changed.update(whose)

        return Spending(end)

    def changed(self) -> list[Spent]:
        """What is to be written down since the last call."""
        now = self._world.clock.seconds()
        whose, self._changed = self._changed, set()
        found = [(who, *self._known[who].today(now)) for who in sorted(whose) if who in self._known]
        return [Spent(self.scope, "/".join(who), day, 0, tokens) for who, day, tokens in found if tokens]

    def resume(self, written: Iterable[Spent]) -> None:
        """Begin with that."""
        for each in written:
            kind, _, name = each.who.partition("/")
            self._known.setdefault((kind, name), Budget()).resume(each.since, each.tokens)

    def _tell(self, actor: Caller, words: str) -> None:
        if (unsaid := self._quota.take()) is not None:
            self._log.warn(
                "{client} is over its budget of [api]: {words}{more}",
                client=actor.client_id,
                words=words,
                more=left_out(unsaid),
            )

    def _forget_who_rests(self, now: float) -> None:
        if now - self._looked >= MINUTE:
            self._looked = now
            for who in [who for who, budget in self._known.items() if budget.is_rested(now)]:
                del self._known[who]
