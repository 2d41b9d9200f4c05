"""Who may ask, how much, and what is stored of it (contract 5.1, 5.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from hubkit import Kit, Link, failure_of, result_of
from newage.domain.model import Role
from newage.domain.request import Ask
from newage.errors import InvalidRequest, NewAgeError, NotAuthorised, RoomDenied, Unavailable
from newage.ports import Said
from newage.services.requests.limits import RequestSettings

X = "SillyTavern-8000"


@pytest.fixture
def link(kit: Kit) -> Link:
    """An extension that takes several requests at once."""
    return kit.extension(X, capacity=16)


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1", identity="web1-a")


def refused(kit: Kit, sid: str, text: str = "hi", request_id: str | None = "r1", **ask: Any) -> tuple[type, str]:
    wanted = Ask(request_id=request_id, text=text, **ask)
    error = failure_of(kit.requests.submit(kit.caller(sid), wanted))
    return type(error), str(error)


# ------------------------------------------------------------------------------------------------------------- refused


def test_muted_comes_before_everything_else(kit: Kit, link: Link) -> None:
    kit.connect("ann")
    sid = kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.mute("lounge", "bob", 10)
    words = "You are currently muted and cannot send messages."
    assert refused(kit, sid, "", None, room="lounge") == (NotAuthorised, words)
    kit.clock.advance(10)
    assert kit.submit(sid, room="lounge")["state"] == "queued"


@pytest.mark.parametrize("room", ["nowhere", "ann"])
def test_strangers_and_missing_rooms_are_refused_alike(kit: Kit, link: Link, sid: str, room: str) -> None:
    kit.connect("ann")
    assert refused(kit, sid, room=room) == (RoomDenied, "Invalid or unauthorized target room.")


def test_an_administrator_speaks_in_any_room_as_a_manager(kit: Kit, link: Link, sid: str) -> None:
    monitor = kit.connect("monitor", client_type="monitor")
    kit.submit(sid, "queued", "q", role_hint=Role.GUEST)
    assert kit.submit(monitor, room="web1-a")["state"] == "forwarded"
    assert link.forwarded[0]["role"] == "manager"
    assert link.forwarded[0]["currentRequest"]["mergedFromCount"] == 2


def test_a_monitor_without_rights_is_a_stranger(kit: Kit, link: Link, sid: str) -> None:
    monitor = kit.connect("monitor", client_type="monitor", sensitive=False)
    assert refused(kit, monitor, room="web1-a")[0] is RoomDenied


@pytest.mark.parametrize(("text", "request_id"), [("", "r1"), ("hi", None)])
def test_text_and_id_are_needed(kit: Kit, link: Link, sid: str, text: str, request_id: str | None) -> None:
    assert refused(kit, sid, text, request_id) == (InvalidRequest, "Invalid LLM request data.")
    assert kit.stored("web1-a") == []


def test_a_live_id_is_taken_and_a_finished_one_free(kit: Kit, link: Link, sid: str) -> None:
    kit.submit(sid, "hi", "r1")
    assert refused(kit, sid, "again", "r1") == (InvalidRequest, "Duplicate requestId.")
    kit.streams.answered(Said(X, request="r1"), "yes")
    assert kit.submit(sid, "again", "r1")["state"] == "forwarded"


def test_an_id_is_taken_while_its_message_is_being_stored(kit: Kit, link: Link, sid: str) -> None:
    kit.gate.shut = True
    first = kit.ask(sid, "hi", "r1")
    assert str(failure_of(kit.ask(sid, "hi", "r1"))) == "Duplicate requestId."
    kit.gate.open()
    assert result_of(first)["state"] == "forwarded"


def test_the_server_answers_no_prompts(kit: Kit, link: Link, sid: str) -> None:
    words = "LLM requests should not be sent to the server directly."
    assert refused(kit, sid, targets=("server",)) == (InvalidRequest, words)


def test_a_message_that_cannot_be_stored_is_no_request(kit: Kit, link: Link, sid: str) -> None:
    result_of(kit.rooms.ensure_stored(kit.room_id("web1-a"), said=True))
    kit.gate.broken = True
    assert refused(kit, sid) == (NewAgeError, "Failed to record request message.")
    assert link.forwarded == []
    assert kit.ledger.live_count == 0
    kit.gate.broken = False
    assert kit.submit(sid, "hi", "r1")["state"] == "forwarded"


def test_a_request_that_was_cancelled_does_not_stay(kit: Kit, link: Link, sid: str) -> None:
    kit.gate.shut = True
    asking = kit.ask(sid, "hi", "r1")
    asking.cancel()
    with pytest.raises(CancelledError):
        result_of(asking)
    kit.gate.open()
    assert kit.ledger.live_count == 0


# -------------------------------------------------------------------------------------------------------------- limits


def test_requests_are_limited_in_rate_per_identity(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(request_rate=2))
    kit.extension(X)
    sid, other = kit.connect("web1"), kit.connect("web2")
    for _ in range(2):
        kit.submit(sid)
    assert refused(kit, sid) == (Unavailable, "Too many requests.")
    kit.submit(other)
    kit.clock.advance(9.9)
    assert refused(kit, sid)[0] is Unavailable
    kit.clock.advance(0.1)
    kit.submit(sid)
    assert len(kit.stored("web1")) == 3


def test_live_requests_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(max_live_requests=3, max_live_requests_per_identity=2))
    kit.extension(X)
    sids = [kit.connect(f"web{n}") for n in range(3)]
    kit.submit(sids[0], "hi", "r1")
    kit.submit(sids[0])
    assert refused(kit, sids[0], "hi", "r9")[0] is Unavailable
    kit.submit(sids[1])
    assert refused(kit, sids[2], "hi", "r9")[0] is Unavailable
    kit.streams.answered(Said(X, request="r1"), "yes")
    kit.submit(sids[2])


def test_texts_are_limited_in_bytes(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(max_request_bytes=300))
    kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, "x" * 200)
    assert refused(kit, sid, "x" * 301) == (InvalidRequest, "Invalid LLM request data.")
    assert refused(kit, sid, "ä" * 151) == (InvalidRequest, "Invalid LLM request data.")


def test_what_passes_through_is_limited_too(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(requests=RequestSettings(max_request_bytes=300))
    kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, data={"prompt": "x" * 200})
    for bulky in ({"data": {"prompt": "hi", "more": "x" * 300}}, {"extra": {"history": ["x" * 10] * 40}}):
        assert refused(kit, sid, **bulky) == (InvalidRequest, "Invalid LLM request data.")


# --------------------------------------------------------------------------------------------------------------- names


def test_what_a_person_says_keeps_the_name_of_then(kit: Kit, link: Link) -> None:
    sid = kit.connect("ann", name="Ann")
    kit.submit(sid, "one", "a1")
    kit.connect("ann", "/rooms", name="Anna")
    kit.connect("ann", "/clients")  # says nothing: it is called as before
    kit.submit(sid, "two", "a2")
    assert [message.name for message in kit.stored("ann") if not message.is_response] == ["Ann", "Anna"]
    heard = kit.outbox.bodies(sid, "NEW_MESSAGE")
    assert [(body["name"], body["message"]["name"]) for body in heard] == [("Ann", "Ann"), ("Anna", "Anna")]
    assert kit.stored("ann")[0].identity == "ann"


def test_who_declares_no_name_says_what_it_always_said(kit: Kit, link: Link) -> None:
    sid = kit.connect("bob")
    kit.submit(sid, "one", "b1")
    kit.submit(sid, "two", "b2", extra={"name": "whatever"})
    one, two = kit.outbox.bodies(sid, "NEW_MESSAGE")
    assert "name" not in one
    assert "name" not in one["message"]
    assert "name" not in two
    assert two["message"]["name"] == "whatever", "a member that it passes on"
    named = kit.connect("ann", name="Ann")
    kit.submit(named, "three", "a1", extra={"name": "bob"})
    assert kit.outbox.bodies(named, "NEW_MESSAGE")[0]["message"]["name"] == "Ann"
