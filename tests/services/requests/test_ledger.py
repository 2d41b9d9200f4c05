"""The account of requests by itself: time, whose answer it is, who hears of its end (contract 5.3, 5.5, 5.8)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import Kit
from logkit import Logged
from newage.domain.model import RequestMode, Role
from newage.domain.request import Ask, Request
from newage.errors import NewAgeError, PeerGone
from newage.services.events import RequestEnds
from newage.services.requests.forwarding import Forwarder
from newage.services.requests.ledger import LOGGED_ENDS_PER_SECOND, RequestLedger

X, Y = "SillyTavern-1", "SillyTavern-2"


@pytest.fixture
def web(kit: Kit) -> str:
    return kit.connect("web1")


@pytest.fixture
def ledger(kit: Kit) -> RequestLedger:
    """On the kit's desks; its extensions are there and take any number at once."""
    kit.change("requests", extension_first_sign_seconds=10_000)
    kit.extension(X, capacity=16)
    kit.extension(Y, capacity=16)
    forwarder = Forwarder(kit.outbox, kit.sessions, kit.activity, kit.pacer)
    talk = kit.talk
    return RequestLedger(
        kit.world, kit.desks, forwarder, kit.live.requests, RequestEnds(), talk.stopping, talk.rerouting
    )


def enter(kit: Kit, ledger: RequestLedger, request_id: str, *targets: str, who: str = "web1") -> Request:
    now = kit.clock.seconds()
    request = Request(
        request_id=request_id,
        identity=who,
        client_id=who,
        room=who,
        room_id=f"{who}-1",
        role=Role.MASTER,
        mode=RequestMode.DEFAULT,
        message_id=f"m-{request_id}",
        ask=Ask(request_id=request_id, text="hi"),
        created_at=now,
        active_at=now,
        state="forwarded",
        targets=targets,
    )
    ledger.enter(request)
    for target in targets:
        kit.pacer.send(target, request, lambda target, name: None)
    return request


