"""The rules as tables, and the assignments as properties (contract 2.6 with A1, 4.2, 5.4, 6.2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.model import (
    Agent,
    Caller,
    ConnectionPolicy,
    Kind,
    Peer,
    RequestMode,
    Role,
    Room,
    RoomKind,
    Session,
    nobodys,
)
from newage.domain.policy import (
    Assignments,
    Verdict,
    administers,
    assign,
    decide,
    default_targets,
    effective_role,
    governs,
    granted,
    is_staff,
    may_appoint,
    may_create_rooms,
    may_delete_room,
    may_enter,
    may_give_role,
    may_join,
    may_operate,
    may_read,
    may_remove,
    may_sanction,
    may_set_role,
    outranks,
    successor,
)

FREE, MANUAL = ConnectionPolicy.FREE, ConnectionPolicy.MANUAL
BALANCED, BROADCAST, RANDOM = ConnectionPolicy.BALANCED, ConnectionPolicy.BROADCAST, ConnectionPolicy.RANDOM
G, S, MAN, MAS = Role.GUEST, Role.SPECIAL, Role.MANAGER, Role.MASTER
F, Q, N, R = Verdict.FORWARD, Verdict.QUEUE, Verdict.IGNORE, Verdict.RECORD


def earliest(choices: Sequence[str]) -> str:
    return choices[0]


# --------------------------------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize(
    ("mode", "guest", "special", "manager", "master"),
    [
        (RequestMode.DEFAULT, Q, Q, F, F),
        (RequestMode.HOST_SUBMIT, Q, Q, F, F),
        (RequestMode.IMMEDIATE, F, F, F, F),
        (RequestMode.MASTER_ONLY, N, N, N, F),
        (RequestMode.SEPARATE, F, F, F, F),
        (RequestMode.CONVERSATIONAL, F, F, F, F),
    ],
)
def test_the_mode_and_the_role_decide(
    mode: RequestMode, guest: Verdict, special: Verdict, manager: Verdict, master: Verdict
) -> None:
    assert [decide(mode, role, has_target=True) for role in Role] == [guest, special, manager, master]


@pytest.mark.parametrize("mode", [mode for mode in RequestMode if mode is not RequestMode.CONVERSATIONAL])
@pytest.mark.parametrize("role", list(Role))
def test_a_target_matters_in_conversational_rooms_only(mode: RequestMode, role: Role) -> None:
    assert decide(mode, role, has_target=True) is decide(mode, role, has_target=False)
    assert decide(RequestMode.CONVERSATIONAL, role, has_target=False) is R


def test_verdicts_are_the_states_of_the_ack() -> None:
    assert [str(v) for v in Verdict] == ["forwarded", "queued", "ignored", "recorded"]


@pytest.mark.parametrize(
    ("server", "hint", "effective"),
    [(MAS, None, MAS), (MAS, G, G), (MAS, MAN, MAN), (G, MAS, G), (G, S, G), (S, S, S), (S, MAS, S), (G, None, G)],
)
def test_a_hint_only_lowers(server: Role, hint: Role | None, effective: Role) -> None:
    assert effective_role(server, hint) is effective


# --------------------------------------------------------------------------------------------------------- assignments


@pytest.mark.parametrize(
    ("policy", "rooms", "extensions", "previous", "fresh", "expected"),
    [
        (FREE, "ab", "XY", {}, False, {"a": "XY", "b": "XY"}),
        (BROADCAST, "ab", "XY", {}, False, {"a": "XY", "b": "XY"}),
        (FREE, "ab", "", {"a": "X"}, False, {"a": "", "b": ""}),
        (BALANCED, "ab", "", {"a": "X"}, True, {"a": "", "b": ""}),
        (BALANCED, "abc", "XY", {"a": "Y", "b": "Y"}, True, {"a": "X", "b": "Y", "c": "X"}),
        (BALANCED, "abc", "XY", {"a": "Y", "b": "X"}, False, {"a": "Y", "b": "X", "c": "X"}),
        (BALANCED, "ab", "XY", {"a": "XY"}, False, {"a": "X", "b": "Y"}),
        # a new extension takes the newest rooms
        (
            BALANCED,
            "abcd",
            "XY",
            {"a": "X", "b": "X", "c": "X", "d": "X"},
            False,
            {"a": "X", "b": "X", "c": "Y", "d": "Y"},
        ),
        # a lost one gives its rooms to the least loaded
        (BALANCED, "abc", "X", {"a": "X", "b": "Y", "c": "Y"}, False, {"a": "X", "b": "X", "c": "X"}),
        (RANDOM, "ab", "XY", {"a": "Y"}, False, {"a": "Y", "b": "X"}),
        (RANDOM, "ab", "XY", {"a": "Y", "b": "Y"}, True, {"a": "X", "b": "X"}),
        (RANDOM, "ab", "X", {"a": "Y", "b": "X"}, False, {"a": "X", "b": "X"}),
        (RANDOM, "a", "XY", {"a": "XY"}, False, {"a": "X"}),
        (BALANCED, "", "XY", {"a": "X"}, False, {}),
    ],
)
def test_each_policy_deals_as_the_contract_says(
    policy: ConnectionPolicy,
    rooms: str,
    extensions: str,
    previous: dict[str, str],
    fresh: bool,
    expected: dict[str, str],
) -> None:
    dealt = assign(policy, rooms, extensions, manual={}, previous=previous, fresh=fresh, choose=earliest)
    assert dealt == {room: tuple(served) for room, served in expected.items()}


def test_manual_assignments_show_only_who_is_there() -> None:
    manual = {"a": ["Z", "Y"], "gone": ["X"]}
    dealt = assign(MANUAL, ["a", "b"], ["X", "Y"], manual=manual, previous={}, fresh=False, choose=earliest)
    assert dealt == {"a": ("Y",), "b": ()}


Situation = tuple[ConnectionPolicy, list[str], list[str], Assignments, dict[str, tuple[str, ...]], bool]


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    names = st.lists(st.sampled_from("ABCDEFG"), unique=True, max_size=5)
    rooms = draw(st.lists(st.sampled_from("rstuvwxyz"), unique=True, max_size=9))
    served = st.dictionaries(st.sampled_from("rstuvwxyz"), names.map(tuple), max_size=9)
    return draw(st.sampled_from(ConnectionPolicy)), rooms, draw(names), draw(served), draw(served), draw(st.booleans())


@given(situations(), st.randoms(use_true_random=False))
def test_assignments_hold_what_every_policy_promises(situation: Situation, random: Random) -> None:
    policy, rooms, extensions, previous, manual, fresh = situation
    dealt = assign(policy, rooms, extensions, manual=manual, previous=previous, fresh=fresh, choose=random.choice)
    assert list(dealt) == rooms or set(dealt) == set(rooms)
    for served in dealt.values():
        assert set(served) <= set(extensions)
        assert len(served) == len(set(served))
    if not extensions:
        assert not any(dealt.values())
        return
    if policy in (FREE, BROADCAST):
        assert all(served == tuple(extensions) for served in dealt.values())
    if policy in (BALANCED, RANDOM):
        assert all(len(served) == 1 for served in dealt.values())
    if policy is BALANCED:
        load = Counter(dict.fromkeys(extensions, 0))
        load.update(served[0] for served in dealt.values())
        assert max(load.values()) - min(load.values()) <= 1
    if policy is MANUAL:
        for room in rooms:
            assert dealt[room] == tuple(e for e in manual.get(room, ()) if e in extensions)
    if policy is ConnectionPolicy.FAILOVER:
        for room in rooms:
            assert dealt[room] == tuple(e for e in manual.get(room) or extensions if e in extensions)


@given(situations(), st.randoms(use_true_random=False))
def test_what_did_not_change_keeps_its_assignments(situation: Situation, random: Random) -> None:
    policy, rooms, extensions, previous, manual, fresh = situation
    once = assign(policy, rooms, extensions, manual=manual, previous=previous, fresh=fresh, choose=random.choice)
    again = assign(policy, rooms, extensions, manual=manual, previous=once, fresh=False, choose=random.choice)
    assert again == once


@given(st.integers(0, 9), st.integers(1, 5), st.data())
def test_balanced_moves_no_more_rooms_than_it_must(count: int, servers: int, data: st.DataObject) -> None:
    rooms, extensions = [f"r{i}" for i in range(count)], [f"E{i}" for i in range(servers)]
    before = assign(BALANCED, rooms, extensions, manual={}, previous={}, fresh=True, choose=earliest)
    assert before == {room: (extensions[i % servers],) for i, room in enumerate(rooms)}
    more = [*extensions, "new"]
    after = assign(BALANCED, rooms, more, manual={}, previous=before, fresh=False, choose=earliest)
    moved = [room for room in rooms if before[room] != after[room]]
    assert all(after[room] == ("new",) for room in moved)
    assert len(moved) == count // len(more)
    gone = data.draw(st.sampled_from(extensions))
    left = [extension for extension in more if extension != gone]
    rest = assign(BALANCED, rooms, left, manual={}, previous=after, fresh=False, choose=earliest)
    load = Counter(dict.fromkeys(left, 0))
    load.update(served[0] for served in rest.values())
    assert max(load.values()) - min(load.values()) <= 1
    assert all(rest[room] == after[room] for room in rooms if after[room] != (gone,))


@pytest.mark.parametrize(
    ("policy", "assigned", "targets"),
    [
        (BROADCAST, ("X", "Y"), ("X", "Y")),
        (FREE, ("X", "Y"), ("X",)),
        (MANUAL, ("Y",), ("Y",)),
        (FREE, (), ()),
        (BROADCAST, (), ()),
    ],
)
def test_who_is_asked_when_nobody_is_named(
    policy: ConnectionPolicy, assigned: tuple[str, ...], targets: tuple[str, ...]
) -> None:
    assert default_targets(policy, assigned) == targets


# -------------------------------------------------------------------------------------------------------------- rights


def ours() -> bool:
    """The socket belongs to the hub's own system user."""
    return True


