"""How requests end, and how long they took: plain numbers, for the metrics."""

from __future__ import annotations

from typing import Final

from attrs import define, field
from zope.interface import implementer

from newage.domain.request import Request
from newage.ports import IRequestListener
from newage.telemetry.metrics import Histogram

OUTCOMES: Final = ("completed", "failed", "expired", "cancelled")
SECONDS: Final = (0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)


@implementer(IRequestListener)
@define(eq=False)
class RequestMeter:
    """``took``: seconds from a request's arrival to its end, by its outcome; each end is counted in there.

    A request of before the last start counts, its time does not tell anything and is 0.
    """

    took: dict[str, Histogram] = field(
        init=False, factory=lambda: {outcome: Histogram(SECONDS) for outcome in OUTCOMES}
    )

    def request_ended(self, request: Request, words: str | None) -> None:
        outcome = request.state if request.state in self.took else "failed"
        lasted = 0.0 if request.restored else (request.ended_at or request.created_at) - request.created_at
        self.took[outcome].observe(max(lasted, 0.0))
