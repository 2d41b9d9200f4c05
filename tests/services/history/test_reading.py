"""Members and administrators read a room's history; to who may not know of a room there is none (contract 4.8, A41)."""

from __future__ import annotations

import pytest

from hubkit import Kit, result_of
from newage.domain.model import Access, Role
from newage.errors import NewAgeError, NotMember, RoomMissing
from newage.services.history.reading import readable


@pytest.fixture
def house(kit: Kit) -> Kit:
    """ann's rooms: an open one and an invited one, both with bob in them."""
    for who in ("ann", "bob", "out"):
        kit.connect(who)
    kit.connect("boss", client_type="monitor")
    for name in ("hall", "hideout"):
        kit.group(name, "ann", bob=Role.GUEST)
    ann = kit.sessions.all_callers("ann")[0]
    result_of(kit.moderation.set_access(ann, "hideout", Access.INVITED))
    return kit


def read(house: Kit, who: str, name: str) -> str:
    return readable(house.rooms, house.sessions.all_callers(who)[0], name).name


@pytest.mark.parametrize("who", ["ann", "bob", "boss"])
@pytest.mark.parametrize("name", ["hall", "hideout"])
def test_members_and_administrators_read(house: Kit, who: str, name: str) -> None:
    assert read(house, who, name) == name


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("hall", NotMember, "You are not a member of room hall."),
        ("hideout", RoomMissing, "Could not retrieve context for room hideout."),
        ("nowhere", RoomMissing, "Could not retrieve context for room nowhere."),
    ],
)
def test_others_are_told_of_open_rooms_only(house: Kit, name: str, kind: type[NewAgeError], words: str) -> None:
    with pytest.raises(kind) as refused:
        read(house, "out", name)
    assert str(refused.value) == words
