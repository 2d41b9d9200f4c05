"""A room is deleted and made again under its name, while much is under way: the new one inherits nothing (A24)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from hubkit import Kit, Link, result_of
from newage.domain.model import RequestMode, Role
from newage.ports import Said

X = "SillyTavern-8000"


@pytest.fixture
def link(kit: Kit) -> Link:
    return kit.extension(X, capacity=16)


@pytest.fixture
def ann(kit: Kit, link: Link) -> str:
    """The master of the old room; the new one is bob's."""
    sid = kit.connect("ann")
    kit.connect("bob")
    kit.group("den", "ann", RequestMode.IMMEDIATE)
    kit.settle()
    return sid


def bob(kit: Kit) -> str:
    return kit.sessions.sids("bob", "/llm")[0]


def heard_by_bob(kit: Kit, *events: str) -> list[Any]:
    return [sent.args for sent in kit.outbox.got(bob(kit)) if sent.event in events and "old" in str(sent.args)]


def said(kit: Kit) -> list[str]:
    return [message.text for message in kit.stored("den") if not message.is_system]


def test_it_has_another_id_and_nothing_in_it(kit: Kit, ann: str) -> None:
    kit.submit(ann, "old", room="den")
    before = kit.rooms.require("den").id
    room = kit.make_again("den", "bob")
    assert (room.id != before, dict(room.members), dict(room.muted)) == (True, {"bob": Role.MASTER}, {})
    assert kit.rooms.with_id(before) is None
    assert said(kit) == []
    assert kit.rooms.require("den").seq == 1  # that bob has joined


def test_what_waits_in_its_queue_is_not_merged(kit: Kit, link: Link, ann: str) -> None:
    kit.connect("cid")
    result_of(kit.rooms.add("den", "cid"))
    kit.set_mode("den", RequestMode.DEFAULT)
    kit.submit(kit.sessions.sids("cid", "/llm")[0], "old", "r1", room="den")
    kit.make_again("den", "bob")
    result_of(kit.rooms.add("den", "cid"))
    kit.submit(bob(kit), "new", room="den")
    assert [payload["message"] for payload in link.forwarded] == ["new"]
    assert kit.statuses(kit.sessions.sids("cid", "/llm")[0], "r1") == ["queued", "expired"]


@pytest.mark.parametrize("way", ["before it is read", "while it is sent"])
def test_a_request_of_the_old_one_is_not_sent(kit: Kit, link: Link, ann: str, way: str) -> None:
    asking: list[Deferred[Any]] = []

    def ask() -> None:
        asking.append(kit.ask(ann, "old", "r1", room="den"))
        if way == "while it is sent":
            kit.gate.step()

    kit.make_again("den", "bob", ask)
    asking[0].addErrback(lambda _: None)
    assert link.forwarded == []
    assert kit.ledger.live_count == 0
    assert said(kit) == []


def test_late_answers_are_neither_shown_nor_kept(kit: Kit, link: Link, ann: str) -> None:
    kit.submit(ann, "q", "r1", room="den")
    kit.streams.stream_started(Said(X, "s", "o", "r1"))
    kit.streams.stream_data(Said(X, "s", "o", "r1"), 0, "old begun")
    kit.make_again("den", "bob")
    kit.streams.stream_data(Said(X, "s", "o", "r1"), 1, "old tokens")
    kit.streams.stream_ended(Said(X, "s", "o", "r1"), True)
    kit.streams.answered(Said(X, output="o2", request="r1"), "old in one piece")
    kit.clock.advance(3)
    assert [sent.event for sent in kit.outbox.got(bob(kit)) if "old" in str(sent.args)] == []
    assert said(kit) == []
    assert [b["status"] for b in kit.outbox.bodies(bob(kit), "MEMBER_STATUS_UPDATE")] == []


def test_a_member_of_both_gets_the_old_output_no_more(kit: Kit, link: Link, ann: str) -> None:
    reader = kit.connect("ann", stream_mode="plain")
    kit.submit(ann, "q", "r1", room="den")
    kit.streams.stream_started(Said(X, "s", "o", "r1"))
    kit.make_again("den", "ann")
    kit.streams.stream_data(Said(X, "s", "o", "r1"), 0, "old tokens")
    late = kit.connect("ann", stream_mode="plain")
    kit.clock.advance(1)
    for sid in (reader, late):
        assert "old tokens" not in str(kit.outbox.bodies(sid, "SERVER_STREAM_DATA"))


