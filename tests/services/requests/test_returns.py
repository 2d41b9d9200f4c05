"""An extension's short absence costs no question (contract 5.8, A22; R8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hubkit import Kit, Link, failure_of, result_of
from newage.domain.details import Details
from newage.domain.history import Change
from newage.domain.model import RequestMode
from newage.ports import Said
from newage.services.sessions.sessions import SessionSettings

X = "SillyTavern-8000"
LABELS = {"features": ("accept",)}


@pytest.fixture
def sid(kit: Kit) -> str:
    kit.extension(X)
    return kit.connect("web1")


def reload(kit: Kit, seconds: float = 4, **caller: object) -> Link:
    kit.disconnect_all(X)
    kit.clock.pump([1] * int(seconds))
    return kit.extension(X, **caller)


def names(link: Link) -> list[str]:
    return [each["requestId"] for each in link.forwarded]


def waits(kit: Kit, sid: str) -> list[tuple[str, str | None, int | None]]:
    bodies = kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE")
    return [(body["status"], body.get("waitsFor"), body.get("position")) for body in bodies]


def test_what_was_asked_is_asked_again_of_the_tab_that_came_back(kit: Kit, sid: str) -> None:
    kit.submit(sid, "q", "r1")
    link = reload(kit)
    assert names(link) == []
    kit.clock.advance(0.5)
    assert names(link) == ["r1"]
    kit.streams.answered(Said(X, output="o1"), "so")
    kit.settle()
    assert [m.text for m in kit.responses("web1")] == ["so"]
    assert waits(kit, sid) == [
        ("forwarded", None, None),
        ("queued", "extension", 1),
        ("forwarded", None, None),
        ("completed", None, None),
    ]
    assert kit.outbox.bodies(sid, "ERROR") == []


def test_where_another_tab_stays_that_one_is_asked(kit: Kit) -> None:
    first = Link()
    kit.extension(X)
    going = kit.connect(X, client_type="SillyTavern", link=first)
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    other = kit.connect(X, client_type="SillyTavern", link=(second := Link()))
    assert (names(first), names(second)) == (["r1"], [])
    kit.disconnect(going)
    kit.clock.advance(0.5)
    assert names(second) == ["r1"]
    kit.streams.answered(Said(X), "one")
    assert names(second) == ["r1", "r2"]
    assert [m.text for m in kit.responses("web1")] == ["one"]
    kit.token("half", "o1")
    kit.disconnect(other)
    kit.clock.advance(0.5)
    assert names(second) == ["r1", "r2"]


def test_a_tab_that_was_not_asked_may_go(kit: Kit) -> None:
    going = kit.connect(X, client_type="SillyTavern", link=Link())
    link = kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1")
    kit.disconnect(going)
    kit.clock.advance(1)
    assert (names(link), kit.statuses(sid)) == (["r1"], ["forwarded"])


def test_the_loss_is_shown_at_once(kit: Kit, sid: str) -> None:
    kit.settle()
    kit.disconnect_all(X)
    assert kit.sessions.available_extensions() == ()
    assert kit.assignments.assigned("web1") == ()


def test_what_is_asked_meanwhile_waits_and_goes_after_what_was_asked_before(kit: Kit, sid: str) -> None:
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    kit.disconnect_all(X)
    ack = kit.submit(sid, "q", "r3")
    assert (ack["state"], ack["waitsFor"], ack["position"]) == ("queued", "extension", 1)
    assert kit.submit(sid, "q", "r4")["position"] == 2
    link = kit.extension(X, capacity=4)
    kit.clock.advance(0.5)
    assert names(link) == ["r1", "r2", "r3", "r4"]


def test_a_question_during_a_reload_is_asked_at_once_when_it_is_back(kit: Kit, sid: str) -> None:
    kit.disconnect_all(X)
    kit.submit(sid, "q", "r1", targets=(X,))
    assert names(kit.extension(X)) == ["r1"]


def test_after_the_grace_it_is_as_ever(kit: Kit, sid: str) -> None:
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    kit.disconnect_all(X)
    kit.submit(sid, "q", "r3")
    kit.clock.pump([1] * 9)
    kit.submit(sid, "q", "r4", targets=(X,))
    assert kit.outbox.bodies(sid, "ERROR") == []
    kit.clock.advance(1)
    errors = [(body["message"], body["requestId"]) for body in kit.outbox.bodies(sid, "ERROR")]
    assert errors == [
        ("SillyTavern extension disconnected.", "r1"),
        ("SillyTavern extension disconnected.", "r2"),
        ("No connected SillyTavern extensions.", "r3"),
        (f"Target client not found: {X}", "r4"),
    ]
    assert kit.ledger.live_count == 0
    assert str(failure_of(kit.ask(sid))) == "No connected SillyTavern extensions."
    link = kit.extension(X)
    kit.clock.advance(1)
    assert names(link) == []


def test_an_extension_that_can_resume_has_longer(kit: Kit) -> None:
    kit.extension(X, features=("resume",))
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1")
    kit.disconnect_all(X)
    kit.clock.pump([1] * 29)
    assert kit.statuses(sid)[-1] == "queued"
    kit.clock.advance(1)
    assert kit.statuses(sid)[-1] == "failed"


def test_the_page_that_was_asked_and_was_only_cut_off_is_not_asked_twice(kit: Kit) -> None:
    kit.extension(X, **LABELS)
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1")
    link = reload(kit, 1, **LABELS)
    kit.streams.stream_started(Said(X, "s1", "o1", "r1"))
    kit.clock.advance(1)
    assert names(link) == []
    kit.streams.stream_data(Said(X, "s1", "o1", "r1"), 0, "so")
    kit.streams.stream_ended(Said(X, "s1", "o1", "r1"), True)
    assert [m.text for m in kit.responses("web1")] == ["so"]
    kit.submit(sid, "q", "r2")
    assert names(link) == ["r2"]


def test_an_answer_that_was_on_its_way_counts(kit: Kit) -> None:
    kit.extension(X, **LABELS)
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1")
    link = reload(kit, 1, **LABELS)
    kit.streams.answered(Said(X, output="o1", request="r1"), "so")
    kit.clock.advance(1)
    assert (names(link), kit.statuses(sid)[-1]) == ([], "completed")


@pytest.mark.parametrize("labelled", [False, True])
def test_what_was_asked_twice_is_answered_once(kit: Kit, labelled: bool) -> None:
    more = LABELS if labelled else {}
    label = "r1" if labelled else None
    kit.extension(X, **more)
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1")
    reload(kit, 1, **more)
    kit.clock.advance(1)
    for output in ("o1", "o2"):
        kit.streams.stream_started(Said(X, "s" + output, output, label))
        kit.streams.stream_data(Said(X, "s" + output, output, label), 0, output)
    for output in ("o1", "o2"):
        kit.streams.stream_ended(Said(X, "s" + output, output, label), True)
        kit.streams.answered(Said(X, request=label), "once more")
    kit.clock.pump([1] * 5)
    assert [m.text for m in kit.responses("web1")] == ["o1"]
    assert kit.statuses(sid)[-1] == "completed"


def test_it_may_go_more_than_once(kit: Kit, sid: str) -> None:
    kit.submit(sid, "q", "r1")
    for _ in range(3):
        link = reload(kit)
        kit.clock.advance(0.3)
    kit.disconnect_all(X)
    kit.submit(sid, "q", "r2")
    link = kit.extension(X)
    kit.clock.advance(0.5)
    assert names(link) == ["r1"]
    kit.streams.answered(Said(X), "one")
    assert names(link) == ["r1", "r2"]


def test_what_was_taken_back_meanwhile_is_not_asked(kit: Kit, sid: str) -> None:
    said = kit.submit(sid, "q", "r1")["messageId"]
    other = kit.submit(sid, "p", "r2")["messageId"]
    kit.disconnect_all(X)
    waiting = kit.submit(sid, "q", "r3")["messageId"]
    result_of(kit.editing.delete(kit.caller(sid), "web1", [said, waiting]))
    result_of(kit.editing.edit(kit.caller(sid), "web1", other, Change(text="better")))
    link = kit.extension(X)
    kit.clock.advance(1)
    assert [(each["requestId"], each["message"]) for each in link.forwarded] == [("r2", "better")]


def test_one_that_began_to_answer_is_not_asked_again(kit: Kit, sid: str) -> None:
    kit.submit(sid, "q", "r1")
    kit.token("half", "o1")
    link = reload(kit, 3)
    kit.clock.advance(1)
    assert names(link) == []


def test_another_one_takes_what_is_asked_meanwhile(kit: Kit, sid: str) -> None:
    other = kit.extension("SillyTavern-9000")
    kit.disconnect_all(X)
    assert kit.submit(sid, "q", "r1")["state"] == "forwarded"
    assert names(other) == ["r1"]


def test_what_waits_takes_whoever_comes_first(kit: Kit, sid: str) -> None:
    kit.disconnect_all(X)
    kit.submit(sid, "q", "r1")
    assert names(kit.extension("SillyTavern-9000")) == ["r1"]


def test_the_hosts_submission_waits_and_takes_the_queue_along_when_it_goes(kit: Kit) -> None:
    kit.extension(X)
    mas, gue = kit.connect("mas"), kit.connect("gue")
    kit.group("lobby", "mas", RequestMode.DEFAULT, gue=kit.rooms.require("mas").role_of("gue"))
    kit.submit(gue, "one", "g1", room="lobby")
    kit.disconnect_all(X)
    assert kit.submit(mas, "two", "m1", room="lobby")["waitsFor"] == "extension"
    kit.submit(gue, "three", "g2", room="lobby")
    link = kit.extension(X)
    assert link.forwarded[0]["message"] == "one\n\nthree\n\ntwo"


def test_a_room_that_is_deleted_or_left_meanwhile(kit: Kit, sid: str) -> None:
    kit.group("den", "web1")
    kit.disconnect_all(X)
    kit.submit(sid, "q", "r1", room="den")
    result_of(kit.rooms.delete("den"))
    assert kit.statuses(sid, "r1") == ["queued", "failed"]
    assert names(kit.extension(X)) == []


def test_nothing_is_left_of_who_goes_for_good(kit: Kit, sid: str) -> None:
    kit.submit(sid, "q", "r1")
    reload(kit)
    kit.disconnect_all(X)
    kit.clock.pump([5] * 20)
    assert (kit.desks._desks, kit.talk.returns._held._lost, kit.talk.returns._settling) == ({}, {}, {})
    assert kit.sessions.absent_extensions() == ()


def test_of_too_many_that_are_away_the_first_is_given_up(kit: Kit, sid: str) -> None:
    kit.change("sessions", max_sessions=2)
    kit.submit(sid, "q", "r1")
    kit.disconnect_all(X)
    for name in ("Y", "Z"):
        kit.clock.advance(3)
        kit.extension(name)
        kit.disconnect_all(name)
    assert kit.statuses(sid, "r1")[-1] == "failed"
    assert [session.identity for session in kit.sessions.absent_extensions()] == ["Y", "Z"]


def test_a_grace_of_nothing_is_none(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(sessions=SessionSettings(extension_grace_ms=0))
    kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, "q", "r1")
    kit.disconnect_all(X)
    assert kit.statuses(sid) == ["forwarded", "failed"]
    assert str(failure_of(kit.ask(sid))) == "No connected SillyTavern extensions."


def test_what_was_answered_in_one_piece_and_goes_on_is_not_asked_again(kit: Kit) -> None:
    sid = kit.connect("web1")
    kit.extension("X")
    kit.submit(sid, "q", "r1")
    kit.streams.answered(Said("X", output="o1", request="r1"), "of the first one", Details(more=True))
    kit.disconnect_all("X")
    link = kit.extension("X")
    kit.clock.pump([1] * 3)
    assert link.forwarded == []
