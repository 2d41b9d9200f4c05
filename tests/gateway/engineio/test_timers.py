"""Many deadlines on one delayed call."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from twisted.internet.task import Clock

from newage.gateway.engineio.timers import Timer, Timers


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timers(clock: Clock) -> Timers:
    return Timers(clock)


def test_calls_come_in_order_and_with_the_time(clock: Clock, timers: Timers) -> None:
    called: list[tuple[float, float]] = []

    def call(when: float, now: float) -> None:
        called.append((when, now))

    for when in (3.0, 1.0, 2.0, 1.0):
        timers.at(when, partial(call, when))
    assert len(clock.getDelayedCalls()) == 1
    clock.pump([0.5, 0.5, 1.0, 1.0])
    assert called == [(1.0, 1.0), (1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]
    assert clock.getDelayedCalls() == []


def test_an_earlier_timer_moves_the_alarm(clock: Clock, timers: Timers) -> None:
    called: list[float] = []
    timers.at(10.0, called.append)
    timers.at(1.0, called.append)
    clock.advance(1.0)
    assert called == [1.0]
    timers.at(20.0, called.append)
    clock.advance(9.0)
    assert called == [1.0, 10.0]


def test_a_time_that_has_passed_means_the_next_turn(clock: Clock, timers: Timers) -> None:
    clock.advance(5.0)
    called: list[float] = []
    timers.at(1.0, called.append)
    assert called == []
    clock.advance(0)
    assert called == [5.0]


def test_cancel_is_idempotent_and_leaves_nothing_behind(clock: Clock, timers: Timers) -> None:
    called: list[float] = []
    timer = timers.at(1.0, called.append)
    timers.cancel(timer)
    timers.cancel(timer)
    assert clock.getDelayedCalls() == []
    done = timers.at(1.0, called.append)
    clock.advance(1.0)
    timers.cancel(done)
    assert called == [1.0]


def test_a_cancelled_timer_among_others_is_skipped(clock: Clock, timers: Timers) -> None:
    called: list[float] = []
    timers.at(1.0, called.append)
    middle = timers.at(2.0, called.append)
    timers.at(3.0, called.append)
    timers.cancel(middle)
    clock.pump([1.0, 1.0, 1.0])
    assert called == [1.0, 3.0]


def test_a_timer_may_cancel_one_that_is_due_with_it(clock: Clock, timers: Timers) -> None:
    called: list[float] = []
    due: list[Timer] = []
    timers.at(1.0, lambda now: timers.cancel(due[0]))
    due.append(timers.at(1.0, called.append))
    clock.advance(1.0)
    assert called == []


def test_what_a_timer_adds_waits_for_its_own_turn(clock: Clock, timers: Timers) -> None:
    called: list[str] = []

    def first(now: float) -> None:
        timers.at(now, lambda now: called.append("added"))
        called.append("first")

    timers.at(1.0, first)
    timers.at(1.0, lambda now: called.append("second"))
    clock.advance(1.0)
    assert called == ["first", "second", "added"]


def test_dead_timers_do_not_pile_up(clock: Clock, timers: Timers) -> None:
    keep = timers.at(0.5, lambda now: None)
    for number in range(10_000):
        timers.cancel(timers.at(100.0 + number, lambda now: None))
    assert len(timers._heap) < 200
    timers.cancel(keep)
    assert clock.getDelayedCalls() == []


def test_one_that_fails_is_logged_and_the_others_run(clock: Clock, timers: Timers, failures: list[Any]) -> None:
    called: list[float] = []

    def broken(now: float) -> None:
        raise ZeroDivisionError

    timers.at(1.0, broken)
    timers.at(1.0, called.append)
    clock.advance(1.0)
    assert called == [1.0]
    assert failures == [ZeroDivisionError]
    failures.clear()


def test_what_is_due_can_be_run_before_the_alarm(clock: Clock, timers: Timers) -> None:
    called: list[float] = []
    timers.at(1.0, called.append)
    timers.at(5.0, called.append)
    clock.rightNow = 2.0
    timers.run_due()
    assert called == [2.0]
    clock.rightNow = 6.0
    timers.run_due()
    assert called == [2.0, 6.0]
    assert clock.getDelayedCalls() == []
