"""How late the reactor is."""

from __future__ import annotations

from twisted.internet.task import Clock

from newage.daemon.lag import BOUNDS, LagMeter


def test_it_looks_once_a_second_and_sees_what_came_late() -> None:
    clock = Clock()
    meter = LagMeter(clock)
    meter.startService()
    clock.advance(1.0)
    clock.advance(1.2)
    counts = dict(meter.late.up_to())
    assert (counts[BOUNDS[0]], counts[0.25], counts[float("inf")]) == (1, 2, 2)
    meter.stopService()
    assert clock.getDelayedCalls() == []


def test_one_that_never_started_stops() -> None:
    LagMeter(Clock()).stopService()
