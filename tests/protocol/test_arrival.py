"""What is on its way and still comes (contract 16.2.3)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newage.protocol.arrival import Arrival, Patience


def test_enough_in_each_window_is_enough() -> None:
    arrival = Arrival(100)
    arrival.begin(50, 10.0)
    assert arrival.goes_on(1_050, 20.0)
    assert arrival.goes_on(2_050, 30.0)
    assert not arrival.goes_on(3_049, 40.0)


def test_what_came_before_does_not_count_again() -> None:
    arrival = Arrival(100)
    arrival.begin(0, 0.0)
    assert arrival.goes_on(900_000, 10.0)
    assert not arrival.goes_on(900_999, 20.0)


def test_nothing_is_never_enough() -> None:
    arrival = Arrival(100)
    arrival.begin(7, 5.0)
    assert not arrival.goes_on(7, 5.0)
    assert not arrival.goes_on(0, 5.0)


@given(st.lists(st.integers(0, 3_000), max_size=100))
def test_a_thing_of_bounded_size_ends_in_bounded_time(steps: list[int]) -> None:
    arrival, bytes_, now = Arrival(100), 0, 0.0
    arrival.begin(0, now)
    for step in steps:
        bytes_, now = bytes_ + step, now + 10
        if not arrival.goes_on(bytes_, now):
            break
        assert now <= bytes_ / 100


def test_a_peer_that_is_sending_answers_later() -> None:
    patience = Patience(100)
    patience.pinged(arriving=500, taken=0, queued=0, now=0.0)
    assert patience.lasts(arriving=1_500, taken=10, now=10.0)
    assert patience.lasts(arriving=2_500, taken=10, now=20.0)
    assert not patience.lasts(arriving=3_000, taken=10, now=30.0)


def test_a_heartbeat_behind_what_the_peer_takes_is_answered_when_it_has_left() -> None:
    patience = Patience(100)
    patience.pinged(arriving=0, taken=1_000, queued=5_000, now=0.0)
    assert patience.lasts(arriving=0, taken=3_000, now=10.0)
    assert patience.lasts(arriving=0, taken=5_001, now=20.0), "it left a moment ago, as far as anybody knows"
    assert not patience.lasts(arriving=0, taken=9_000, now=30.0)


def test_a_peer_that_takes_nothing_is_not_waited_for() -> None:
    patience = Patience(100)
    patience.pinged(arriving=0, taken=1_000, queued=5_000, now=0.0)
    assert not patience.lasts(arriving=0, taken=1_999, now=10.0)
