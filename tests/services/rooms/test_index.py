"""Rooms are found by name, by id, by member, and by whoever may know of them (contract 2.10, 4.1, A41)."""

from __future__ import annotations

import pytest

from hubkit import Kit, result_of
from newage.domain.model import Access, Role
from newage.errors import RoomMissing


def test_a_room_is_found_by_name_and_by_id(kit: Kit) -> None:
    kit.connect("ann")
    room = kit.group("lounge", "ann")
    assert kit.rooms.get("lounge") is kit.rooms.require("lounge") is kit.rooms.with_id(room.id)
    assert kit.rooms.current(room) is kit.rooms.require("lounge")
    assert kit.rooms.members_of(room.id) == ("ann",)
    result_of(kit.rooms.delete("lounge"))
    again = kit.group("lounge", "ann")
    assert kit.rooms.current(room) is None
    assert kit.rooms.members_of(room.id) == ()
    assert kit.rooms.with_id(again.id) is kit.rooms.require("lounge")


def test_the_rooms_of_an_identity_come_in_the_order_of_joining(kit: Kit) -> None:
    for name in ("ann", "bob"):
        kit.connect(name)
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.group("den", "ann", bob=Role.GUEST)
    assert kit.rooms.rooms_of("bob") == ("bob", "lounge", "den")
    result_of(kit.rooms.remove("lounge", "bob", "leave"))
    assert kit.rooms.rooms_of("bob") == ("bob", "den")
    assert kit.rooms.rooms_of("nobody") == ()


def test_an_invited_room_is_seen_by_its_members_alone(kit: Kit) -> None:
    ann, bob = (kit.caller(kit.connect(name)) for name in ("ann", "bob"))
    result_of(kit.rooms.create("den", ann.session, Access.INVITED))
    assert kit.rooms.seen(ann, "den") is kit.rooms.require_seen(ann, "den") is kit.rooms.get("den")
    assert kit.rooms.seen(bob, "den") is None
    for name in ("den", "nowhere"):
        with pytest.raises(RoomMissing, match="Room not found"):
            kit.rooms.require_seen(bob, name)
    assert {room.name for room in kit.rooms.all()} - {room.name for room in kit.rooms.all_seen(bob)} == {"den"}


def test_the_own_room_is_meant_by_no_name_and_by_the_own_client_id(kit: Kit) -> None:
    one = kit.caller(kit.connect("web1", identity="web1-a"))
    assert [kit.rooms.meant(one, name) for name in (None, "web1", "den")] == ["web1-a", "web1-a", "den"]
    kit.connect("web1")
    assert kit.rooms.meant(one, "web1") == "web1"  # there is a room of that name now


def test_a_member_is_meant_by_its_identity_or_its_client(kit: Kit) -> None:
    kit.connect("ann")
    kit.connect("web1", identity="web1-a")
    kit.connect("bob")
    kit.group("lounge", "ann")
    room = result_of(kit.rooms.add("lounge", "web1-a"))
    assert [kit.rooms.member(room, who) for who in ("web1-a", "web1", "bob", "nobody")] == [
        "web1-a",
        "web1-a",
        None,
        None,
    ]


def test_whose_an_identity_is_is_known_of_one_that_is_away(kit: Kit) -> None:
    kit.connect("ann")
    kit.connect("web1", identity="web1-a")
    kit.group("lounge", "ann")
    result_of(kit.rooms.add("lounge", "web1-a"))
    kit.disconnect_all("web1-a")
    kit.clock.advance(kit.live.sessions.value.session_grace_ms / 1000)
    assert not kit.sessions.is_online("web1-a")
    assert kit.rooms.client_of("web1-a") == "web1"
    assert kit.rooms.client_of("nobody") is None
