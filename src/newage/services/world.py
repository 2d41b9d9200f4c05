"""Time and identifiers as parameters: what services need of the outside. The only module that reads the wall clock."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from newage.domain.times import iso


def wall_clock() -> float:
    """Seconds since the epoch; whoever sets the machine's clock makes it jump."""
    return time()


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
