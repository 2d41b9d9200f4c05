"""Open requests outlive the hub: none is lost, none is asked twice (contract 5.3, A35)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from hubkit import Kit, Link, failure_of, faults, result_of
from newage.domain.model import ConnectionPolicy, RequestMode, Role
from newage.ports import IRequestListener, Said
from newage.services.requests.limits import RequestSettings
from newage.services.streams.cancelling import Which

X = "SillyTavern-8000"
RESTARTED = "The server was restarted."


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1")


def open_ones(kit: Kit) -> list[tuple[str, str]]:
    return [(each.request_id, each.state) for each in result_of(kit.request_store.load_requests())]


def crashed(kit: Kit, make_kit: Callable[..., Kit], **settings: Any) -> Kit:
    """A hub that comes up on what another one left when it was killed."""
    kit.gate.shut = True
    return make_kit(with_stores_of=kit, **settings)


def told(kit: Kit, sid: str, request_id: str) -> list[str]:
    return [body["message"] for body in kit.outbox.bodies(sid, "ERROR") if body["requestId"] == request_id]


def asked(link: Link) -> list[str]:
    return [each["requestId"] for each in link.forwarded]


def test_it_hears_how_requests_end(kit: Kit) -> None:
    assert verifyObject(IRequestListener, kit.talk.records)


def test_what_is_acknowledged_is_stored_with_its_message(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.gate.shut = True
    asking = kit.ask(sid, "q", "r1")
    assert open_ones(kit) == []
    kit.gate.open()
    assert result_of(asking)["state"] == "forwarded"
    assert open_ones(kit) == [("r1", "forwarded")]


def test_the_usual_one_costs_no_commit_of_its_own(kit: Kit, sid: str) -> None:
    """It is stored with its message, and is no more with its answer."""
    kit.extension(X)
    kit.request_gate.shut = True
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said(X), "a")
    assert (kit.request_gate.waiting, kit.statuses(sid)[-1], open_ones(kit)) == ([], "completed", [])


@pytest.mark.parametrize("mode", [RequestMode.CONVERSATIONAL, RequestMode.MASTER_ONLY])
def test_what_nobody_is_asked_is_not_kept(kit: Kit, sid: str, mode: RequestMode) -> None:
    kit.set_mode("web1", mode)
    kit.submit(sid, "q", "r1", role_hint=Role.GUEST)
    assert open_ones(kit) == []


def test_a_request_without_an_extension_is_over(kit: Kit, sid: str) -> None:
    failure_of(kit.ask(sid, "q", "r1"))
    assert open_ones(kit) == []


def test_what_waits_is_kept_as_waiting_and_marked_before_it_is_sent(kit: Kit, sid: str) -> None:
    link = kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    assert open_ones(kit) == [("r1", "forwarded"), ("r2", "queued")]
    kit.request_gate.shut = True
    kit.streams.answered(Said(X), "a")
    assert (open_ones(kit), asked(link)) == ([("r2", "queued")], ["r1"])
    kit.request_gate.open()
    assert (open_ones(kit), asked(link)) == ([("r2", "forwarded")], ["r1", "r2"])


def test_it_is_acknowledged_as_waiting_when_it_is_stored_so(kit: Kit, sid: str) -> None:
    """It looked as if it could be sent at once, and then another one was."""
    kit.extension(X)
    kit.gate.shut = True
    first, second = kit.ask(sid, "q", "r1"), kit.ask(sid, "q", "r2")
    kit.request_gate.shut = True
    kit.gate.open()
    assert result_of(first)["state"] == "forwarded"
    assert (open_ones(kit), second.called) == ([("r1", "forwarded"), ("r2", "forwarded")], False)
    kit.request_gate.open()
    assert result_of(second)["waitsFor"] == "turn"
    assert open_ones(kit) == [("r1", "forwarded"), ("r2", "queued")]


def test_none_of_several_is_told_before_it_is_stored(kit: Kit, sid: str) -> None:
    links = [kit.extension(each) for each in (X, "Y")]
    kit.assignments.policy = ConnectionPolicy.BROADCAST
    kit.submit(sid, "q", "r1")
    for each in (X, "Y"):
        kit.streams.answered(Said(each), "a")
    kit.request_gate.shut = True
    asking = kit.ask(sid, "", "r2", request_type="regenerateMessage", message_id=kit.stored("web1")[0].message_id)
    assert [asked(link) for link in links] == [["r1"], ["r1"]]
    kit.request_gate.open()
    assert [asked(link) for link in links] == [["r1", "r2"], ["r1", "r2"]]
    assert (result_of(asking)["state"], open_ones(kit)) == ("forwarded", [("r2", "forwarded")])


def test_what_ends_while_its_message_is_being_stored_is_not_open(kit: Kit, sid: str) -> None:
    link = kit.extension(X)
    kit.gate.shut = kit.request_gate.shut = True
    asking = kit.ask(sid, "q", "r1")
    cancelling = Deferred.fromCoroutine(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r1")))
    kit.gate.open()
    kit.request_gate.open()
    assert (result_of(asking)["state"], result_of(cancelling).state) == ("cancelled", "cancelled")
    assert (open_ones(kit), asked(link)) == ([], [])


def test_what_cannot_be_marked_is_not_sent(kit: Kit, sid: str) -> None:
    link = kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    kit.request_gate.broken = True
    kit.streams.answered(Said(X), "a")
    assert (asked(link), kit.statuses(sid, "r2")[-1]) == (["r1"], "failed")


def test_all_targets_have_to_be_through(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.extension("Y")
    kit.assignments.policy = ConnectionPolicy.BROADCAST
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said(X), "a")
    assert open_ones(kit) == [("r1", "forwarded")]
    kit.streams.answered(Said("Y"), "b")
    assert open_ones(kit) == []


def test_an_answer_that_could_not_be_stored_ends_it_as_well(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.gate.broken = True
    kit.streams.answered(Said(X), "a")
    assert kit.statuses(sid)[-1] == "failed"
    assert open_ones(kit) == []


def test_an_end_that_cannot_be_stored_is_one_line(kit: Kit, sid: str) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.request_gate.broken = True
    logged = faults(lambda: kit.streams.failed(Said(X, request="r1"), "no", None))
    assert [event["log_format"].split(":")[0] for event in logged] == ["the end of a request could not be stored"]


# ------------------------------------------------------------------------------------------------------------- restart


def test_what_an_extension_had_been_told_is_dead_and_told_at_return(
    kit: Kit, sid: str, make_kit: Callable[..., Kit]
) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    after = crashed(kit, make_kit)
    link = after.extension(X)
    other = after.connect("web1", identity="web1-b")
    back = after.connect("web1")
    after.settle()
    assert told(after, other, "r1") == []
    assert told(after, back, "r1") == [RESTARTED]
    status = after.outbox.bodies(back, "REQUEST_STATUS_UPDATE")[0]
    assert (status["status"], status["message"], status["requestId"]) == ("failed", RESTARTED, "r1")
    assert asked(link) == []
    assert (open_ones(after), after.ledger.live_count) == ([], 0)
    assert told(after, after.connect("web1"), "r1") == []
    assert after.submit(back, "", "r1", request_type="regenerateMessage")["state"] == "forwarded"


def test_what_waited_goes_on_waiting_in_its_order(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    for number in range(1, 4):
        kit.submit(sid, f"q{number}", f"r{number}")
    after = crashed(kit, make_kit)
    assert [each.request_id for each in after.ledger.of_room(after.room_id("web1"))] == ["r2", "r3"]
    after.clock.pump([5] * 60)
    back = after.connect("web1")
    assert str(failure_of(after.ask(back, "q", "r2"))) == "Duplicate requestId."
    link = after.extension(X)
    after.streams.answered(Said(X), "a2")
    after.streams.answered(Said(X), "a3")
    assert [(each["requestId"], each["message"]) for each in link.forwarded] == [("r2", "q2"), ("r3", "q3")]
    assert after.statuses(back, "r3")[-1] == "completed"
    assert open_ones(after) == []


def test_it_does_not_need_its_requester(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    after = crashed(kit, make_kit)
    assert asked(after.extension(X)) == ["r2"]


def test_the_queue_of_the_host_is_there_again(kit: Kit, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    mas, gue = kit.connect("mas"), kit.connect("gue")
    kit.group("lobby", "mas", RequestMode.DEFAULT, gue=Role.GUEST)
    for number in range(2):
        kit.submit(gue, f"word {number}", f"g{number}", room="lobby")
    taken = kit.submit(gue, "not this", "g2", room="lobby")["messageId"]
    result_of(kit.editing.delete(kit.caller(gue), "lobby", [taken]))
    after = crashed(kit, make_kit)
    link = after.extension(X)
    gue, mas = after.connect("gue"), after.connect("mas")
    assert asked(link) == []
    after.submit(mas, "go", "m1", room="lobby")
    assert link.forwarded[0]["message"] == "word 0\n\nword 1\n\ngo"
    assert after.statuses(gue, "g0") == ["merged"]


@pytest.mark.parametrize(
    ("mode", "ends"), [(RequestMode.MASTER_ONLY, "ignored"), (RequestMode.CONVERSATIONAL, "recorded")]
)
def test_the_mode_may_be_another_one(kit: Kit, make_kit: Callable[..., Kit], mode: RequestMode, ends: str) -> None:
    kit.connect("mas")
    gue = kit.connect("gue")
    kit.group("lobby", "mas", RequestMode.DEFAULT, gue=Role.GUEST)
    kit.submit(gue, "q", "r1", room="lobby")
    lobby = kit.rooms.require("lobby")
    result_of(kit.rooms.change(lobby, evolve(lobby, mode=mode)))
    after = crashed(kit, make_kit)
    assert (open_ones(after), after.ledger.live_count) == ([], 0)
    assert [each.state for each in after.ledger.of_room(after.room_id("lobby"))] == [ends]


def test_a_shorter_queue_drops_the_oldest(kit: Kit, make_kit: Callable[..., Kit]) -> None:
    kit.connect("mas")
    gue = kit.connect("gue")
    kit.group("lobby", "mas", RequestMode.DEFAULT, gue=Role.GUEST)
    for number in range(3):
        kit.submit(gue, "q", f"g{number}", room="lobby")
    after = crashed(kit, make_kit, requests=RequestSettings(queue_size=2))
    assert [request_id for request_id, _ in open_ones(after)] == ["g1", "g2"]
    assert told(after, after.connect("gue"), "g0") == ["The request has expired."]


def test_asking_again_survives_as_that(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said(X), "bad")
    kit.submit(sid, "p", "r2")
    kit.submit(sid, "", "r1", request_type="regenerateMessage", action="swipe", streaming=True)
    after = crashed(kit, make_kit)
    link = after.extension(X)
    (again,) = link.forwarded
    assert (again["message"], again["requestType"], again["action"]) == ("q", "regenerateMessage", "swipe")
    assert again["requestId"] != "r1", "that it knows already (A17)"
    after.streams.answered(Said(X), "good")
    assert [(m.text, m.selected, m.request_id) for m in after.responses("web1")] == [
        ("bad", False, "r1"),
        ("good", True, "r1"),
    ]


def test_all_that_an_extension_is_told_of_it_survives(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said(X), "bad")
    kit.submit(sid, "p", "r2")
    wishes: dict[str, Any] = {"message_id": kit.responses("web1")[0].message_id, "character": "c.png", "failover": True}
    kit.submit(sid, "", "r3", request_type="regenerateMessage", **wishes)
    after = crashed(kit, make_kit)
    (again,) = after.extension(X, features=("accept",)).forwarded
    assert (again["messageId"], again["character"], again["failover"]) == (*wishes.values(),)


@pytest.mark.parametrize(("step", "seconds"), [(0, 3600), (-1e9, 3600), (1e9, 5), (3000, 600)])
def test_it_waits_no_longer_than_it_may(
    kit: Kit, sid: str, make_kit: Callable[..., Kit], step: float, seconds: int
) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    kit.step(step)
    after = crashed(kit, make_kit)
    after.clock.pump([5] * ((seconds - 5) // 5))
    assert (open_ones(after) == []) is (seconds == 5 and after.ledger.live_count == 0)
    after.clock.pump([5] * 2)
    assert open_ones(after) == []
    assert told(after, after.connect("web1"), "r2") == ["The request has expired."]


def test_a_stop_is_no_end(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    kit.requests.refuse_new()
    result_of(kit.streams.drain())
    for who in (X, "web1"):
        kit.disconnect_all(who)
    after = crashed(kit, make_kit)
    link, back = after.extension(X), after.connect("web1")
    assert told(after, back, "r1") == [RESTARTED]
    assert asked(link) == ["r2"]


def test_what_waits_for_its_turn_when_the_hub_stops_is_asked_after_the_start(
    kit: Kit, sid: str, make_kit: Callable[..., Kit]
) -> None:
    """The answer before it ends while the hub stops: its place stays empty."""
    link = kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    said = Said(X, stream="s", output="o", request="r1")
    kit.streams.stream_data(said, 0, "an answer")
    kit.requests.refuse_new()
    kit.streams.stream_ended(said, True)
    kit.clock.pump([0.5] * 10)
    result_of(kit.streams.drain())
    assert (kit.statuses(sid, "r1")[-1], asked(link)) == ("completed", ["r1"])
    after = crashed(kit, make_kit)
    link, back = after.extension(X), after.connect("web1")
    assert told(after, back, "r1") == told(after, back, "r2") == []
    assert asked(link) == ["r2"]


def test_what_an_extension_says_after_a_restart_to_what_it_was_told_before_is_nobody_elses(
    kit: Kit, sid: str, make_kit: Callable[..., Kit]
) -> None:
    kit.extension(X)
    kit.submit(sid, "mine", "r1")
    after = crashed(kit, make_kit)
    after.extension(X)
    other = after.connect("web2")
    after.submit(other, "yours", "r2")
    after.streams.answered(Said(X, request="r1"), "to mine")
    assert after.outbox.bodies(other, "LLM_RESPONSE") == []
    after.streams.answered(Said(X, request="r2"), "to yours")
    assert [body["message"] for body in after.outbox.bodies(other, "LLM_RESPONSE")] == ["to yours"]


def test_what_a_stop_cut_off_is_nobody_elses_either(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    kit.submit(sid, "mine", "r1")
    kit.streams.stream_started(Said(X, stream="s", output="o", request="r1"))
    kit.streams.stream_data(Said(X, stream="s", output="o", request="r1"), 0, "to ")
    kit.requests.refuse_new()
    result_of(kit.streams.drain())
    assert kit.statuses(sid, "r1")[-1] == "failed"
    after = crashed(kit, make_kit)
    after.extension(X)
    other = after.connect("web2")
    after.submit(other, "yours", "r2")
    after.streams.stream_data(Said(X, stream="s", output="o", request="r1"), 1, "mine")
    after.clock.pump([0.1] * 10)
    assert after.outbox.bodies(other, "SERVER_STREAM_DATA") == []
    assert [each for each, _ in open_ones(after)] == ["r2"]
    assert told(after, after.connect("web1"), "r1") == []


def test_what_goes_on_after_its_request_was_completed_is_nobody_elses(
    kit: Kit, sid: str, make_kit: Callable[..., Kit]
) -> None:
    """It seemed over, went on, and was cut off by a stop: nothing open is stored of its request any more."""
    kit.extension(X)
    kit.submit(sid, "mine", "r1")
    said = Said(X, stream="s", output="o", request="r1")
    kit.streams.stream_data(said, 0, "to ")
    kit.streams.stream_ended(said, True)
    assert (kit.statuses(sid, "r1")[-1], open_ones(kit)) == ("completed", [])
    kit.streams.stream_data(said, 0, "all of ")
    kit.requests.refuse_new()
    result_of(kit.streams.drain())
    after = crashed(kit, make_kit)
    after.extension(X)
    other = after.connect("web2")
    after.submit(other, "yours", "r2")
    after.streams.stream_data(said, 1, "mine")
    after.streams.answered(Said(X, request="r1"), "to all of mine")
    after.clock.pump([0.1] * 10)
    assert after.outbox.bodies(other, "SERVER_STREAM_DATA") == after.outbox.bodies(other, "LLM_RESPONSE") == []
    after.streams.answered(Said(X, request="r2"), "to yours")
    assert [body["message"] for body in after.outbox.bodies(other, "LLM_RESPONSE")] == ["to yours"]


def test_what_names_only_its_output_of_before_is_nobody_elses(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    kit.extension(X)
    kit.submit(sid, "mine", "r1")
    said = Said(X, stream="s", output="o")
    kit.streams.stream_data(said, 0, "to ")
    kit.clock.pump([0.5] * 4)
    after = crashed(kit, make_kit)
    after.extension(X)
    after.extension("Y")
    other = after.connect("web2")
    after.submit(other, "yours", "r2", targets=(X,))
    after.streams.stream_data(said, 1, "mine")
    after.clock.pump([0.1] * 10)
    assert after.outbox.bodies(other, "SERVER_STREAM_DATA") == []
    after.streams.answered(Said(X, output="p"), "to yours")
    assert [body["message"] for body in after.outbox.bodies(other, "LLM_RESPONSE")] == ["to yours"]
    after.submit(other, "theirs", "r3", targets=("Y",))
    after.streams.answered(Said("Y", output="o"), "another's id means nothing")
    assert after.statuses(other, "r3")[-1] == "completed"


def test_a_page_that_is_loaded_anew_may_name_its_outputs_as_the_one_before(
    kit: Kit, sid: str, make_kit: Callable[..., Kit]
) -> None:
    kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said(X, output="1"), "a")
    after = crashed(kit, make_kit)
    after.extension(X)
    back = after.connect("web1")
    after.submit(back, "q", "r2")
    after.disconnect_all(X)
    after.extension(X)
    after.clock.pump([0.5] * 4)
    after.streams.answered(Said(X, output="1"), "b")
    assert after.statuses(back, "r2")[-1] == "completed"
