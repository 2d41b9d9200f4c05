"""Mutes put in force and ended in time, whoever asked for it; rights and words are in test_moderation.py."""

from __future__ import annotations

from math import inf

import pytest
from twisted.internet.defer import Deferred

from hubkit import Kit, failure_of, result_of
from newage.domain.model import Role, Room, Term
from newage.services.events import RoomListener
from newage.services.rooms.terms import LONGEST_TIMER


class Diary(RoomListener):
    def __init__(self) -> None:
        self.told: list[tuple[str, str, str]] = []

    def member_muted(self, room: Room, identity: str, by: str) -> None:
        assert identity in room.muted
        self.told.append(("muted", identity, by))

    def member_unmuted(self, room: Room, identity: str, by: str) -> None:
        assert identity not in room.muted
        self.told.append(("unmuted", identity, by))


@pytest.fixture
def lounge(kit: Kit) -> Kit:
    for who in ("ann", "bob"):
        kit.connect(who)
    kit.connect("bob", identity="bob-2")
    kit.group("lounge", "ann", bob=Role.GUEST, bob_2=Role.GUEST)
    return kit


@pytest.fixture
def diary(lounge: Kit) -> Diary:
    diary = Diary()
    lounge.rooms.add_listener(diary)
    return diary


def begin(kit: Kit, identity: str, seconds: float) -> Deferred[None]:
    term = Term.of(kit.wall(), seconds)
    return Deferred.fromCoroutine(kit.mutes.begin(kit.rooms.require("lounge"), identity, term, "ann"))


def muted(kit: Kit) -> set[str]:
    return set(kit.rooms.require("lounge").muted)


def test_one_ends_by_itself(lounge: Kit, diary: Diary) -> None:
    result_of(begin(lounge, "bob", 5))
    lounge.clock.advance(4.9)
    assert muted(lounge) == {"bob"}
    lounge.clock.advance(0.2)
    assert muted(lounge) == set()
    assert diary.told == [("muted", "bob", "ann"), ("unmuted", "bob", "System")]


def test_another_of_its_client_takes_its_place_and_its_time(lounge: Kit, diary: Diary) -> None:
    result_of(begin(lounge, "bob", 5))
    result_of(begin(lounge, "bob-2", 50))
    assert muted(lounge) == {"bob-2"}
    lounge.clock.advance(49)
    assert muted(lounge) == {"bob-2"}
    lounge.clock.advance(1)
    assert muted(lounge) == set()
    assert diary.told[-1] == ("unmuted", "bob-2", "System")


def test_it_is_ended_for_all_identities_of_its_client(lounge: Kit, diary: Diary) -> None:
    result_of(begin(lounge, "bob", inf))
    result_of(lounge.mutes.end(lounge.rooms.require("lounge"), "bob-2", "ann"))
    assert muted(lounge) == set()
    assert diary.told == [("muted", "bob", "ann"), ("unmuted", "bob", "ann"), ("unmuted", "bob-2", "ann")]


def test_who_is_not_muted_is_not_told(lounge: Kit, diary: Diary) -> None:
    result_of(lounge.mutes.end(lounge.rooms.require("lounge"), "bob", "ann"))
    assert diary.told == []


def test_one_without_an_end_has_no_timer(lounge: Kit) -> None:
    before = len(lounge.clock.getDelayedCalls())
    result_of(begin(lounge, "bob", 0))
    assert len(lounge.clock.getDelayedCalls()) == before
    lounge.clock.advance(2 * LONGEST_TIMER)
    assert muted(lounge) == {"bob"}


def test_what_could_not_be_stored_is_not_told(lounge: Kit, diary: Diary) -> None:
    lounge.gate.broken = True
    assert str(failure_of(begin(lounge, "bob", 5))) == "The disk is full."
    assert (muted(lounge), diary.told) == (set(), [])


def test_timers_go_with_the_room(lounge: Kit, diary: Diary) -> None:
    result_of(begin(lounge, "bob", 5))
    result_of(lounge.rooms.delete("lounge"))
    lounge.clock.advance(6)
    assert diary.told == [("muted", "bob", "ann")]