def test_a_message_on_its_way_is_not_shown_there(kit: Kit, ann: str) -> None:
    kit.make_again("den", "bob", lambda: kit.history.note("den", "old"))
    assert heard_by_bob(kit, "NEW_MESSAGE", "new_message", "UPDATE_CONTEXT") == []
    assert "old" not in [message.text for message in kit.stored("den")]


def test_a_snapshot_that_is_due_is_not_sent(kit: Kit, ann: str) -> None:
    kit.submit(ann, "old", room="den")
    kit.make_again("den", "bob")
    kit.clock.advance(1)
    assert all(
        body["context"] == [] or "old" not in str(body) for body in kit.outbox.bodies(bob(kit), "UPDATE_CONTEXT")
    )


def test_a_push_of_pages_ends(kit: Kit, ann: str) -> None:
    for number in range(120):
        kit.history.note("den", f"old {number}")
    result_of(Deferred.fromCoroutine(kit.pages.push(kit.caller(ann), "den")))
    kit.make_again("den", "ann")
    kit.outbox.clear()
    kit.clock.pump([0.1] * 20)
    pages = [body for body in kit.outbox.bodies(ann, "UPDATE_CONTEXT_PAGE") if body["roomName"] == "den"]
    assert "old" not in str(pages)


def test_who_typed_types_no_more_and_is_not_shown_idle(kit: Kit, ann: str) -> None:
    result_of(kit.rooms.add("den", "bob"))
    kit.activity.show_typing(kit.rooms.require("den"), "ann")
    kit.make_again("den", "bob")
    kit.outbox.clear()
    assert kit.activity.typing_in("ann") == ()
    kit.clock.advance(60)
    assert kit.outbox.bodies(bob(kit), "MEMBER_STATUS_UPDATE") == []


def test_typing_that_ends_while_the_room_is_deleted_is_shown_to_nobody(kit: Kit, ann: str) -> None:
    result_of(kit.rooms.add("den", "bob"))
    kit.activity.show_typing(kit.rooms.require("den"), "ann")
    kit.outbox.clear()
    kit.make_again("den", "bob", lambda: kit.clock.advance(0))
    kit.gate.shut = True
    kit.activity.show_typing(kit.rooms.require("den"), "bob")
    deleting = Deferred.fromCoroutine(kit.rooms.delete("den"))
    kit.clock.advance(60)
    kit.gate.open()
    result_of(deleting)
    assert kit.activity.typing_in("bob") == ()
    assert [b["status"] for b in kit.outbox.bodies(bob(kit), "MEMBER_STATUS_UPDATE")] == ["typing"]


def test_a_mute_does_not_follow(kit: Kit, link: Link, ann: str) -> None:
    result_of(kit.rooms.add("den", "bob"))
    kit.mute("den", "bob", 60)
    kit.make_again("den", "ann")
    result_of(kit.rooms.add("den", "bob"))
    kit.submit(bob(kit), "free", room="den")
    kit.outbox.clear()
    kit.clock.advance(120)
    assert kit.outbox.bodies(ann, "MEMBER_UNMUTED") == []


def test_marks_do_not_follow(kit: Kit, ann: str) -> None:
    result_of(kit.rooms.add("den", "bob"))
    for number in range(5):
        kit.history.note("den", f"old {number}")
    kit.disconnect_all("bob")
    kit.clock.advance(2)
    kit.make_again("den", "ann")
    result_of(kit.rooms.add("den", "bob"))
    sid = kit.connect("bob")
    assert [b["count"] for b in kit.outbox.bodies(sid, "OFFLINE_MESSAGES") if b["roomName"] == "den"] in ([], [1])


def test_a_change_that_was_meant_for_the_old_one_is_refused(kit: Kit, ann: str) -> None:
    """A room that was looked up before it went: what is decided on it does not put it in the place of the new one."""
    old = kit.rooms.require("den")
    new = kit.make_again("den", "bob")
    changing = Deferred.fromCoroutine(kit.rooms.change(old, evolve(old, mode=RequestMode.SEPARATE)))
    changing.addErrback(lambda failure: str(failure.value))
    assert result_of(changing) == "Room not found"
    assert kit.rooms.require("den").mode is new.mode
    assert dict(kit.rooms.require("den").members) == {"bob": Role.MASTER}