HOME = Peer("127.0.0.1", local=True, near=True, owned=ours)
NEIGHBOUR = HOME._replace(owned=nobodys)  # a program of another system user
TRUSTED_NETWORK = Peer("10.0.0.7", local=True, near=True)
LAN, AWAY, OFFICE = Peer("10.0.0.7", near=True), Peer("192.0.2.1"), Peer("192.0.2.2", admin=True)
ADMIN, EXTENSION, CLIENT = (Kind.ADMIN, True), (Kind.EXTENSION, True), (Kind.CLIENT, False)
PLAIN_EXTENSION = (Kind.EXTENSION, False)


def page(peer: Peer, agent: Agent = Agent.PAGE) -> Peer:
    return peer._replace(agent=agent)


@pytest.mark.parametrize(
    ("claimed", "peer", "proven", "keyless", "network_safe", "expected"),
    [
        # without a credential: the hub's own system user, and for administration a program of his
        (Kind.ADMIN, HOME, False, True, True, ADMIN),
        (Kind.ADMIN, page(HOME), False, True, True, CLIENT),
        (Kind.ADMIN, page(HOME, Agent.OWN_PAGE), False, True, True, CLIENT),
        (Kind.ADMIN, NEIGHBOUR, False, True, True, CLIENT),
        (Kind.ADMIN, TRUSTED_NETWORK, False, True, True, CLIENT),
        (Kind.ADMIN, HOME, False, False, True, CLIENT),
        (Kind.ADMIN, AWAY._replace(owned=ours), False, True, True, CLIENT),
        (Kind.EXTENSION, HOME, False, True, True, EXTENSION),
        (Kind.EXTENSION, page(HOME), False, True, True, EXTENSION),  # SillyTavern's page is of another port
        (Kind.EXTENSION, NEIGHBOUR, False, True, True, PLAIN_EXTENSION),
        (Kind.EXTENSION, TRUSTED_NETWORK, False, True, True, PLAIN_EXTENSION),
        (Kind.EXTENSION, HOME, False, False, True, PLAIN_EXTENSION),
        (Kind.EXTENSION, AWAY, False, True, True, PLAIN_EXTENSION),
        # with one: from where administrators come, and from no foreign page
        (Kind.ADMIN, NEIGHBOUR, True, False, True, ADMIN),
        (Kind.ADMIN, page(HOME, Agent.OWN_PAGE), True, False, True, ADMIN),
        (Kind.ADMIN, page(HOME), True, False, True, CLIENT),
        (Kind.ADMIN, LAN, True, False, True, ADMIN),
        (Kind.ADMIN, LAN, True, False, False, ADMIN),
        (Kind.ADMIN, OFFICE, True, False, True, ADMIN),
        (Kind.ADMIN, page(OFFICE), True, False, True, CLIENT),
        (Kind.ADMIN, AWAY, True, False, True, CLIENT),
        (Kind.ADMIN, AWAY, True, False, False, CLIENT),
        (Kind.ADMIN, OFFICE, False, False, True, CLIENT),
        (Kind.EXTENSION, OFFICE, True, False, True, EXTENSION),
        (Kind.EXTENSION, LAN, True, False, True, PLAIN_EXTENSION),
        (Kind.EXTENSION, AWAY, True, False, False, EXTENSION),
        (Kind.EXTENSION, AWAY, False, False, False, PLAIN_EXTENSION),
        # nobody is more than he says
        (Kind.CLIENT, HOME, True, True, True, CLIENT),
        (Kind.CLIENT, OFFICE, True, False, False, CLIENT),
    ],
)
def test_what_a_claim_is_worth(
    claimed: Kind, peer: Peer, proven: bool, keyless: bool, network_safe: bool, expected: tuple[Kind, bool]
) -> None:
    found = granted(claimed, peer, proven=proven, keyless=keyless, network_safe=network_safe)
    assert found == expected


