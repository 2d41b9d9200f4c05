"""Who serves whom, and who is told when that changes (contract 6; scenario 60)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zope.interface.verify import verifyObject

from hubkit import OPERATOR, Kit, Link, failure_of, result_of
from newage.domain.model import ConnectionPolicy, Role
from newage.errors import ClientMissing, InvalidRequest, NotMember, RoomMissing
from newage.ports import IRoomListener, ISessionListener
from newage.services.rooms.assignments import AssignmentSettings

FREE, MANUAL = ConnectionPolicy.FREE, ConnectionPolicy.MANUAL
BALANCED, BROADCAST, RANDOM = ConnectionPolicy.BALANCED, ConnectionPolicy.BROADCAST, ConnectionPolicy.RANDOM


def lists(kit: Kit, sid: str) -> list[tuple[str, list[str]]]:
    return [(body["roomName"], body["extensions"]) for body in kit.outbox.bodies(sid, "AVAILABLE_EXTENSIONS")]


def set_policy(kit: Kit, policy: ConnectionPolicy) -> None:
    result_of(kit.assignments.set_policy(OPERATOR, policy))
    kit.settle()


def test_it_listens(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.assignments)
    assert verifyObject(IRoomListener, kit.assignments)


# -------------------------------------------------------------------------------------------------------- client rooms


def test_client_rooms_are_personal_rooms_of_clients_in_order_of_registration(kit: Kit) -> None:
    kit.connect("web2")
    kit.extension("SillyTavern-1")
    kit.connect("monitor", client_type="monitor")
    kit.connect("web1")
    assert kit.assignments.client_rooms(OPERATOR) == ("web2", "web1")
    assert kit.assignments.extensions() == ("SillyTavern-1",)


def test_group_rooms_count_while_a_client_is_there(kit: Kit) -> None:
    kit.connect("monitor", client_type="monitor")
    kit.group("lounge", "monitor")
    assert kit.assignments.client_rooms(OPERATOR) == ()
    kit.connect("web1")
    result_of(kit.rooms.add("lounge", "web1"))
    assert kit.assignments.client_rooms(OPERATOR) == ("web1", "lounge")
    kit.disconnect_all("web1")
    kit.clock.advance(2)
    assert kit.assignments.client_rooms(OPERATOR) == ()
    kit.connect("web1")
    assert set(kit.assignments.client_rooms(OPERATOR)) == {"web1", "lounge"}
    result_of(kit.rooms.remove("lounge", "web1", "leave"))
    assert kit.assignments.client_rooms(OPERATOR) == ("web1",)
    result_of(kit.rooms.delete("lounge"))
    assert kit.assignments.assigned("lounge") == ()


def test_an_extension_counts_while_it_has_a_link(kit: Kit) -> None:
    kit.connect("web1")
    kit.extension("SillyTavern-1")
    kit.connect("SillyTavern-1", "/auth", client_type="SillyTavern")
    assert kit.assignments.assigned("web1") == ("SillyTavern-1",)
    kit.disconnect(kit.sessions.sids("SillyTavern-1", "/llm")[0])
    assert kit.assignments.assigned("web1") == ()
    assert kit.assignments.extensions() == ()


# ------------------------------------------------------------------------------------------------------------ policies


@pytest.fixture
def crowd(kit: Kit) -> dict[str, str]:
    """Three client rooms and two extensions; sids of the rooms' sockets on ``/rooms``."""
    sids = {name: kit.connect(name, "/rooms") for name in ("a", "b", "c")}
    kit.extension("X")
    kit.extension("Y")
    kit.settle()
    kit.outbox.clear()
    return sids


def assigned(kit: Kit) -> dict[str, str]:
    return {room: "".join(extensions) for room, extensions in kit.assignments.all().items()}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (FREE, {"a": "XY", "b": "XY", "c": "XY"}),
        (BROADCAST, {"a": "XY", "b": "XY", "c": "XY"}),
        (BALANCED, {"a": "X", "b": "Y", "c": "X"}),
        (RANDOM, {"a": "Y", "b": "Y", "c": "Y"}),
        (MANUAL, {"a": "", "b": "", "c": ""}),
        (ConnectionPolicy.FAILOVER, {"a": "XY", "b": "XY", "c": "XY"}),
    ],
)
def test_each_policy_is_dealt_and_announced_to_every_room(
    kit: Kit, crowd: dict[str, str], policy: ConnectionPolicy, expected: dict[str, str]
) -> None:
    set_policy(kit, policy)
    assert assigned(kit) == expected
    for room, sid in crowd.items():
        assert kit.outbox.bodies(sid, "AVAILABLE_EXTENSIONS") == [
            {"extensions": list(expected[room]), "roomName": room, "policy": policy.value}
        ]


