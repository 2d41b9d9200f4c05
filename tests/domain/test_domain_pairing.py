"""One pairing code at a time: five wrong tries, five minutes, five a minute from one network (B13)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newage.domain.pairing import Pairing, PairingLimits

LIMITS = PairingLimits(seconds=300.0, wrong_tries=5, tries_per_minute=5, networks=100)


def opened(code: str = "123456", now: float = 0.0) -> Pairing:
    pairing = Pairing(LIMITS)
    pairing.open(code, now)
    return pairing


def test_the_right_code_is_good_for_its_time() -> None:
    pairing = opened()
    assert pairing.tried("123456", "a", 299.0)
    assert not pairing.tried("123456", "a", 300.0)


def test_nothing_fits_where_there_is_no_code() -> None:
    assert not Pairing(LIMITS).tried("", "a", 0.0)
    pairing = opened()
    pairing.close()
    assert not pairing.tried("", "a", 1.0)
    assert not pairing.fits("\ud83d", 1.0)


def test_wrong_tries_of_anybody_end_it() -> None:
    pairing = opened()
    assert not any(pairing.tried("000000", f"net{n}", 1.0) for n in range(4))
    assert pairing.is_open(1.0)
    assert not pairing.tried("000000", "net4", 1.0)
    assert not pairing.tried("123456", "another", 1.0)


def test_one_network_tries_so_often_in_a_minute_and_more_is_not_looked_at() -> None:
    pairing = opened()
    assert [pairing.tried("123456", "a", 1.0) for _ in range(6)] == [True] * 5 + [False]
    assert not any(pairing.tried("000000", "a", 2.0) for _ in range(9))
    assert pairing.is_open(2.0), "what was not looked at counts against nobody"
    assert pairing.tried("123456", "b", 2.0)
    assert pairing.tried("123456", "a", 61.0)


def test_a_new_code_forgives_none_of_that() -> None:
    pairing = opened()
    for _ in range(5):
        pairing.tried("000000", "a", 1.0)
    pairing.open("654321", 2.0)
    assert not pairing.tried("654321", "a", 3.0)
    assert pairing.tried("654321", "b", 3.0)


def test_networks_are_not_kept_without_end() -> None:
    pairing = opened()
    for number in range(500):
        pairing.tried("000000", f"net{number}", 1.0)
    assert len(pairing._tries) == LIMITS.networks


def test_the_last_who_asks_is_the_one() -> None:
    pairing = opened()
    first = pairing.apply(pairing.ticket, "SillyTavern-1", "Ann", "192.0.2.1", 1.0)
    second = pairing.apply(pairing.ticket, "SillyTavern-2", "", "192.0.2.2", 2.0)
    assert first is not None
    assert second is not None
    assert first.number != second.number
    assert pairing.applicant == second
    pairing.withdraw()
    assert pairing.applicant is None
    assert pairing.is_open(2.0)


def test_a_ticket_of_a_code_before_asks_for_nothing() -> None:
    pairing = opened()
    before = pairing.ticket
    pairing.open("654321", 1.0)
    assert pairing.apply(before, "SillyTavern-1", "", "192.0.2.1", 2.0) is None
    assert pairing.apply(pairing.ticket, "SillyTavern-1", "", "192.0.2.1", 301.0) is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30)), max_size=80))
def test_never_more_than_five_wrong_ones_are_looked_at(tries: list[tuple[str, float]]) -> None:
    pairing, now, looked = opened(), 0.0, 0
    for network, pause in tries:
        now += pause
        before = pairing._wrong
        pairing.tried("000000", network, now)
        looked += pairing._wrong - before
    assert looked <= 5 or now >= 300
