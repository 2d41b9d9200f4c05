"""Time and identifiers as parameters: what services need of the outside. The only module that reads the wall clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from time import time

from attrs import frozen
from twisted.internet.interfaces import IReactorTime


def wall_clock() -> float:
    """Seconds since the epoch; whoever sets the machine's clock makes it jump."""
    return time()


def iso(seconds: float) -> str:
    """Seconds since the epoch as ISO-8601 UTC with milliseconds and ``Z`` (contract C9).

    Rounded, not cut: the last moment there is, .999, is a little less as a float.
    """
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


@frozen(kw_only=True)
class World:
    """Two clocks that must not be mixed (contract A29), and a maker of UUIDv4 strings (C11).

    ``clock`` runs timers and measures: it never jumps, and where it began means nothing. ``wall`` tells what time it
    is, in seconds since the epoch, for stamps that are shown or stored. It may jump, so nothing waits for it, is
    late by it or is deleted by it.
    """

    clock: IReactorTime
    wall: Callable[[], float]
    new_id: Callable[[], str]

    def timestamp(self) -> str:
        return iso(self.wall())