def test_balanced_is_sticky_when_extensions_come_and_go(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, BALANCED)
    kit.extension("Z")
    assert assigned(kit) == {"a": "X", "b": "Y", "c": "Z"}
    kit.disconnect_all("X")
    assert assigned(kit) == {"a": "Y", "b": "Y", "c": "Z"}


def test_random_is_drawn_again_only_for_what_vanished(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, RANDOM)
    kit.extension("Z")
    kit.connect("d")
    assert assigned(kit) == {"a": "Y", "b": "Y", "c": "Y", "d": "Z"}
    kit.disconnect_all("Z")
    assert assigned(kit)["d"] == "Y"


def test_free_shares_no_list(kit: Kit, crowd: dict[str, str]) -> None:
    kit.outbox.clear()
    kit.extension("Z")
    kit.settle()
    assert assigned(kit) == {"a": "XYZ", "b": "XYZ", "c": "XYZ"}
    assert kit.assignments.served(OPERATOR)["Z"] == ("a", "b", "c")


# -------------------------------------------------------------------------------------------------------------- manual


def test_manual_assignments_are_kept_for_who_returns(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, MANUAL)
    assert result_of(kit.assignments.assign_manually(OPERATOR, "a", ["Y", "X", "Y"])) == ("Y", "X")
    assert assigned(kit) == {"a": "YX", "b": "", "c": ""}
    kit.disconnect_all("Y")
    assert assigned(kit)["a"] == "X"
    kit.extension("Y")
    assert assigned(kit)["a"] == "YX"
    assert result_of(kit.assignments.assign_manually(OPERATOR, "a", [])) == ()
    assert assigned(kit)["a"] == ""


def test_manual_assignment_announces_to_every_room(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, MANUAL)
    kit.outbox.clear()
    result_of(kit.assignments.assign_manually(OPERATOR, "a", ["X"]))
    kit.settle()
    assert [lists(kit, sid) for sid in crowd.values()] == [[("a", ["X"])], [("b", [])], [("c", [])]]


def test_under_failover_the_first_ever_comes_first_also_after_a_restart(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, MANUAL)
    result_of(kit.assignments.assign_manually(OPERATOR, "b", ["Y"]))
    set_policy(kit, ConnectionPolicy.FAILOVER)
    kit.disconnect_all("X")
    assert assigned(kit) == {"a": "Y", "b": "Y", "c": "Y"}
    kit.extension("X")
    assert kit.assignments.extensions() == ("Y", "X")
    assert assigned(kit) == {"a": "XY", "b": "Y", "c": "XY"}
    kit.disconnect_all("Y")
    assert assigned(kit) == {"a": "X", "b": "", "c": "X"}, "a room's list is all that it may be asked"
    kit.settle()
    again = Kit(with_stores_of=kit)
    again.connect("a", "/rooms")
    again.extension("Y")
    again.extension("X")
    assert assigned(again) == {"a": "XY"}
    again.close()


def test_manual_assignment_takes_client_ids(kit: Kit, crowd: dict[str, str]) -> None:
    kit.extension("SillyTavern-1", identity="SillyTavern-1-tab")
    set_policy(kit, MANUAL)
    assert result_of(kit.assignments.assign_manually(OPERATOR, "a", ["SillyTavern-1"])) == ("SillyTavern-1-tab",)


def test_manual_assignment_fails_in_the_contracts_words(kit: Kit, crowd: dict[str, str]) -> None:
    def failed(room: str, *extensions: str) -> tuple[type, str]:
        error = failure_of(kit.assignments.assign_manually(OPERATOR, room, extensions))
        return type(error), str(error)

    assert failed("a", "X") == (InvalidRequest, "Manual assignment is only allowed in Manual mode")
    set_policy(kit, MANUAL)
    assert failed("nowhere", "X") == (RoomMissing, "Client room not found")
    assert failed("a", "X", "nobody") == (ClientMissing, "Extension not found: nobody")
    assert failed("a", "b") == (ClientMissing, "Extension not found: b")


def test_a_room_that_is_away_can_still_be_cleared(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, MANUAL)
    result_of(kit.assignments.assign_manually(OPERATOR, "a", ["X"]))
    kit.disconnect_all("a")
    kit.clock.advance(2)
    assert result_of(kit.assignments.assign_manually(OPERATOR, "a", [])) == ()


def test_manual_assignments_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(relations=AssignmentSettings(connection_policy="Manual", max_manual_assignments=1))
    kit.connect("a")
    kit.connect("b")
    kit.extension("X")
    result_of(kit.assignments.assign_manually(OPERATOR, "a", ["X"]))
    assert str(failure_of(kit.assignments.assign_manually(OPERATOR, "b", ["X"]))) == "Failed to assign extension"
    result_of(kit.assignments.assign_manually(OPERATOR, "a", []))
    result_of(kit.assignments.assign_manually(OPERATOR, "b", ["X"]))


