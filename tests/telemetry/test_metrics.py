"""Counters and gauges."""

from __future__ import annotations

import pytest

from newage.telemetry.metrics import Counters


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
