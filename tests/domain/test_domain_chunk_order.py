"""Chunks are delivered once, gaps may be filled, and what is remembered is bounded (contract 5.6)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
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
        ([-1, 0, -5, -1], [True, True, True, True]),
    ],
)
def test_each_index_is_accepted_once(indexes: list[int | None], accepted: list[bool]) -> None:
    order = ChunkOrder(10)
    assert [order.accept(index) for index in indexes] == accepted
    assert order.accepted == accepted.count(True)


def test_a_gap_is_remembered_as_a_whole_and_how_many_there_are_is_limited() -> None:
    order = ChunkOrder(2)
    assert order.accept(10**15)
    assert [order.accept(index) for index in (0, 9, 8, 9)] == [True, True, True, False]
    assert not order.overfull
    assert order.accept(10**15 + 2)
    assert order.overfull


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(0, 5))
@settings(deadline=None)
def test_it_is_a_set_however_many_gaps_it_may_have(indexes: list[int], room: int) -> None:
    order = ChunkOrder(room)
    seen: set[int] = set()
    for index in indexes:
        assert order.accept(index) is (index not in seen)
        seen.add(index)
    assert order.accepted == len(seen)
