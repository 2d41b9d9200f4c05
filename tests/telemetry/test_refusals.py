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


def test_what_is_no_refusal_has_its_lines_too_and_is_not_counted() -> None:
    time, counters = [0.0], Counters()
    refusals = Refusals(lambda: time[0], counters)
    with Logged() as logged:
        for number in range(20):
            refusals.say("{who} is slow", who=number)
        refusals.say("another thing", level=LogLevel.warn)
        time[0] = SECONDS
        refusals.say("{who} is slow", who="one more")
    assert logged() == [
        *[f"{number} is slow" for number in range(LINES)],
        "another thing",
        f"one more is slow ({20 - LINES} more were not logged)",
    ]
    assert [event["log_level"] for event in logged.events][LINES:] == [LogLevel.warn, LogLevel.info]
    assert counters.snapshot() == {}
