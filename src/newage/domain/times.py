"""How times are written (contract C9)."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO-8601 UTC with milliseconds and ``Z`` (contract C9).

    Rounded, not cut: the last moment there is, .999, is a little less as a float.
    """
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"
