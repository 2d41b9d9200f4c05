"""``/rooms``: who may do what, with the contract's exact words (contract 3.5; scenarios 30-32)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import HandSocket, Kit, faults, handled, result_of
from newage.domain.model import Role
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.rooms import RoomEvents


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


@pytest.fixture
def rooms(kit: Kit) -> Namespace:
    namespace = Namespace("/rooms", connect=refuse, disconnected=refuse)
    namespace.add(RoomEvents(registry=kit.rooms, rooms=kit.room_service).handlers())
    return namespace


@pytest.fixture
def monitor(kit: Kit) -> HandSocket:
    return HandSocket(kit, kit.connect("monitor", "/rooms", client_type="monitor"))


@pytest.fixture
def ann(kit: Kit) -> HandSocket:
    return HandSocket(kit, kit.connect("ann-client", "/rooms", identity="ann-client-1"))


@pytest.fixture
def bob(kit: Kit) -> HandSocket:
    return HandSocket(kit, kit.connect("bob", "/rooms"))


OK = {"status": "ok", "success": True}


def words(ack: Any) -> tuple[str, str]:
    return ack["status"], ack.get("message", "")


# -------------------------------------------------------------------------------------------------------------- create


@pytest.mark.parametrize("payload", ["lounge", {"roomName": "lounge"}, {"room": "lounge", "mode": "x"}])
def test_an_administrator_creates_a_room_and_is_its_master(
    kit: Kit, rooms: Namespace, monitor: HandSocket, payload: Any
) -> None:
    assert handled(rooms, monitor, "CREATE_ROOM", payload) == {
        **OK,
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
    }
    assert kit.rooms.require("lounge").master == "monitor"
    assert words(handled(rooms, monitor, "CREATE_ROOM", payload)) == ("error", "Room already exists")


@pytest.mark.parametrize("payload", [None, {}, "", {"roomName": ""}, {"roomName": []}, "server", "a\nb", "ann-client"])
def test_bad_names_are_refused(kit: Kit, rooms: Namespace, monitor: HandSocket, ann: HandSocket, payload: Any) -> None:
    assert words(handled(rooms, monitor, "CREATE_ROOM", payload)) == ("error", "Invalid room name")


def test_clients_create_rooms_only_where_it_is_open_to_them(
    kit: Kit, rooms: Namespace, ann: HandSocket, monitor: HandSocket
) -> None:
    powerless = HandSocket(kit, kit.connect("monitor", "/rooms", client_type="monitor", sensitive=False))
    extension = HandSocket(kit, kit.connect("X", "/rooms", client_type="SillyTavern"))
    for socket in (ann, powerless, extension):
        assert words(handled(rooms, socket, "CREATE_ROOM", "lounge")) == ("error", "Unauthorized")
    kit.change("rooms", clients_may_create_rooms=True)
    assert handled(rooms, ann, "CREATE_ROOM", "lounge")["success"]
    assert words(handled(rooms, extension, "CREATE_ROOM", "other")) == ("error", "Unauthorized")


# -------------------------------------------------------------------------------------------------------------- delete


def test_the_master_or_an_administrator_deletes(
    kit: Kit, rooms: Namespace, monitor: HandSocket, ann: HandSocket, bob: HandSocket
) -> None:
    kit.group("r1", "ann-client-1", bob=Role.MANAGER)
    kit.group("r2", "ann-client-1")
    assert words(handled(rooms, bob, "DELETE_ROOM", "r1")) == ("error", "Unauthorized")
    assert handled(rooms, ann, "DELETE_ROOM", {"roomName": "r1"}) == {**OK, "roomName": "r1"}
    assert handled(rooms, monitor, "DELETE_ROOM", {"roomName": "r2"}) == {**OK, "roomName": "r2"}
    assert words(handled(rooms, monitor, "DELETE_ROOM", "r2")) == ("error", "Room not found")
    assert kit.outbox.bodies(bob.sid, "DELETE_ROOM")[0]["message"] == 'Room "r1" has been deleted.'


def test_live_rooms_and_the_monitors_room_cannot_be_deleted(
    kit: Kit, rooms: Namespace, monitor: HandSocket, ann: HandSocket
) -> None:
    assert words(handled(rooms, ann, "DELETE_ROOM", "ann-client-1")) == ("error", "Invalid operation")
    assert words(handled(rooms, monitor, "DELETE_ROOM", "ann-client-1")) == ("error", "Invalid operation")
    assert words(handled(rooms, monitor, "DELETE_ROOM", "monitor-room")) == ("error", "Invalid operation")


# ------------------------------------------------------------------------------------------------------ join and leave


def test_anybody_joins_an_open_room(kit: Kit, rooms: Namespace, ann: HandSocket, bob: HandSocket) -> None:
    kit.group("lounge", "ann-client-1")
    assert handled(rooms, bob, "JOIN_ROOM", "lounge") == {
        **OK,
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
        "role": "guest",
    }
    again = handled(rooms, bob, "JOIN_ROOM", "lounge")
    assert (again["status"], again["success"], again["role"]) == ("warning", True, "guest")
    assert words(handled(rooms, bob, "JOIN_ROOM", "nowhere")) == ("error", "Room not found")


def test_personal_extension_and_monitor_rooms_are_closed(
    kit: Kit, rooms: Namespace, monitor: HandSocket, ann: HandSocket, bob: HandSocket
) -> None:
    kit.extension("X")
    for name in ("ann-client-1", "X", "monitor-room"):
        assert words(handled(rooms, bob, "JOIN_ROOM", name)) == ("error", "Failed to join room")
    assert handled(rooms, monitor, "JOIN_ROOM", "ann-client-1")["role"] == "guest"


def test_a_member_of_a_closed_room_is_told_so(kit: Kit, rooms: Namespace, ann: HandSocket, bob: HandSocket) -> None:
    result_of(kit.rooms.add("ann-client-1", "bob"))
    assert handled(rooms, bob, "JOIN_ROOM", "ann-client-1")["status"] == "warning"
    assert handled(rooms, ann, "JOIN_ROOM", "ann-client-1")["role"] == "master"


def test_members_leave(kit: Kit, rooms: Namespace, ann: HandSocket, bob: HandSocket) -> None:
    kit.group("lounge", "ann-client-1", bob=Role.GUEST)
    assert handled(rooms, bob, "LEAVE_ROOM", {"roomName": "lounge"}) == {**OK, "roomName": "lounge"}
    assert words(handled(rooms, bob, "LEAVE_ROOM", "lounge")) == ("error", "Room not found")
    assert words(handled(rooms, bob, "LEAVE_ROOM", "nowhere")) == ("error", "Room not found")
    assert words(handled(rooms, bob, "LEAVE_ROOM", "bob")) == ("error", "Invalid operation")


def test_without_an_ack_it_is_done_and_a_failure_is_an_error(
    kit: Kit, rooms: Namespace, monitor: HandSocket, bob: HandSocket
) -> None:
    assert handled(rooms, monitor, "CREATE_ROOM", "lounge", ack=False) is None
    assert handled(rooms, bob, "JOIN_ROOM", "lounge", ack=False) is None
    assert dict(kit.rooms.require("lounge").members) == {"monitor": Role.MASTER, "bob": Role.GUEST}
    assert handled(rooms, monitor, "CREATE_ROOM", "lounge", ack=False) is None
    body = kit.outbox.bodies(monitor.sid, "ERROR")[0]
    assert (body["message"], body["errorCode"]) == ("Room already exists", 301)


# ------------------------------------------------------------------------------------------------------------- queries


def test_rooms_are_listed_with_details(kit: Kit, rooms: Namespace, ann: HandSocket, bob: HandSocket) -> None:
    kit.group("lounge", "ann-client-1", bob=Role.MANAGER)
    ack = handled(rooms, bob, "GET_ROOMS")
    assert ack["rooms"] == ["monitor-room", "ann-client-1", "bob", "lounge"]
    assert ack["roomDetails"][-1] == {
        "roomId": kit.room_id("lounge"),
        "name": "lounge",
        "master": "ann-client-1",
        "managers": ["bob"],
        "memberCount": 2,
        "mode": "Default",
        "access": "open",
        "createdAt": "2023-11-14T22:13:20.000Z",
        "kind": "group",
    }
    assert ack["roomDetails"][0]["master"] is None
    assert handled(rooms, bob, "GET_ROOMS", ack=False) is None


def test_bots_are_marked_among_the_members_for_who_declared_that_he_reads_it(
    kit: Kit, rooms: Namespace, ann: HandSocket
) -> None:
    new = HandSocket(kit, kit.connect("eve", "/rooms", outputs=True))
    kit.connect("here", "/rooms", client_type="bot")
    kit.connect("person", "/rooms")
    kit.bots |= {"away", "person"}
    kit.group("lounge", "ann-client-1", eve=Role.GUEST, here=Role.GUEST, away=Role.GUEST, person=Role.GUEST)
    for socket, bots in ((new, ["here", "away"]), (ann, [])):
        clients = handled(rooms, socket, "GET_CLIENTS_IN_ROOM", {"roomName": "lounge"})["clients"]
        assert [each["identity"] for each in clients if each.get("bot")] == bots


def test_members_of_a_room_are_listed_the_absent_included(
    kit: Kit, rooms: Namespace, ann: HandSocket, bob: HandSocket
) -> None:
    kit.group("lounge", "ann-client-1", bob=Role.GUEST)
    kit.mute("lounge", "bob", 10)
    kit.disconnect(ann.sid)
    kit.clock.advance(2)
    ack = handled(rooms, bob, "GET_CLIENTS_IN_ROOM", {"roomName": "lounge"})
    assert ack["roomId"] == kit.room_id("lounge")
    clients = ack["clients"]
    assert [(c["role"], c["online"], c["muted"]) for c in clients] == [("master", False, False), ("guest", True, True)]
    assert [c["identity"] for c in clients] == ["ann-client-1", "bob"]
    assert words(handled(rooms, bob, "GET_CLIENTS_IN_ROOM", "nowhere")) == ("error", "Room not found")
    assert words(handled(rooms, bob, "GET_CLIENTS_IN_ROOM")) == ("error", "Invalid room name")


# ------------------------------------------------------------------------------------------------------------- hostile

DEEP: Any = "x"
for _ in range(60):
    DEEP = [{"a": DEEP}]

PAYLOADS: list[tuple[Any, ...]] = [
    (),
    (None,),
    (7,),
    (1.5,),
    (True,),
    ("",),
    ("\ud83d",),
    ("x" * 1000,),
    ("__proto__",),
    ([],),
    (["lounge"],),
    ({},),
    (DEEP,),
    ({"a": DEEP},),
    ({"roomName": None},),
    ({"roomName": {"a": 1}},),
    ({"roomName": True, "room": "lounge"},),
    ({"roomName": -0.0},),
    ("lounge", "lounge", "lounge"),
]
EVENTS = ["GET_ROOMS", "GET_CLIENTS_IN_ROOM", "CREATE_ROOM", "DELETE_ROOM", "JOIN_ROOM", "LEAVE_ROOM"]
QUERIES = {"GET_ROOMS", "GET_CLIENTS_IN_ROOM"}


def test_the_table_names_every_event(rooms: Namespace) -> None:
    assert set(rooms.handlers) == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("who", ["monitor", "ann", "bob"])
def test_whatever_is_sent_is_answered_and_breaks_nothing(
    kit: Kit, rooms: Namespace, monitor: HandSocket, ann: HandSocket, bob: HandSocket, event: str, who: str
) -> None:
    socket = {"monitor": monitor, "ann": ann, "bob": bob}[who]

    def all_of_them() -> None:
        for payload in PAYLOADS:
            answer = handled(rooms, socket, event, *payload)
            assert {answer["status"], answer["success"]} in ({"ok", True}, {"warning", True}, {"error", False})
            if not answer["success"]:
                assert answer["error"]["message"] == answer["message"] != "Internal error."
            before = len(kit.outbox.bodies(socket.sid, "ERROR"))
            assert handled(rooms, socket, event, *payload, ack=False) is None
            failed = len(kit.outbox.bodies(socket.sid, "ERROR")) - before
            assert failed == 0 if event in QUERIES else failed in (0, 1)

    assert faults(all_of_them) == []