def test_policy_and_manual_assignments_outlive_a_restart(make_kit: Callable[..., Kit]) -> None:
    before = make_kit()
    before.connect("a")
    before.extension("X")
    set_policy(before, MANUAL)
    result_of(before.assignments.assign_manually(OPERATOR, "a", ["X"]))
    kit = make_kit(with_stores_of=before)
    assert kit.assignments.policy is MANUAL
    kit.connect("a")
    kit.extension("X")
    assert kit.assignments.assigned("a") == ("X",)


def test_a_room_made_again_is_not_assigned_to(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, MANUAL)
    kit.group("lounge", "a")
    result_of(kit.assignments.assign_manually(OPERATOR, "lounge", ["X"]))
    kit.make_again("lounge", "b")
    assert kit.assignments.assigned("lounge") == ()
    assert str(failure_of(kit.assignments.assign_manually(OPERATOR, "nowhere", []))) == "Client room not found"
    assert result_of(kit.state_store.load_values())["roomAssignments"] == {}


def test_what_was_assigned_by_name_is_the_next_rooms_of_that_name_once(make_kit: Callable[..., Kit]) -> None:
    """A home of before knows names only; the room may be away, and is not stored."""
    before = make_kit()
    before.connect("a")
    before.group("lounge", "a")
    result_of(before.state_store.save_value("connectionPolicy", "Manual"))
    result_of(before.state_store.save_value("manualAssignments", {"lounge": ["X"], "a": ["Y"], "b": ["X"]}))
    kit = make_kit(with_stores_of=before)
    for extension in "XY":
        kit.extension(extension)
    kit.connect("a")
    assert (kit.assignments.assigned("lounge"), kit.assignments.assigned("a")) == (("X",), ("Y",))
    assert result_of(kit.assignments.assign_manually(OPERATOR, "b", [])) == ()
    kit.connect("b")
    assert kit.assignments.assigned("b") == ()
    kit.make_again("lounge", "a")
    assert kit.assignments.assigned("lounge") == ()
    after = make_kit(with_stores_of=kit)
    for extension in "XY":
        after.extension(extension)
    after.connect("a")
    assert (after.assignments.assigned("lounge"), after.assignments.assigned("a")) == ((), ("Y",))
    state = result_of(after.state_store.load_values())
    assert (state["manualAssignments"], state["roomAssignments"]) == ({}, {after.room_id("a"): ["Y"]})


def test_an_assignment_to_a_room_that_cannot_be_stored_is_none(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, MANUAL)
    kit.gate.broken = True
    assert str(failure_of(kit.assignments.assign_manually(OPERATOR, "a", ["X"]))) == "Failed to assign extension"
    assert kit.assignments.assigned("a") == ()


def test_a_deletion_of_what_was_assigned_that_cannot_be_stored_is_logged(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, MANUAL)
    kit.group("lounge", "a")
    result_of(kit.assignments.assign_manually(OPERATOR, "lounge", ["X"]))
    kit.state_gate.broken = True
    result_of(kit.rooms.delete("lounge"))
    kit.state_gate.broken = False
    result_of(kit.assignments.assign_manually(OPERATOR, "a", ["X"]))
    assert result_of(kit.state_store.load_values())["roomAssignments"] == {kit.room_id("a"): ["X"]}


def test_a_policy_nobody_knows_any_more_does_not_stop_the_start(make_kit: Callable[..., Kit]) -> None:
    before = make_kit()
    result_of(before.state_store.save_value("connectionPolicy", "Fairest"))
    result_of(before.state_store.save_value("manualAssignments", {"a": "X", "b": [1, "Y"], "c": ["Z"]}))
    kit = make_kit(with_stores_of=before)
    assert kit.assignments.policy is FREE
    set_policy(kit, MANUAL)
    kit.connect("c")
    kit.extension("Z")
    assert kit.assignments.assigned("c") == ("Z",)


# ------------------------------------------------------------------------------------------------------- announcements


def test_a_new_room_hears_its_list_even_when_it_is_empty(kit: Kit) -> None:
    sid = kit.connect("web1", "/rooms")
    kit.settle()
    assert lists(kit, sid) == [("web1", [])]


def test_rooms_hear_when_the_last_extension_goes(kit: Kit) -> None:
    sid = kit.connect("web1", "/rooms")
    kit.extension("X")
    kit.settle()
    kit.disconnect_all("X")
    kit.settle()
    assert lists(kit, sid) == [("web1", ["X"]), ("web1", [])]


