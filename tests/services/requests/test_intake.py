"""Requests from arrival to completed: modes, targets, correlation, expiry (contract 5.1-5.5).

Who is let in is in test_admission.py.

Scenarios 17, 18, 20, 36-46 and 53 as far as they concern this service.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hubkit import OPERATOR, Kit, Link, failure_of, faults, result_of
from newage.domain.model import ConnectionPolicy, RequestMode, Role
from newage.domain.request import Request
from newage.errors import CallFailed, ClientMissing, NotAuthorised, Unavailable
from newage.ports import IExtensionLink, IRequestListener, IRoomListener, Said
from newage.services.requests.limits import RequestSettings

X = "SillyTavern-8000"


@pytest.fixture
def link(kit: Kit) -> Link:
    """An extension that takes several requests at once."""
    return kit.extension(X, capacity=16)


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1", identity="web1-a")


def errors(kit: Kit, sid: str) -> list[str]:
    return [body["message"] for body in kit.outbox.bodies(sid, "ERROR")]


def test_the_doubles_are_what_they_stand_for(kit: Kit, link: Link) -> None:
    assert verifyObject(IExtensionLink, link)
    assert verifyObject(IRoomListener, kit.requests)


# ------------------------------------------------------------------------------------------------------------ accepted


def test_a_request_is_stored_shown_forwarded_and_acked(kit: Kit, link: Link, sid: str) -> None:
    ack = kit.submit(sid, "hi", "r1")
    stored = kit.stored("web1-a")[0]
    assert ack == {
        "message": "Request received.",
        "requestId": "r1",
        "messageId": stored.message_id,
        "roomName": "web1-a",
        "state": "forwarded",
    }
    assert (stored.text, stored.role, stored.request_id, stored.client_id) == ("hi", "master", "r1", "web1")
    assert kit.outbox.bodies(sid, "NEW_MESSAGE")[0]["messageId"] == stored.message_id
    assert kit.statuses(sid) == ["forwarded"]
    assert kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE") == [
        {"mode": "Default", "roomName": "web1-a", "requestId": "r1", "status": "forwarded"}
    ]


def test_the_extension_gets_what_it_reads_and_more(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1", data={"prompt": "hi"}, streaming=True, extra={"temperature": 0.5, "history": []})
    payload = link.forwarded[0]
    stored = kit.stored("web1-a")[0]
    context = payload.pop("context")
    current = payload.pop("currentRequest")
    assert payload == {
        "requestId": "r1",
        "message": "hi",
        "requestType": "newMessage",
        "target": X,
        "targets": [X],
        "clientId": "web1",
        "identity": "web1-a",
        "requestingIdentity": "web1-a",
        "role": "master",
        "data": {"prompt": "hi"},
        "isStreaming": True,
        "isStream": True,
        "mode": "Default",
        "targetRoom": "web1-a",
        "roomName": "web1-a",
        "temperature": 0.5,
        "history": [],
    }
    assert current["messageId"] == stored.message_id
    assert current["temperature"] == 0.5
    assert [message["message"] for message in context] == ["hi"]


def test_the_target_an_extension_reads_is_its_client_id(kit: Kit, sid: str) -> None:
    link = kit.extension("SillyTavern-1", identity="SillyTavern-1-tab")
    kit.submit(sid, targets=("SillyTavern-1",))
    assert link.forwarded[0]["target"] == "SillyTavern-1"
    assert link.forwarded[0]["targets"] == ["SillyTavern-1-tab"]


def test_only_the_newest_socket_of_an_extension_is_asked(kit: Kit, link: Link, sid: str) -> None:
    second = kit.extension(X)
    kit.submit(sid)
    assert (len(link.forwarded), len(second.forwarded)) == (0, 1)


def test_the_room_sees_the_extension_at_work(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid)
    shown = [(b["identity"], b["status"]) for b in kit.outbox.bodies(sid, "MEMBER_STATUS_UPDATE")]
    assert shown == [(X, "processing")]


def test_the_room_defaults_to_ones_own_also_by_the_client_id(kit: Kit, link: Link, sid: str) -> None:
    kit.connect("web1")  # another session of the client, whose identity is the clientId
    assert kit.submit(sid)["roomName"] == "web1-a"
    assert kit.submit(sid, room="web1")["roomName"] == "web1-a"
    assert kit.submit(sid, room="web1-a")["roomName"] == "web1-a"


def test_a_regenerate_is_forwarded_as_one(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, request_type="regenerateMessage")
    assert link.forwarded[0]["requestType"] == "regenerateMessage"
    assert kit.stored("web1-a")[0].request_type == "regenerateMessage"


def test_nothing_begins_while_the_hub_stops(kit: Kit, link: Link, sid: str) -> None:
    kit.requests.refuse_new()
    error = failure_of(kit.ask(sid))
    assert (type(error), str(error)) == (Unavailable, "The server is stopping.")


# ----------------------------------------------------------------------------------- stored though not forwarded (A12)


def test_what_is_said_is_stored_and_shown_though_nobody_can_answer(kit: Kit, sid: str) -> None:
    error = failure_of(kit.ask(sid, "hi", "r1"))
    assert (type(error), str(error)) == (ClientMissing, "No connected SillyTavern extensions.")
    stored = kit.stored("web1-a")[0]
    assert error.members == {"messageId": stored.message_id}
    assert kit.outbox.bodies(sid, "NEW_MESSAGE")[0]["messageId"] == stored.message_id
    status = kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE")[0]
    assert (status["status"], status["message"]) == ("failed", "No connected SillyTavern extensions.")
    assert kit.ledger.live_count == 0
    kit.extension(X)
    assert kit.submit(sid, "hi", "r1", request_type="regenerateMessage")["state"] == "forwarded"


def test_a_target_that_is_not_there_is_named(kit: Kit, link: Link, sid: str) -> None:
    error = failure_of(kit.ask(sid, targets=("Elsewhere",)))
    assert (type(error), str(error)) == (ClientMissing, "Target client not found: Elsewhere")
    assert "messageId" in error.members


def test_a_client_is_no_target(kit: Kit, link: Link, sid: str) -> None:
    kit.connect("ann")
    assert str(failure_of(kit.ask(sid, targets=("ann",)))) == "Target client not found: ann"


def test_a_target_that_is_not_assigned_is_refused(kit: Kit, link: Link, sid: str) -> None:
    result_of(kit.assignments.set_policy(OPERATOR, ConnectionPolicy.MANUAL))
    error = failure_of(kit.ask(sid, targets=(X,)))
    assert (type(error), str(error)) == (NotAuthorised, f"Client web1 is not allowed to send messages to room {X}.")
    assert kit.statuses(sid) == ["failed"]
    monitor = kit.connect("monitor", client_type="monitor")
    assert kit.submit(monitor, targets=(X,))["state"] == "forwarded"


def test_a_queued_request_is_not_checked_for_targets(kit: Kit, sid: str) -> None:
    assert kit.submit(sid, targets=("Elsewhere",), role_hint=Role.GUEST)["state"] == "queued"


def test_missing_ones_among_several_are_named_in_a_warning(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1", targets=("Nobody", X, "Neither"))
    assert link.forwarded[0]["targets"] == [X]
    assert kit.outbox.bodies(sid, "WARNING") == [
        {"type": "WARNING", "message": "Target client not found: Nobody, Neither", "requestId": "r1"}
    ]


def test_the_same_extension_named_twice_is_asked_once(kit: Kit, sid: str) -> None:
    link = kit.extension("SillyTavern-1", identity="SillyTavern-1-tab")
    kit.submit(sid, targets=("SillyTavern-1", "SillyTavern-1-tab"))
    assert len(link.forwarded) == 1


# -------------------------------------------------------------------------------------------------------- who is asked


@pytest.mark.parametrize(
    ("policy", "asked"),
    [
        (ConnectionPolicy.FREE, "X"),
        (ConnectionPolicy.BROADCAST, "XY"),
        (ConnectionPolicy.BALANCED, "X"),
        (ConnectionPolicy.RANDOM, "Y"),
    ],
)
def test_the_policy_chooses_when_nobody_is_named(kit: Kit, sid: str, policy: ConnectionPolicy, asked: str) -> None:
    links = {name: kit.extension(name) for name in "XY"}
    result_of(kit.assignments.set_policy(OPERATOR, policy))
    kit.submit(sid)
    assert "".join(name for name, link in links.items() if link.forwarded) == asked


def test_an_administrators_own_room_is_served_by_anybody(kit: Kit, link: Link) -> None:
    monitor = kit.connect("monitor", client_type="monitor")
    kit.submit(monitor)
    assert len(link.forwarded) == 1


def test_one_extension_may_be_given_one_request_at_a_time(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit()
    link, sid = kit.extension(X), kit.connect("web1")
    for request_id in ("r1", "r2", "r3"):
        kit.submit(sid, request_id, request_id)
    kit.ledger.failed_by(kit.ledger.awaited_of(X)[1], X, CallFailed("gone"))
    assert [payload["requestId"] for payload in link.forwarded] == ["r1"]
    kit.streams.answered(Said(X, request="r1"), "yes")
    assert [payload["requestId"] for payload in link.forwarded] == ["r1", "r3"]


# --------------------------------------------------------------------------------------------------------------- modes


@pytest.fixture
def lounge(kit: Kit, link: Link) -> dict[str, str]:
    """A group room in Default mode: sids of its master, manager, special and two guests."""
    sids = {who: kit.connect(who) for who in ("mas", "man", "spe", "g1", "g2")}
    kit.group("lounge", "mas", man=Role.MANAGER, spe=Role.SPECIAL, g1=Role.GUEST, g2=Role.GUEST)
    return sids


def say(kit: Kit, lounge: dict[str, str], who: str, text: str = "", **ask: Any) -> str:
    state: str = kit.submit(lounge[who], text or f"{who} says", f"{who}-{text}", room="lounge", **ask)["state"]
    return state


@pytest.mark.parametrize(
    ("mode", "states"),
    [
        (RequestMode.DEFAULT, ["queued", "queued", "forwarded", "forwarded"]),
        (RequestMode.HOST_SUBMIT, ["queued", "queued", "forwarded", "forwarded"]),
        (RequestMode.IMMEDIATE, ["forwarded"] * 4),
        (RequestMode.SEPARATE, ["forwarded"] * 4),
        (RequestMode.MASTER_ONLY, ["ignored", "ignored", "ignored", "forwarded"]),
        (RequestMode.CONVERSATIONAL, ["recorded"] * 4),
    ],
)
def test_each_mode_treats_each_role_as_the_contract_says(
    kit: Kit, link: Link, lounge: dict[str, str], mode: RequestMode, states: list[str]
) -> None:
    kit.set_mode("lounge", mode)
    before = len(kit.stored("lounge"))
    assert [say(kit, lounge, who) for who in ("g1", "spe", "man", "mas")] == states
    assert len(link.forwarded) == states.count("forwarded")
    assert len(kit.stored("lounge")) == before + 4
    assert kit.statuses(lounge["g1"])[0] == states[0]


def test_a_conversational_request_with_a_target_is_direct(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    kit.set_mode("lounge", RequestMode.CONVERSATIONAL)
    assert say(kit, lounge, "g1", targets=(X,)) == "forwarded"
    assert (link.forwarded[0]["type"], link.forwarded[0]["mode"]) == ("DIRECT_REQUEST", "Conversational")


@pytest.mark.parametrize("hint", [Role.MASTER, Role.MANAGER, Role.SPECIAL, None])
def test_a_guest_cannot_claim_more(kit: Kit, lounge: dict[str, str], hint: Role | None) -> None:
    assert say(kit, lounge, "g1", role_hint=hint) == "queued"
    assert kit.stored("lounge")[-1].role == "guest"


def test_a_master_may_speak_as_a_guest(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    assert say(kit, lounge, "mas", role_hint=Role.GUEST) == "queued"
    assert link.forwarded == []


def test_separate_shows_only_the_own_thread(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    kit.set_mode("lounge", RequestMode.SEPARATE)
    say(kit, lounge, "g1", "mine")
    kit.streams.answered(Said(X, request="g1-mine"), "to g1")
    say(kit, lounge, "g2", "theirs")
    kit.streams.answered(Said(X, request="g2-theirs"), "to g2")
    say(kit, lounge, "g1", "more")
    assert [message["message"] for message in link.forwarded[-1]["context"]] == ["mine", "to g1", "more"]
    assert kit.outbox.bodies(lounge["g2"], "LLM_RESPONSE")[0]["message"] == "to g1"


def test_the_mode_that_counts_is_the_one_in_force_when_the_message_is_stored(
    kit: Kit, link: Link, lounge: dict[str, str]
) -> None:
    kit.gate.shut = True
    asking = kit.ask(lounge["g1"], "one", "r", room="lounge")
    before = kit.rooms.require("lounge")
    changing = Deferred.fromCoroutine(kit.rooms.change(before, evolve(before, mode=RequestMode.IMMEDIATE)))
    kit.gate.open()
    result_of(changing)
    assert result_of(asking)["state"] == "forwarded"


def test_a_deleted_room_ends_its_requests(kit: Kit, link: Link, lounge: dict[str, str]) -> None:
    say(kit, lounge, "g1", "one")
    kit.submit(lounge["mas"], "two", "two", room="lounge", targets=(X,))
    say(kit, lounge, "g2", "three")
    result_of(kit.rooms.delete("lounge"))
    assert kit.statuses(lounge["g1"])[-1] == "failed"  # it was merged
    assert kit.statuses(lounge["g2"]) == ["queued", "expired"]
    assert kit.statuses(lounge["mas"]) == ["forwarded", "failed"]
    assert kit.ledger.live_count == 0


@pytest.mark.parametrize("who", ["mas", "g1"])
def test_a_room_deleted_while_a_request_is_being_stored(kit: Kit, link: Link, lounge: dict[str, str], who: str) -> None:
    kit.set_mode("lounge", RequestMode.IMMEDIATE)
    kit.gate.shut = True
    asking = kit.ask(lounge[who], "one", "r", room="lounge", targets=(X,))
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.open()
    result_of(deleting)
    failure_of(asking)
    assert link.forwarded == []
    assert kit.ledger.live_count == 0


def test_a_room_deleted_while_the_context_is_read(kit: Kit, link: Link) -> None:
    sid = kit.connect("monitor", client_type="monitor")
    kit.group("lounge", "monitor")
    kit.gate.shut = True
    asking = kit.ask(sid, "one", "r", room="lounge", targets=(X,))
    kit.gate.step()  # the message is stored; now the context waits
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.waiting.insert(0, kit.gate.waiting.pop())  # the deletion is faster
    kit.gate.open()
    result_of(deleting)
    failure_of(asking)
    assert link.forwarded == []


# -------------------------------------------------------------------------------------------------------------- expiry


def test_a_request_without_activity_times_out(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r0")
    kit.streams.answered(Said(X, request="r0"), "yes")
    kit.outbox.clear()
    kit.submit(sid, "hi", "r1")
    kit.clock.pump([5] * 119)
    assert kit.statuses(sid) == ["forwarded"]
    kit.clock.pump([5] * 2)
    error = kit.outbox.bodies(sid, "ERROR")[0]
    assert (error["message"], error["errorCode"], error["requestId"]) == ("Request timed out.", 8, "r1")
    assert kit.statuses(sid) == ["forwarded", "expired"]


def test_activity_keeps_a_request_alive(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(llm_request_timeout_seconds=10))
    kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, "hi", "r1")
    for number in range(8):
        kit.clock.advance(5)
        kit.token("word ", "o1")
        assert kit.statuses(sid)[-1] != "expired", number


def test_one_slow_stream_keeps_its_request_alive(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(llm_request_timeout_seconds=10))
    kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, "hi", "r1")
    kit.streams.stream_started(Said(X, "s1", "o1", "r1"))
    for index in range(10):
        kit.streams.stream_data(Said(X, "s1", "o1", "r1"), index, "word ")
        kit.clock.pump([0.25] * 20)
    assert errors(kit, sid) == []
    kit.streams.stream_ended(Said(X, "s1", "o1", "r1"), None)
    assert kit.statuses(sid) == ["forwarded", "completed"]


def test_a_finished_request_is_remembered_for_its_tail(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    kit.streams.answered(Said(X, request="r1"), "yes")
    kit.clock.pump([5] * 11)
    assert kit.desks.named(X, "r1") is not None
    kit.clock.pump([5] * 2)
    assert kit.ledger.get("web1-a", "r1") is None
    assert kit.desks.named(X, "r1") is None


# ------------------------------------------------------------------------------------------------------------ outcomes


@pytest.fixture
def two(kit: Kit, link: Link, sid: str) -> str:
    """A request to two extensions."""
    kit.extension("Other")
    kit.submit(sid, "hi", "r1", targets=(X, "Other"))
    return sid


def test_two_targets_complete_with_the_second(kit: Kit, two: str) -> None:
    kit.streams.answered(Said(X, output="o1", request="r1"), "one")
    kit.streams.answered(Said("Other", output="o2", request="r1"), "two")
    updates = kit.outbox.bodies(two, "REQUEST_STATUS_UPDATE")
    assert [(u["status"], u.get("remaining")) for u in updates] == [
        ("forwarded", None),
        ("processing", 1),
        ("completed", None),
    ]
    responses = kit.responses("web1-a")
    assert len({message.response_id for message in responses}) == 2
    assert [u["responseId"] for u in updates[1:]] == [message.response_id for message in responses]
    assert {message.request_id for message in responses} == {"r1"}


def test_one_of_two_may_fail(kit: Kit, two: str) -> None:
    kit.streams.failed(Said("Other", request="r1"), "no memory", "details")
    assert kit.statuses(two) == ["forwarded"]
    kit.streams.answered(Said(X, output="o1", request="r1"), "one")
    assert kit.statuses(two) == ["forwarded", "completed"]
    assert errors(kit, two) == ["no memory"]


def test_the_answer_of_one_then_the_failure_of_the_other_completes(kit: Kit, two: str) -> None:
    kit.streams.answered(Said(X, output="o1", request="r1"), "one")
    kit.streams.failed(Said("Other", request="r1"), "no memory", None)
    assert kit.statuses(two) == ["forwarded", "processing", "completed"]


def test_both_failing_fails_with_the_last_words(kit: Kit, two: str) -> None:
    for who in (X, "Other"):
        kit.streams.failed(Said(who, request="r1"), f"{who} gave up", None)
    assert kit.statuses(two) == ["forwarded", "failed"]
    assert kit.outbox.bodies(two, "REQUEST_STATUS_UPDATE")[-1]["message"] == "Other gave up"


def test_an_error_is_reported_once_with_its_source(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    for _ in range(2):
        kit.streams.failed(Said(X, request="r1"), "Generation failed.", "stack")
    assert kit.outbox.bodies(sid, "ERROR") == [
        {
            "type": "ERROR",
            "message": "Generation failed.",
            "code": "call_failed",
            "errorCode": 502,
            "requestId": "r1",
            "error": "stack",
            "source": X,
        }
    ]
    assert kit.statuses(sid) == ["forwarded", "failed"]


def test_errors_that_belong_to_nothing_are_dropped(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    kit.extension("Other")
    for identity, request_id in ((X, None), (X, "unknown"), ("Other", "r1")):
        kit.streams.failed(Said(identity, request=request_id), "no", None)
    assert errors(kit, sid) == []


def test_a_lost_extension_fails_what_it_owed(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    kit.submit(sid, "hi", "r2")
    kit.disconnect_all(X)
    kit.clock.advance(9.9)
    assert errors(kit, sid) == []
    kit.clock.advance(0.1)
    assert errors(kit, sid) == ["SillyTavern extension disconnected."] * 2
    assert {body["errorCode"] for body in kit.outbox.bodies(sid, "ERROR")} == {11}
    assert kit.statuses(sid, "r1") == kit.statuses(sid, "r2") == ["forwarded", "queued", "failed"]


def test_the_requester_may_go_and_find_the_answer_later(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    kit.disconnect(sid)
    kit.clock.advance(5)
    kit.streams.answered(Said(X, request="r1"), "late")
    assert [message.text for message in kit.responses("web1-a")] == ["late"]


def test_an_answer_that_cannot_be_stored_fails_the_request(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    kit.gate.broken = True
    kit.streams.answered(Said(X, request="r1"), "lost")
    assert kit.statuses(sid) == ["forwarded", "failed"]
    assert len(errors(kit, sid)) == 1
    assert kit.ledger.live_count == 0


@implementer(IRequestListener)
class Ends:
    """Who is told how requests end."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, str | None, list[str]]] = []

    def request_ended(self, request: Request, words: str | None) -> None:
        self.told.append((request.request_id, request.state, words, request.responses))


