"""How many requests an extension has at once (contract 5.4, H11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubkit import Kit
from newage.domain.model import RequestMode, Role
from newage.domain.request import Ask, Request
from newage.services.requests.limits import RequestSettings


def request(request_id: str, *targets: str, room_id: str = "lobby-1") -> Request:
    return Request(
        request_id=request_id,
        identity="web1",
        client_id="web1",
        room="lobby",
        room_id=room_id,
        role=Role.GUEST,
        mode=RequestMode.IMMEDIATE,
        message_id=f"m-{request_id}",
        ask=Ask(request_id=request_id, text="hi"),
        created_at=0,
        active_at=0,
        targets=targets or ("st",),
    )


class Paced:
    """A pacer between two connected extensions, ``st`` and ``other``."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.links = [kit.extension("st"), kit.extension("other")]
        self.sent: list[str] = []

    def send(self, what: Request, extension: str = "st") -> None:
        self.kit.pacer.send(extension, what, lambda to, name: self.sent.append(f"{to}:{name}"))

    def done(self, what: Request) -> None:
        self.kit.desks.done("st", what)
        self.kit.pacer.send_next("st")


@pytest.fixture
def paced(kit: Kit) -> Paced:
    return Paced(kit)


def test_without_a_limit_everything_goes_at_once(paced: Paced) -> None:
    paced.kit.change("requests", extension_max_in_flight=0)
    for number in range(5):
        paced.send(request(str(number)))
    assert len(paced.sent) == 5


def test_one_at_a_time_in_order(paced: Paced) -> None:
    made = [request(str(number)) for number in range(3)]
    for each in made:
        paced.send(each)
    assert paced.sent == ["st:0"]
    paced.done(made[0])
    paced.done(made[0])
    assert paced.sent == ["st:0", "st:1"]
    paced.done(made[2])  # it has not begun: nothing becomes free
    assert paced.sent == ["st:0", "st:1"]
    paced.done(made[1])
    assert paced.sent == ["st:0", "st:1", "st:2"]


def test_extensions_do_not_wait_for_each_other(paced: Paced) -> None:
    both = request("0", "st", "other")
    paced.send(both)
    paced.send(both, "other")
    assert paced.sent == ["st:0", "other:0"]


def test_what_ended_while_it_waited_is_never_sent(paced: Paced) -> None:
    made = [request(str(number)) for number in range(4)]
    for each in made:
        paced.send(each)
    made[1].ended_at = 1.0
    made[2].failed.add("st")
    paced.done(made[0])
    assert paced.sent == ["st:0", "st:3"]


@pytest.mark.parametrize(("limit", "sent"), [(0, 4), (3, 4), (2, 3)])
def test_another_limit_counts_from_the_next_end_on(paced: Paced, limit: int, sent: int) -> None:
    made = [request(str(number)) for number in range(4)]
    for each in made:
        paced.send(each)
    paced.kit.change("requests", extension_max_in_flight=limit)
    paced.done(made[0])
    assert len(paced.sent) == sent


@given(st.integers(1, 3), st.lists(st.integers(0, 5), max_size=40))
def test_never_more_than_the_limit_and_nothing_is_forgotten(limit: int, ends: list[int]) -> None:
    paced = Paced(Kit(requests=RequestSettings(extension_max_in_flight=limit)))
    made = [request(str(number)) for number in range(6)]
    ended: set[str] = set()
    for each in made:
        paced.send(each)
    for index in [*ends, *range(6)]:
        if f"st:{index}" in paced.sent:
            made[index].ended_at = 1.0
            ended.add(f"st:{index}")
        paced.done(made[index])
        assert len(set(paced.sent) - ended) <= limit
    assert len(set(paced.sent)) == len(paced.sent) == 6
    for each in made:
        paced.done(each)
    assert not paced.kit.pacer._waiting
    paced.kit.close()