def test_the_owner_of_a_socket_is_asked_for_only_where_it_decides() -> None:
    def never() -> bool:
        raise AssertionError("asked")

    here = HOME._replace(owned=never)
    for claimed, peer, proven in (
        (Kind.CLIENT, here, False),
        (Kind.ADMIN, page(here), False),
        (Kind.ADMIN, here, True),
        (Kind.EXTENSION, here._replace(local=False), False),
    ):
        granted(claimed, peer, proven=proven, keyless=True, network_safe=True)


@pytest.mark.parametrize(
    ("client_type", "sensitive", "expected"),
    [("monitor", True, True), ("monitor", False, False), ("SillyTavern", True, False), ("web-app", True, False)],
)
def test_only_an_admin_with_sensitive_rights_administers(client_type: str, sensitive: bool, expected: bool) -> None:
    session = Session(client_id="x", identity="x", client_type=client_type)
    caller = Caller(sid="s", namespace="/rooms", session=session, peer=HOME, sensitive=sensitive)
    assert administers(caller) is expected


@pytest.mark.parametrize(
    ("identity", "staff"), [("mas", True), ("man", True), ("spe", False), ("gue", False), ("no", False)]
)
def test_masters_and_managers_are_staff(identity: str, staff: bool) -> None:
    assert is_staff(Room(name="r", members={"mas": MAS, "man": MAN, "spe": S, "gue": G}), identity) is staff