def test_listeners_are_told_how_requests_end(kit: Kit, link: Link, sid: str) -> None:
    ends = Ends()
    kit.talk.request_ends.add(ends)
    kit.submit(sid, request_id="r1")
    kit.streams.answered(Said(X, output="o1", request="r1"), "hello")
    (answer,) = kit.responses("web1-a")
    kit.submit(sid, request_id="r2")
    kit.streams.failed(Said(X, request="r2"), "No model.", None)
    assert ends.told == [("r1", "completed", None, [answer.response_id]), ("r2", "failed", "No model.", [])]


def test_and_those_that_were_merged_have_the_answer_of_the_whole(kit: Kit, link: Link, sid: str) -> None:
    ends = Ends()
    host, guest = kit.connect("ann"), kit.connect("bob")
    kit.group("table", "ann", bob=Role.GUEST)
    kit.talk.request_ends.add(ends)
    kit.submit(guest, request_id="r1", room="table")
    kit.submit(host, request_id="r2", room="table")
    kit.streams.answered(Said(X, output="o1", request="r2"), "hello")
    (answer,) = kit.responses("table")
    assert ends.told == [(name, "completed", None, [answer.response_id]) for name in ("r1", "r2")]


def test_a_second_end_is_none(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    request = kit.ledger.get("web1-a", "r1")
    assert request is not None
    kit.ledger.end(request, "failed", "first")
    kit.ledger.end(request, "completed")
    assert kit.statuses(sid) == ["forwarded", "failed"]


# ------------------------------------------------------------------------------------------- what nobody has foreseen


def test_a_queue_is_released_to_its_end_whatever_goes_wrong_with_one(kit: Kit, link: Link, sid: str) -> None:
    guest = kit.connect("guest")
    kit.group("lounge", "web1-a", guest=Role.GUEST)
    for name in ("g1", "g2"):
        kit.submit(guest, f"words of {name}", name, room="lounge")
    kit.request_gate.shut = True
    kit.set_mode("lounge", RequestMode.IMMEDIATE)
    (logged,) = faults(lambda: kit.request_gate.waiting.pop(0).errback(ValueError("nobody foresaw that")))
    assert "could not be forwarded" in logged["log_format"]
    kit.request_gate.open()
    assert [each["requestId"] for each in link.forwarded] == ["g2"]
    assert kit.statuses(guest, "g1") == ["queued", "failed"]
    assert kit.statuses(guest, "g2") == ["queued", "forwarded"]
    assert errors(kit, guest) == ["Internal error."]
    assert kit.ledger.live_of("guest") == 1


def test_and_so_is_what_waited_for_an_extension(kit: Kit, link: Link, sid: str) -> None:
    kit.disconnect_all(X)
    for name in ("r1", "r2"):
        assert kit.submit(sid, f"words of {name}", name)["waitsFor"] == "extension"
    kit.request_gate.shut = True
    back = kit.extension(X, capacity=16)
    faults(lambda: kit.request_gate.waiting.pop(0).errback(ValueError("nobody foresaw that")))
    kit.request_gate.open()
    assert [each["requestId"] for each in back.forwarded] == ["r2"]
    assert (kit.statuses(sid, "r1")[-1], kit.statuses(sid, "r2")[-1]) == ("failed", "forwarded")
    assert errors(kit, sid) == ["Internal error."]
