"""Contract 13, scenarios 30-37: rooms, members, roles, kick and mute, seen by real clients in every namespace."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from answering import on_both
from harness import Daemon, Driver, Hub
from people import PAGE, Person, about, boss, person, request_in, room_of, system_text

MUTED = "You are currently muted and cannot send messages."
FOREVER = "9999-12-31T23:59:59.999Z"


def test_scenario_30_the_monitor_makes_a_room_and_adds_two(hub: Hub) -> None:
    monitor, alice, bob = Person(hub, PAGE), person(hub, "alice"), person(hub, "bob", suffix="-tab")
    stranger = person(hub, "stranger")
    before = len(stranger.seen())
    room = hub.new_id("room")
    assert monitor.does("CREATE_ROOM", {"roomName": room})["roomName"] == room
    for somebody in (alice, bob):
        monitor.does("ADD_CLIENT_TO_ROOM", {"clientId": somebody.client_id, "roomName": room})
    assert monitor.roles(room) == {"monitor": "master", alice.me: "guest", bob.me: "guest"}
    entered = {"clientId": bob.client_id, "identity": bob.me, **monitor.named(room), "role": "guest"}
    for nsp in ("/", "/rooms"):
        for member in (monitor, alice, bob):
            assert member.sockets[nsp].payload("MEMBER_JOINED", about(bob.me, room)) == entered
        assert bob.sockets[nsp].payload("MEMBER_ROLE_CHANGED", about(bob.me, room)) == entered
        assert bob.sockets[nsp].payload("member_role_changed", about(bob.me, room)) == entered
        told = monitor.sockets[nsp].payload("MEMBER_ROLE_CHANGED", about(bob.me, room))
        assert told == {**entered, "targetIdentity": bob.me, "newRole": "guest"}
    for name, role in ((alice.me, "guest"), (bob.me, "guest"), ("monitor", "master")):
        text = f"[System] {name} has joined the room as {role}."
        note = monitor.llm.payload("NEW_MESSAGE", system_text(room, text))
        assert (note["message"]["identity"], note["message"]["role"]) == ("System", "system")
    assert bob.llm.payload("UPDATE_CONTEXT_PAGE", lambda page: page["roomName"] == room)["isLastPage"] is True
    alice.fence()
    assert not alice.root.all("MEMBER_ROLE_CHANGED", about(bob.me, room)), "a guest is not told of others' roles"
    stranger.fence()
    concerned = [r for r in stranger.seen()[before:] if room in str(r.args)]
    assert concerned == [], "nobody outside hears of the room"
    monitor.does("DELETE_ROOM", {"roomName": room})


def test_scenario_30_only_administrators_create_and_add(hub: Hub) -> None:
    owner, alice, bob = boss(hub), person(hub), person(hub)
    room = room_of(owner, alice)
    assert alice.fails("CREATE_ROOM", {"roomName": hub.new_id("room")}) == "Unauthorized"
    assert alice.fails("ADD_CLIENT_TO_ROOM", {"identity": bob.me, "roomName": room}) == "Unauthorized"
    assert alice.fails("DELETE_ROOM", {"roomName": room}) == "Unauthorized"
    assert owner.fails("ADD_CLIENT_TO_ROOM", {"identity": "nobody-here", "roomName": room}) == (
        "Failed to add client to room"
    )
    assert owner.roles(room) == {owner.me: "master", alice.me: "guest"}
    assert bob.does("JOIN_ROOM", {"roomName": room})["role"] == "guest"
    again = bob.rooms.call("JOIN_ROOM", room)
    assert (again["status"], again["success"], again["role"]) == ("warning", True, "guest")


def test_scenario_31_a_room_that_exists_and_one_that_does_not(hub: Hub) -> None:
    owner, alice = boss(hub), person(hub)
    room = room_of(owner, alice)
    taken = owner.rooms.call("CREATE_ROOM", room)
    assert (taken["message"], taken["errorCode"], taken["error"]["message"]) == (
        "Room already exists",
        301,
        "Room already exists",
    )
    assert owner.roles(room) == {owner.me: "master", alice.me: "guest"}
    missing = owner.rooms.call("DELETE_ROOM", {"roomName": "never-made"})
    assert (missing["message"], missing["errorCode"]) == ("Room not found", 302)
    for event in ("GET_CLIENTS_IN_ROOM", "JOIN_ROOM", "LEAVE_ROOM"):
        assert alice.fails(event, {"roomName": "never-made"}) == "Room not found"
    for name in ("", "x" * 129, "monitor-room", "System", "a\nb", alice.me):
        words = owner.fails("CREATE_ROOM", {"roomName": name})
        assert words in ("Invalid room name", "Room already exists"), name
    farewell = {**owner.named(room), "message": f'Room "{room}" has been deleted.'}
    owner.does("DELETE_ROOM", {"roomName": room})
    for nsp in ("/", "/rooms"):
        assert alice.sockets[nsp].payload("DELETE_ROOM") == farewell
    assert owner.fails("DELETE_ROOM", {"roomName": room}) == "Room not found"


def test_scenario_32_nobody_leaves_the_own_personal_room(hub: Hub) -> None:
    owner, alice = boss(hub), person(hub)
    own = {"roomName": alice.me}
    assert alice.fails("LEAVE_ROOM", own) == "Invalid operation"
    assert alice.fails("REMOVE_CLIENT_FROM_ROOM", {"identity": alice.me, **own}) == "Invalid operation"
    assert alice.fails("REMOVE_CLIENT_FROM_ROOM", own) == "Invalid operation"
    assert owner.fails("REMOVE_CLIENT_FROM_ROOM", {"clientId": alice.client_id, **own}) == "Invalid operation"
    assert owner.fails("DELETE_ROOM", own) == "Invalid operation"
    assert owner.fails("DELETE_ROOM", {"roomName": "monitor-room"}) in ("Invalid operation", "Invalid room name")
    assert owner.roles(alice.me) == {alice.me: "master"}
    assert not alice.seen("MEMBER_LEFT", "DELETE_ROOM")


def test_scenario_33_a_role_is_set_by_client_id(hub: Hub) -> None:
    owner, alice, bob = boss(hub), person(hub, "alice", suffix="-tab"), person(hub, "bob")
    room = room_of(owner, alice, bob)
    marks = {nsp: alice.sockets[nsp].mark() for nsp in ("/", "/rooms")}
    owner.does("SET_MEMBER_ROLE", {"targetClientId": alice.client_id, "roomName": room, "role": "special"})
    changed = {"clientId": alice.client_id, "identity": alice.me, **owner.named(room), "role": "special"}
    for nsp, mark in marks.items():
        for event in ("MEMBER_ROLE_CHANGED", "member_role_changed"):
            assert alice.sockets[nsp].payload(event, about(alice.me, room), since=mark) == changed
        assert owner.sockets[nsp].payload("SET_MEMBER_ROLE", about(alice.me, room)) == changed
    assert owner.roles(room) == {owner.me: "master", alice.me: "special", bob.me: "guest"}
    bob.fence()
    assert not [r for r in bob.seen("MEMBER_ROLE_CHANGED", "SET_MEMBER_ROLE") if r.first["identity"] == alice.me]


def test_scenario_33_who_may_set_which_role(hub: Hub) -> None:
    owner, manager, guest, other = boss(hub), person(hub), person(hub), person(hub)
    room = room_of(owner, manager, guest, other, roles={manager.me: "moderator"})
    assert owner.roles(room)[manager.me] == "manager", "moderator is another word for manager"

    def role(who: Person, subject: Person, name: str) -> dict[str, str]:
        return {"targetIdentity": subject.me, "roomName": room, "role": name}

    manager.does("SET_MEMBER_ROLE", role(manager, guest, "special"))
    for subject, name in ((guest, "manager"), (owner, "guest"), (manager, "master")):
        assert manager.fails("SET_MEMBER_ROLE", role(manager, subject, name)) == "Unauthorized"
    assert guest.fails("SET_MEMBER_ROLE", role(guest, guest, "master")) == "Unauthorized"
    assert owner.fails("SET_MEMBER_ROLE", role(owner, guest, "king")) == "Invalid role"
    gone = {"targetIdentity": "nobody", "roomName": room, "role": "guest"}
    assert owner.fails("SET_MEMBER_ROLE", gone) == "Failed to set member role"
    owner.does("SET_MEMBER_ROLE", role(owner, guest, "master"))
    assert owner.roles(room) == {owner.me: "manager", manager.me: "manager", guest.me: "master", other.me: "guest"}


def test_scenario_34_the_oldest_manager_follows_the_master(hub: Hub) -> None:
    owner, first, second, special, guest = boss(hub), *(person(hub) for _ in range(4))
    roles = {first.me: "manager", second.me: "manager", special.me: "special"}
    room = room_of(owner, guest, special, first, second, roles=roles)
    witness = guest
    for leaver, heir in ((owner, first), (first, second), (second, special), (special, guest)):
        leaver.does("LEAVE_ROOM", {"roomName": room})
        for nsp in ("/", "/rooms"):
            left = witness.sockets[nsp].payload("MEMBER_LEFT", about(leaver.me, room))
            assert left["reason"] == "leave"
            promoted = heir.sockets[nsp].payload(
                "MEMBER_ROLE_CHANGED", lambda body, heir=heir: about(heir.me, room)(body) and body["role"] == "master"
            )
            assert promoted["clientId"] == heir.client_id
        assert witness.roles(room)[heir.me] == "master"
        witness.llm.wait("NEW_MESSAGE", system_text(room, f"[System] {leaver.me} has left the room."))
    details = witness.does("GET_ROOMS", None)["roomDetails"]
    mine = next(detail for detail in details if detail["name"] == room)
    assert (mine["master"], mine["managers"], mine["memberCount"]) == (guest.me, [], 1)


def test_scenario_34_an_absent_manager_is_passed_over(brisk_hub: Hub) -> None:
    owner, absent, present = boss(brisk_hub), person(brisk_hub), person(brisk_hub)
    room = room_of(owner, absent, present, roles={absent.me: "manager", present.me: "manager"})
    absent.leave()
    gone = owner.rooms.payload("MEMBER_LEFT", about(absent.me, room))
    assert gone == {"clientId": absent.me, "identity": absent.me, **owner.named(room), "reason": "disconnect"}
    owner.does("LEAVE_ROOM", {"roomName": room})
    assert present.roles(room) == {absent.me: "manager", present.me: "master"}


def test_scenario_35_kick(hub: Hub) -> None:
    owner, manager, target, other = boss(hub), person(hub), person(hub, suffix="-tab"), person(hub)
    room = room_of(owner, manager, target, other, roles={manager.me: "manager"})
    manager.does("KICK_MEMBER", {"targetClientId": target.client_id, "roomName": room, "reason": "noise"})
    warning = f"You have been kicked from room {room}."
    for nsp in ("/", "/rooms", "/llm"):
        assert target.sockets[nsp].payload("WARNING")["message"] == warning
    left = {"clientId": target.client_id, "identity": target.me, **owner.named(room), "reason": "kick"}
    for nsp in ("/", "/rooms"):
        for witness in (owner, manager):
            assert witness.sockets[nsp].payload("MEMBER_LEFT", about(target.me, room)) == left
    target.fence()
    before = len(target.seen())
    owner.does("SET_ROOM_MESSAGE_REQUEST_MODE", {"roomName": room, "mode": "MasterOnly"})
    assert other.says("after-the-kick", room)["state"] == "ignored"
    owner.does("MUTE_MEMBER", {"identity": other.me, "roomName": room, "duration": 60})
    other.llm.wait("NEW_MESSAGE", lambda body: "muted" in body["text"])
    other.llm.wait("UPDATE_CONTEXT", lambda body: "muted by" in str(body["context"][-1:]))
    target.fence()
    assert [r for r in target.seen()[before:] if room in str(r.args)] == []
    refused = target.llm.call("LLM_REQUEST", request_in("kicked", room))
    assert refused["message"] == "Invalid or unauthorized target room."
    assert target.me not in owner.roles(room)


def test_a_private_room_a_kick_that_lasts_and_who_comes_back(hub: Hub) -> None:
    """Bars (A16), rejoining (A26) and invited rooms (A41) together, as real clients see them."""
    owner, member, stranger = boss(hub), person(hub, "member"), person(hub, "stranger")
    target = person(hub, "target", suffix="-tab")
    twin = Person(hub, {**target.auth, "identity": target.client_id})
    room = room_of(owner, member, target)
    assert owner.does("SET_ROOM_ACCESS", {"roomName": room, "access": "invited"})["access"] == "invited"
    changed = {**owner.named(room), "access": "invited", "setter": owner.me}
    assert member.llm.payload("ROOM_ACCESS_CHANGED", lambda body: body["roomName"] == room) == changed
    assert room in member.does("GET_ROOMS", None)["rooms"]
    for nobody in (stranger, twin):
        assert room not in nobody.does("GET_ROOMS", None)["rooms"]
        assert nobody.fails("JOIN_ROOM", room) == nobody.fails("GET_CLIENTS_IN_ROOM", room) == "Room not found"
    member.leave()
    went = owner.rooms.payload("MEMBER_LEFT", about(member.me, room))
    assert went["reason"] == "disconnect"
    member.enter()
    back = owner.rooms.payload("MEMBER_JOINED", lambda body: about(member.me, room)(body) and "rejoin" in body)
    assert back == {
        **owner.named(room),
        "clientId": member.client_id,
        "identity": member.me,
        "role": "guest",
        "rejoin": True,
    }
    kicked = owner.does("KICK_MEMBER", {"identity": target.me, "roomName": room, "duration": -1, "reason": "noise"})
    assert kicked["duration"] == "permanent"
    assert target.fails("JOIN_ROOM", room) == "Room not found", "it is nobody's to know of any more"
    owner.does("SET_ROOM_ACCESS", {"roomName": room, "access": "open"})
    for somebody in (target, twin):
        refused = somebody.rooms.call("JOIN_ROOM", room)
        assert refused["message"] == "Failed to join room: you were kicked, until that is lifted."
        assert refused["barredUntil"] == FOREVER
    (bar,) = owner.does("GET_CLIENTS_IN_ROOM", room)["barred"]
    assert (bar["clientId"], bar["identity"], bar["reason"]) == (target.client_id, target.me, "noise")
    assert "barred" not in member.does("GET_CLIENTS_IN_ROOM", room)
    assert owner.does("LIFT_BAR", {"roomName": room, "identity": target.me})["lifted"] == [target.client_id]
    assert twin.does("JOIN_ROOM", room)["role"] == "guest"


def test_scenario_35_who_may_kick_whom(hub: Hub) -> None:
    owner, manager, second, guest, outsider = boss(hub), *(person(hub) for _ in range(4))
    room = room_of(owner, manager, second, guest, roles={manager.me: "manager", second.me: "manager"})
    for actor, subject in ((manager, second), (manager, owner), (guest, guest), (outsider, guest)):
        assert actor.fails("KICK_MEMBER", {"targetIdentity": subject.me, "roomName": room}) == "Unauthorized"
    assert owner.fails("KICK_MEMBER", {"targetIdentity": outsider.me, "roomName": room}) == "Failed to kick member"
    assert set(owner.roles(room)) == {owner.me, manager.me, second.me, guest.me}


@on_both
def test_scenario_36_muted_for_two_seconds(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    owner, target, other = boss(hub), person(hub, suffix="-tab"), person(hub)
    room = room_of(owner, target, other, mode="Immediate")
    kept = target.says("before", room, target=extension.client_id)["messageId"]
    begun = time.monotonic()
    answer = owner.does("MUTE_MEMBER", {"targetClientId": target.client_id, "roomName": room, "duration": 2})
    assert answer["duration"] == 2
    muted = {"identity": target.me, "clientId": target.client_id, "mutedBy": owner.me, **owner.named(room)}
    for witness in (target, other):
        seen = witness.llm.payload("MEMBER_MUTED")
        assert seen == {**muted, "mutedUntil": answer["mutedUntil"], "duration": 2}
        status = witness.llm.payload("MEMBER_STATUS_UPDATE", lambda b: b["status"] == "muted")
        assert (status["clientId"], status["identity"], status["roomName"]) == (target.client_id, target.me, room)
        text = f"[System] {target.me} has been muted by {owner.me} for 2 seconds."
        witness.llm.wait("NEW_MESSAGE", system_text(room, text))
    marks = (target.llm.mark(), other.llm.mark())
    assert target.fails("LLM_REQUEST", request_in("while", room), "/llm") == MUTED
    assert target.llm.payload("ERROR", since=marks[0])["message"] == MUTED
    edit = {"roomName": room, "messageId": kept, "updatedFields": {"message": "changed"}}
    assert target.fails("EDIT_MESSAGE", edit, "/llm") == MUTED
    target.llm.emit("START_TYPING", {"targetRoom": room})
    target.llm.fence()
    other.fence()
    assert not other.llm.all("MEMBER_STATUS_UPDATE", lambda body: body["status"] == "typing", since=marks[1])
    assert not other.llm.all("NEW_MESSAGE", lambda body: body["identity"] == target.me, since=marks[1])
    for witness in (target, other):
        ended = witness.llm.payload("MEMBER_UNMUTED")
        assert ended == {**{k: v for k, v in muted.items() if k != "mutedBy"}, "unmutedBy": "System"}
        witness.llm.wait("MEMBER_STATUS_UPDATE", lambda b: about(target.me, room)(b) and b["status"] == "idle")
        witness.llm.wait("NEW_MESSAGE", system_text(room, f"[System] {target.me} has been unmuted by System."))
    assert 2 <= time.monotonic() - begun < 10
    assert target.says("again", room, target=extension.client_id)["waitsFor"] == "turn"


def test_scenario_37_a_permanent_mute_survives_the_reconnect(brisk_hub: Hub) -> None:
    owner, target = boss(brisk_hub), person(brisk_hub)
    room = room_of(owner, target, mode="MasterOnly")
    answer = owner.does("MUTE_MEMBER", {"identity": target.me, "roomName": room, "duration": 0}, "/llm")
    assert (answer["mutedUntil"], answer["duration"]) == (FOREVER, "permanent")
    seen = target.llm.payload("MEMBER_MUTED")
    assert (seen["mutedUntil"], seen["duration"]) == (FOREVER, "permanent")
    owner.llm.wait("NEW_MESSAGE", system_text(room, f"[System] {target.me} has been permanently muted by {owner.me}."))
    target.leave()
    owner.rooms.wait("MEMBER_LEFT", about(target.me, room))
    target.enter()
    assert target.fails("LLM_REQUEST", request_in("back", room), "/llm") == MUTED
    assert target.llm.payload("ERROR")["message"] == MUTED
    members = owner.does("GET_CLIENTS_IN_ROOM", room)["clients"]
    assert {c["identity"]: c["muted"] for c in members} == {owner.me: False, target.me: True}
    assert target.fails("UNMUTE_MEMBER", {"identity": target.me, "roomName": room}) == "Unauthorized"
    owner.does("UNMUTE_MEMBER", {"identity": target.me, "roomName": room})
    assert target.llm.payload("MEMBER_UNMUTED")["unmutedBy"] == owner.me
    assert target.says("free", room)["state"] == "ignored"  # MasterOnly: heard, not forwarded
    owner.does("UNMUTE_MEMBER", {"identity": target.me, "roomName": room})  # not muted is fine


@pytest.mark.parametrize("duration", [None, -5, 0])
def test_scenario_37_what_is_no_positive_number_is_for_ever(hub: Hub, duration: int | None) -> None:
    owner, target = boss(hub), person(hub)
    room = room_of(owner, target)
    subject = {"identity": target.me, "roomName": room}
    given = subject if duration is None else {**subject, "duration": duration}
    assert owner.does("MUTE_MEMBER", given)["duration"] == "permanent"
    nobody = {"identity": "nobody", "roomName": room}
    assert owner.fails("MUTE_MEMBER", nobody) == "Failed to mute member"
    assert owner.fails("UNMUTE_MEMBER", {**subject, "roomName": "nowhere"}) == "Failed to unmute member"


def muted(asking: Person, room: str) -> set[str]:
    clients = asking.does("GET_CLIENTS_IN_ROOM", {"roomName": room})["clients"]
    return {client["identity"] for client in clients if client["muted"]}


def test_scenario_37_a_mute_survives_a_restart_and_still_ends(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    daemon = make_daemon()
    hub = Hub(daemon, driver)
    owner, short, long = boss(hub), person(hub), person(hub)
    room = room_of(owner, short, long, mode="MasterOnly")
    owner.does("MUTE_MEMBER", {"identity": long.me, "roomName": room})
    for seconds in (3, 12):  # a busy machine is not back before the short one is over
        owner.does("MUTE_MEMBER", {"identity": short.me, "roomName": room, "duration": seconds})
        driver.reset()
        daemon.kill()
        daemon.start()
        for somebody in (owner, short, long):
            somebody.enter()
        if short.me in muted(owner, room):
            break
    assert muted(owner, room) >= {long.me}
    assert long.fails("LLM_REQUEST", request_in("long", room), "/llm") == MUTED
    assert owner.llm.payload("MEMBER_UNMUTED", about(short.me, room))["unmutedBy"] == "System"
    assert short.says("short", room)["state"] == "ignored"
    assert long.fails("LLM_REQUEST", request_in("long-2", room), "/llm") == MUTED
    assert owner.roles(room) == {owner.me: "master", short.me: "guest", long.me: "guest"}
