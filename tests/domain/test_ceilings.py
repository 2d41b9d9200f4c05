"""Ceilings of a day: for each client and for all."""

from __future__ import annotations

import pytest

from newage.domain import ceilings
from newage.domain.ceilings import DAY_SECONDS, Ceiling, Ceilings


def test_without_any_nobody_is_refused() -> None:
    found = Ceilings(Ceiling(), Ceiling())
    for _ in range(100):
        found.asked("ann", 0.0)
    found.used("ann", 10**9, 0.0)
    assert found.refusal("ann", 0.0) is None


def test_each_has_his_own() -> None:
    found = Ceilings(Ceiling(), Ceiling(requests=2, tokens=10))
    found.asked("ann", 0.0)
    found.used("ann", 9, 0.0)
    assert found.refusal("ann", 0.0) is None
    found.asked("ann", 0.0)
    found.used("ann", 1, 0.0)
    expected = "You have used up today's questions and tokens of this model; ask again in 24 h."
    assert found.refusal("ann", 0.0) == expected
    assert found.refusal("bob", 0.0) is None


def test_all_together_have_one() -> None:
    found = Ceilings(Ceiling(tokens=10), Ceiling())
    found.used("ann", 10, 0.0)
    refusal = found.refusal("bob", DAY_SECONDS - 60.0)
    assert refusal == "Everybody together has used up today's tokens of this model; ask again in 1 h."


def test_a_day_ends() -> None:
    found = Ceilings(Ceiling(requests=1), Ceiling(requests=1))
    found.asked("ann", 5.0)
    assert found.refusal("ann", 5.0 + DAY_SECONDS - 1) is not None
    assert found.refusal("ann", 5.0 + DAY_SECONDS) is None


def test_so_many_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "MAX_CLIENTS", 2)
    found = Ceilings(Ceiling(), Ceiling(requests=1))
    for client in ("ann", "bob", "carl"):
        found.asked(client, 0.0)
    assert found.refusal("bob", 0.0) is not None
    assert found.refusal("ann", 0.0) is None, "longest ago"
