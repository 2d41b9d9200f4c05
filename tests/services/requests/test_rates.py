"""How much one identity may ask in ten seconds (contract 5.2)."""

from __future__ import annotations

from newage.services.requests.limits import RequestSettings
from newage.services.requests.rates import WINDOW, RequestRates
from newage.settings import Live


def rates(**settings: int) -> RequestRates:
    return RequestRates(Live(RequestSettings(**settings)))


def test_so_many_requests_and_each_identity_by_itself() -> None:
    two = rates(request_rate=2)
    for now in (0.0, 1.0):
        assert two.admits("ann", 1, now)
        two.count("ann", 1, now)
    assert not two.admits("ann", 1, 9.9)
    assert two.admits("bob", 1, 9.9)
    assert two.admits("ann", 1, WINDOW)


def test_so_many_bytes() -> None:
    small = rates(request_bytes_rate=100)
    assert small.admits("ann", 100, 0.0)
    assert not small.admits("ann", 101, 0.0)
    small.count("ann", 60, 0.0)
    assert small.admits("ann", 40, 5.0)
    assert not small.admits("ann", 41, 5.0)
    small.count("ann", 1, WINDOW)
    assert small.admits("ann", 99, WINDOW)


def test_who_asked_nothing_lately_is_forgotten() -> None:
    some = rates()
    some.count("ann", 1, 0.0)
    some.count("bob", 1, 5.0)
    some.sweep(WINDOW)
    assert set(some._lately) == {"bob"}
