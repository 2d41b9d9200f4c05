"""Turns are fair: nobody waits for the second of another before the first of its own (A18)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newage.domain.turns import Turns


def taken(turns: Turns[str]) -> list[str]:
    """Everything, one after the other; the first letter is the name."""
    found = []
    while turns:
        first = next(iter(turns))
        turns.take(first[0], first)
        found.append(first)
    return found


def make(*waiting: str) -> Turns[str]:
    turns: Turns[str] = Turns()
    for each in waiting:
        turns.add(each[0], each)
    return turns


def test_it_goes_round() -> None:
    assert not make()
    assert list(make()) == []
    assert taken(make("a1", "a2", "a3", "b1", "c1", "b2")) == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_who_has_the_turn_comes_after_all_who_wait_meanwhile() -> None:
    turns = make("a1", "a2", "b1")
    turns.take("a", "a1")
    turns.add("c", "c1")
    turns.add("a", "a3")
    assert taken(turns) == ["b1", "c1", "a2", "a3"]


def test_who_has_the_turn_already_comes_after_all_who_wait_meanwhile() -> None:
    turns: Turns[str] = Turns(last="a")
    for each in ("a2", "b1", "a3", "c1"):
        turns.add(each[0], each)
    assert taken(turns) == ["b1", "c1", "a2", "a3"]


def test_newcomers_keep_nobody_back_for_longer_than_a_turn() -> None:
    turns = make("a1", "a2", "b1")
    turns.take("a", "a1")
    turns.take("b", "b1")
    turns.add("c", "c1")
    assert taken(turns) == ["a2", "c1"]


def test_one_in_the_middle_may_have_its_turn() -> None:
    turns = make("a1", "b1", "b2", "c1")
    turns.take("b", "b2")
    assert list(turns) == ["a1", "c1", "b1"]


def test_who_leaves_keeps_nobody_back() -> None:
    turns = make("a1", "a2", "b1")
    turns.leave("a", "a1")
    assert list(turns) == ["a2", "b1"]
    turns.leave("a", "a2")
    turns.leave("b", "b1")
    assert not turns


def test_a_turn_in_vain_is_had_again() -> None:
    turns = make("a1", "a2", "b1", "c1")
    turns.take("a", "a1")
    turns.take("b", "b1")
    turns.put_back("b", "b1")
    turns.put_back("a", "a1")
    assert taken(turns) == ["a1", "b1", "c1", "a2"]


@given(st.lists(st.sampled_from("abcd"), max_size=20))
def test_the_order_is_told_beforehand_and_is_fair(names: list[str]) -> None:
    waiting = [f"{name}{number}" for number, name in enumerate(names)]
    turns = make(*waiting)
    told = list(turns)
    order = taken(turns)
    assert told == order
    assert sorted(order) == sorted(waiting)
    for name in set(names):
        own = [each for each in order if each[0] == name]
        assert own == [each for each in waiting if each[0] == name]
        for rank, each in enumerate(own):
            before = order[: order.index(each)]
            assert all(sum(1 for b in before if b[0] == other) <= rank + 1 for other in set(names) - {name})
