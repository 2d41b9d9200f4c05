"""When a reader is too slow: the machine alone. What becomes of its connection is in test_connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.gateway.engineio.slow_reader import SlowReader
from newage.gateway.settings import GatewaySettings
from newage.protocol.engine_session import NEVER

LIMITS = GatewaySettings(max_outbound_bytes=100, max_outbound_burst_bytes=200, outbound_grace_seconds=1.0)


@pytest.fixture
def reader() -> SlowReader:
    return SlowReader(LIMITS)


def test_who_is_over_the_limit_has_a_grace(reader: SlowReader) -> None:
    reader.exceeded(101, 1.0)
    assert reader.deadline == 1.0
    judged = []
    while not reader.is_too_slow(101, reader.deadline):
        judged.append(reader.deadline)
    assert judged == [1.25, 1.5, 1.75, 2.0]


def test_who_catches_up_begins_anew(reader: SlowReader) -> None:
    reader.exceeded(150, 1.0)
    assert not reader.is_too_slow(100, 1.5)
    assert reader.deadline == NEVER
    reader.exceeded(150, 1.9)
    assert not reader.is_too_slow(150, 2.0)
    assert reader.deadline == 2.25


def test_there_is_no_grace_beyond_a_burst(reader: SlowReader) -> None:
    reader.exceeded(101, 1.0)
    assert not reader.is_too_slow(101, 1.0)
    reader.exceeded(150, 1.1)
    assert reader.deadline == 1.25
    reader.exceeded(201, 1.2)
    assert reader.deadline == 1.2
    assert reader.is_too_slow(201, 1.2)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 300), st.floats(0.01, 0.5)), max_size=60))
def test_nobody_is_over_the_limit_for_longer_than_the_grace(steps: list[tuple[bool, int, float]]) -> None:
    """Whoever drives it asks at each deadline; the reader's reader is what the test says at that time."""
    reader, now, over_since, cut = SlowReader(LIMITS), 0.0, NEVER, False
    for sent, pending, pause in steps:
        if sent and pending > 100:
            reader.exceeded(pending, now)
            over_since = min(over_since, now)
        while reader.deadline <= now + pause and not cut:
            now, pause = max(now, reader.deadline), max(0.0, now + pause - max(now, reader.deadline))
            cut = reader.is_too_slow(pending, now)
            if pending <= 100:
                over_since = NEVER
        if cut:
            assert pending > 200 or now >= over_since + 1.0
            return
        now += pause
        assert over_since == NEVER or now < over_since + 1.0
