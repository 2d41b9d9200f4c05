"""A request's bookkeeping and the queue of a room in Default mode (contract 5.3, 5.4)."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from newage.domain.model import RequestMode, Role
from newage.domain.policy import Verdict
from newage.domain.request import Ask, Request, RoomQueue, merge_text


def make(
    request_id: str = "r", identity: str = "web", at: float = 0.0, role: Role = Role.GUEST, **over: Any
) -> Request:
    return Request(
        request_id=request_id,
        identity=identity,
        client_id=identity,
        room="room",
        role=role,
        mode=RequestMode.DEFAULT,
        message_id=f"m-{request_id}",
        ask=Ask(request_id=request_id, text=request_id),
        created_at=at,
        active_at=at,
        **over,
    )


def ids(requests: list[Request]) -> list[str]:
    return [request.request_id for request in requests]


def test_an_ask_is_sealed_and_modest_by_default() -> None:
    extra = {"temperature": 1}
    ask = Ask(request_id="r", text="hi", extra=extra)
    extra["temperature"] = 2
    assert (ask.targets, ask.room, ask.role_hint, ask.request_type) == (None, None, None, "newMessage")
    assert ask.extra == {"temperature": 1}


@pytest.mark.parametrize(
    ("finished", "answered", "failed", "awaits_a", "remaining"),
    [
        (set(), set(), set(), True, 2),
        ({"A"}, set(), set(), False, 2),
        ({"A"}, {"A"}, set(), False, 1),
        (set(), set(), {"A"}, False, 1),
        ({"A", "B"}, {"A", "B"}, set(), False, 0),
        ({"B"}, {"B"}, {"A"}, False, 0),
    ],
)
def test_a_request_counts_its_targets(
    finished: set[str], answered: set[str], failed: set[str], awaits_a: bool, remaining: int
) -> None:
    request = make(targets=("A", "B"), finished=finished, answered=answered, failed=failed)
    assert request.awaits("A") is awaits_a
    assert request.awaits("stranger") is False
    assert request.remaining == remaining


def test_its_time_runs_when_every_extension_that_owes_an_answer_was_given_it() -> None:
    request = make(targets=("a", "b"))
    assert not request.timed
    request.sent.add("a")
    assert not request.timed
    request.failed.add("b")
    assert request.timed
    request.failed.clear()
    request.sent.add("b")
    assert request.timed


def test_an_ask_can_be_kept_without_its_words() -> None:
    kept = Ask(request_id="r", text="secret", data={"prompt": "secret"}, targets=("x",), extra={"a": 1}).wishes
    assert (kept.text, kept.data, dict(kept.extra), kept.targets, kept.request_id) == ("", None, {}, ("x",), "r")


def test_a_request_lives_until_it_has_ended() -> None:
    request = make()
    assert request.live
    request.ended_at = 0.0
    assert not request.live


@pytest.mark.parametrize(
    ("texts", "merged"),
    [
        (["a", "b"], "a\n\nb"),
        ([" a \n", "", "  \t", "b"], "a\n\nb"),
        (["a\n\nb", "c"], "a\n\nb\n\nc"),
        ([""], ""),
        ([], ""),
    ],
)
def test_texts_merge_trimmed_with_a_blank_line_between(texts: list[str], merged: str) -> None:
    assert merge_text(texts) == merged


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


# ------------------------------------------------------------------------------------------------- what becomes of one


def test_the_mode_in_force_decides() -> None:
    request = make(role=Role.GUEST)
    assert request.decide(RequestMode.IMMEDIATE) is Verdict.FORWARD
    assert request.decide(RequestMode.DEFAULT) is Verdict.QUEUE
    assert request.mode is RequestMode.DEFAULT
    request.queue()
    assert request.state == "queued"


def test_what_waited_is_merged_and_told_with_it() -> None:
    request, over, waiting = make("r"), make("over"), make("waiting")
    request.route(("x",), [over, waiting])
    assert [each.state for each in (request, over, waiting)] == ["recorded", "merged", "merged"]
    over.end("expired", 1.0)
    request.drop_ended()
    assert request.merged == [waiting]
    assert request.give()
    assert not request.give(), "another extension was told it before"
    assert (request.state, request.given, waiting.given, over.given) == ("forwarded", True, True, False)


def test_its_time_begins_when_it_is_sent_and_is_taken_back_from_whom_it_is_not() -> None:
    request = make()
    request.route(("x", "y"))
    request.send_to("x", 5.0)
    request.send_to("y", 6.0)
    assert (request.sent, request.active_at) == ({"x", "y"}, 6.0)
    request.unsend("x", "nobody")
    assert request.sent == {"y"}
    request.heard(4.0)
    assert request.active_at == 6.0
    request.heard(8.0)
    assert request.active_at == 8.0


def test_it_ends_when_all_have_answered_or_failed() -> None:
    request = make()
    request.route(("x", "y"))
    request.finish("x")
    request.finish("stranger")
    assert (request.finished, request.outcome) == ({"x"}, None)
    request.answer("x", "a1")
    assert request.outcome is None
    assert request.fail("y")
    assert not request.fail("y"), "only the first time counts"
    assert request.outcome == "completed"


def test_it_fails_when_nobody_answered() -> None:
    request = make()
    request.route(("x",))
    request.finish("x")
    assert not request.fail("x"), "its output is whole"
    request.lose("x")
    assert request.fail("x")
    assert request.outcome == "failed"


def test_late_answers_are_kept_but_change_nothing() -> None:
    request, merged = make("r"), make("m")
    request.route(("x",), [merged])
    request.answer("x", "a1")
    request.end("completed", 3.0)
    assert (request.state, request.ended_at, merged.responses) == ("completed", 3.0, ["a1"])
    assert merged.live, "who keeps the account ends it"
    request.answer("y", "a2")
    assert (request.responses, request.answered) == (["a1", "a2"], {"x"})
    assert not request.fail("y")
    request.lose_room()
    assert request.gone
