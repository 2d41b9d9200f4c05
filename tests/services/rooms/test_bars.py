"""A kick lasts: who was kicked does not come back by himself, by any way in, under no identity (contract 4.3, A16)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from hubkit import Kit, failure_of, result_of
from newage.domain.model import MONITOR_ROOM, Bar, Caller, Role, Term
from newage.errors import NewAgeError, NotAuthorised, RoomDenied, RoomMissing, Unavailable
from newage.services.rooms.limits import RoomSettings
from newage.services.rooms.terms import LONGEST_TIMER, RETRY_SECONDS

Way = Callable[[Kit, Caller], Awaitable[object]]


@pytest.fixture
def lounge(kit: Kit) -> Kit:
    """A room with a master, a manager and two identities of bob's; its administrator is no member."""
    for who in ("mas", "man", "bob", "out"):
        kit.connect(who, "/rooms")
    kit.connect("bob", "/rooms", identity="bob-2")
    kit.connect("boss", "/rooms", client_type="monitor")
    kit.group("lounge", "mas", man=Role.MANAGER, bob=Role.GUEST, bob_2=Role.GUEST)
    kit.outbox.clear()
    return kit


def who(kit: Kit, identity: str) -> Caller:
    return kit.caller(kit.sessions.sids(identity, "/rooms")[0])


def kick(kit: Kit, identity: str, seconds: float | None = None, by: str = "man") -> Term | None:
    term: Term | None = result_of(kit.moderation.kick(who(kit, by), "lounge", identity, seconds))
    return term


def barred(kit: Kit, name: str = "lounge") -> dict[str, Bar]:
    return dict(kit.rooms.require(name).barred)


WAYS: dict[str, Way] = {
    "joining": lambda kit, actor: kit.room_service.join(actor, "lounge"),
    "adding oneself": lambda kit, actor: kit.room_service.add(actor, "lounge", None),
    "adding oneself by name": lambda kit, actor: kit.room_service.add(actor, "lounge", actor.identity),
}


