"""The queue of a room in Default mode (contract 5.4)."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from newage.domain.model import Role
from newage.domain.request import Request
from newage.domain.room_queue import RoomQueue
from requestkit import ids, make


def test_specials_merge_before_guests_each_in_order_of_arrival() -> None:
    queue = RoomQueue(10, 10)
    roles = [("g1", Role.GUEST), ("s1", Role.SPECIAL), ("g2", Role.GUEST), ("s2", Role.SPECIAL)]
    for name, role in roles:
        assert queue.push(make(name, role=role)) == []
    assert ids(queue.take_for_merge()) == ["s1", "s2", "g1", "g2"]
    assert len(queue) == 0


@given(st.lists(st.sampled_from([Role.GUEST, Role.SPECIAL]), max_size=30))
def test_merging_is_a_stable_partition(roles: list[Role]) -> None:
    queue = RoomQueue(100, 100)
    for number, role in enumerate(roles):
        queue.push(make(str(number), role=role))
    order = [int(name) for name in ids(queue.take_for_merge())]
    assert order == sorted(range(len(roles)), key=lambda i: (roles[i] is not Role.SPECIAL, i))


@pytest.mark.parametrize(
    ("size", "each", "arrivals", "dropped"),
    [
        (2, 2, ["a1", "b1", "c1"], "a1"),
        (9, 2, ["a1", "b1", "a2", "a3"], "a1"),
        (3, 2, ["b1", "a1", "a2", "a3"], "a1"),
        (1, 1, ["a1", "b1"], "a1"),
    ],
)
def test_a_full_queue_drops_the_oldest_of_the_identity_else_of_the_room(
    size: int, each: int, arrivals: list[str], dropped: str
) -> None:
    queue = RoomQueue(size, each)
    gone = [entry for name in arrivals for entry in queue.push(make(name, identity=name[0]))]
    assert ids(gone) == [dropped]
    assert ids(queue.take_all()) == [name for name in arrivals if name != dropped]


def test_expiry_takes_what_is_old_and_leaves_the_rest() -> None:
    queue = RoomQueue(10, 10)
    for name, at in [("old", 1.0), ("edge", 2.0), ("new", 2.5)]:
        queue.push(make(name, at=at))
    assert ids(queue.expire(2.0)) == ["old", "edge"]
    assert ids(queue.expire(2.0)) == []
    assert ids(queue.take_all()) == ["new"]


class QueueMachine(RuleBasedStateMachine):
    """RoomQueue(5, 2) against a plain list."""

    SIZE, EACH = 5, 2

    def __init__(self) -> None:
        super().__init__()
        self.queue = RoomQueue(self.SIZE, self.EACH)
        self.model: list[Request] = []
        self.numbers = count()
        self.now = 0.0

    @rule(identity=st.sampled_from("abc"), role=st.sampled_from([Role.GUEST, Role.SPECIAL]))
    def push(self, identity: str, role: Role) -> None:
        entry = make(str(next(self.numbers)), identity=identity, role=role, at=self.now)
        own = [e for e in self.model if e.identity == identity]
        gone = own[:1] if len(own) == self.EACH else self.model[:1] if len(self.model) == self.SIZE else []
        assert self.queue.push(entry) == gone
        self.model = [e for e in self.model if e not in gone] + [entry]

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(age=st.floats(0, 20))
    def expire(self, age: float) -> None:
        before = self.now - age
        assert self.queue.expire(before) == [e for e in self.model if e.created_at <= before]
        self.model = [e for e in self.model if e.created_at > before]

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        gone = data.draw(st.sampled_from(self.model))
        self.queue.remove(gone)
        self.queue.remove(gone)
        self.model = [e for e in self.model if e is not gone]

    @rule()
    def take_all(self) -> None:
        assert self.queue.take_all() == self.model
        self.model = []

    @rule()
    def take_for_merge(self) -> None:
        assert self.queue.take_for_merge() == sorted(self.model, key=lambda e: e.role is not Role.SPECIAL)
        self.model = []

    @invariant()
    def bounded(self) -> None:
        assert len(self.queue) == len(self.model) <= self.SIZE


TestQueueMachine = QueueMachine.TestCase
