"""How often somebody may do what others hear of (A39)."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from hubkit import HOME
from newage.domain.model import Caller, Session
from newage.errors import Unavailable
from newage.services.sessions.rates import EventRates, Pace, RateSettings
from newage.services.world import World
from newage.settings import Live


def caller(identity: str) -> Caller:
    session = Session(client_id=identity.partition("-")[0], identity=identity)
    return Caller(sid="s", namespace="/rooms", session=session, peer=HOME)


ANN = caller("ann")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings() -> Live[RateSettings]:
    return Live(RateSettings())


@pytest.fixture
def rates(clock: Clock, settings: Live[RateSettings]) -> EventRates:
    return EventRates(World(clock=clock, wall=lambda: 0.0, new_id=lambda: ""), settings)


def done(rates: EventRates, actor: Caller, pace: Pace = Pace.EVENT, times: int = 1) -> int:
    """How many of these it was let do."""
    count = 0
    for _ in range(times):
        try:
            rates.spend(actor, pace, "JOIN_ROOM")
        except Unavailable as error:
            assert str(error) == "Too many events."
        else:
            count += 1
    return count


@pytest.mark.parametrize(
    ("pace", "at_once", "a_second"), [(Pace.EVENT, 60, 20), (Pace.EDIT, 5, 5), (Pace.TYPING, 2, 2)]
)
def test_rates_of_events(rates: EventRates, clock: Clock, pace: Pace, at_once: int, a_second: int) -> None:
    assert done(rates, ANN, pace, 200) == at_once
    for _ in range(5):
        clock.advance(1)
        assert done(rates, ANN, pace, 200) == a_second


def test_who_edits_much_may_do_something_else(rates: EventRates) -> None:
    done(rates, ANN, Pace.EDIT, 50)
    assert done(rates, ANN, Pace.EVENT) == 1


def test_more_identities_are_no_way_around_it(rates: EventRates, clock: Clock) -> None:
    many = [caller(f"rc-{number}") for number in range(32)]
    assert sum(done(rates, each, Pace.EVENT, 60) for each in many) == 4 * 60
    assert done(rates, ANN) == 1, "others do not suffer by it"
    clock.advance(1)
    assert sum(done(rates, each, Pace.EVENT, 60) for each in many) == 4 * 20


def test_bytes_told_by_one_identity_and_by_one_client(rates: EventRates, clock: Clock) -> None:
    most = 262_144
    rates.tell(ANN, most, "EDIT_MESSAGE")
    with pytest.raises(Unavailable, match="Too many events"):
        rates.tell(ANN, 1, "EDIT_MESSAGE")
    many = [caller(f"rc-{number}") for number in range(32)]
    for each in many[:4]:
        rates.tell(each, most, "EDIT_MESSAGE")
    with pytest.raises(Unavailable):
        rates.tell(many[4], 1, "EDIT_MESSAGE")
    clock.advance(10)
    rates.tell(ANN, 5 * most, "EDIT_MESSAGE")  # something always fits


def test_who_is_quiet_is_forgotten_and_nobody_else(rates: EventRates, clock: Clock) -> None:
    for number in range(50):
        done(rates, caller(f"{number}"))
    assert len(rates) == 100
    clock.advance(9.5)
    done(rates, ANN, Pace.EVENT, 60)
    clock.advance(0.5)
    assert done(rates, ANN, Pace.EVENT, 60) == 10, "a sweep gives nobody more"
    assert len(rates) == 2


def test_a_reload_holds_at_once(rates: EventRates, settings: Live[RateSettings]) -> None:
    settings.replace(RateSettings(event_rate=1, event_burst=2, client_times=1))
    assert done(rates, ANN, Pace.EVENT, 9) == 2


def test_refusals_are_logged_within_a_quota(rates: EventRates, clock: Clock) -> None:
    with capturedLogs() as events:
        done(rates, ANN, Pace.EDIT, 100)
        done(rates, caller("bob"), Pace.EDIT, 100)
        clock.advance(1)
        done(rates, ANN, Pace.EDIT, 100)
    assert [formatEvent(event) for event in events] == [
        "'ann' as 'ann' does too much at once: JOIN_ROOM was refused (edit_rate)",
        "'bob' as 'bob' does too much at once: JOIN_ROOM was refused (edit_rate)",
        "'ann' as 'ann' does too much at once: JOIN_ROOM was refused (edit_rate) (94 more were not logged)",
    ]