def test_only_rooms_whose_list_changed_hear(kit: Kit, crowd: dict[str, str]) -> None:
    set_policy(kit, BALANCED)
    kit.outbox.clear()
    kit.extension("Z")
    kit.settle()
    assert {room: lists(kit, sid) for room, sid in crowd.items()} == {"a": [], "b": [], "c": [("c", ["Z"])]}


def test_many_changes_in_one_turn_are_one_announcement(kit: Kit) -> None:
    sid = kit.connect("web1", "/rooms")
    for name in ("X", "Y", "Z"):
        kit.extension(name)
    kit.settle()
    assert lists(kit, sid) == [("web1", ["X", "Y", "Z"])]


def test_a_socket_that_comes_to_rooms_hears_the_lists_of_its_rooms(kit: Kit) -> None:
    kit.extension("X")
    kit.connect("web1")
    kit.connect("monitor", client_type="monitor")
    kit.group("lounge", "web1")
    kit.settle()
    sid = kit.connect("web1", "/rooms")
    kit.assignments.announce_to(sid, "web1")
    assert lists(kit, sid) == [("web1", ["X"]), ("lounge", ["X"])]
    staff = kit.connect("monitor", "/rooms", client_type="monitor")
    kit.assignments.announce_to(staff, "monitor")
    assert lists(kit, staff) == []


def test_an_announcement_under_way_ends_with_the_hub(kit: Kit) -> None:
    sid = kit.connect("web1", "/rooms")
    kit.assignments.close()
    kit.settle()
    assert lists(kit, sid) == []


def test_a_master_who_inherits_changes_no_list(kit: Kit) -> None:
    kit.connect("ann")
    sid = kit.connect("bob", "/rooms")
    kit.group("lounge", "ann", bob=Role.MANAGER)
    kit.settle()
    kit.outbox.clear()
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.settle()
    assert lists(kit, sid) == []


def test_a_session_that_turns_out_to_be_an_extension_is_no_client_room(kit: Kit) -> None:
    """The reference extension logs in with another clientType before it comes as an extension."""
    kit.connect("SillyTavern-1", namespace="/auth", client_type="extension_loginSocket")
    assert kit.assignments.client_rooms(OPERATOR) == ("SillyTavern-1",)
    kit.extension("SillyTavern-1")
    assert kit.assignments.client_rooms(OPERATOR) == ()
    assert kit.assignments.extensions() == ("SillyTavern-1",)


# ------------------------------------------------------------------------------------------------------- taking part


def test_members_take_part_and_extensions_that_serve(kit: Kit) -> None:
    ann = kit.caller(kit.connect("ann"))
    kit.extension("X")
    kit.group("lounge", "ann")
    serving = kit.caller(kit.sessions.sids("X", "/llm")[0])
    assert kit.assignments.taking_part(ann, None).name == "ann"
    assert kit.assignments.taking_part(ann, "lounge").name == "lounge"
    assert kit.assignments.taking_part(serving, "ann").name == "ann"
    assert kit.assignments.taking_part(serving, None).name == "X"


@pytest.mark.parametrize("room", ["ann", "lounge", "nowhere"])
def test_others_do_not(kit: Kit, room: str) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    stranger = kit.caller(kit.connect("bob"))
    with pytest.raises(NotMember, match=rf"^You are not a member of room {room}\.$"):
        kit.assignments.taking_part(stranger, room)


def test_an_extension_takes_no_part_where_it_does_not_serve(kit: Kit) -> None:
    kit.connect("ann")
    kit.extension("X")
    set_policy(kit, MANUAL)
    serving = kit.caller(kit.sessions.sids("X", "/llm")[0])
    with pytest.raises(NotMember):
        kit.assignments.taking_part(serving, "ann")


# ------------------------------------------------------------------------------------- two extensions of one client

REFERENCE, OURS = "SillyTavern-1", "SillyTavern-1-b"


@pytest.mark.parametrize("policy", list(ConnectionPolicy))
def test_who_declared_nothing_serves_no_room_while_another_identity_of_its_client_does(
    kit: Kit, policy: ConnectionPolicy
) -> None:
    kit.extension(REFERENCE)
    kit.connect("web1")
    set_policy(kit, policy)
    if policy is MANUAL:
        result_of(kit.assignments.assign_manually(OPERATOR, "web1", [REFERENCE]))
    kit.settle()
    assert kit.assignments.assigned("web1") == (REFERENCE,)
    ours = kit.connect(REFERENCE, identity=OURS, client_type="SillyTavern", link=Link(), features=("accept",))
    kit.settle()
    assert kit.assignments.assigned("web1") == (OURS,)
    kit.disconnect(ours)
    kit.settle()
    assert kit.assignments.assigned("web1") == (), "it may be back in a moment"
    kit.clock.pump([1] * 10)
    assert kit.assignments.assigned("web1") == (REFERENCE,)
