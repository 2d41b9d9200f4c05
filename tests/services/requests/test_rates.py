"""How much one identity, and one client by all its identities, may ask in ten seconds (contract 5.2)."""

from __future__ import annotations

from twisted.internet.task import Clock

from hubkit import HOME
from newage.domain.model import Caller, Session
from newage.services.requests.limits import RequestSettings
from newage.services.requests.rates import WINDOW, RequestRates
from newage.services.sessions.rates import EventRates, RateSettings
from newage.services.world import World
from newage.settings import Live


def rates(**settings: int) -> RequestRates:
    world = World(clock=Clock(), wall=lambda: 0.0, new_id=lambda: "")
    return RequestRates(Live(RequestSettings(**settings)), EventRates(world, Live(RateSettings(client_times=4))))


def caller(identity: str) -> Caller:
    session = Session(client_id=identity.partition("-")[0], identity=identity)
    return Caller(sid="s", namespace="/llm", session=session, peer=HOME)


ANN, BOB = caller("ann"), caller("bob")


def test_so_many_requests_and_each_identity_by_itself() -> None:
    two = rates(request_rate=2)
    for now in (0.0, 1.0):
        assert two.admits(ANN, 1, now)
        two.count(ANN, 1, now)
    assert not two.admits(ANN, 1, 9.9)
    assert two.admits(BOB, 1, 9.9)
    assert two.admits(ANN, 1, WINDOW)


def test_so_many_bytes() -> None:
    small = rates(request_bytes_rate=100)
    assert small.admits(ANN, 100, 0.0)
    assert not small.admits(ANN, 101, 0.0)
    small.count(ANN, 60, 0.0)
    assert small.admits(ANN, 40, 5.0)
    assert not small.admits(ANN, 41, 5.0)
    small.count(ANN, 1, WINDOW)
    assert small.admits(ANN, 99, WINDOW)


def test_more_identities_are_no_way_around_it() -> None:
    two = rates(request_rate=2, request_bytes_rate=100)
    many = [caller(f"ann-{number}") for number in range(32)]
    for each in many[:8]:
        assert two.admits(each, 1, 0.0)
        two.count(each, 1, 0.0)
    assert not any(two.admits(each, 1, 0.0) for each in many[8:])
    assert two.admits(BOB, 1, 0.0)
    large = rates(request_bytes_rate=100)
    for each in many[:4]:
        large.count(each, 100, 0.0)
    assert not large.admits(many[4], 1, 0.0)


def test_who_asked_nothing_lately_is_forgotten() -> None:
    some = rates()
    some.count(ANN, 1, 0.0)
    some.count(BOB, 1, 5.0)
    some.sweep(WINDOW)
    assert set(some._lately) == {("identity", "bob"), ("client", "bob")}
