"""Which room is served in the chat at a desk (contract 5.9)."""

from __future__ import annotations

import pytest

from deskkit import X, at_a_desk, caller
from hubkit import Kit, result_of
from newage.errors import NotAuthorised, NotMember


def linked(kit: Kit, room: str = "lounge") -> str | None:
    return kit.talk.chat.links.linked(kit.rooms.require(room))


def test_a_room_of_its_own_or_one_it_is_a_member_of(kit: Kit) -> None:
    links, desk = kit.talk.chat.links, at_a_desk(kit)
    assert links.link(desk, "lounge") is kit.rooms.require("lounge")
    assert linked(kit) == X
    assert links.link(desk, X) is kit.rooms.require(X)
    assert (linked(kit), linked(kit, X)) == (None, X)
    assert links.link(desk, None) is None
    assert links.of(X) is None
    assert links.link(desk, None) is None


@pytest.mark.parametrize("room", ["gue", "nowhere"])
def test_no_other_room_and_it_cannot_tell_them_apart(kit: Kit, room: str) -> None:
    desk = at_a_desk(kit)
    kit.talk.chat.links.link(desk, "lounge")
    with pytest.raises(NotMember, match=f"^You are not a member of room {room}.$"):
        kit.talk.chat.links.link(desk, room)
    assert linked(kit) == X


@pytest.mark.parametrize("who", ["mas", "admin"])
def test_extensions_alone(kit: Kit, who: str) -> None:
    at_a_desk(kit)
    with pytest.raises(NotAuthorised):
        kit.talk.chat.links.link(caller(kit, who), "lounge")


def test_what_is_said_again_changes_nothing(kit: Kit) -> None:
    links, desk = kit.talk.chat.links, at_a_desk(kit)
    links.link(desk, "lounge")
    link = links.of(X)
    links.link(desk, "lounge")
    assert links.of(X) is link


def test_of_several_the_one_that_said_so_last(kit: Kit) -> None:
    links, desk = kit.talk.chat.links, at_a_desk(kit)
    kit.extension("SillyTavern-9000")
    result_of(kit.rooms.add("lounge", "SillyTavern-9000"))
    links.link(desk, "lounge")
    links.link(caller(kit, "SillyTavern-9000"), "lounge")
    assert linked(kit) == "SillyTavern-9000"
    links.link(desk, "lounge")
    assert linked(kit) == X


def test_it_outlives_a_short_absence_and_no_longer_one(kit: Kit) -> None:
    desk = at_a_desk(kit)
    kit.talk.chat.links.link(desk, "lounge")
    kit.disconnect(desk.sid)
    kit.clock.advance(9.9)
    assert linked(kit) == X
    kit.clock.advance(0.2)
    assert linked(kit) is None


def test_it_ends_with_the_membership_and_with_the_room(kit: Kit) -> None:
    links, desk = kit.talk.chat.links, at_a_desk(kit)
    links.link(desk, "lounge")
    result_of(kit.rooms.remove("lounge", "gue", "leave"))
    assert linked(kit) == X
    result_of(kit.rooms.remove("lounge", X, "kick"))
    assert linked(kit) is None
    result_of(kit.rooms.add("lounge", X))
    assert linked(kit) is None
    links.link(desk, "lounge")
    kit.make_again("lounge", "mas")
    assert links.of(X) is None
