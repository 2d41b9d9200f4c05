"""Counters, gauges and histograms."""

from __future__ import annotations

import pytest

from newage.telemetry.metrics import Counters, Histogram


@pytest.fixture
def counters() -> Counters:
    return Counters()


class TestCounters:
    def test_counts_grow_and_gauges_are_asked(self, counters: Counters) -> None:
        counters.add("packets")
        counters.add("packets", 4)
        values = iter([1.0, 2.0])
        counters.gauge("sockets", lambda: next(values))
        assert counters.snapshot() == {"packets": 5, "sockets": 1.0}
        assert counters.snapshot() == {"packets": 5, "sockets": 2.0}

    def test_a_gauge_has_one_owner(self, counters: Counters) -> None:
        counters.gauge("sockets", lambda: 1.0)
        with pytest.raises(ValueError, match="exists"):
            counters.gauge("sockets", lambda: 2.0)


def test_a_histogram_counts_what_is_not_larger() -> None:
    took = Histogram((1.0, 5.0))
    for seconds in (0.5, 1.0, 1.5, 5.5, 100.0):
        took.observe(seconds)
    assert list(took.up_to()) == [(1.0, 2), (5.0, 3), (float("inf"), 5)]
    assert (took.total, took.count) == (108.5, 5)