@pytest.mark.parametrize("kind", list(RoomKind))
def test_only_group_rooms_are_open(kind: RoomKind) -> None:
    assert may_join(Room(name="r", kind=kind)) is (kind is RoomKind.GROUP)


@pytest.mark.parametrize(
    ("members", "online", "heir"),
    [
        ({"g": G, "s": S, "m1": MAN, "m2": MAN}, {"g", "s", "m1", "m2"}, "m1"),
        ({"g": G, "s": S, "m1": MAN, "m2": MAN}, {"g", "s", "m2"}, "m2"),
        ({"g": G, "s": S, "m1": MAN}, {"g", "s"}, "s"),
        ({"g1": G, "g2": G}, {"g2"}, "g2"),
        ({"g1": G, "g2": G}, {"g1", "g2"}, "g1"),
        ({"g1": G, "m1": MAN}, set(), None),
        ({}, set(), None),
    ],
)
def test_the_longest_standing_online_member_of_the_highest_role_succeeds(
    members: dict[str, Role], online: set[str], heir: str | None
) -> None:
    assert successor(Room(name="r", members=members), online.__contains__) == heir


@pytest.mark.parametrize(("actor", "over"), [(MAS, [G, S, MAN, MAS]), (MAN, [G, S]), (S, []), (G, [])])
def test_a_master_acts_on_anybody_and_a_manager_on_guests_and_specials(actor: Role, over: list[Role]) -> None:
    assert [target for target in Role if outranks(actor, target)] == over


