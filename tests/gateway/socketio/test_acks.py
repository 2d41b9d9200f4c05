"""The table of acks that are awaited; how a socket uses it is in test_sockets."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from newage.errors import PeerGone, TimedOut, Unavailable
from newage.gateway.engineio.timers import Timers
from newage.gateway.socketio.acks import AwaitedAcks


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def acks(clock: Clock) -> AwaitedAcks:
    return AwaitedAcks(Timers(clock), 3)


def outcomes(answer: Deferred[list[Any]]) -> list[Any]:
    """What it fired with: arguments, or the type of the error."""
    found: list[Any] = []
    answer.addCallbacks(found.append, lambda failure: found.append(failure.type))
    return found


def test_an_ack_fires_what_waits_for_its_number(acks: AwaitedAcks, clock: Clock) -> None:
    numbers, answers = zip(*(acks.expect(5.0) for _ in range(3)), strict=True)
    assert numbers == (b"0", b"1", b"2")
    found = [outcomes(answer) for answer in answers]
    acks.arrived(1, ["x"])
    acks.arrived(1, ["again"])
    acks.arrived(99, ["of nobody"])
    assert found == [[], [["x"]], []]
    clock.advance(5)
    assert found == [[TimedOut], [["x"]], [TimedOut]]
    assert clock.getDelayedCalls() == []


def test_they_are_limited_and_numbers_are_not_used_again(acks: AwaitedAcks) -> None:
    found = [outcomes(acks.expect(5.0)[1]) for _ in range(3)]
    with pytest.raises(Unavailable):
        acks.expect(5.0)
    acks.arrived(0, [])
    assert acks.expect(5.0)[0] == b"3"
    assert found == [[[]], [], []]


def test_a_cancelled_one_is_forgotten(acks: AwaitedAcks, clock: Clock) -> None:
    _, answer = acks.expect(5.0)
    found = outcomes(answer)
    answer.cancel()
    assert found == [CancelledError]
    acks.arrived(0, ["late"])
    assert clock.getDelayedCalls() == []


def test_at_the_end_all_fail_even_if_one_of_them_cancels_another(acks: AwaitedAcks, clock: Clock) -> None:
    (_, first), (_, second), (_, third) = (acks.expect(5.0) for _ in range(3))

    def cancel_the_second(failure: Failure) -> Failure:
        second.cancel()
        return failure

    first.addErrback(cancel_the_second)
    found = [outcomes(answer) for answer in (first, second, third)]
    acks.close()
    assert found == [[PeerGone], [CancelledError], [PeerGone]]
    assert clock.getDelayedCalls() == []
