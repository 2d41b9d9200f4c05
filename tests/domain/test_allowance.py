"""So many a second with so many at once, and so many bytes within ten seconds (A39)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.allowance import WINDOW, Allowance


def took(allowance: Allowance, now: float, rate: float = 2, burst: float = 3) -> bool:
    if allowance.wait(now, rate, burst) > 0:
        return False
    allowance.take()
    return True


def test_a_burst_and_then_the_rate() -> None:
    allowance = Allowance()
    assert [took(allowance, 100.0) for _ in range(5)] == [True, True, True, False, False]
    assert allowance.wait(100.0, 2, 3) == pytest.approx(0.5)
    assert [took(allowance, 100.5) for _ in range(2)] == [True, False]
    assert [took(allowance, 200.0) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(0, 3), max_size=60))
def test_never_more_than_burst_and_rate_together(pauses: list[float]) -> None:
    allowance, now, taken = Allowance(), 50.0, 0
    for pause in pauses:
        now += pause
        taken += took(allowance, now)
        assert taken <= 3 + 2 * (now - 50.0) + 1e-6


def test_bytes_within_ten_seconds() -> None:
    allowance = Allowance()
    assert allowance.holds(5.0, 60, 100)
    allowance.tell(5.0, 60)
    assert allowance.holds(6.0, 40, 100)
    assert not allowance.holds(6.0, 41, 100)
    allowance.tell(6.0, 40)
    assert not allowance.holds(14.9, 1, 100)
    assert allowance.holds(5.0 + WINDOW, 60, 100)


def test_something_always_fits_after_silence() -> None:
    allowance = Allowance()
    assert allowance.holds(0.0, 1000, 100)
    allowance.tell(0.0, 1000)
    assert not allowance.holds(9.9, 1, 100)
    assert allowance.holds(WINDOW, 1000, 100)


def test_who_was_quiet_long_enough_is_as_good_as_new() -> None:
    allowance = Allowance()
    assert allowance.is_rested(0.0, 2, 3)
    for _ in range(3):
        took(allowance, 0.0)
    assert not allowance.is_rested(1.4, 2, 3)
    assert allowance.is_rested(1.5, 2, 3)
    allowance.tell(2.0, 1)
    assert not allowance.is_rested(11.9, 2, 3)
    assert allowance.is_rested(12.0, 2, 3)
