"""Members, roles and heirs of one room (contract 2.10, 4.1, 4.2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.membership import (
    claimed,
    others_of_client,
    returned,
    role_is_open,
    tidy,
    vacated,
    valid_room_name,
    with_master,
    with_member,
    with_role,
    without_member,
)
from newage.domain.model import Bar, Role, Room, RoomKind, Term

G, S, MAN, MAS = Role.GUEST, Role.SPECIAL, Role.MANAGER, Role.MASTER
PEOPLE = ("ann", "bob", "cid", "dan")


def everybody(who: str) -> bool:
    return True


def nobody(who: str) -> bool:
    return False


def roles_with(room: Room, who: str, role: Role, online: Callable[[str], bool]) -> dict[str, Role]:
    changed = with_role(room, who, role, online)
    assert changed is not None
    return dict(changed.members)


@pytest.mark.parametrize("name", ["a", "Die Runde", "x" * 128, "a/b", "日本"])
def test_names_of_rooms(name: str) -> None:
    assert valid_room_name(name)


@pytest.mark.parametrize(
    "name", ["", " ", "a ", " a", "x" * 129, "a\n", "a\u202eb", "e\u0301", "server", "monitor-room", "__proto__"]
)
def test_names_that_no_room_may_have(name: str) -> None:
    assert not valid_room_name(name)


@pytest.mark.parametrize("kind", list(RoomKind))
@pytest.mark.parametrize("role", list(Role))
def test_only_who_a_room_is_named_after_is_its_master(kind: RoomKind, role: Role) -> None:
    room = Room(name="ann", kind=kind)
    owned = kind in (RoomKind.PERSONAL, RoomKind.EXTENSION)
    assert role_is_open(room, "ann", role) is (not owned or role is MAS)
    assert role_is_open(room, "bob", role) is (not owned or role is not MAS)


def test_a_member_is_entered_with_its_client_where_that_is_known() -> None:
    room = with_member(with_member(Room(name="r"), "ann-1", MAS, "ann"), "bob", G, None)
    assert (dict(room.members), dict(room.clients)) == ({"ann-1": MAS, "bob": G}, {"ann-1": "ann"})


def test_clients_are_kept_of_members_and_of_the_muted() -> None:
    known = {who: who for who in PEOPLE}
    room = Room(name="r", members={"ann": MAS}, muted={"bob": Term.of(0, 5)}, clients=known)
    assert dict(tidy(room).clients) == {"ann": "ann", "bob": "bob"}
    assert tidy(tidy(room)) is not room
    settled = tidy(room)
    assert tidy(settled) is settled


def test_a_mute_stays_with_who_leaves_unless_it_is_forgotten() -> None:
    room = Room(name="r", members={"ann": MAS, "bob": G}, muted={"bob": Term.of(0, 5), "cid": Term.of(0, 5)})
    assert set(without_member(room, "bob", everybody, forget_mute=False).muted) == {"bob", "cid"}
    assert set(without_member(room, "bob", everybody, forget_mute=True).muted) == {"cid"}


def test_a_group_room_that_loses_its_master_has_the_next() -> None:
    room = Room(name="r", members={"ann": MAS, "bob": G, "cid": MAN})
    assert without_member(room, "ann", everybody, forget_mute=False).master == "cid"
    assert without_member(room, "ann", "bob".__eq__, forget_mute=False).master == "bob"
    assert without_member(room, "ann", nobody, forget_mute=False).master is None
    assert without_member(room, "bob", everybody, forget_mute=False).master == "ann"


def test_a_room_that_is_somebodys_waits_for_him() -> None:
    room = Room(name="ann", kind=RoomKind.PERSONAL, members={"ann": MAS, "bob": MAN})
    assert without_member(room, "ann", everybody, forget_mute=False).master is None


def test_the_former_master_becomes_a_manager() -> None:
    room = Room(name="r", members={"ann": MAS, "bob": G})
    assert roles_with(room, "bob", MAS, everybody) == {"ann": MAN, "bob": MAS}
    assert with_role(room, "ann", MAS, everybody) == room


def test_who_was_demoted_is_not_the_next_master() -> None:
    room = Room(name="r", members={"ann": MAS, "bob": G})
    assert roles_with(room, "ann", MAN, everybody) == {"ann": MAN, "bob": MAS}


def test_where_nobody_else_is_there_the_master_stays_it() -> None:
    room = Room(name="r", members={"ann": MAS, "bob": G})
    assert with_role(room, "ann", MAN, "ann".__eq__) is None
    assert with_role(room, "ann", MAN, nobody) is None
    assert with_role(evolve(room, members={"ann": MAS}), "ann", G, everybody) is None
    assert roles_with(room, "bob", MAS, nobody) == {"ann": MAN, "bob": MAS}
    assert roles_with(room, "bob", S, nobody) == {"ann": MAS, "bob": S}


def test_who_is_there_inherits_a_group_room_without_a_master() -> None:
    room = Room(name="r", members={"ann": G, "bob": S, "cid": G})
    assert with_master(room, "cid".__eq__).master == "cid"
    assert with_master(room, everybody).master == "bob"
    assert with_master(room, nobody) is room
    assert roles_with(room, "ann", S, everybody) == {"ann": MAS, "bob": S, "cid": G}
    settled = evolve(room, members={"ann": MAS, "bob": S})
    assert with_master(settled, everybody) is settled
    monitors = evolve(room, kind=RoomKind.MONITOR)
    assert with_master(monitors, everybody) is monitors
    assert roles_with(monitors, "ann", S, everybody) == {"ann": S, "bob": S, "cid": G}


@given(
    roles=st.lists(st.sampled_from([G, S, MAN]), min_size=3, max_size=3),
    changes=st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(list(Role))), max_size=8),
    leavers=st.lists(st.sampled_from(PEOPLE[1:]), max_size=2),
)
def test_a_group_room_with_somebody_in_it_has_one_master(
    roles: list[Role], changes: list[tuple[str, Role]], leavers: list[str]
) -> None:
    room = Room(name="r", members={"ann": MAS, **dict(zip(PEOPLE[1:], roles, strict=True))})
    for who, role in changes:
        room = with_role(room, who, role, everybody) or room
        assert len(room.with_role(MAS)) == 1
        assert set(room.members) == set(PEOPLE)
    for who in leavers:
        room = without_member(room, who, everybody, forget_mute=False)
        assert who not in room.members
        assert len(room.with_role(MAS)) == 1


def test_a_master_that_is_the_last_to_leave_inherits_at_return() -> None:
    room = Room(name="lounge", members={"ann": Role.MASTER}, said=True)
    empty = vacated(evolve(room, members={}), room, "ann")
    assert empty.heir == "ann"
    kept = evolve(empty, members={"bob": Role.MASTER}, vacant_since=7.0)
    assert returned(kept, "bob") == evolve(kept, vacant_since=None), "he keeps the place"
    back = returned(evolve(kept, members={"bob": Role.MASTER, "ann": Role.GUEST}), "ann")
    assert dict(back.members) == {"bob": Role.MANAGER, "ann": Role.MASTER}
    assert (back.heir, back.vacant_since) == (None, None)


def test_a_guest_that_is_the_last_to_leave_leaves_the_heir_as_he_is() -> None:
    room = Room(name="lounge", members={"bob": Role.GUEST}, heir="ann", said=True)
    assert vacated(evolve(room, members={}), room, "bob").heir == "ann"


def test_nobody_inherits_what_has_members_or_an_owner() -> None:
    room = Room(name="lounge", members={"ann": Role.MASTER, "bob": Role.GUEST}, said=True)
    assert vacated(evolve(room, members={"bob": Role.GUEST}), room, "ann").heir is None
    own = Room(name="ann", kind=RoomKind.PERSONAL, members={"ann": Role.MASTER}, said=True)
    assert vacated(evolve(own, members={}), own, "ann").heir is None


def test_what_is_known_of_an_identity_is_claimed_once() -> None:
    room = Room(name="r", members={"ann-1": MAS}, muted={"gone-1": Term.of(0, 5)}, clients={"ann-1": "ann"})
    assert claimed(room, "ann-1", "other") is room
    assert claimed(room, "who-1", "who") is room
    assert dict(claimed(room, "gone-1", "gone").clients) == {"ann-1": "ann", "gone-1": "gone"}


def test_the_bar_of_an_identity_becomes_its_clients() -> None:
    bar, other = Bar(Term.of(0, 5), "bob-1"), Bar(Term.of(0, 9), "bob-2")
    room = Room(name="r", barred={"bob-1": bar, "cid": Bar(Term.of(0, 5), "cid-1")})
    assert set(claimed(room, "bob-1", "bob").barred) == {"cid", "bob"}
    both = evolve(room, barred={"bob-1": bar, "bob": other})
    assert claimed(both, "bob-1", "bob") is both
    assert claimed(room, "cid", "cid") is room  # it is a clientId there


def test_who_is_added_is_barred_no_more() -> None:
    bars = {"bob": Bar(Term.of(0, 5), "bob-1"), "cid": Bar(Term.of(0, 5), "cid")}
    room = Room(name="r", barred=bars)
    assert room.bars_of("bob-2", "bob") == ("bob",)
    assert room.bars_of("bob-2", None) == Room(name="r").bars_of("bob", "bob") == ()
    assert set(with_member(room, "bob-2", G, "bob").barred) == {"cid"}
    assert set(with_member(room, "dan", G, "dan").barred) == {"bob", "cid"}


def test_the_others_of_a_client_but_for_the_owner_and_who_is_spared() -> None:
    members = {"bob": G, "bob-1": MAN, "bob-2": G, "bob-3": G, "cid": G}
    clients = {who: who.partition("-")[0] for who in (*members, "bob-4")}
    room = Room(name="bob", kind=RoomKind.PERSONAL, members=members, clients=clients)
    assert others_of_client(room, "bob", "bob-2", "bob-1".__eq__) == ("bob-3",)
