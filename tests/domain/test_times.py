"""How times are written (contract C9)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.times import iso


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.0, "2023-11-14T22:13:20.000Z"),
        (1_700_000_000.0625, "2023-11-14T22:13:20.062Z"),
        (253_402_300_799.75, "9999-12-31T23:59:59.750Z"),
        (253_402_300_799.999, "9999-12-31T23:59:59.999Z"),  # a permanent mute (contract 4.5)
    ],
)
def test_wire_time_is_utc_with_milliseconds(seconds: float, text: str) -> None:
    assert iso(seconds) == text


@given(st.integers(0, 253_402_300_799_000))
def test_wire_time_sorts_as_time_does_and_reads_back(milliseconds: int) -> None:
    text = iso(milliseconds / 1000)
    assert len(text) == 24
    read = datetime.fromisoformat(text)
    assert read.tzinfo == UTC
    assert round(read.timestamp() * 1000) == milliseconds
