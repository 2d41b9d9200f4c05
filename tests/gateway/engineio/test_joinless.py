"""Which of those that joined nothing gives way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newage.gateway.engineio.joinless import Joinless

ONE, OTHER = "192.0.2.1", "192.0.2.2"


def test_nobody_gives_way_while_there_is_room() -> None:
    pool: Joinless[int] = Joinless(3, 2)
    assert pool.any() is None
    assert pool.of(ONE) is None
    pool.add(1, ONE, "a")
    assert pool.surplus(ONE) is None
    pool.add(2, ONE, "a")
    assert pool.surplus(ONE) == 2
    assert pool.surplus(OTHER) is None
    pool.add(3, OTHER, "b")
    assert pool.surplus(OTHER) == 2, "of the address that has most"


def test_the_newest_of_who_opened_most_else_the_oldest() -> None:
    pool: Joinless[int] = Joinless(9, 9)
    for session, source in enumerate("abcbd"):
        pool.add(session, ONE, source)
    assert pool.any() == 3
    pool.settle(3)
    assert pool.any() == 0


def test_who_is_being_judged_gives_way_last() -> None:
    pool: Joinless[int] = Joinless(9, 9)
    for session in range(3):
        pool.add(session, ONE, session)
    pool.judge(0, True)
    assert pool.any() == 1
    pool.judge(0, False)
    assert pool.any() == 0
    for session in range(3):
        pool.judge(session, True)
    assert pool.any() == 0
    pool.judge(7, True)
    pool.settle(7)
    assert len(pool) == 3


@given(st.lists(st.tuples(st.sampled_from(["add", "settle", "judge"]), st.integers(0, 9), st.sampled_from("abc"))))
def test_the_limits_hold_and_who_settled_is_never_named(steps: list[tuple[str, int, str]]) -> None:
    pool: Joinless[tuple[int, int]] = Joinless(5, 3)
    settled: set[tuple[int, int]] = set()
    for number, (step, who, address) in enumerate(steps):
        session = (who, number)
        if step == "add":
            gone = pool.surplus(address)
            if gone is not None:
                assert gone not in settled
                pool.settle(gone)
            pool.add(session, address, who)
        elif (named := pool.any()) is not None:
            if step == "settle":
                settled.add(named)
                pool.settle(named)
            else:
                pool.judge(named, bool(who % 2))
        assert len(pool) <= 5
        assert all(len(of_one) <= 3 for of_one in pool._addresses.values())
