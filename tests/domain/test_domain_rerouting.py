"""Which extension a request goes to when the one that has it fails to begin (contract 5.8; A22)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.model import ConnectionPolicy, RequestMode, Role
from newage.domain.request import Ask, Request
from newage.domain.rerouting import is_late, may_go_on, next_extension

FREE, FAILOVER = ConnectionPolicy.FREE, ConnectionPolicy.FAILOVER
ORDER = ("a", "b", "c", "d")


@define(eq=False)
class Begun:
    given_id: str = "o1"
    active_at: float = 0.0
    has_text: bool = False


def request(*targets: str, failover: bool = True, named: tuple[str, ...] | None = None) -> Request:
    return Request(
        request_id="r1",
        identity="web1",
        client_id="web1",
        room="web1",
        role=Role.MASTER,
        mode=RequestMode.IMMEDIATE,
        message_id="m1",
        ask=Ask(request_id="r1", text="hi", targets=named, failover=failover),
        created_at=0,
        active_at=0,
        targets=targets or ("a",),
    )


def following_of(asked: Request, policy: ConnectionPolicy, order: Sequence[str]) -> str | None:
    return next_extension(asked, order) if may_go_on(asked, policy) else None


@pytest.mark.parametrize(
    ("policy", "failover", "named", "may"),
    [
        (FREE, False, None, False),
        (FREE, True, None, True),
        (FREE, True, ("a",), True),
        (FAILOVER, False, None, True),
        (FAILOVER, False, ("a",), False),
        (FAILOVER, True, ("a",), True),
    ],
)
def test_who_wishes_it(policy: ConnectionPolicy, failover: bool, named: tuple[str, ...] | None, may: bool) -> None:
    assert may_go_on(request(failover=failover, named=named), policy) is may


def test_an_opened_output_is_nothing_and_its_first_token_is() -> None:
    asked, output = request(), Begun()
    asked.begin("a", output)
    assert following_of(asked, FREE, ORDER) == "b"
    output.has_text = True
    assert following_of(asked, FREE, ORDER) is None


def test_what_is_settled_stays() -> None:
    answered, finished, over, staying = (request() for _ in range(4))
    answered.answer("a", "response-1", more=True)
    finished.finish("a")
    over.end("cancelled", 1)
    staying.stay()
    assert [following_of(each, FREE, ORDER) for each in (answered, finished, over, staying)] == [None] * 4
    assert following_of(request("a", "b"), FREE, ORDER) is None, "the other one answers"


def test_time_runs_from_when_it_was_given() -> None:
    asked = request()
    assert not is_late(asked, 1000, 150)
    asked.send_to("a", 100)
    assert not is_late(asked, 1000, 150), "it was not told yet"
    asked.give()
    assert [is_late(asked, now, 150) for now in (249, 250)] == [False, True]
    asked.take("a", "headless", 2, 200)
    asked.take("a", "headless", 2, 240)
    assert [is_late(asked, now, 150) for now in (349, 350)] == [False, True], "its queue moved at 200"
    asked.begin("a", Begun(has_text=True))
    assert not is_late(asked, 1000, 150)


@given(
    st.lists(
        st.tuples(st.permutations(ORDER), st.sets(st.sampled_from(ORDER)), st.booleans(), st.booleans()), max_size=12
    )
)
def test_each_is_asked_once_and_none_after_a_token(steps: list[tuple[list[str], set[str], bool, bool]]) -> None:
    """Whoever comes and goes, in whichever order; old ones may speak late."""
    asked, history, heard = request(), ["a"], False
    for order, away, speaks, late in steps:
        if speaks:
            asked.begin(asked.targets[0], Begun(has_text=True))
            heard = True
        if late and asked.tried:
            asked.begin(asked.tried[0], Begun(has_text=True))
        here = [each for each in order if each not in away]
        following = following_of(asked, FAILOVER, here)
        left = [each for each in here if each not in history]
        assert following == (left[0] if left and not heard else None)
        if following is not None:
            asked.move(following)
            history.append(following)
            assert (asked.targets, asked.given, asked.state) == ((following,), False, "queued")
            assert asked.unheard == set(history[:-1]) == set(asked.tried)
    assert len(history) == len(set(history))
