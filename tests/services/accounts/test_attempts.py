"""The limiter of guesses (contract 2.5, B8)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from twisted.internet.task import Clock

from newage.errors import AuthenticationFailed
from newage.services.accounts.attempts import ANYWHERE, AttemptLimiter, Guess, Place
from newage.services.accounts.limits import AuthSettings

HERE = Place("ann", "192.0.2.1")
ELSEWHERE = HERE._replace(address="192.0.2.2")
BOB = Place("bob", "192.0.2.2")

Fail = Callable[..., None]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limiter_on(clock: Clock, *, entries: int = 5, per_id: int = 50) -> AttemptLimiter:
    settings = AuthSettings(max_failed_attempts=3, attempt_entries=entries, max_failed_attempts_per_id=per_id)
    return AttemptLimiter(clock.seconds, settings)


@pytest.fixture
def limiter(clock: Clock) -> AttemptLimiter:
    return limiter_on(clock)


def guess(number: int, namespace: str = "/llm") -> Guess:
    return Guess(str(number).encode(), namespace)


@pytest.fixture
def fail(limiter: AttemptLimiter) -> Fail:
    """Another wrong guess, or this one."""
    return failing(limiter)


def failing(limiter: AttemptLimiter) -> Fail:
    numbers = count(1000)

    def fail(place: Place = HERE, which: Guess | None = None) -> None:
        which = which or guess(next(numbers))
        limiter.begin(place, which)
        limiter.end(place, which, failed=True)

    return fail


def test_locks_after_the_last_failure_for_a_minute(clock: Clock, limiter: AttemptLimiter, fail: Fail) -> None:
    for _ in range(3):
        assert not limiter.is_locked(HERE)
        fail()
    assert limiter.is_locked(HERE)
    with pytest.raises(AuthenticationFailed, match=r"Too many attempts\."):
        fail()
    clock.advance(59.9)
    assert limiter.is_locked(HERE)
    clock.advance(0.1)
    assert not limiter.is_locked(HERE)


def test_failures_are_forgotten_one_by_one(clock: Clock, limiter: AttemptLimiter, fail: Fail) -> None:
    for _ in range(5):
        fail()
        clock.advance(30)
        assert not limiter.is_locked(HERE)


def test_counts_address_and_id_together(limiter: AttemptLimiter, fail: Fail) -> None:
    for _ in range(3):
        fail()
    assert limiter.is_locked(HERE)
    assert not limiter.is_locked(ELSEWHERE)
    assert not limiter.is_locked(HERE._replace(client_id="bob"))


def test_one_secret_shown_to_several_namespaces_is_one_failure(limiter: AttemptLimiter, fail: Fail) -> None:
    for number in range(2):
        for namespace in ("/llm", "/rooms", "/", "/auth", "/clients"):
            fail(HERE, guess(number, namespace))
    assert not limiter.is_locked(HERE)
    fail()
    assert limiter.is_locked(HERE)


def test_shown_to_one_namespace_again_it_is_another(limiter: AttemptLimiter, fail: Fail) -> None:
    for _ in range(3):
        fail(HERE, guess(1))
    assert limiter.is_locked(HERE)


def test_a_secret_that_was_wrong_a_moment_ago_is_known(clock: Clock, limiter: AttemptLimiter, fail: Fail) -> None:
    fail(HERE, guess(1))
    assert limiter.failed_before(HERE, guess(1, "/rooms"))
    assert not limiter.failed_before(HERE, guess(2))
    assert not limiter.failed_before(ELSEWHERE, guess(1))
    clock.advance(60)
    assert not limiter.is_locked(HERE)
    assert not limiter.failed_before(HERE, guess(1))


def test_open_attempts_count_as_failures_until_they_end_well(limiter: AttemptLimiter) -> None:
    for number in range(3):
        limiter.begin(HERE, guess(number))
    with pytest.raises(AuthenticationFailed, match=r"Too many attempts\."):
        limiter.begin(HERE, guess(3))
    limiter.end(HERE, guess(0), failed=False)
    assert not limiter.is_locked(HERE)
    limiter.begin(HERE, guess(3))
    for number in (1, 2, 3):
        limiter.end(HERE, guess(number), failed=True)
    assert limiter.is_locked(HERE)


def test_a_success_does_not_wash_failures_away(limiter: AttemptLimiter, fail: Fail) -> None:
    fail()
    fail()
    limiter.begin(HERE, guess(1))
    limiter.end(HERE, guess(1), failed=False)
    fail()
    assert limiter.is_locked(HERE)


def test_the_memory_is_bounded_and_keeps_what_is_open(limiter: AttemptLimiter, fail: Fail) -> None:
    first = Place("x", "open")
    limiter.begin(first, guess(0))
    for number in range(100):
        fail(Place(f"x{number}", f"address {number}"))
        limiter.proved(Place("x", f"address {number}"))
    assert (len(limiter._records), len(limiter._budgets), len(limiter._known)) == (5, 5, 5)
    for number in (1, 2):
        limiter.begin(first, guess(number))
    assert limiter.is_locked(first)


class TestOfOneId:
    """Many addresses that guess at one id."""

    @pytest.fixture
    def limiter(self, clock: Clock) -> AttemptLimiter:
        return limiter_on(clock, entries=100, per_id=20)

    def used_up(self, fail: Fail, who: str = "ann", most: int = 20) -> None:
        for number in range(most):
            fail(Place(who, f"198.51.100.{number}"))

    def test_it_is_held_for_addresses_that_never_were_right(
        self, clock: Clock, limiter: AttemptLimiter, fail: Fail
    ) -> None:
        self.used_up(fail)
        assert limiter.is_locked(ELSEWHERE)
        assert not limiter.is_locked(BOB)
        clock.advance(29.9)
        assert limiter.is_locked(ELSEWHERE)
        clock.advance(0.1)
        assert not limiter.is_locked(ELSEWHERE)
        fail(ELSEWHERE)
        assert limiter.is_locked(ELSEWHERE)

    def test_a_known_place_is_not_held(self, limiter: AttemptLimiter, fail: Fail) -> None:
        limiter.proved(HERE)
        self.used_up(fail)
        assert limiter.is_known(HERE)
        assert not limiter.is_locked(HERE)
        limiter.forget("bob")
        assert not limiter.is_locked(HERE)
        limiter.forget("ann")
        assert limiter.is_locked(HERE)

    def test_what_a_known_place_gets_wrong_holds_nobody_else(self, limiter: AttemptLimiter, fail: Fail) -> None:
        limiter.proved(HERE)
        for _ in range(3):
            fail()
        self.used_up(fail, most=19)
        assert limiter.is_locked(HERE)
        assert not limiter.is_locked(ELSEWHERE)

    def test_it_grows_no_further_than_to_all_of_it(self, clock: Clock, limiter: AttemptLimiter, fail: Fail) -> None:
        fail()
        clock.advance(1e6)
        self.used_up(fail)
        assert limiter.is_locked(ELSEWHERE)

    def test_open_attempts_count(self, limiter: AttemptLimiter, fail: Fail) -> None:
        self.used_up(fail, most=19)
        limiter.begin(HERE, guess(1))
        assert limiter.is_locked(ELSEWHERE)
        limiter.end(HERE, guess(1), failed=False)
        assert not limiter.is_locked(ELSEWHERE)

    def test_unlocking_it(self, limiter: AttemptLimiter, fail: Fail) -> None:
        self.used_up(fail)
        assert limiter.unlock("bob") == []
        assert limiter.unlock("ann") == [(ANYWHERE, "ann")]
        assert not limiter.is_locked(ELSEWHERE)


def test_unlocking_one_client_at_every_address(limiter: AttemptLimiter, fail: Fail) -> None:
    for place in (HERE, ELSEWHERE, BOB):
        for _ in range(3):
            fail(place)
    fail(HERE._replace(address="192.0.2.3"))
    assert limiter.unlock("ann") == [("192.0.2.1", "ann"), ("192.0.2.2", "ann")]
    assert not limiter.is_locked(HERE)
    assert limiter.is_locked(BOB)
    assert limiter.unlock() == [("192.0.2.2", "bob")]
    assert limiter.unlock() == []


def test_unlocking_forgets_failures_but_not_what_is_being_checked(limiter: AttemptLimiter, fail: Fail) -> None:
    fail()
    for number in (1, 2):
        limiter.begin(HERE, guess(number))
    assert limiter.is_locked(HERE)
    limiter.unlock()
    assert not limiter.is_locked(HERE)
    limiter.begin(HERE, guess(3))
    assert limiter.is_locked(HERE)
