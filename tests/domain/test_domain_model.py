"""The values: wire names, derived members, and that nothing in them can be changed."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from newage.domain.delivery import EVERYBODY
from newage.domain.model import (
    PERMANENT,
    Agent,
    Caller,
    ConnectionPolicy,
    KeyRecord,
    Kind,
    Message,
    Peer,
    RequestMode,
    Role,
    Room,
    RoomKind,
    Session,
    Term,
    nobodys,
    read_only,
)

HOME = Peer("127.0.0.1", local=True)


@pytest.mark.parametrize(
    ("client_type", "kind"),
    [
        ("SillyTavern", Kind.EXTENSION),
        ("extension", Kind.EXTENSION),
        ("monitor", Kind.ADMIN),
        ("web-app", Kind.CLIENT),
        ("client", Kind.CLIENT),
        ("extension_loginSocket", Kind.CLIENT),
        ("sillytavern", Kind.CLIENT),
        ("Monitor", Kind.CLIENT),
        ("", Kind.CLIENT),
    ],
)
def test_the_client_type_decides_the_kind(client_type: str, kind: Kind) -> None:
    session = Session(client_id="c", identity="c", client_type=client_type)
    assert Kind.of(client_type) is kind
    assert session.kind is kind
    assert Caller(sid="s", namespace="/llm", session=session, peer=HOME).kind is kind


@pytest.mark.parametrize(
    ("wire", "role"),
    [
        ("guest", Role.GUEST),
        ("special", Role.SPECIAL),
        ("manager", Role.MANAGER),
        ("moderator", Role.MANAGER),
        ("master", Role.MASTER),
        ("Master", None),
        ("user", None),
        ("", None),
        (None, None),
        (3, None),
        (["master"], None),
        ({}, None),
    ],
)
def test_roles_have_wire_names_and_moderator_is_one_more(wire: object, role: Role | None) -> None:
    assert Role.from_wire(wire) is role


def test_each_role_survives_its_wire_name() -> None:
    assert [Role.from_wire(role.wire) for role in Role] == list(Role)
    assert [role.wire for role in sorted(Role)] == ["guest", "special", "manager", "master"]


def test_the_names_of_modes_and_policies_are_the_contracts() -> None:
    modes = ["Default", "Immediate", "MasterOnly", "Separate", "HostSubmit", "Conversational"]
    assert [mode.value for mode in RequestMode] == modes
    policies = ["Free", "Manual", "Balanced", "Broadcast", "Random", "Failover"]
    assert [policy.value for policy in ConnectionPolicy] == policies
    assert [kind.value for kind in RoomKind] == ["personal", "extension", "monitor", "group"]


def test_a_caller_speaks_for_its_session() -> None:
    caller = Caller(sid="s1", namespace="/llm", session=Session(client_id="web1", identity="web1-a"), peer=HOME)
    assert (caller.client_id, caller.identity, caller.kind) == ("web1", "web1-a", Kind.CLIENT)
    assert not (caller.sensitive or caller.bootstrap or caller.stream_mode or caller.incremental or caller.outputs)


def test_a_room_knows_its_master_and_who_has_a_role() -> None:
    room = Room(name="r", members={"a": Role.GUEST, "m": Role.MASTER, "b": Role.GUEST, "x": Role.MANAGER})
    assert room.master == "m"
    assert room.with_role(Role.GUEST) == ("a", "b")
    assert room.with_role(Role.SPECIAL) == ()
    assert Room(name="empty").master is None


@pytest.mark.parametrize(
    ("identity", "client_id", "holds"),
    [
        ("web-a", "web", ("web-a",)),  # itself
        ("web-b", "web", ("web-a",)),  # another identity of its client
        ("web-b", None, ("web-a",)),  # ... as the room knows
        ("web-new", "web", ("web-a",)),  # ... that the room has not seen yet
        ("web-new", None, ()),
        ("old", "anybody", ("old",)),  # muted before clients were stored: the identity alone
        ("old-b", "old", ()),
        ("ann", "ann", ()),
    ],
)
def test_a_mute_holds_for_every_identity_of_its_client(
    identity: str, client_id: str | None, holds: tuple[str, ...]
) -> None:
    term = Term(until=1.0, seconds=1.0)
    clients = {"web-a": "web", "web-b": "web", "ann": "ann"}
    room = Room(name="r", members={"web-b": Role.GUEST}, muted={"web-a": term, "old": term}, clients=clients)
    assert room.mutes_of(identity, client_id) == holds
    assert evolve(room, muted={}).mutes_of(identity, client_id) == ()
    assert room.of_client("web") == ("web-a", "web-b")
    assert room.of_client(None) == ()


def test_what_a_value_was_made_of_cannot_change_it() -> None:
    members = {"a": Role.MASTER}
    room = Room(name="r", members=members)
    members["b"] = Role.MASTER
    assert dict(room.members) == {"a": Role.MASTER}
    sealed: Any = room.members
    with pytest.raises(TypeError):
        sealed["b"] = Role.GUEST
    with pytest.raises(FrozenInstanceError):
        room.seq = 2  # type: ignore[misc]
    assert evolve(room, seq=2) == Room(name="r", members={"a": Role.MASTER}, seq=2)


def test_read_only_copies() -> None:
    inner = {"k": 1}
    sealed = read_only(inner)
    inner["k"] = 2
    assert sealed == {"k": 1}


@pytest.mark.parametrize(
    ("role", "response", "system"),
    [("assistant", True, False), ("system", False, True), ("guest", False, False), ("master", False, False)],
)
def test_the_role_of_a_message_tells_what_it_is(role: str, response: bool, system: bool) -> None:
    message = Message(message_id="m", room="r", seq=1, identity="i", role=role)
    assert (message.is_response, message.is_system) == (response, system)


def test_the_requests_of_a_session_are_worth_no_more_than_the_least_of_them() -> None:
    """A page's first GET carries no Origin, its POST does; none of a session's requests may add a right."""

    def mine() -> bool:
        return True

    def later() -> bool:
        return False

    first = Peer("127.0.0.1", local=True, near=True, admin=True, bootstrap=True, owned=mine)
    assert first.joined(first) is first
    assert first.joined(first._replace(owned=later)) == first._replace(owned=later)
    page = Peer("127.0.0.1", near=True, agent=Agent.PAGE)
    assert first.joined(page) == page.joined(first) == page
    assert first.joined(page._replace(local=True)).agent is Agent.PAGE
    assert first.joined(Peer("192.0.2.7", admin=True)) == Peer("127.0.0.1", admin=True)
    assert first.joined(Peer("192.0.2.7", bootstrap=True)) == Peer("127.0.0.1", bootstrap=True)


def test_a_kind_may_be_less_than_the_type_says() -> None:
    """B2: who claims administration in vain is a client, and its type is still shown as it said."""
    session = Session(client_id="m", identity="m", client_type="monitor", kind=Kind.CLIENT)
    assert session.kind is Kind.CLIENT
    assert evolve(session, desc="d").kind is Kind.CLIENT


def test_defaults_are_the_least_rights() -> None:
    assert Peer("192.0.2.7") == ("192.0.2.7", False, False, False, False, Agent.PROGRAM, nobodys)
    assert not nobodys()
    assert KeyRecord(client_id="c", hash="h", created_at=1.0).local is False
    assert EVERYBODY == ("all", "")


@pytest.mark.parametrize("seconds", [0, -1, -0.5, 1e300, PERMANENT])
def test_a_term_without_a_length_or_beyond_all_time_is_for_ever(seconds: float) -> None:
    term = Term.of(1e9, seconds)
    assert (term, term.permanent) == (Term(PERMANENT, inf), True)
    assert [term.left(wall) for wall in (0.0, 1e9, PERMANENT + 1)] == [inf] * 3


@pytest.mark.parametrize(("wall", "left"), [(1e9, 60), (1e9 + 20, 40), (1e9 + 60, 0), (4e9, 0), (1e9 - 1, 60), (0, 60)])
def test_of_a_term_is_never_more_left_than_its_length(wall: float, left: float) -> None:
    term = Term.of(1e9, 60)
    assert (term.until, term.permanent, term.left(wall)) == (1e9 + 60, False, left)


def test_a_mute_holds_for_its_client_and_ends_with_its_entry() -> None:
    room = Room(
        name="r", members={"bob": Role.GUEST}, muted={"bob-1": Term.of(0, 5)}, clients={"bob-1": "bob", "bob-2": "bob"}
    )
    assert room.is_muted("bob-1")
    assert room.is_muted("bob-2")
    assert room.is_muted("new", "bob")
    assert not room.is_muted("cid")
    assert not Room(name="r").is_muted("bob-1")


def test_who_is_no_member_has_the_role_that_is_given() -> None:
    room = Room(name="r", members={"bob": Role.SPECIAL})
    assert room.role_of("bob") is room.role_of("bob", Role.MASTER) is Role.SPECIAL
    assert (room.role_of("cid"), room.role_of("cid", Role.MANAGER)) == (Role.GUEST, Role.MANAGER)
