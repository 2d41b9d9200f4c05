"""Figures as text."""

from __future__ import annotations

from newage.telemetry.exposition import (
    CONTENT_TYPE,
    counted,
    counted_by,
    now,
    now_each,
    spread,
    spread_each,
    what_it_is,
    written,
)
from newage.telemetry.metrics import Histogram


def test_each_form() -> None:
    took = Histogram((0.5,))
    took.observe(0.25)
    took.observe(2.0)
    lines = written(
        [
            what_it_is("build_info", "Which.", {"version": "1"}),
            now("rooms", "Rooms.", 3),
            now_each("connections", "Lines.", "transport", {"polling": 2.0}),
            counted("requests", "Ends.", "outcome", {"failed": 4.0}),
            counted_by("errors", "Faults.", ("where", "kind"), {("a", "busy"): 1.0}),
            spread("lag_seconds", "Late.", took),
            spread_each("took_seconds", "Time.", "outcome", {"failed": took}),
        ]
    ).decode()
    assert [line for line in lines.splitlines() if not line.startswith("#")] == [
        'newage_build_info{version="1"} 1.0',
        "newage_rooms 3.0",
        'newage_connections{transport="polling"} 2.0',
        'newage_requests_total{outcome="failed"} 4.0',
        'newage_errors_total{kind="busy",where="a"} 1.0',
        'newage_lag_seconds_bucket{le="0.5"} 1.0',
        'newage_lag_seconds_bucket{le="+Inf"} 2.0',
        "newage_lag_seconds_count 2.0",
        "newage_lag_seconds_sum 2.25",
        'newage_took_seconds_bucket{le="0.5",outcome="failed"} 1.0',
        'newage_took_seconds_bucket{le="+Inf",outcome="failed"} 2.0',
        'newage_took_seconds_count{outcome="failed"} 2.0',
        'newage_took_seconds_sum{outcome="failed"} 2.25',
    ]
    assert CONTENT_TYPE.startswith("text/plain")
