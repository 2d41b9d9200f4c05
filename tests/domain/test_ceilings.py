"""Ceilings of a day: for each client and for all."""

from __future__ import annotations

import pytest

from newage.domain import ceilings
from newage.domain.ceilings import DAY_SECONDS, Ceiling, Ceilings
from newage.domain.spent import Spent


def test_without_any_nobody_is_refused() -> None:
    found = Ceilings("x", Ceiling(), Ceiling())
    for _ in range(100):
        found.asked("ann", 0.0)
    found.used("ann", 10**9, 0.0)
    assert found.refusal("ann", 0.0) is None


def test_each_has_his_own() -> None:
    found = Ceilings("x", Ceiling(), Ceiling(requests=2, tokens=10))
    found.asked("ann", 0.0)
    found.used("ann", 9, 0.0)
    assert found.refusal("ann", 0.0) is None
    found.asked("ann", 0.0)
    found.used("ann", 1, 0.0)
    expected = "You have used up today's questions and tokens of this model; ask again in 24 h."
    assert found.refusal("ann", 0.0) == expected
    assert found.refusal("bob", 0.0) is None


def test_all_together_have_one() -> None:
    found = Ceilings("x", Ceiling(tokens=10), Ceiling())
    found.used("ann", 10, 0.0)
    refusal = found.refusal("bob", DAY_SECONDS - 60.0)
    assert refusal == "Everybody together has used up today's tokens of this model; ask again in 1 h."


def test_a_day_ends() -> None:
    found = Ceilings("x", Ceiling(requests=1), Ceiling(requests=1))
    found.asked("ann", 5.0)
    assert found.refusal("ann", 5.0 + DAY_SECONDS - 1) is not None
    assert found.refusal("ann", 5.0 + DAY_SECONDS) is None


def test_so_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "MAX_CLIENTS", 2)
    found = Ceilings("x", Ceiling(), Ceiling(requests=1))
    for client in ("ann", "bob", "carl"):
        found.asked(client, 0.0)
    assert found.refusal("bob", 0.0) is not None
    assert found.refusal("ann", 0.0) is None, "longest ago"


def test_what_has_changed_is_told_once_and_can_be_gone_on_with() -> None:
    found = Ceilings("x", Ceiling(tokens=12), Ceiling(requests=1))
    assert found.changed() == []
    found.asked("ann", 1.0)
    found.used("bob", 10, 2.0)
    told = found.changed()
    assert told == [
        Spent("x", "client/ann", 1.0, 1, 0),
        Spent("x", "client/bob", 2.0, 0, 10),
        Spent("x", "all", 1.0, 1, 10),
    ]
    assert found.changed() == []
    later = Ceilings("x", Ceiling(tokens=12), Ceiling(requests=1))
    later.resume(told)
    assert later.changed() == []
    assert "You have" in str(later.refusal("ann", 3.0))
    later.used("carl", 2, 3.0)
    assert "Everybody" in str(later.refusal("bob", 3.0))


def test_who_is_no_longer_counted_is_not_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "MAX_CLIENTS", 1)
    found = Ceilings("x", Ceiling(), Ceiling())
    found.asked("ann", 0.0)
    found.asked("bob", 0.0)
    assert [each.who for each in found.changed()] == ["client/bob", "all"]