@pytest.mark.parametrize("identity", ["bob", "bob-2", "bob-3"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_who_was_kicked_does_not_come_back_by_himself(lounge: Kit, way: Way, identity: str) -> None:
    lounge.connect("bob", "/rooms", identity="bob-3")
    kick(lounge, "bob-2")
    refused = failure_of(way(lounge, who(lounge, identity)))
    assert isinstance(refused, RoomDenied)
    assert "you were kicked, and may come back at 2023-11-14T22:18:20.000Z." in str(refused)
    assert refused.members == {"barredUntil": "2023-11-14T22:18:20.000Z", "duration": 300}
    assert set(lounge.rooms.require("lounge").members) == {"mas", "man"}
    lounge.clock.advance(300)
    result_of(way(lounge, who(lounge, identity)))
    assert identity in lounge.rooms.require("lounge").members


def test_it_takes_out_all_of_that_client_at_once(lounge: Kit) -> None:
    kick(lounge, "bob")
    left = [(body["identity"], body["reason"]) for body in lounge.heard("MEMBER_LEFT")["mas/rooms"]]
    assert left == [("bob", "kick"), ("bob-2", "kick")]
    assert set(lounge.heard("WARNING")) == {"bob/rooms", "bob-2/rooms"}


def test_whom_the_kicker_may_not_kick_stays_in(lounge: Kit) -> None:
    result_of(lounge.rooms.give_role(lounge.rooms.require("lounge"), "bob-2", Role.MANAGER))
    kick(lounge, "bob")
    assert set(lounge.rooms.require("lounge").members) == {"mas", "man", "bob-2"}
    result_of(lounge.rooms.remove("lounge", "bob-2", "leave"))
    assert isinstance(failure_of(WAYS["joining"](lounge, who(lounge, "bob-2"))), RoomDenied)


def test_nobody_bars_himself(lounge: Kit) -> None:
    lounge.connect("man", "/rooms", identity="man-2")
    result_of(lounge.rooms.add("lounge", "man-2"))
    assert kick(lounge, "man-2", -1) is None
    assert barred(lounge) == {}
    assert "man" in lounge.rooms.require("lounge").members


def test_a_kick_for_no_time_takes_out_the_one_and_bars_nobody(lounge: Kit) -> None:
    assert kick(lounge, "bob", 0) is None
    assert "bob-2" in lounge.rooms.require("lounge").members
    result_of(WAYS["joining"](lounge, who(lounge, "bob")))
    lounge.change("rooms", kick_bar_seconds=0)
    assert kick(lounge, "bob") is None


@pytest.mark.parametrize("by", ["mas", "man", "boss"])
def test_whom_staff_or_an_administrator_adds_is_barred_no_more(lounge: Kit, by: str) -> None:
    kick(lounge, "bob", -1)
    assert isinstance(failure_of(lounge.room_service.add(who(lounge, "out"), "lounge", "bob")), NotAuthorised)
    result_of(lounge.room_service.add(who(lounge, by), "lounge", "bob-2"))
    assert barred(lounge) == {}
    result_of(WAYS["joining"](lounge, who(lounge, "bob")))


@pytest.mark.parametrize("subject", ["bob", "bob-2"])
@pytest.mark.parametrize("by", ["mas", "man", "boss"])
def test_staff_lifts_a_bar_by_client_or_identity(lounge: Kit, by: str, subject: str) -> None:
    kick(lounge, "bob-2", 60)
    lounge.disconnect_all("bob-2")
    lounge.clock.advance(2)
    assert result_of(lounge.moderation.lift_bar(who(lounge, by), "lounge", subject)) == ("bob",)
    assert result_of(lounge.moderation.lift_bar(who(lounge, by), "lounge", subject)) == ()
    result_of(WAYS["joining"](lounge, who(lounge, "bob")))


def test_others_lift_none(lounge: Kit) -> None:
    kick(lounge, "bob")
    for actor in ("out", "bob"):
        assert isinstance(failure_of(lounge.moderation.lift_bar(who(lounge, actor), "lounge", "bob")), NotAuthorised)
        assert isinstance(failure_of(lounge.moderation.lift_bar(who(lounge, actor), "hall", "bob")), RoomMissing)
    assert set(barred(lounge)) == {"bob"}


def test_staff_sees_who_is_barred(lounge: Kit) -> None:
    kick(lounge, "bob")
    for actor, sees in [("mas", True), ("man", True), ("boss", True), ("out", False)]:
        found = lounge.room_service.members(who(lounge, actor), "lounge").barred
        assert (found is not None) is sees
        assert found is None or set(found) == {"bob"}


def test_an_administrator_who_was_kicked_does_not_come_into_the_monitors_room_by_coming(lounge: Kit) -> None:
    lounge.connect("mon", "/rooms", client_type="monitor")
    result_of(lounge.moderation.kick(who(lounge, "boss"), MONITOR_ROOM, "mon", 60))
    lounge.connect("mon", "/llm", client_type="monitor")
    lounge.connect("mon", "/llm", identity="mon-2", client_type="monitor")
    assert set(lounge.rooms.require(MONITOR_ROOM).members) == {"boss"}
    lounge.clock.advance(60)
    lounge.connect("mon", "/", client_type="monitor")
    assert "mon" in lounge.rooms.require(MONITOR_ROOM).members


def test_one_room_more_or_one_of_its_name_knows_nothing_of_it(lounge: Kit) -> None:
    lounge.group("hall", "mas")
    kick(lounge, "bob", -1)
    result_of(lounge.room_service.join(who(lounge, "bob"), "hall"))
    lounge.make_again("lounge", "mas")
    result_of(WAYS["joining"](lounge, who(lounge, "bob")))


@pytest.mark.parametrize(("seconds", "left"), [(100, 60), (-1, inf), (2 * LONGEST_TIMER, 2 * LONGEST_TIMER - 40)])
def test_it_outlives_a_restart_by_what_is_left(lounge: Kit, seconds: float, left: float) -> None:
    kick(lounge, "bob", seconds)
    lounge.clock.advance(40)
    lounge.close()
    later = Kit(with_stores_of=lounge)
    for name in ("mas", "bob"):
        later.connect(name, "/rooms")
    while left > LONGEST_TIMER and left != inf:
        later.clock.advance(LONGEST_TIMER)
        left -= LONGEST_TIMER
    later.clock.advance((10_000 if left == inf else left) - 1)
    assert "bob" in barred(later)
    later.clock.advance(1)
    assert ("bob" in barred(later)) is (left == inf)
    later.close()


def test_a_wrong_clock_at_the_start_makes_it_no_longer(lounge: Kit) -> None:
    kick(lounge, "bob", 100)
    lounge.close()
    later = Kit(with_stores_of=lounge)
    later.close()
    later.step(-1e6)
    again = Kit(with_stores_of=later)
    again.connect("bob", "/rooms")
    again.clock.advance(100)
    assert barred(again) == {}
    again.close()


def test_a_second_kick_takes_the_place_of_the_first(lounge: Kit) -> None:
    kick(lounge, "bob", 10)
    result_of(lounge.room_service.add(who(lounge, "mas"), "lounge", "bob-2"))
    kick(lounge, "bob-2", 100)
    lounge.clock.advance(99)
    assert [bar.identity for bar in barred(lounge).values()] == ["bob-2"]
    lounge.clock.advance(1)
    assert barred(lounge) == {}


def test_no_more_are_barred_than_fit(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_bars_per_room=1))
    for name in ("mas", "a", "b"):
        kit.connect(name, "/rooms")
    kit.group("lounge", "mas", a=Role.GUEST, b=Role.GUEST)
    kick(kit, "a", by="mas")
    refused = failure_of(kit.moderation.kick(who(kit, "mas"), "lounge", "b"))
    assert isinstance(refused, Unavailable)
    assert str(refused) == "Failed to kick member: too many are barred from this room."
    assert "b" in kit.rooms.require("lounge").members
    assert kick(kit, "b", 0, by="mas") is None


def test_a_kick_that_cannot_be_stored_is_none(lounge: Kit) -> None:
    before = lounge.rooms.require("lounge")
    lounge.gate.broken = True
    assert isinstance(failure_of(lounge.moderation.kick(who(lounge, "man"), "lounge", "bob")), NewAgeError)
    assert lounge.rooms.require("lounge") == before
    assert lounge.heard("MEMBER_LEFT") == {}
    assert lounge.clock.getDelayedCalls() == [call for call in lounge.clock.getDelayedCalls() if call.getTime() != 300]


def test_one_that_runs_out_while_its_room_is_being_deleted(lounge: Kit) -> None:
    kick(lounge, "bob", 10)
    lounge.gate.shut = True
    deleting = Deferred.fromCoroutine(lounge.rooms.delete("lounge"))
    lounge.clock.advance(10)
    lounge.gate.broken = True
    lounge.gate.waiting.pop(0).errback(NewAgeError("The disk is full."))
    assert isinstance(failure_of(deleting), NewAgeError)
    lounge.gate.shut = lounge.gate.broken = False
    assert set(barred(lounge)) == {"bob"}
    lounge.clock.advance(RETRY_SECONDS)
    assert barred(lounge) == {}


def test_one_that_ends_cannot_be_stored_and_is_over_all_the_same(lounge: Kit) -> None:
    kick(lounge, "bob", 10)
    lounge.gate.broken = True
    lounge.clock.advance(10)
    assert barred(lounge) == {}


def test_one_that_ends_as_its_room_is_deleted(lounge: Kit) -> None:
    kick(lounge, "bob", 10)
    lounge.gate.shut = True
    lounge.clock.advance(10)
    deleting = Deferred.fromCoroutine(lounge.rooms.delete("lounge"))
    lounge.gate.open()
    result_of(deleting)
    assert lounge.rooms.get("lounge") is None


def test_a_bar_of_an_identity_of_unknown_client_becomes_the_clients(lounge: Kit) -> None:
    """Of homes from before: it holds for the identity until that is back (A16)."""
    lounge.disconnect_all("bob-2")
    lounge.disconnect_all("bob")
    lounge.clock.advance(2)
    room = lounge.rooms.require("lounge")
    known = {name: client for name, client in room.clients.items() if client != "bob"}
    result_of(lounge.room_store.save_room(evolve(room, clients=known)))
    lounge.close()
    later = Kit(with_stores_of=lounge)
    later.connect("mas", "/rooms")
    kick(later, "bob-2", -1, by="mas")
    assert set(barred(later)) == {"bob-2"}
    later.close()
    last = Kit(with_stores_of=later)
    last.connect("bob", "/rooms", identity="bob-2")
    assert set(barred(last)) == {"bob"}
    last.connect("bob", "/rooms", identity="bob-5")
    assert isinstance(failure_of(WAYS["joining"](last, who(last, "bob-5"))), RoomDenied)
    last.close()
