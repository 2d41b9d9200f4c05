"""How much one may ask of models over HTTP (B19)."""

from __future__ import annotations

from newage.domain.budget import DAY, MINUTE, Allowed, Budget

MUCH = Allowed(100, 0, 100)


def words(budget: Budget, now: float, allowed: Allowed) -> tuple[str, int] | None:
    over = budget.over(now, allowed)
    return None if over is None else (over.words, over.seconds)


def test_so_many_at_once() -> None:
    budget, allowed = Budget(), Allowed(100, 0, 1)
    assert words(budget, 0, allowed) is None
    budget.begin(0)
    assert words(budget, 0, allowed) == ("Too many requests at once: 1 at most.", 1)
    budget.end(1, 5)
    assert words(budget, 1, allowed) is None


def test_so_many_in_a_minute() -> None:
    budget, allowed = Budget(), Allowed(2, 0, 100)
    for now in (0.0, 10.0):
        assert words(budget, now, allowed) is None
        budget.begin(now)
    assert words(budget, 20, allowed) == ("Too many requests: 2 in a minute.", 40)
    assert words(budget, MINUTE, allowed) is None
    budget.begin(MINUTE)
    assert words(budget, MINUTE, allowed) == ("Too many requests: 2 in a minute.", 10)


def test_so_many_tokens_in_a_day_that_begins_with_the_first() -> None:
    budget, allowed = Budget(), Allowed(100, 10, 100)
    for now, tokens in ((100.0, 6), (200.0, 6)):
        assert words(budget, now, allowed) is None
        budget.begin(now)
        budget.end(now, tokens)
    assert words(budget, 300, allowed) == ("Too many tokens: 10 in a day.", int(DAY - 200))
    assert words(budget, 300, MUCH) is None
    assert words(budget, 100 + DAY, allowed) is None
    budget.begin(100 + DAY)
    budget.end(100 + DAY, 10)
    assert words(budget, 101 + DAY, allowed) is not None


def test_who_has_done_nothing_for_a_day_is_as_good_as_new() -> None:
    budget = Budget()
    assert budget.is_rested(0)
    budget.begin(0)
    assert not budget.is_rested(0)
    budget.end(0, 5)
    assert not budget.is_rested(MINUTE)
    assert budget.is_rested(DAY)
    idle = Budget()
    idle.begin(0)
    idle.end(0, 0)
    assert not idle.is_rested(1)
    assert idle.is_rested(MINUTE)


def test_a_day_is_gone_on_with() -> None:
    budget, allowed = Budget(), Allowed(100, 10, 100)
    budget.resume(-5.0, 10)
    assert budget.today(0.0) == (-5.0, 10)
    assert budget.over(0.0, allowed) is not None
    assert budget.today(DAY - 5.0) == (-5.0, 0)
    assert budget.over(DAY - 5.0, allowed) is None
