"""Who was let in, and how one is put out (contract 2.8, A14)."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from hubkit import HOME, Kit, Link
from newage.domain.model import Caller, Session
from newage.errors import AuthenticationFailed, NewAgeError
from newage.services.sessions.admissions import EXPIRED, Admissions

WHY = AuthenticationFailed("Because.")


class Hall:
    """Sockets of a kit that were let in."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.admissions = Admissions(kit.world, kit.outbox, kit.sessions)
        self.ended: list[str] = []

    def enter(self, client_id: str, namespace: str = "/llm", *, identity: str = "", **caller: Any) -> Caller:
        number = len(list(self.admissions.all())) + 1
        session = Session(client_id=client_id, identity=identity or client_id)
        admitted = Caller(sid=f"{client_id}#{number}", namespace=namespace, session=session, peer=HOME, **caller)
        self.kit.outbox.open(admitted.sid, namespace, end=lambda: self.ended.append(admitted.sid))
        if not admitted.bootstrap:
            self.kit.sessions.attach(admitted)
        self.admissions.entered(admitted)
        return admitted

    def put_out(self, *callers: Caller) -> None:
        found: list[tuple[Caller, NewAgeError]] = [(each, WHY) for each in callers]
        self.admissions.put_out(lambda: found)


@pytest.fixture
def hall(kit: Kit) -> Hall:
    return Hall(kit)


def test_knows_the_sockets_of_a_client(hall: Hall) -> None:
    one, two, other = hall.enter("a"), hall.enter("a", "/rooms", identity="a-2"), hall.enter("b")
    assert hall.admissions.of("a") == (one, two)
    assert list(hall.admissions.all()) == [one, two, other]
    for _ in range(2):
        hall.admissions.left(one.sid, "a")
        hall.admissions.left(other.sid, "b")
    assert (hall.admissions.of("a"), hall.admissions.of("b")) == ((two,), ())


def test_is_told_why_and_ended_in_the_next_turn(hall: Hall) -> None:
    gone, stays = hall.enter("a"), hall.enter("b")
    hall.put_out(gone)
    assert hall.ended == []
    hall.kit.settle()
    assert hall.ended == [gone.sid]
    assert hall.kit.outbox.bodies(gone.sid, "ERROR") == [
        {"type": "ERROR", "message": "Because.", "code": "authentication_failed", "errorCode": 5}
    ]
    assert hall.kit.sessions.caller(gone.sid) is None
    assert hall.kit.sessions.caller(stays.sid) == stays
    assert hall.admissions.of("a") == ()


def test_a_socket_that_has_no_session_yet_is_ended_too(hall: Hall) -> None:
    caller = hall.enter("a", "/auth", bootstrap=True)
    hall.put_out(caller)
    hall.kit.settle()
    assert hall.ended == [caller.sid]


class TestItsRequests:
    def test_what_waits_expires_and_what_was_forwarded_finishes(self, hall: Hall) -> None:
        kit = hall.kit
        link = kit.extension()
        ann = hall.enter("ann")
        kit.connect("bob")
        room = kit.group("lounge", "bob")
        for number in (1, 2):
            kit.submit(ann.sid, request_id=f"r{number}")
        assert len(link.forwarded) == 1
        hall.put_out(ann)
        kit.settle()
        assert [(r.request_id, r.state) for r in kit.ledger._requests] == [("r1", "forwarded"), ("r2", "expired")]
        assert kit.rooms.get(room.name) is not None

    def test_not_while_another_socket_of_it_stays(self, hall: Hall) -> None:
        kit = hall.kit
        kit.extension()
        ann = hall.enter("ann")
        hall.enter("ann", "/rooms")
        for number in (1, 2):
            kit.submit(ann.sid, request_id=f"r{number}")
        hall.put_out(ann)
        kit.settle()
        assert [r.state for r in kit.ledger._requests] == ["forwarded", "queued"]

    def test_of_one_that_is_no_extension_any_more_none_is_asked(self, hall: Hall) -> None:
        kit = hall.kit
        caller = hall.enter("SillyTavern-1")
        kit.sessions.detach(caller.sid)
        kit.sessions.attach(caller, Link())
        hall.put_out(caller)
        kit.settle()
        assert kit.sessions.link("SillyTavern-1") is None


class TestKeysThatEnd:
    def test_end_the_sockets_they_let_in(self, hall: Hall) -> None:
        long, short, ever = hall.enter("a", until=60.0), hall.enter("b", until=30.0), hall.enter("c", until=inf)
        hall.kit.clock.advance(30)
        assert hall.ended == [short.sid]
        assert hall.kit.outbox.bodies(short.sid, "ERROR")[0]["message"] == EXPIRED
        hall.kit.clock.advance(30)
        assert hall.ended == [short.sid, long.sid]
        assert list(hall.admissions.all()) == [ever]
        assert hall.admissions._timer is None

    def test_however_far_away_the_end_is(self, hall: Hall) -> None:
        """A reactor cannot wait for years at once."""
        caller = hall.enter("a", until=3 * 86_400.0)
        for _ in range(3):
            assert hall.ended == []
            (call,) = (call for call in hall.kit.clock.getDelayedCalls() if call is hall.admissions._timer)
            assert call.getTime() - hall.kit.clock.seconds() <= 86_400
            hall.kit.clock.advance(86_400)
        assert hall.ended == [caller.sid]

    def test_one_that_is_over_already(self, hall: Hall) -> None:
        caller = hall.enter("a", until=-5.0)
        hall.kit.settle()
        assert hall.ended == [caller.sid]

    def test_no_timer_is_left(self, hall: Hall) -> None:
        hall.enter("a", until=60.0)
        hall.admissions.close()
        hall.admissions.close()
        assert hall.admissions._timer is None