@pytest.mark.parametrize("actor", list(Role))
@pytest.mark.parametrize("current", list(Role))
@pytest.mark.parametrize("new", list(Role))
def test_a_role_is_set_by_who_is_above_both_the_old_and_the_new(actor: Role, current: Role, new: Role) -> None:
    expected = actor is MAS or (actor is MAN and {current, new} <= {G, S})
    assert may_set_role(actor, current, new) is expected


ROLES = {"mas": MAS, "man": MAN, "spe": S, "gue": G}
LOUNGE = Room(name="lounge", members=ROLES)


def somebody(identity: str, client_type: str = "web-app", *, sensitive: bool = False) -> Caller:
    session = Session(client_id=identity, identity=identity, client_type=client_type)
    return Caller(sid=identity, namespace="/rooms", session=session, peer=HOME, sensitive=sensitive)


ACTORS = {who: somebody(who) for who in (*ROLES, "out")} | {"admin": somebody("admin", "monitor", sensitive=True)}


@pytest.mark.parametrize(
    ("rule", "who"),
    [
        (lambda actor: may_read(actor, LOUNGE), {"admin", *ROLES}),
        (lambda actor: governs(actor, LOUNGE), {"admin", "mas", "man"}),
        (lambda actor: may_delete_room(actor, LOUNGE), {"admin", "mas"}),
        (lambda actor: may_enter(actor, LOUNGE), {"admin", *ROLES, "out"}),
        (
            lambda actor: may_enter(actor, Room(name="gue", kind=RoomKind.PERSONAL, members={"gue": MAS})),
            {"admin", "gue"},
        ),
        (lambda actor: may_create_rooms(actor, clients_may=False), {"admin"}),
        (lambda actor: may_create_rooms(actor, clients_may=True), {"admin", *ROLES, "out"}),
        (lambda actor: may_appoint(actor, LOUNGE, MAN), {"admin", "mas"}),
        (lambda actor: may_sanction(actor, LOUNGE, "gue"), {"admin", "mas", "man"}),
        (lambda actor: may_sanction(actor, LOUNGE, "man"), {"admin", "mas"}),
        (lambda actor: may_remove(actor, LOUNGE, "mas"), {"admin"}),
        (lambda actor: may_remove(actor, LOUNGE, "man"), {"admin", "mas"}),
        (lambda actor: may_give_role(actor, LOUNGE, "gue", S), {"admin", "mas", "man"}),
        (lambda actor: may_give_role(actor, LOUNGE, "gue", MAN), {"admin", "mas"}),
    ],
)
def test_who_may(rule: Callable[[Caller], bool], who: set[str]) -> None:
    assert {name for name, actor in ACTORS.items() if rule(actor)} == who


def test_guests_and_specials_are_added_by_whoever_governs() -> None:
    assert all(may_appoint(actor, LOUNGE, role) for actor in ACTORS.values() for role in (G, S))


@pytest.mark.parametrize(
    ("client_type", "sensitive", "expected"),
    [
        ("monitor", True, True),
        ("SillyTavern", True, True),
        ("monitor", False, False),
        ("SillyTavern", False, False),
        ("web-app", True, False),
    ],
)
def test_extensions_and_administrators_operate_the_hub(client_type: str, sensitive: bool, expected: bool) -> None:
    assert may_operate(somebody("x", client_type, sensitive=sensitive)) is expected


def test_an_extension_creates_no_rooms() -> None:
    assert not may_create_rooms(somebody("SillyTavern-1", "SillyTavern", sensitive=True), clients_may=True)


def test_many_rooms_are_rebalanced_at_once() -> None:
    """One more extension moves half of the rooms; looking through all of them for each move took six seconds."""
    rooms = [f"room-{number}" for number in range(10_000)]
    looked_at = 0

    class Name(str):
        __slots__ = ()

        def __hash__(self) -> int:
            nonlocal looked_at
            looked_at += 1
            return super().__hash__()

    before = dict.fromkeys(rooms, ("one",))
    dealt = assign(
        ConnectionPolicy.BALANCED,
        [Name(room) for room in rooms],
        ["one", "two"],
        manual={},
        previous=before,
        fresh=False,
        choose=min,
    )
    assert Counter(dealt.values()) == {("one",): 5000, ("two",): 5000}
    assert [dealt[room] for room in rooms[:5000]] == [("one",)] * 5000
    assert looked_at < 100 * len(rooms)
