"""What holds for a while is ended in time, however long it is (contract A29)."""

from __future__ import annotations

from math import inf

import pytest
from twisted.internet.task import Clock

from newage.services.rooms.terms import LONGEST_TIMER, TermTimers


@pytest.fixture
def over() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timers(clock: Clock, over: list[tuple[str, str]]) -> TermTimers[str]:
    return TermTimers(clock, lambda room, key: over.append((room, key)))


def test_each_is_over_once(clock: Clock, timers: TermTimers[str], over: list[tuple[str, str]]) -> None:
    timers.start("r", "a", 5)
    timers.start("r", "b", 9)
    timers.start("r", "a", 7)
    clock.advance(6)
    assert over == []
    clock.advance(1)
    assert (over, timers.waiting("r")) == ([("r", "a")], ("b",))
    clock.advance(9)
    assert over == [("r", "a"), ("r", "b")]
    assert timers.waiting("r") == ()


def test_what_lasts_for_ever_is_not_waited_for(clock: Clock, timers: TermTimers[str]) -> None:
    timers.start("r", "a", 5)
    timers.start("r", "a", inf)
    assert clock.getDelayedCalls() == []


def test_what_lasts_longer_than_a_timer_is_over_in_time(
    clock: Clock, timers: TermTimers[str], over: list[tuple[str, str]]
) -> None:
    timers.start("r", "a", 2 * LONGEST_TIMER + 5)
    for _ in range(2):
        clock.advance(LONGEST_TIMER)
    clock.advance(4)
    assert over == []
    clock.advance(1)
    assert over == [("r", "a")]


def test_what_is_stopped_is_never_over(clock: Clock, timers: TermTimers[str], over: list[tuple[str, str]]) -> None:
    for room in ("r", "s", "t"):
        timers.start(room, "a", 5)
    timers.stop("r", "a")
    timers.stop("r", "nobody")
    timers.drop("s")
    timers.close()
    assert clock.getDelayedCalls() == []
    clock.advance(9)
    assert over == []
