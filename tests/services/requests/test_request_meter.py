"""How requests end, as the metrics count it."""

from __future__ import annotations

from hubkit import Kit
from newage.services.requests.meter import OUTCOMES, RequestMeter
from requestkit import make


def counted(meter: RequestMeter) -> dict[str, int]:
    return {outcome: count for outcome, each in meter.took.items() for _, count in each.up_to() if count}


def test_each_end_counts_under_its_outcome() -> None:
    meter = RequestMeter()
    for outcome in (*OUTCOMES, "completed"):
        request = make(at=10.0)
        request.end(outcome, 14.0)
        meter.request_ended(request, None)
    assert counted(meter) == {"completed": 2, "failed": 1, "expired": 1, "cancelled": 1}
    assert meter.took["completed"].total == 8.0


def test_one_of_before_the_last_start_has_no_time() -> None:
    meter = RequestMeter()
    request = make(at=10.0, restored=True)
    request.end("failed", 14.0)
    meter.request_ended(request, None)
    assert (counted(meter), meter.took["failed"].total) == ({"failed": 1}, 0.0)


def test_what_has_no_outcome_of_ours_failed() -> None:
    meter = RequestMeter()
    meter.request_ended(make(state="lost"), None)
    assert counted(meter) == {"failed": 1}


def test_the_hub_tells_it(kit: Kit) -> None:
    """Nobody is there to answer in a room of its own; it is asked, and taken back."""
    sid = kit.connect("web1")
    kit.extension("SillyTavern-1")
    kit.ask(sid, request_id="r")
    (request,) = kit.talk.ledger.live_requests_of("web1")
    kit.talk.ledger.cancel(request, "web1")
    assert counted(kit.talk.request_meter) == {"cancelled": 1}
