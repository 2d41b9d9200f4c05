"""Wall time and identifiers as parameters: what services need of the outside, made once in ``tap``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from attrs import frozen
from twisted.internet.interfaces import IReactorTime


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO-8601 UTC with milliseconds and ``Z`` (contract C9).

    Rounded, not cut: the last moment there is, .999, is a little less as a float.
    """
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


@frozen(kw_only=True)
class World:
    """``clock`` runs timers, ``now`` is wall time in seconds since the epoch, ``new_id`` makes UUIDv4 strings (C11)."""

    clock: IReactorTime
    now: Callable[[], float]
    new_id: Callable[[], str]

    def timestamp(self) -> str:
        return iso(self.now())
