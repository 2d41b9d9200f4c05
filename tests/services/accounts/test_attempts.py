"""The limiter of guesses (contract 2.5)."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from newage.errors import AuthenticationFailed
from newage.services.accounts.attempts import AttemptLimiter
from newage.services.accounts.limits import AuthSettings

HERE = ("192.0.2.1", "ann")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> AttemptLimiter:
    return AttemptLimiter(clock.seconds, AuthSettings(max_failed_attempts=3, attempt_entries=5))


def is_locked(limiter: AttemptLimiter, address: str = HERE[0], client_id: str = HERE[1]) -> bool:
    try:
        limiter.check(address, client_id)
    except AuthenticationFailed as error:
        assert str(error) == "Too many attempts."
        return True
    return False


def test_locks_after_the_last_failure_for_a_minute(clock: Clock, limiter: AttemptLimiter) -> None:
    for _ in range(3):
        assert not is_locked(limiter)
        limiter.failed(*HERE)
    assert is_locked(limiter)
    clock.advance(59.9)
    assert is_locked(limiter)
    clock.advance(0.1)
    assert not is_locked(limiter)


def test_failures_are_forgotten_one_by_one(clock: Clock, limiter: AttemptLimiter) -> None:
    for _ in range(5):
        limiter.failed(*HERE)
        clock.advance(30)
        assert not is_locked(limiter)


def test_counts_address_and_id_together(limiter: AttemptLimiter) -> None:
    for _ in range(3):
        limiter.failed(*HERE)
    assert is_locked(limiter)
    assert not is_locked(limiter, address="192.0.2.2")
    assert not is_locked(limiter, client_id="bob")


def test_open_attempts_count_as_failures_until_they_end_well(limiter: AttemptLimiter) -> None:
    for _ in range(3):
        limiter.begin(*HERE)
    with pytest.raises(AuthenticationFailed, match=r"Too many attempts\."):
        limiter.begin(*HERE)
    limiter.end(*HERE, failed=False)
    assert not is_locked(limiter)
    limiter.begin(*HERE)
    for _ in range(3):
        limiter.end(*HERE, failed=True)
    assert is_locked(limiter)


def test_a_success_does_not_wash_failures_away(limiter: AttemptLimiter) -> None:
    limiter.failed(*HERE)
    limiter.failed(*HERE)
    limiter.begin(*HERE)
    limiter.end(*HERE, failed=False)
    limiter.failed(*HERE)
    assert is_locked(limiter)


def test_the_memory_is_bounded_and_keeps_what_is_open(limiter: AttemptLimiter) -> None:
    limiter.begin("open", "x")
    for number in range(100):
        limiter.failed(f"address {number}", "x")
    assert len(limiter._records) == 5
    for _ in range(2):
        limiter.begin("open", "x")
    assert is_locked(limiter, "open", "x")


def test_unlocking_one_client_at_every_address(limiter: AttemptLimiter) -> None:
    for address, who in (HERE, ("192.0.2.2", "ann"), ("192.0.2.2", "bob")):
        for _ in range(3):
            limiter.failed(address, who)
    limiter.failed("192.0.2.3", "ann")
    assert limiter.unlock("ann") == [HERE, ("192.0.2.2", "ann")]
    assert not is_locked(limiter)
    assert is_locked(limiter, "192.0.2.2", "bob")
    assert limiter.unlock() == [("192.0.2.2", "bob")]
    assert limiter.unlock() == []


def test_unlocking_forgets_failures_but_not_what_is_being_checked(limiter: AttemptLimiter) -> None:
    limiter.failed(*HERE)
    for _ in range(2):
        limiter.begin(*HERE)
    assert is_locked(limiter)
    limiter.unlock()
    assert not is_locked(limiter)
    limiter.begin(*HERE)
    assert is_locked(limiter)
