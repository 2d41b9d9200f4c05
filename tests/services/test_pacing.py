"""How many requests an extension has at once (contract 5.4, H11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.model import Message, RequestMode, Role
from newage.domain.request import Ask, Request
from newage.services.pacing import Pacer


def request(request_id: str, *targets: str) -> Request:
    words = Message(message_id=request_id, room="lobby", seq=1, identity="web1", role="guest", text="hi")
    return Request(
        request_id=request_id,
        identity="web1",
        client_id="web1",
        room="lobby",
        role=Role.GUEST,
        mode=RequestMode.IMMEDIATE,
        message=words,
        ask=Ask(request_id=request_id, text="hi"),
        created_at=0,
        active_at=0,
        targets=targets or ("st",),
    )


class Paced:
    def __init__(self, limit: int) -> None:
        self.pacer = Pacer(limit)
        self.sent: list[str] = []

    def send(self, what: Request, extension: str = "st") -> None:
        self.pacer.send(extension, what, lambda: self.sent.append(f"{extension}:{what.request_id}"))


def test_without_a_limit_everything_goes_at_once() -> None:
    paced = Paced(0)
    for number in range(5):
        paced.send(request(str(number)))
    assert len(paced.sent) == 5


def test_one_at_a_time_in_order() -> None:
    paced = Paced(1)
    made = [request(str(number)) for number in range(3)]
    for each in made:
        paced.send(each)
    assert paced.sent == ["st:0"]
    paced.pacer.done("st", made[0])
    paced.pacer.done("st", made[0])
    assert paced.sent == ["st:0", "st:1"]
    paced.pacer.done("st", made[2])  # it has not begun: nothing becomes free
    assert paced.sent == ["st:0", "st:1"]
    paced.pacer.done("st", made[1])
    assert paced.sent == ["st:0", "st:1", "st:2"]


def test_extensions_do_not_wait_for_each_other() -> None:
    paced = Paced(1)
    both = request("0", "st", "other")
    paced.send(both)
    paced.send(both, "other")
    assert paced.sent == ["st:0", "other:0"]


def test_what_ended_while_it_waited_is_never_sent() -> None:
    paced = Paced(1)
    made = [request(str(number)) for number in range(4)]
    for each in made:
        paced.send(each)
    made[1].ended_at = 1.0
    made[2].failed.add("st")
    paced.pacer.done("st", made[0])
    assert paced.sent == ["st:0", "st:3"]


@pytest.mark.parametrize(("limit", "sent"), [(0, 4), (3, 4), (2, 3)])
def test_another_limit_counts_from_the_next_end_on(limit: int, sent: int) -> None:
    paced = Paced(1)
    made = [request(str(number)) for number in range(4)]
    for each in made:
        paced.send(each)
    paced.pacer.limit = limit
    paced.pacer.done("st", made[0])
    assert len(paced.sent) == sent


@given(st.integers(1, 3), st.lists(st.integers(0, 5), max_size=40))
def test_never_more_than_the_limit_and_nothing_is_forgotten(limit: int, ends: list[int]) -> None:
    paced = Paced(limit)
    made = [request(str(number)) for number in range(6)]
    ended: set[str] = set()
    for each in made:
        paced.send(each)
    for index in [*ends, *range(6)]:
        if f"st:{index}" in paced.sent:
            made[index].ended_at = 1.0
            ended.add(f"st:{index}")
        paced.pacer.done("st", made[index])
        assert len(set(paced.sent) - ended) <= limit
    assert len(set(paced.sent)) == len(paced.sent) == 6
    for each in made:
        paced.pacer.done("st", each)
    assert not paced.pacer._running
    assert not paced.pacer._waiting
