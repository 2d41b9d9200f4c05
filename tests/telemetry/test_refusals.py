"""What is said of those who are turned away."""

from __future__ import annotations

from twisted.logger import LogLevel

from logkit import Logged
from newage.telemetry.metrics import Counters
from newage.telemetry.refusals import LINES, SECONDS, Refusals


def test_each_cause_has_its_lines_and_all_are_counted() -> None:
    time, counters = [0.0], Counters()
    refusals = Refusals(lambda: time[0], counters)
    with Logged() as logged:
        for _ in range(20):
            refusals.tell("403", "192.0.2.1", "a cause; a cure", of="evil.example", level=LogLevel.warn)
        refusals.tell("400", "192.0.2.1", "another cause")
        time[0] = SECONDS
        refusals.tell("403", "192.0.2.2", "a cause; a cure")
    assert logged() == [
        *["a request of 192.0.2.1 for evil.example was refused (403): a cause; a cure"] * LINES,
        "a request of 192.0.2.1 was refused (400): another cause",
        f"a request of 192.0.2.2 was refused (403): a cause; a cure ({20 - LINES} more were not logged)",
    ]
    assert counters.snapshot() == {"refused": 22, "refused_403": 21, "refused_400": 1}