def heard(kit: Kit, sid: str) -> list[tuple[str, str]]:
    return [(body["requestId"], body["status"]) for body in kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE")]


# ------------------------------------------------------------------------------------------------------------ counting


def test_live_requests_are_counted_until_they_end(kit: Kit, ledger: RequestLedger, web: str) -> None:
    first, second = enter(kit, ledger, "r1", X), enter(kit, ledger, "r2", X, who="web2")
    assert (ledger.live_count, ledger.get("web1", "r1"), ledger.get("web1", "r3")) == (2, first, None)
    ledger.end(first, "completed")
    ledger.end(first, "failed")
    assert ledger.live_count == 1
    ledger.end(second, "failed")
    assert ledger.live_count == 0
    assert heard(kit, web) == [("r1", "completed")], "a second end is none, and others' ends are not told"


def test_a_finished_id_may_be_used_again(kit: Kit, ledger: RequestLedger, web: str) -> None:
    ledger.end(enter(kit, ledger, "r1", X), "completed")
    again = enter(kit, ledger, "r1", X)
    assert (ledger.get("web1", "r1"), ledger.live_count) == (again, 1)
    kit.clock.advance(61)
    ledger.sweep()
    assert ledger.get("web1", "r1") is again, "the tail of the first is not the second's"


def test_what_is_forgotten_was_never_there(kit: Kit, ledger: RequestLedger, web: str) -> None:
    first = enter(kit, ledger, "r1", X)
    again = enter(kit, ledger, "r1", X)
    ledger.forget(first)
    assert (ledger.get("web1", "r1"), ledger.live_count) == (again, 1)
    ledger.forget(again)
    ledger.forget(again)
    assert (ledger.get("web1", "r1"), ledger.live_count) == (None, 0)
    assert kit.outbox.sent == []


# ------------------------------------------------------------------------------------------------------------- in time


def test_a_silent_request_expires_with_an_error(kit: Kit, ledger: RequestLedger, web: str) -> None:
    request = enter(kit, ledger, "r1", X)
    kit.clock.advance(599.9)
    ledger.sweep()
    assert request.live
    kit.clock.advance(0.1)
    ledger.sweep()
    assert heard(kit, web) == [("r1", "expired")]
    error = kit.outbox.bodies(web, "ERROR")[0]
    assert (error["message"], error["errorCode"], error["requestId"]) == ("Request timed out.", 8, "r1")


def test_a_sign_of_life_gives_it_its_whole_time_again(kit: Kit, ledger: RequestLedger, web: str) -> None:
    request = enter(kit, ledger, "r1", X)
    kit.clock.advance(599)
    ledger.heard_from(request, X)
    kit.clock.advance(599)
    ledger.sweep()
    assert request.live


def test_what_nobody_was_asked_does_not_time_out(kit: Kit, ledger: RequestLedger, web: str) -> None:
    """It waits in a queue, which has a time of its own."""
    request = enter(kit, ledger, "r1")
    kit.clock.advance(3000)
    ledger.sweep()
    assert request.live


def test_a_request_released_from_the_queue_has_its_whole_time(kit: Kit) -> None:
    """However long it waited for somebody to open the room."""
    kit.change("requests", extension_first_sign_seconds=10_000)
    kit.extension()
    master, guest = kit.connect("mas"), kit.connect("gue")
    kit.group("lounge", "mas", gue=Role.GUEST)
    kit.submit(guest, "patience", "r1", room="lounge")
    kit.clock.advance(1000)
    kit.set_mode("lounge", RequestMode.IMMEDIATE)
    for _ in range(119):
        kit.clock.advance(5)
    assert kit.statuses(guest) == ["queued", "forwarded"]
    kit.clock.advance(10)
    assert kit.statuses(guest) == ["queued", "forwarded", "expired"]
    assert kit.statuses(master) == []


def test_an_ended_request_is_remembered_for_its_tail(kit: Kit, ledger: RequestLedger, web: str) -> None:
    request = enter(kit, ledger, "r1", X)
    ledger.finished_by(request, X)
    ledger.end(request, "completed")
    kit.clock.advance(59)
    ledger.sweep()
    assert kit.desks.named(X, "r1") is request
    kit.clock.advance(1)
    ledger.sweep()
    assert (ledger.get("web1", "r1"), kit.desks.named(X, "r1")) == (None, None)


# --------------------------------------------------------------------------------------------------------- correlation


def test_what_is_awaited_of_an_extension(kit: Kit, ledger: RequestLedger, web: str) -> None:
    first, both, other = enter(kit, ledger, "r1", X), enter(kit, ledger, "r2", X, Y), enter(kit, ledger, "r3", Y)
    assert ledger.awaited_of(X) == [first, both]
    ledger.finished_by(both, X)
    ledger.finished_by(both, X)
    ledger.finished_by(other, X)
    assert (ledger.awaited_of(X), ledger.awaited_of(Y)) == ([first], [both, other])


# ------------------------------------------------------------------------------------------------------------- answers


def test_two_answers_complete_with_the_second(kit: Kit, ledger: RequestLedger, web: str) -> None:
    request = enter(kit, ledger, "r1", X, Y)
    ledger.finished_by(request, X)
    ledger.answered_by(request, X, "a1")
    ledger.answered_by(request, Y, "a2")
    bodies = kit.outbox.bodies(web, "REQUEST_STATUS_UPDATE")
    assert [(b["status"], b["responseId"], b.get("remaining")) for b in bodies] == [
        ("processing", "a1", 1),
        ("completed", "a2", None),
    ]
    assert request.responses == ["a1", "a2"]
    ledger.answered_by(request, X, "a3")
    assert request.responses == ["a1", "a2", "a3"]
    assert len(heard(kit, web)) == 2, "what comes after the end is stored, not told again"


@pytest.mark.parametrize(("first", "then"), [("answer", "completed"), ("failure", "failed")])
def test_it_ends_well_if_anybody_answered(kit: Kit, ledger: RequestLedger, web: str, first: str, then: str) -> None:
    request = enter(kit, ledger, "r1", X, Y)
    if first == "answer":
        ledger.answered_by(request, X, "a1")
    else:
        assert ledger.failed_by(request, X, NewAgeError("first"))
    assert ledger.failed_by(request, Y, PeerGone("gone"), {"why": "unplugged"})
    assert not ledger.failed_by(request, Y, PeerGone("gone")), "only the first time counts"
    assert heard(kit, web)[-1] == ("r1", then)
    last = kit.outbox.bodies(web, "REQUEST_STATUS_UPDATE")[-1]
    assert last.get("message") == ("gone" if then == "failed" else None)
    error = kit.outbox.bodies(web, "ERROR")[-1]
    assert (error["message"], error["errorCode"], error["source"], error["error"]) == (
        "gone",
        11,
        Y,
        {"why": "unplugged"},
    )


def test_a_failure_of_who_was_not_asked_counts_for_nothing(kit: Kit, ledger: RequestLedger, web: str) -> None:
    assert not ledger.failed_by(enter(kit, ledger, "r1", X), Y, NewAgeError("no"))
    assert kit.outbox.sent == []


def test_an_answer_that_is_lost_fails_what_seemed_finished(kit: Kit, ledger: RequestLedger, web: str) -> None:
    request = enter(kit, ledger, "r1", X)
    ledger.finished_by(request, X)
    ledger.lost_by(request, X, NewAgeError("The answer could not be stored."))
    assert heard(kit, web) == [("r1", "failed")]


def test_what_was_merged_ends_alike(kit: Kit, ledger: RequestLedger, web: str) -> None:
    guest = kit.connect("gue")
    queued, request = enter(kit, ledger, "q1", who="gue"), enter(kit, ledger, "r1", X)
    request.merged = [queued]
    ledger.answered_by(request, X, "a1")
    assert (heard(kit, guest), heard(kit, web)) == ([("q1", "completed")], [("r1", "completed")])
    assert kit.outbox.bodies(guest, "REQUEST_STATUS_UPDATE")[0]["responseId"] == "a1"
    assert ledger.live_count == 0


def test_an_end_frees_the_extension_for_the_next(kit: Kit, ledger: RequestLedger) -> None:
    kit.extension("one")
    sent: list[str] = []
    requests = [enter(kit, ledger, f"r{n}") for n in range(3)]
    for request in requests:
        request.targets = ("one",)
        kit.pacer.send("one", request, lambda target, name: sent.append(name))
    assert sent == ["r0"]
    ledger.failed_by(requests[0], "one", NewAgeError("no"))
    assert sent == ["r0", "r1"]
    ledger.finished_by(requests[1], "one")
    assert sent == ["r0", "r1", "r2"]


# ----------------------------------------------------------------------------------------------------------------- log


def test_ends_are_logged_within_a_quota(kit: Kit, ledger: RequestLedger) -> None:
    logged = Logged().start()
    try:
        for n in range(LOGGED_ENDS_PER_SECOND + 7):
            ledger.end(enter(kit, ledger, f"r{n}", X), "completed")
        kit.clock.advance(1)
        ledger.end(enter(kit, ledger, "last", X), "expired")
        ledger.end(enter(kit, ledger, "ignored", X), "ignored")
    finally:
        logged.stop()
    lines: list[Any] = [event for event in logged.events if "request_id" in event]
    assert len(lines) == LOGGED_ENDS_PER_SECOND + 2
    assert lines[-2]["status"] == "expired (7 ends before were not logged)"
    assert [line["tag"] for line in lines[-3:]] == ["LLM_RESPONSE_SENT", "LLM_REQUEST_FAILED", ""]
