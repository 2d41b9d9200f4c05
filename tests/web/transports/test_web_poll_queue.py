"""What waits for a GET, in order and counted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.web.transports.poll_queue import PollQueue


def test_packets_come_in_order_and_are_counted_with_what_they_cost() -> None:
    queue = PollQueue()
    queue.append((False, b"4one"))
    queue.append((True, b"two"))
    queue.put_first((False, b"2"))
    assert (len(queue), queue.bytes) == (3, 308)
    assert queue.take(1) == [(False, b"2")]
    assert queue.take() == [(False, b"4one"), (True, b"two")]
    assert (len(queue), queue.bytes) == (0, 0)
    assert queue.take() == []


def test_a_place_is_written_when_it_is_taken() -> None:
    queue = PollQueue()
    text = [b"4early"]
    queue.append((False, b"4before"))
    queue.add_place(lambda: text)
    queue.append((False, b"4after"))
    text[:] = [b"4late", b"4later"]
    assert queue.bytes == 7 + 6 + 300
    assert queue.take(2) == [(False, b"4before"), (False, b"4late")]
    assert queue.take() == [(False, b"4later"), (False, b"4after")]
    assert queue.bytes == 0


def test_clear() -> None:
    queue = PollQueue()
    queue.append((False, b"4x"))
    queue.add_place(lambda: [b"4never"])
    queue.clear()
    assert (len(queue), queue.bytes, queue.take()) == (0, 0, [])


@pytest.mark.parametrize(
    ("packet", "is_message"), [((False, b"4x"), True), ((True, b"x"), True), ((False, b"6"), False)]
)
def test_what_is_worth_a_last_get(packet: tuple[bool, bytes], is_message: bool) -> None:
    queue = PollQueue()
    queue.append(packet)
    assert queue.holds_messages() == is_message
    queue.add_place(lambda: [b"4x"])
    assert queue.holds_messages()


@given(st.lists(st.one_of(st.binary(max_size=9), st.lists(st.binary(max_size=9), max_size=3), st.integers(1, 4))))
def test_nothing_is_lost_nor_counted_twice(steps: list[bytes | list[bytes] | int]) -> None:
    queue = PollQueue()
    sent: list[bytes] = []
    taken: list[bytes] = []
    for step in steps:
        if isinstance(step, bytes):
            queue.append((False, step))
            sent.append(step)
        elif isinstance(step, list):
            queue.add_place(lambda packets=step: packets)  # type: ignore[misc]
            sent += step
        else:
            taken += [packet for _, packet in queue.take(step)]
    assert taken + [packet for _, packet in queue.take()] == sent
    assert queue.bytes == 0
