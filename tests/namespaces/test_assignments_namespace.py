"""Policies and assignments on the wire, and who hears AVAILABLE_EXTENSIONS (contract 6; scenarios 44, 60, 61)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hubkit import OPERATOR, HandSocket, Kit, faults, handled, result_of
from newage.domain.model import ConnectionPolicy, Role
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.assignments import MAX_EXTENSIONS, AssignmentEvents

OK = {"status": "ok", "success": True}
X1, X2 = "SillyTavern-1", "SillyTavern-2"


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


def make(kit: Kit) -> Namespace:
    namespace = Namespace("/rooms", connect=refuse, disconnected=refuse)
    events = AssignmentEvents(assignments=kit.assignments)
    namespace.add(events.room_query())
    namespace.add(events.handlers())
    return namespace


@pytest.fixture
def rooms(kit: Kit) -> Namespace:
    return make(kit)


@pytest.fixture
def people(kit: Kit) -> dict[str, HandSocket]:
    """Three clients and two extensions that came in this order, an administrator, a monitor without rights."""
    found = {who: HandSocket(kit, kit.connect(who, "/rooms")) for who in ("a", "b", "c")}
    found["admin"] = HandSocket(kit, kit.connect("admin", "/rooms", client_type="monitor"))
    found["weak"] = HandSocket(kit, kit.connect("weak", "/rooms", client_type="monitor", sensitive=False))
    kit.extension(X1, desc="first")
    kit.clock.advance(1)
    kit.extension(X2, desc="second")
    kit.settle()
    kit.outbox.clear()
    return found


def lists(kit: Kit) -> dict[str, list[list[str]]]:
    """What each socket heard of AVAILABLE_EXTENSIONS, and nobody heard anything else."""
    kit.settle()
    assert {sent.event for sent in kit.outbox.sent} <= {"AVAILABLE_EXTENSIONS"}
    found = {key: [body["extensions"] for body in bodies] for key, bodies in kit.heard("AVAILABLE_EXTENSIONS").items()}
    kit.outbox.clear()
    return found


def policy(kit: Kit, rooms: Namespace, people: dict[str, HandSocket], name: str) -> dict[str, list[list[str]]]:
    assert handled(rooms, people["admin"], "SET_CONNECTION_POLICY", {"policy": name}) == {**OK, "policy": name}
    return lists(kit)


def assign(rooms: Namespace, who: HandSocket, room: str, *extensions: str) -> Any:
    payload = {"clientRoom": room, "extensions": list(extensions)}
    return handled(rooms, who, "ASSIGN_EXTENSION_TO_CLIENT", payload)


# -------------------------------------------------------------------------------------------------------------- policy


@pytest.mark.parametrize("name", [known.value for known in ConnectionPolicy])
def test_every_policy_can_be_set_and_is_told_to_every_client_room(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], name: str
) -> None:
    both = [X1, X2]
    table: dict[str, list[list[str]]] = {
        "Free": [both, both, both],
        "Broadcast": [both, both, both],
        "Manual": [[], [], []],
        "Balanced": [[X1], [X2], [X1]],
        "Random": [[X2], [X2], [X2]],  # the kit's choice is the last one
        "Failover": [both, both, both],
    }
    expected = table[name]
    assert policy(kit, rooms, people, name) == {f"{who}/rooms": [its] for who, its in zip("abc", expected, strict=True)}
    assert handled(rooms, people["a"], "GET_CONNECTION_POLICY") == {**OK, "policy": name}
    ack = handled(rooms, people["admin"], "GET_ASSIGNMENTS")
    assert ack["assignments"] == dict(zip("abc", expected, strict=True))


def test_the_announcement_names_room_and_policy(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    handled(rooms, people["admin"], "SET_CONNECTION_POLICY", "Balanced")
    kit.settle()
    body = {"extensions": [X2], "roomName": "b", "policy": "Balanced"}
    assert kit.outbox.bodies(people["b"].sid, "AVAILABLE_EXTENSIONS") == [body]


@pytest.mark.parametrize(
    "payload", [None, {}, "", "free", {"policy": "Anarchy"}, {"policy": None}, {"policy": ["Free"]}]
)
def test_an_unknown_policy_is_refused(kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any) -> None:
    ack = handled(rooms, people["admin"], "SET_CONNECTION_POLICY", payload)
    assert (ack["status"], ack["message"]) == ("error", "Failed to set connection policy")
    assert kit.assignments.policy is ConnectionPolicy.FREE
    assert lists(kit) == {}


@pytest.mark.parametrize("who", ["weak", "a"])
def test_only_administrators_set_and_assign(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], who: str
) -> None:
    ack = handled(rooms, people[who], "SET_CONNECTION_POLICY", "Manual")
    assert (ack["message"], ack["errorCode"]) == ("Unauthorized", 6)
    policy(kit, rooms, people, "Manual")
    assert assign(rooms, people[who], "a", X1)["message"] == "Unauthorized"
    assert lists(kit) == {}


def test_a_policy_that_cannot_be_stored_is_not_in_force(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    kit.state_gate.broken = True
    assert handled(rooms, people["admin"], "SET_CONNECTION_POLICY", "Manual")["message"] == "The disk is full."
    assert kit.assignments.policy is ConnectionPolicy.FREE
    assert lists(kit) == {}


# -------------------------------------------------------------------------------------------------------------- assign


@pytest.mark.parametrize("extensions", [[X2], X2, [X2, X2]])
def test_an_extension_is_assigned_and_every_room_hears(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], extensions: Any
) -> None:
    policy(kit, rooms, people, "Manual")
    payload = {"clientRoom": "b", "extensions": extensions}
    ack = handled(rooms, people["admin"], "ASSIGN_EXTENSION_TO_CLIENT", payload)
    assert ack == {**OK, "clientRoom": "b", "extensions": [X2]}
    assert lists(kit) == {"a/rooms": [[]], "b/rooms": [[X2]], "c/rooms": [[]]}


def test_a_client_id_means_the_extension_and_nothing_clears(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    kit.extension("SillyTavern-9", identity="SillyTavern-9-tab")
    kit.settle()
    kit.outbox.clear()
    policy(kit, rooms, people, "Manual")
    assert assign(rooms, people["admin"], "a", "SillyTavern-9", X1)["extensions"] == ["SillyTavern-9-tab", X1]
    assert lists(kit)["a/rooms"] == [["SillyTavern-9-tab", X1]]
    assert assign(rooms, people["admin"], "a") == {**OK, "clientRoom": "a", "extensions": []}
    assert lists(kit)["a/rooms"] == [[]]


def test_what_cannot_be_assigned(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    admin = people["admin"]
    assert assign(rooms, admin, "a", X1)["message"] == "Manual assignment is only allowed in Manual mode"
    policy(kit, rooms, people, "Manual")
    assert assign(rooms, admin, "nowhere", X1)["message"] == "Client room not found"
    assert assign(rooms, admin, X1, X1)["message"] == "Client room not found"
    assert assign(rooms, admin, "a", X1, "SillyTavern-7")["message"] == "Extension not found: SillyTavern-7"
    assert assign(rooms, admin, "a", "b")["message"] == "Extension not found: b"
    assert lists(kit) == {}


@pytest.mark.parametrize(
    "payload",
    [
        None,
        {},
        {"clientRoom": "a"},
        {"extensions": [X1]},
        {"clientRoom": {}, "extensions": [X1]},
        {"clientRoom": "a", "extensions": {}},
        {"clientRoom": "a", "extensions": [None]},
        {"clientRoom": "a", "extensions": [X1, {}]},
        {"clientRoom": "a", "extensions": [f"x{n}" for n in range(MAX_EXTENSIONS + 1)]},
    ],
)
def test_what_an_assignment_lacks(kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any) -> None:
    policy(kit, rooms, people, "Manual")
    ack = handled(rooms, people["admin"], "ASSIGN_EXTENSION_TO_CLIENT", payload)
    assert (ack["status"], ack["message"]) == ("error", "Failed to assign extension")


def test_assignments_come_back_with_extension_and_room(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    policy(kit, rooms, people, "Manual")
    assign(rooms, people["admin"], "a", X1, X2)
    assign(rooms, people["admin"], "b", X1)
    lists(kit)
    kit.disconnect_all(X1)
    assert lists(kit) == {"a/rooms": [[X2]], "b/rooms": [[]]}, "only whose list changed, empty ones included"
    kit.extension(X1)
    assert lists(kit) == {"a/rooms": [[X1, X2]], "b/rooms": [[X1]]}
    kit.disconnect_all("b")
    kit.clock.advance(2)
    kit.outbox.clear()
    kit.connect("b", "/rooms")
    assert lists(kit) == {"b/rooms": [[X1]]}


def test_what_two_administrators_assign_at_once_is_both_kept(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    policy(kit, rooms, people, "Manual")
    kit.state_gate.shut = True
    both = [Deferred.fromCoroutine(kit.assignments.assign_manually(OPERATOR, room, [X1])) for room in ("a", "b")]
    while kit.state_gate.waiting:
        kit.state_gate.step()
    assert [result_of(each) for each in both] == [(X1,), (X1,)]
    assert kit.assignments.assigned("a") == kit.assignments.assigned("b") == (X1,)
    stored = result_of(kit.state_store.load_values())["roomAssignments"]
    assert stored == {kit.room_id("a"): [X1], kit.room_id("b"): [X1]}


def test_an_assignment_that_cannot_be_stored_is_none(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    policy(kit, rooms, people, "Manual")
    kit.state_gate.broken = True
    assert assign(rooms, people["admin"], "a", X1)["message"] == "The disk is full."
    assert lists(kit) == {}
    kit.state_gate.broken = False
    assign(rooms, people["admin"], "b", X1)
    assert kit.assignments.assigned("a") == ()


# ------------------------------------------------------------------------------------------------------------- queries


def test_others_see_the_assignments_of_their_rooms(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    kit.group("lounge", "a", b=Role.GUEST)
    both = [X1, X2]
    seen = {who: handled(rooms, people[who], "GET_ASSIGNMENTS")["assignments"] for who in ("admin", "weak", "a", "c")}
    assert seen == {
        "admin": {"a": both, "b": both, "c": both, "lounge": both},
        "weak": {},
        "a": {"a": both, "lounge": both},
        "c": {"c": both},
    }


@pytest.mark.parametrize(
    ("payload", "name", "extensions"),
    [
        (None, "tab-1", [X1, X2]),
        ({}, "tab-1", [X1, X2]),
        ("tab", "tab-1", [X1, X2]),
        ({"roomName": "tab"}, "tab-1", [X1, X2]),
        ({"roomName": "a"}, "a", [X1, X2]),
        ("nowhere", "nowhere", []),
        (X1, X1, []),
    ],
)
def test_the_assignments_of_one_room(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any, name: str, extensions: list[str]
) -> None:
    tab = HandSocket(kit, kit.connect("tab", "/rooms", identity="tab-1"))
    ack = handled(rooms, tab, "GET_ASSIGNMENTS_FOR_ROOM", payload)
    assert ack == {**OK, "roomName": name, "assignments": extensions, "extensions": extensions}


def test_the_room_query_is_offered_on_llm_too(kit: Kit) -> None:
    llm = Namespace("/llm", connect=refuse, disconnected=refuse)
    llm.add(AssignmentEvents(assignments=kit.assignments).room_query())
    assert set(llm.handlers) == {"GET_ASSIGNMENTS_FOR_ROOM"}


def test_who_is_connected(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    policy(kit, rooms, people, "Balanced")
    ack = handled(rooms, people["c"], "GET_CONNECTED_EXTENSIONS")
    assert ack == {
        **OK,
        "extensions": [X1, X2],
        "details": [
            {"identity": X1, "clientId": X1, "desc": "first", "rooms": ["a", "c"]},
            {"identity": X2, "clientId": X2, "desc": "second", "rooms": ["b"]},
        ],
    }
    kit.group("lounge", "b")
    kit.disconnect_all("a")
    kit.clock.advance(2)
    assert handled(rooms, people["c"], "GET_CONNECTED_CLIENT_ROOMS") == {**OK, "rooms": ["b", "c", "lounge"]}


# ------------------------------------------------------------------------------------------------------ whatever comes


@pytest.fixture
def odd() -> Iterator[Any]:
    return iter((None, 0, True, "", "x", [], ["Free"], {}, {"roomName": []}, {"policy": {}, "extensions": 5}))


@pytest.mark.parametrize("who", ["admin", "a"])
def test_odd_payloads_get_an_answer(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], who: str, odd: Iterator[Any]
) -> None:
    def send() -> None:
        for payload in odd:
            for event in rooms.handlers:
                ack = handled(rooms, people[who], event, payload)
                assert ack["status"] == ("error" if event.startswith(("SET", "ASSIGN")) else ack["status"])
                assert handled(rooms, people[who], event, payload, ack=False) is None

    assert faults(send) == []
    assert kit.assignments.policy is ConnectionPolicy.FREE
    assert {sent.sid for sent in kit.outbox.sent} == {people[who].sid}
    assert {sent.event for sent in kit.outbox.sent} == {"ERROR"}
