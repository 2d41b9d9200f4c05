"""What waits for the host of a room in Default mode, until it is submitted, released or over (contract 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from twisted.internet.defer import Deferred

from hubkit import Kit, Link, failure_of, result_of
from newage.domain.model import RequestMode, Role
from newage.ports import Said
from newage.services.requests.limits import RequestSettings
from newage.services.streams.cancelling import Which

X = "SillyTavern-8000"


@pytest.fixture
def link(kit: Kit) -> Link:
    """An extension that takes several requests at once."""
    return kit.extension(X, capacity=16)


@pytest.fixture
def lounge(kit: Kit, link: Link) -> dict[str, str]:
    """A group room in Default mode: sids of its master, manager, special and two guests."""
    sids = {who: kit.connect(who) for who in ("mas", "man", "spe", "g1", "g2")}
    kit.group("lounge", "mas", man=Role.MANAGER, spe=Role.SPECIAL, g1=Role.GUEST, g2=Role.GUEST)
    return sids


def say(kit: Kit, lounge: dict[str, str], who: str, text: str = "", **ask: Any) -> str:
    state: str = kit.submit(lounge[who], text or f"{who} says", f"{who}-{text}", room="lounge", **ask)["state"]
    return state


def errors(kit: Kit, sid: str) -> list[str]:
    return [body["message"] for body in kit.outbox.bodies(sid, "ERROR")]


def test_a_submission_merges_the_queue_specials_first_submitter_last(
    kit: Kit, link: Link, lounge: dict[str, str]
) -> None:
    say(kit, lounge, "g1", " one ")
    say(kit, lounge, "g2", "two")
    say(kit, lounge, "spe", "three")
    assert link.forwarded == []
    say(kit, lounge, "mas", "four", data={"message": "four", "n": 1})
    assert len(link.forwarded) == 1
    payload = link.forwarded[0]
    merged = "three\n\none\n\ntwo\n\nfour"
    assert payload["message"] == payload["data"] == merged
    assert payload["requestId"] == "mas-four"
    current = payload["currentRequest"]
    assert (current["message"], current["data"]) == (merged, merged)
    assert (current["isMerged"], current["mergedFromCount"]) == (True, 4)
    assert current["originalRequestIds"] == ["spe-three", "g1- one ", "g2-two", "mas-four"]
    assert current["timestamp"] == kit.stored("lounge")[-1].timestamp
    for who in ("g1", "g2", "spe"):
        assert kit.statuses(lounge[who]) == ["queued", "merged"]
        assert kit.outbox.bodies(lounge[who], "REQUEST_STATUS_UPDATE")[-1]["mergedInto"] == "mas-four"
    kit.streams.answered(Said(X, request="mas-four"), "answer")
    for who in ("g1", "g2", "spe", "mas"):
        assert kit.statuses(lounge[who])[-1] == "completed"
    assert kit.ledger.live_count == 0


def test_a_merged_request_that_fails_fails_for_all(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1")
    say(kit, lounge, "man", "submit")
    kit.streams.failed(Said(X, request="man-submit"), "out of memory", None)
    assert kit.statuses(lounge["g1"]) == ["queued", "merged", "failed"]
    assert kit.statuses(lounge["man"]) == ["forwarded", "failed"]
    assert errors(kit, lounge["g1"]) == []


def test_without_a_queue_nothing_is_merged(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "mas", "alone")
    assert "isMerged" not in link.forwarded[0]["currentRequest"]


def test_a_submission_nobody_can_take_leaves_the_queue_alone(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    kit.disconnect_all(X)
    kit.clock.advance(10)
    failure_of(kit.ask(lounge["mas"], "two", room="lounge"))
    link = kit.extension(X)
    say(kit, lounge, "mas", "three")
    assert link.forwarded[0]["message"] == "one\n\nthree"


@pytest.mark.parametrize("mode", [RequestMode.IMMEDIATE, RequestMode.SEPARATE])
def test_opening_the_room_forwards_the_queue_in_order(
    kit: Kit, link: Link, lounge: dict[str, str], mode: RequestMode
) -> None:
    other = kit.extension("Other")
    say(kit, lounge, "g1", "one")
    say(kit, lounge, "spe", "two", targets=("Other",))
    say(kit, lounge, "g2", "three", targets=("Nobody",))
    say(kit, lounge, "g2", "four")
    kit.set_mode("lounge", mode)
    assert [p["message"] for p in link.forwarded] == ["one", "four"]
    assert [p["message"] for p in other.forwarded] == ["two"]
    assert link.forwarded[0]["mode"] == mode.value
    assert kit.statuses(lounge["g1"]) == ["queued", "forwarded"]
    assert kit.statuses(lounge["g2"], "g2-three") == ["queued", "failed"]
    assert errors(kit, lounge["g2"]) == ["Target client not found: Nobody"]


def test_closing_the_room_expires_the_queue(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    kit.set_mode("lounge", RequestMode.MASTER_ONLY)
    assert kit.statuses(lounge["g1"]) == ["queued", "expired"]
    kit.set_mode("lounge", RequestMode.IMMEDIATE)
    assert link.forwarded == []


@pytest.mark.parametrize("mode", [RequestMode.HOST_SUBMIT, RequestMode.CONVERSATIONAL])
def test_other_modes_keep_the_queue(kit: Kit, link: Link, lounge: dict[str, str], mode: RequestMode) -> None:
    say(kit, lounge, "g1", "one")
    kit.set_mode("lounge", mode)
    kit.set_mode("lounge", RequestMode.DEFAULT)
    say(kit, lounge, "mas", "two")
    assert link.forwarded[0]["message"] == "one\n\ntwo"


def test_a_room_deleted_while_its_queue_is_released(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one", targets=(X,))
    before = kit.rooms.require("lounge")
    room = result_of(kit.rooms.change(before, evolve(before, mode=RequestMode.IMMEDIATE)))
    kit.gate.shut = True
    kit.requests.mode_changed(room, "g1")
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.waiting.insert(0, kit.gate.waiting.pop())
    kit.gate.open()
    result_of(deleting)
    assert link.forwarded == []
    assert kit.statuses(lounge["g1"]) == ["queued", "failed"]


def test_a_queue_whose_context_cannot_be_read_fails(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    before = kit.rooms.require("lounge")
    room = result_of(kit.rooms.change(before, evolve(before, mode=RequestMode.IMMEDIATE)))
    kit.gate.broken = True
    kit.requests.mode_changed(room, "g1")
    assert kit.statuses(lounge["g1"]) == ["queued", "failed"]
    assert kit.ledger.live_count == 0


def test_queues_are_limited_per_identity_and_room(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(queue_size=3, queue_size_per_identity=2))
    sids = {who: kit.connect(who) for who in ("mas", "a", "b")}
    kit.group("lounge", "mas", a=Role.GUEST, b=Role.GUEST)
    for number in range(3):
        kit.submit(sids["a"], f"a{number}", f"a{number}", room="lounge")
    assert kit.statuses(sids["a"], "a0") == ["queued", "expired"]
    for number in range(2):
        kit.submit(sids["b"], f"b{number}", f"b{number}", room="lounge")
    assert kit.statuses(sids["a"], "a1") == ["queued", "expired"]
    link = kit.extension(X)
    kit.submit(sids["mas"], "m", room="lounge")
    assert link.forwarded[0]["message"] == "a2\n\nb0\n\nb1\n\nm"


def test_a_queued_request_expires(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(queue_ttl_seconds=100))
    sid = kit.connect("web1")
    kit.submit(sid, role_hint=Role.GUEST)
    kit.clock.pump([5] * 19)
    assert kit.statuses(sid) == ["queued"]
    kit.clock.pump([5] * 2)
    assert kit.statuses(sid) == ["queued", "expired"]
    assert kit.ledger.live_count == 0


def test_a_queue_that_is_kept_keeps_its_bounds(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    """Nothing of it is lost in silence when the settings have become smaller."""
    for who in ("g1", "g2", "spe"):
        say(kit, lounge, who)
    kit.change("requests", queue_size=1)
    kit.set_mode("lounge", RequestMode.HOST_SUBMIT)
    assert [r.state for r in kit.ledger.live_requests_of("g1")] == ["queued"]
    say(kit, lounge, "mas", "go")
    assert link.forwarded[0]["message"] == "spe says\n\ng1 says\n\ng2 says\n\ngo"


class QueueMachine(RuleBasedStateMachine):
    """What a Default room forwards, in any order of guests, specials, submissions and mode changes, against a list."""

    def __init__(self) -> None:
        super().__init__()
        self.kit = Kit(requests=RequestSettings(queue_size=4, queue_size_per_identity=2, request_rate=10_000))
        self.link = self.kit.extension(X, capacity=1000)  # what waits for its turn is not in this model
        self.sids = {who: self.kit.connect(who) for who in ("mas", "spe", "g1", "g2")}
        self.kit.group("lounge", "mas", spe=Role.SPECIAL, g1=Role.GUEST, g2=Role.GUEST)
        self.queue: list[tuple[str, str]] = []
        self.forwarded: list[str] = []
        self.count = 0

    def say(self, who: str) -> str:
        self.count += 1
        text = f"{who}{self.count}"
        self.kit.submit(self.sids[who], text, text, room="lounge")
        return text

    @rule(who=st.sampled_from(["spe", "g1", "g2"]))
    def queue_one(self, who: str) -> None:
        text = self.say(who)
        own = [entry for entry in self.queue if entry[0] == who]
        if len(own) == 2:
            self.queue.remove(own[0])
        elif len(self.queue) == 4:
            self.queue.pop(0)
        self.queue.append((who, text))

    @rule()
    def submit(self) -> None:
        text = self.say("mas")
        ordered = sorted(self.queue, key=lambda entry: entry[0] != "spe")
        self.forwarded.append("\n\n".join([*(words for _, words in ordered), text]))
        self.queue = []

    @rule()
    def open_and_close(self) -> None:
        self.kit.set_mode("lounge", RequestMode.IMMEDIATE)
        self.forwarded += [words for _, words in self.queue]
        self.queue = []
        self.kit.set_mode("lounge", RequestMode.DEFAULT)

    @rule()
    def drop_all(self) -> None:
        self.kit.set_mode("lounge", RequestMode.MASTER_ONLY)
        self.queue = []
        self.kit.set_mode("lounge", RequestMode.DEFAULT)

    @rule()
    def answer_everything(self) -> None:
        for request in self.kit.ledger.awaited_of(X):
            self.kit.streams.answered(Said(X, request=request.request_id), "yes")

    @invariant()
    def the_extension_got_that(self) -> None:
        assert [payload["message"] for payload in self.link.forwarded] == self.forwarded
        waiting = sum(1 + len(r.merged) for r in self.kit.ledger.awaited_of(X))
        assert self.kit.ledger.live_count == waiting + len(self.queue)

    def teardown(self) -> None:
        self.kit.close()


QueueMachine.TestCase.settings = hypothesis_settings(max_examples=30, stateful_step_count=25, deadline=None)
TestQueueMachine = QueueMachine.TestCase


# -------------------------------------------------------------------------------------------------------- SUBMIT_QUEUE


def submit_queue(kit: Kit, sid: str, room: str = "lounge", request_id: str | None = "go") -> Deferred[Any]:
    return Deferred.fromCoroutine(kit.requests.submit_queue(kit.caller(sid), room, request_id))


def test_the_queue_is_released_without_words_of_the_host(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    say(kit, lounge, "spe", "two")
    ack = result_of(submit_queue(kit, lounge["man"]))
    asked = kit.stored("lounge")[-2]
    assert (ack.request_id, ack.message_id, ack.state, asked.text) == ("go", asked.message_id, "forwarded", "one")
    (payload,) = link.forwarded
    assert (payload["requestId"], payload["message"], payload["identity"]) == ("go", "two\n\none", "man")
    current = payload["currentRequest"]
    assert (current["mergedFromCount"], current["originalRequestIds"]) == (2, ["spe-two", "g1-one"])
    kit.streams.answered(Said(X, request="go"), "so")
    answer = kit.stored("lounge")[-1]
    assert (answer.text, answer.question_id, answer.asker) == ("so", asked.message_id, "man")
    assert [kit.statuses(lounge[who]) for who in ("g1", "man")] == [
        ["queued", "merged", "completed"],
        ["forwarded", "completed"],
    ]
    assert kit.ledger.live_count == 0


def test_one_that_waits_alone_goes_as_it_is(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    result_of(submit_queue(kit, lounge["mas"], request_id=None))
    assert link.forwarded[0]["message"] == "one"
    assert "isMerged" not in link.forwarded[0]["currentRequest"]


@pytest.mark.parametrize(
    ("who", "room", "words"),
    [
        ("mas", "lounge", "The queue is empty"),
        ("g1", "lounge", "Unauthorized"),
        ("g1", "nowhere", "Room not found"),
        ("out", "lounge", "Room not found"),
    ],
)
def test_who_may_not_or_in_vain(kit: Kit, link: Link, lounge: dict[str, str], who: str, room: str, words: str) -> None:
    lounge["out"] = kit.connect("out")
    if who != "mas":
        say(kit, lounge, "g2")
    kit.outbox.clear()
    assert str(failure_of(submit_queue(kit, lounge[who], room))) == words
    assert (link.forwarded, kit.outbox.sent) == ([], [])


def test_a_muted_host_releases_nothing_nor_one_under_an_id_that_is_live(
    kit: Kit, link: Link, lounge: dict[str, str]
) -> None:
    say(kit, lounge, "g1")
    kit.submit(lounge["mas"], "q", "go")
    assert str(failure_of(submit_queue(kit, lounge["mas"]))) == "Duplicate requestId."
    kit.mute("lounge", "man", 60)
    assert "muted" in str(failure_of(submit_queue(kit, lounge["man"])))
    kit.requests.refuse_new()
    assert str(failure_of(submit_queue(kit, lounge["mas"], request_id=None))) == "The server is stopping."


def test_without_an_extension_everything_stays_as_it_was(kit: Kit) -> None:
    master, guest = kit.connect("mas"), kit.connect("g1")
    kit.group("lounge", "mas", g1=Role.GUEST)
    kit.submit(guest, "q", "r1", room="lounge")
    error = failure_of(submit_queue(kit, master))
    assert (str(error), error.error_code) == ("No connected SillyTavern extensions.", 401)
    assert kit.statuses(guest) == ["queued"]
    link = kit.extension(X)
    result_of(submit_queue(kit, master))
    assert [each["message"] for each in link.forwarded] == ["q"]


def busy_lounge(kit: Kit) -> tuple[Link, dict[str, str]]:
    """Its extension is at work for somebody else."""
    link = kit.extension(X)
    sids = {who: kit.connect(who) for who in ("mas", "man", "g1", "g2")}
    kit.group("lounge", "mas", man=Role.MANAGER, g1=Role.GUEST, g2=Role.GUEST)
    kit.submit(sids["mas"], "mine", "r0")
    return link, sids


def test_while_it_waits_who_released_it_may_leave_and_words_may_go(kit: Kit) -> None:
    link, sids = busy_lounge(kit)
    say(kit, sids, "g1", "one")
    say(kit, sids, "g2", "two")
    ack = result_of(submit_queue(kit, sids["man"]))
    assert (ack.state, ack.waiting.what, ack.waiting.position) == ("queued", "turn", 1)
    result_of(kit.rooms.remove("lounge", "man", "left"))
    result_of(kit.rooms.remove("lounge", "g2", "left"))
    kit.streams.answered(Said(X, request="r0"), "so")
    assert (link.forwarded[-1]["requestId"], link.forwarded[-1]["message"]) == ("go", "one")


def test_when_nothing_is_left_of_it_it_ends(kit: Kit) -> None:
    link, sids = busy_lounge(kit)
    say(kit, sids, "g1", "one")
    result_of(submit_queue(kit, sids["man"]))
    result_of(kit.rooms.remove("lounge", "g1", "left"))
    assert kit.statuses(sids["man"])[-1] == "expired"
    kit.streams.answered(Said(X, request="r0"), "so")
    assert len(link.forwarded) == 1


def test_it_is_released_after_a_restart_too(kit: Kit) -> None:
    _, sids = busy_lounge(kit)
    say(kit, sids, "g1", "one")
    say(kit, sids, "g2", "two")
    result_of(submit_queue(kit, sids["man"]))
    again = Kit(with_stores_of=kit)
    for who in ("mas", "man", "g1", "g2"):
        again.connect(who)
    link = again.extension(X)
    again.clock.advance(1)
    assert [(each["requestId"], each["message"]) for each in link.forwarded] == [("go", "one\n\ntwo")]
    again.close()


def test_the_whole_is_for_its_submitter_to_cancel(kit: Kit) -> None:
    _, sids = busy_lounge(kit)
    say(kit, sids, "g1", "one")
    ack = result_of(submit_queue(kit, sids["man"]))
    which = Which(request_id="g1-one")
    assert str(failure_of(kit.cancelling.cancel(kit.caller(sids["g1"]), which))) == "Request was merged"
    cancelled = result_of(kit.cancelling.cancel(kit.caller(sids["man"]), Which(request_id=ack.request_id)))
    assert (cancelled.state, kit.statuses(sids["g1"])[-1], kit.ledger.live_count) == ("cancelled", "cancelled", 1)


def test_what_was_released_while_it_was_stored_as_queued_is_not_said_to_wait(
    kit: Kit, link: Link, lounge: dict[str, str]
) -> None:
    before = kit.rooms.require("lounge")
    immediate = result_of(kit.rooms.change(before, evolve(before, mode=RequestMode.IMMEDIATE)))
    kit.gate.shut = kit.request_gate.shut = True
    asked = kit.ask(lounge["g1"], "one", "r1", room="lounge")
    changing = Deferred.fromCoroutine(kit.rooms.change(immediate, before))
    kit.gate.waiting.insert(0, kit.gate.waiting.pop())
    kit.gate.open()
    result_of(changing)
    releasing = submit_queue(kit, lounge["mas"])
    kit.request_gate.open()
    assert result_of(releasing).state == "forwarded"
    ack = result_of(asked)
    assert (ack["state"], "waitsFor" in ack) == ("merged", False)
    assert kit.statuses(lounge["g1"]) == ["merged"]


@pytest.mark.parametrize("why", ["left", "cancelled"])
def test_while_it_waits_for_an_extension_and_nothing_is_left_it_ends_too(
    kit: Kit, link: Link, lounge: dict[str, str], why: str
) -> None:
    say(kit, lounge, "g1", "one")
    kit.disconnect_all(X)
    assert result_of(submit_queue(kit, lounge["man"])).waiting.what == "extension"
    if why == "left":
        result_of(kit.rooms.remove("lounge", "g1", "left"))
    else:
        result_of(kit.cancelling.cancel(kit.caller(lounge["g1"]), Which(request_id="g1-one")))
    link = kit.extension(X)
    assert (link.forwarded, errors(kit, lounge["man"])) == ([], [])
    last = kit.outbox.bodies(lounge["man"], "REQUEST_STATUS_UPDATE")[-1]
    assert (last["status"], last["message"], kit.ledger.live_count) == ("expired", "The queue is empty", 0)


def test_what_is_asked_after_a_release_that_waits_is_for_the_next_one(kit: Kit) -> None:
    link, sids = busy_lounge(kit)
    say(kit, sids, "g1", "one")
    result_of(submit_queue(kit, sids["man"]))
    say(kit, sids, "g2", "two")
    kit.streams.answered(Said(X, request="r0"), "so")
    assert link.forwarded[-1]["message"] == "one"
    assert kit.statuses(sids["g2"]) == ["queued"]


def test_of_two_releases_that_wait_for_an_extension_the_first_takes_what_has_come_since(
    kit: Kit, link: Link, lounge: dict[str, str]
) -> None:
    say(kit, lounge, "g1", "one")
    kit.disconnect_all(X)
    for who in ("mas", "man"):
        result_of(submit_queue(kit, lounge[who], request_id=f"go-{who}"))
    say(kit, lounge, "g2", "two")
    link = kit.extension(X, capacity=16)
    assert [(each["requestId"], each["message"]) for each in link.forwarded] == [("go-mas", "one\n\ntwo")]
    assert kit.statuses(lounge["man"]) == ["queued", "expired"]


def test_a_room_that_keeps_its_queue_lets_it_be_released(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    kit.set_mode("lounge", RequestMode.CONVERSATIONAL)
    result_of(submit_queue(kit, lounge["mas"]))
    assert [each["message"] for each in link.forwarded] == ["one"]


def test_a_release_is_no_question_that_is_asked_again(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    released = result_of(submit_queue(kit, lounge["mas"]))
    kit.streams.answered(Said(X, request="go"), "so")
    again = {"room": "lounge", "request_type": "regenerateMessage"}
    assert str(failure_of(kit.ask(lounge["mas"], "", "go", **again))) == "Message not found"
    ack = kit.submit(lounge["mas"], "", "again", message_id=released.message_id, **again)
    assert (ack["questionId"], link.forwarded[-1]["message"]) == (released.message_id, "one")
