"""What people do with rooms, each where it may (contract 3.5); the wire's side is in namespaces/."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred

from hubkit import OPERATOR, Kit, failure_of, result_of
from newage.domain.model import Caller, Role, RoomKind
from newage.errors import AlreadyMember, InvalidRequest, NotAuthorised, RoomDenied, RoomExists, RoomMissing, Unavailable


def here(kit: Kit, who: str) -> Caller:
    return kit.caller(kit.connect(who, "/rooms"))


def test_names_that_are_none_make_no_room(kit: Kit) -> None:
    here(kit, "ann")
    for name in ("", "server", "a\n", "ann"):
        error = failure_of(kit.room_service.create(OPERATOR, name))
        assert isinstance(error, InvalidRequest | RoomExists)


def test_clients_create_rooms_where_the_operator_lets_them(kit: Kit) -> None:
    ann = here(kit, "ann")
    assert isinstance(failure_of(kit.room_service.create(ann, "lounge")), NotAuthorised)
    kit.change("rooms", clients_may_create_rooms=True)
    assert result_of(kit.room_service.create(ann, "lounge")).master == "ann"


def test_who_comes_and_goes_all_the_time_has_to_wait(kit: Kit) -> None:
    """Each time leaves two messages in the room, which holds two thousand: a guest could wash its history away."""
    bob = here(kit, "bob")
    here(kit, "ann")
    kit.group("lounge", "ann")
    kit.change("rooms", joins_per_minute=3)
    for _ in range(3):
        result_of(kit.room_service.join(bob, "lounge"))
        result_of(kit.room_service.leave(bob, "lounge"))
    refused = failure_of(kit.room_service.join(bob, "lounge"))
    assert (type(refused), str(refused)) == (Unavailable, "Failed to join room")
    result_of(kit.room_service.add(OPERATOR, "lounge", "bob"))  # others may add it
    result_of(kit.room_service.leave(bob, "lounge"))
    kit.clock.advance(61)
    result_of(kit.room_service.join(bob, "lounge"))


def test_who_came_and_went_long_ago_is_not_remembered(kit: Kit) -> None:
    here(kit, "ann")
    kit.group("lounge", "ann")
    for number in range(5):
        result_of(kit.room_service.join(here(kit, f"guest-{number}"), "lounge"))
    kit.clock.advance(61)
    result_of(kit.room_service.join(here(kit, "guest-5"), "lounge"))
    assert set(kit.room_service._joins) == {("identity", "guest-5"), ("client", "guest-5")}


def test_the_own_room_is_not_left(kit: Kit) -> None:
    ann = here(kit, "ann")
    assert str(failure_of(kit.room_service.leave(ann, "ann"))) == "Invalid operation"
    assert str(failure_of(kit.room_service.remove(OPERATOR, "ann", "ann"))) == "Invalid operation"
    assert isinstance(failure_of(kit.room_service.leave(ann, "nowhere")), RoomMissing)


def test_members_are_shown_with_those_who_are_away(kit: Kit) -> None:
    for who in ("ann", "bob"):
        here(kit, who)
    kit.group("lounge", "ann", bob=Role.SPECIAL)
    kit.mute("lounge", "bob", 60)
    kit.disconnect_all("bob")
    kit.clock.advance(2)
    roster = kit.room_service.members(OPERATOR, "lounge")
    ann, bob = roster.members
    assert roster.room.name == "lounge"
    assert (ann.session.identity, ann.role, ann.online, ann.muted) == ("ann", Role.MASTER, True, False)
    assert (bob.session.client_id, bob.role, bob.online, bob.muted) == ("bob", Role.SPECIAL, False, True)


def test_who_is_added_as_master_takes_the_place_of_the_former(kit: Kit) -> None:
    for who in ("ann", "bob"):
        here(kit, who)
    kit.group("lounge", "ann")
    assert result_of(kit.room_service.add(OPERATOR, "lounge", "bob", Role.MASTER)) == ("bob", Role.MASTER)
    assert dict(kit.rooms.require("lounge").members) == {"ann": Role.MANAGER, "bob": Role.MASTER}


def test_who_has_a_key_is_added_while_away_and_is_kept_for_long(kit: Kit) -> None:
    here(kit, "ann")
    kit.group("lounge", "ann")
    assert isinstance(failure_of(kit.room_service.add(OPERATOR, "lounge", "bot")), RoomDenied)
    kit.key_holders.add("bot")
    assert result_of(kit.room_service.add(OPERATOR, "lounge", "bot")) == ("bot", Role.GUEST)
    assert "bot" in kit.residents
    assert isinstance(failure_of(kit.room_service.add(OPERATOR, "lounge", "bot")), RoomDenied)


def test_a_master_that_goes_while_it_is_being_added_is_none(kit: Kit) -> None:
    for who in ("ann", "bob"):
        here(kit, who)
    kit.group("lounge", "ann")
    kit.gate.shut = True
    adding = Deferred.fromCoroutine(kit.room_service.add(OPERATOR, "lounge", "bob", Role.MASTER))
    leaving = Deferred.fromCoroutine(kit.rooms.remove("lounge", "bob", "leave"))
    kit.gate.open()
    result_of(leaving)
    assert isinstance(failure_of(adding), RoomDenied)
    assert dict(kit.rooms.require("lounge").members) == {"ann": Role.MASTER}


def test_entering_twice_is_told(kit: Kit) -> None:
    ann = here(kit, "ann")
    kit.group("lounge", "ann")
    assert isinstance(failure_of(kit.room_service.join(ann, "lounge")), AlreadyMember)


@pytest.mark.parametrize("kind", [RoomKind.PERSONAL, RoomKind.EXTENSION])
def test_a_room_that_is_somebodys_has_no_other_master(kit: Kit, kind: RoomKind) -> None:
    kit.connect("ann", client_type="SillyTavern" if kind is RoomKind.EXTENSION else "web-app")
    here(kit, "bob")
    assert kit.rooms.require("ann").kind is kind
    assert isinstance(failure_of(kit.room_service.add(OPERATOR, "ann", "bob", Role.MASTER)), RoomDenied)
    assert dict(kit.rooms.require("ann").members) == {"ann": Role.MASTER}


@pytest.mark.parametrize("remove", [True, False])
def test_where_there_is_no_room_nobody_is_added_or_removed(kit: Kit, remove: bool) -> None:
    act: Callable[..., object] = kit.room_service.remove if remove else kit.room_service.add
    assert isinstance(failure_of(act(OPERATOR, "nowhere", None)), RoomDenied)
