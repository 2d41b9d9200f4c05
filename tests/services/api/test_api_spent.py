"""What was spent of a day outlasts a restart."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from zope.interface import implementer

from hubkit import HOME, result_of
from newage.domain.budget import DAY
from newage.domain.ceilings import Ceiling, Ceilings
from newage.domain.model import Caller, Session
from newage.domain.spent import Spent
from newage.errors import OverLimit, Unavailable
from newage.ports import ISpentStore
from newage.services.accounts.api_limits import ApiSettings
from newage.services.api.budgets import Budgets
from newage.services.api.spent import SpentKeeper
from newage.services.world import World
from newage.storage.memory import MemorySpentStore

EPOCH = 1_800_000_000.0  # when the first run began


@define(eq=False)
class Run:
    """The hub from a start on, at that time; its monotonic clock begins anew."""

    store: ISpentStore
    at: float = EPOCH
    clock: Clock = field(factory=Clock)
    world: World = field(init=False)
    ceilings: Ceilings = field(factory=lambda: Ceilings("llm-x", Ceiling(), Ceiling(tokens=10)))
    budgets: Budgets = field(init=False)
    keeper: SpentKeeper = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.world = World(clock=self.clock, wall=lambda: self.at + self.clock.seconds(), new_id=str)
        self.budgets = Budgets(self.world, ApiSettings(tokens_per_day=10))
        self.keeper = SpentKeeper(self.world, self.store, (self.budgets, self.ceilings))
        result_of(Deferred.fromCoroutine(self.keeper.load()))

    def written(self) -> dict[tuple[str, str], tuple[float, int]]:
        return {(e.scope, e.who): (e.since, e.tokens) for e in result_of(self.store.load_spent())}

    def ask(self, tokens: int = 0) -> None:
        session = Session(client_id="bot", identity="bot")
        self.budgets.begin(Caller(sid="s", namespace="/v1", session=session, peer=HOME, credential="k1")).end(tokens)

    def refused(self) -> tuple[bool, bool]:
        """By its budget, and by the ceiling of a model server?"""
        try:
            self.ask()
        except OverLimit:
            return True, self.ceilings.refusal("bot", self.clock.seconds()) is not None
        return False, self.ceilings.refusal("bot", self.clock.seconds()) is not None


def test_it_is_written_every_few_seconds_and_nothing_where_nothing_was_spent() -> None:
    run = Run(MemorySpentStore())
    run.clock.advance(100.0)
    run.ask(10)
    run.ceilings.used("bot", 10, run.clock.seconds())
    assert run.written() == {}
    run.clock.advance(SpentKeeper.WRITE_SECONDS)
    began = EPOCH + 100.0
    assert run.written() == {
        ("api", "client/bot"): (began, 10),
        ("api", "key/k1"): (began, 10),
        ("llm-x", "client/bot"): (began, 10),
        ("llm-x", "all"): (began, 10),
    }


def test_a_day_goes_on_after_a_restart_and_ends_when_it_would_have_ended() -> None:
    store = MemorySpentStore()
    run = Run(store)
    run.clock.advance(100.0)
    run.ask(10)
    run.ceilings.used("bot", 10, run.clock.seconds())
    run.keeper.close()
    run.keeper.close()
    assert not run.clock.getDelayedCalls()
    later = Run(store, EPOCH + 1000.0)
    assert later.refused() == (True, True)
    later.clock.advance(DAY - 900.0)
    assert later.refused() == (False, False)
    assert Run(store, EPOCH + 100.0 + DAY).refused() == (False, False)


def test_a_clock_that_was_set_back_makes_no_day_longer() -> None:
    store = MemorySpentStore()
    result_of(store.save_spent([Spent("llm-x", "client/bot", EPOCH + 10 * DAY, 0, 10)], 0.0, 10))
    run = Run(store)
    assert run.refused() == (False, True)
    run.clock.advance(DAY)
    assert run.refused() == (False, False)


@implementer(ISpentStore)
@define(eq=False)
class Full(MemorySpentStore):
    full: bool = True

    def save_spent(self, spent: Sequence[Spent], after: float, keep: int) -> Deferred[None]:
        return fail(Unavailable("full")) if self.full else super().save_spent(spent, after, keep)


def test_what_could_not_be_written_is_written_later() -> None:
    store = Full()
    run = Run(store)
    run.ask(3)
    run.clock.advance(SpentKeeper.WRITE_SECONDS)
    run.ceilings.used("bot", 4, run.clock.seconds())
    assert run.written() == {}
    store.full = False
    run.clock.advance(SpentKeeper.WRITE_SECONDS)
    assert {tokens for _, tokens in run.written().values()} == {3, 4}
