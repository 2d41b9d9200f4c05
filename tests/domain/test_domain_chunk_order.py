"""Chunks are delivered once, gaps may be filled, and what is remembered is bounded (contract 5.6)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.chunk_order import ChunkOrder


@pytest.mark.parametrize(
    ("indexes", "accepted"),
    [
        ([0, 1, 2], [True, True, True]),
        ([0, 0, 1, 1], [True, False, True, False]),
        ([1, 2, 0, 0], [True, True, True, False]),
        ([0, 3, 1, 2, 1, 3, 4], [True, True, True, True, False, False, True]),
        ([None, None, 0, None, 0], [True, True, True, True, False]),
        ([-1, 0, -5], [False, True, False]),
    ],
)
def test_each_index_is_accepted_once(indexes: list[int | None], accepted: list[bool]) -> None:
    order = ChunkOrder(10)
    assert [order.accept(index) for index in indexes] == accepted
    assert order.accepted == accepted.count(True)


def test_remembered_gaps_are_limited() -> None:
    order = ChunkOrder(3)
    assert order.accept(10**15)
    assert [order.accept(index) for index in (0, 1, 2, 3)] == [True, True, True, False]
    assert order.accept(10**15 + 3)
    assert [order.accept(10**15 + n) for n in (1, 2, 3)] == [True, True, False]


@given(st.lists(st.integers(0, 30), max_size=60))
def test_with_room_for_all_gaps_it_is_a_set(indexes: list[int]) -> None:
    order = ChunkOrder(100)
    seen: set[int] = set()
    for index in indexes:
        assert order.accept(index) is (index not in seen)
        seen.add(index)
    assert order.accepted == len(seen)


@given(st.lists(st.integers(-3, 10**6), max_size=60), st.integers(0, 5))
def test_nothing_is_accepted_twice_whatever_is_remembered(indexes: list[int], room: int) -> None:
    order = ChunkOrder(room)
    accepted = [index for index in indexes if order.accept(index)]
    assert len(accepted) == len(set(accepted))
