"""An invited room is for its members and administrators; to everybody else it does not exist (contract 4.1, A41)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hubkit import HandSocket, Kit, failure_of, handled, result_of
from newage.domain.history import Change
from newage.domain.model import Access, Caller, ConnectionPolicy, Message, RequestMode, Role
from newage.domain.request import Ask
from newage.errors import InvalidRequest, NewAgeError, NotAuthorised, RoomMissing
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.assignments import AssignmentEvents
from newage.namespaces.moderation import ModerationEvents
from newage.namespaces.rooms import RoomEvents

Act = Callable[[Kit, Caller, str], Awaitable[object]]


async def at_once(act: Callable[..., object], *args: object) -> object:
    return act(*args)


# Whatever names a room. It is asked of a room that does not exist and of one that the actor may not know of.
GUESSES: dict[str, Act] = {
    "members": lambda kit, who, name: at_once(kit.room_service.members, who, name),
    "delete": lambda kit, who, name: kit.room_service.delete(who, name),
    "join": lambda kit, who, name: kit.room_service.join(who, name),
    "leave": lambda kit, who, name: kit.room_service.leave(who, name),
    "add oneself": lambda kit, who, name: kit.room_service.add(who, name, None),
    "add another": lambda kit, who, name: kit.room_service.add(who, name, "bob"),
    "remove oneself": lambda kit, who, name: kit.room_service.remove(who, name, None),
    "remove another": lambda kit, who, name: kit.room_service.remove(who, name, "ann"),
    "set_role": lambda kit, who, name: kit.moderation.set_role(who, name, "ann", Role.GUEST),
    "kick": lambda kit, who, name: kit.moderation.kick(who, name, "ann"),
    "kick nobody": lambda kit, who, name: kit.moderation.kick(who, name, "nobody"),
    "lift_bar": lambda kit, who, name: kit.moderation.lift_bar(who, name, "ann"),
    "set_access": lambda kit, who, name: kit.moderation.set_access(who, name, Access.OPEN),
    "mute": lambda kit, who, name: kit.moderation.mute(who, name, "ann", 5),
    "unmute": lambda kit, who, name: kit.moderation.unmute(who, name, "ann"),
    "set_mode": lambda kit, who, name: kit.moderation.set_mode(who, name, RequestMode.IMMEDIATE),
    "typing": lambda kit, who, name: at_once(kit.activity.start_typing, who, name),
    "typing no more": lambda kit, who, name: at_once(kit.activity.stop_typing, who, name),
    "processing": lambda kit, who, name: at_once(kit.talk.processing.started, who, name, None),
    "edit": lambda kit, who, name: kit.editing.edit(who, name, "m1", Change(text="mine")),
    "delete messages": lambda kit, who, name: kit.editing.delete(who, name, ["m1"]),
    "delete none": lambda kit, who, name: kit.editing.delete(who, name, ["m9"]),
    "clear": lambda kit, who, name: kit.editing.clear(who, name, requests=True, responses=True),
    "full context": lambda kit, who, name: kit.pages.push(who, name),
    "earlier messages": lambda kit, who, name: kit.earlier.before(who, name, None, 10),
    "offline messages": lambda kit, who, name: kit.missed.missed(who, name, None, 10),
    "ask": lambda kit, who, name: kit.requests.submit(who, Ask(request_id="r1", text="hello", room=name)),
    "assignments": lambda kit, who, name: at_once(kit.assignments.serving, who, name),
}


@pytest.fixture
def house(kit: Kit) -> Kit:
    """``hideout`` is an invited room of ann's with bob in it; ``out`` and ``cid``, who was in it, are not; nor is the
    extension that serves it."""
    for who in ("ann", "bob", "cid", "out"):
        kit.connect(who, "/rooms")
    kit.connect("boss", "/rooms", client_type="monitor")
    kit.extension()
    kit.group("hideout", "ann", bob=Role.GUEST, cid=Role.GUEST)
    kit.mute("hideout", "cid", 100)
    result_of(kit.moderation.kick(who_is(kit, "ann"), "hideout", "cid", 100))
    result_of(kit.moderation.set_access(who_is(kit, "ann"), "hideout", Access.INVITED))
    result_of(kit.history.add(Message(message_id="m1", room="hideout", seq=0, identity="cid", text="hello")))
    kit.settle()
    kit.outbox.clear()
    return kit


def who_is(kit: Kit, identity: str) -> Caller:
    return kit.sessions.all_callers(identity)[0]


def outcome(kit: Kit, act: Act, who: Caller, name: str) -> object:
    try:
        result = result_of(act(kit, who, name))
    except NewAgeError as error:
        return type(error), str(error).replace(name, "it"), error.members
    return str(result).replace(name, "it")


@pytest.mark.parametrize("actor", ["out", "cid", "SillyTavern-8000"])
@pytest.mark.parametrize("act", GUESSES.values(), ids=GUESSES.keys())
def test_for_an_outsider_it_does_not_exist(house: Kit, act: Act, actor: str) -> None:
    before = house.rooms.require("hideout")
    who = who_is(house, actor)
    if actor == "SillyTavern-8000" and act in (GUESSES["typing"], GUESSES["typing no more"], GUESSES["processing"]):
        return  # it serves the room: it is sent requests of it by name
    assert outcome(house, act, who, "hideout") == outcome(house, act, who, "hidebut")
    assert house.rooms.require("hideout") == before
    assert house.rooms.get("hidebut") is None


@pytest.mark.parametrize("actor", ["ann", "bob", "boss"])
def test_its_members_and_administrators_see_it(house: Kit, actor: str) -> None:
    who = who_is(house, actor)
    assert "hideout" in {room.name for room in house.rooms.all_seen(who)}
    assert house.room_service.members(who, "hideout").room.access is Access.INVITED
    assert house.assignments.serving(who, "hideout")[1] == ("SillyTavern-8000",)
    assert "hideout" in house.assignments.client_rooms(who)
    assert "hideout" in house.assignments.served(who)["SillyTavern-8000"]


@pytest.mark.parametrize("actor", ["out", "cid", "SillyTavern-8000"])
def test_no_list_shows_it_to_others(house: Kit, actor: str) -> None:
    who = who_is(house, actor)
    lists = (house.rooms.all_seen(who), house.assignments.client_rooms(who), house.assignments.served(who))
    assert all("hideout" not in str(found) for found in lists)
    assert "hideout" not in house.assignments.visible_to(who)
    assert house.outbox.sent == []


def test_a_name_that_it_holds_is_refused_as_that_of_somebody_who_is_away(house: Kit) -> None:
    house.change("rooms", clients_may_create_rooms=True)
    house.known_clients.add("away")
    for name in ("hideout", "away"):
        refused = failure_of(house.room_service.create(who_is(house, "out"), name))
        assert (type(refused), str(refused)) == (InvalidRequest, "Invalid room name")
    assert str(failure_of(house.room_service.create(who_is(house, "bob"), "hideout"))) == "Room already exists"


def test_one_gets_in_by_being_added_and_out_of_sight_by_leaving(house: Kit) -> None:
    out = who_is(house, "out")
    assert isinstance(failure_of(house.room_service.add(who_is(house, "bob"), "hideout", "out")), NotAuthorised)
    result_of(house.room_service.add(who_is(house, "ann"), "hideout", "out"))
    assert house.rooms.seen(out, "hideout") is not None
    result_of(house.room_service.leave(out, "hideout"))
    assert isinstance(failure_of(house.room_service.join(out, "hideout")), RoomMissing)
    result_of(house.room_service.join(who_is(house, "boss"), "hideout"))


def test_who_is_in_it_stays_when_it_is_closed_and_anybody_comes_when_it_is_opened(house: Kit) -> None:
    result_of(house.moderation.set_access(who_is(house, "boss"), "hideout", Access.OPEN))
    result_of(house.room_service.join(who_is(house, "out"), "hideout"))
    result_of(house.moderation.set_access(who_is(house, "ann"), "hideout", Access.INVITED))
    assert set(house.rooms.require("hideout").members) == {"ann", "bob", "out"}
    heard = house.heard("ROOM_ACCESS_CHANGED")
    assert [body["access"] for body in heard["bob/rooms"]] == ["open", "invited"]
    assert [body["setter"] for body in heard["out/rooms"]] == ["ann"]
    assert not any(heard.get(f"{other}/rooms") for other in ("cid", "boss"))


def test_who_left_it_empty_finds_it_again(house: Kit) -> None:
    """It is kept for its heir, who inherits it at his return (A42); nobody else sees it meanwhile."""
    house.connect("ann", "/llm")
    result_of(house.rooms.ensure_stored(house.room_id("hideout"), said=True))
    for identity in ("bob", "ann"):
        result_of(house.room_service.leave(who_is(house, identity), "hideout"))
    assert house.rooms.seen(who_is(house, "bob"), "hideout") is None
    assert "hideout" in {room.name for room in house.rooms.all_seen(who_is(house, "ann"))}
    assert result_of(house.room_service.join(who_is(house, "ann"), "hideout")).master == "ann"


def test_only_its_master_and_administrators_open_it(house: Kit) -> None:
    assert isinstance(
        failure_of(house.moderation.set_access(who_is(house, "bob"), "hideout", Access.OPEN)), NotAuthorised
    )


def test_it_is_one_after_a_restart_too(house: Kit) -> None:
    house.close()
    later = Kit(with_stores_of=house)
    later.connect("out", "/rooms")
    assert later.rooms.seen(who_is(later, "out"), "hideout") is None
    later.close()


def test_an_extension_that_it_is_assigned_to_serves_it_unseen(house: Kit) -> None:
    result_of(house.assignments.set_policy(who_is(house, "boss"), ConnectionPolicy.MANUAL))
    result_of(house.assignments.assign_manually(who_is(house, "boss"), "hideout", ["SillyTavern-8000"]))
    assert house.assignments.assigned("hideout") == ("SillyTavern-8000",)


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


def test_over_the_wire(kit: Kit) -> None:
    namespace = Namespace("/rooms", connect=refuse, disconnected=refuse)
    namespace.add(RoomEvents(registry=kit.rooms, rooms=kit.room_service).handlers())
    namespace.add(ModerationEvents(rooms=kit.room_service, moderation=kit.moderation).handlers())
    namespace.add(AssignmentEvents(assignments=kit.assignments).handlers())
    boss = HandSocket(kit, kit.connect("boss", "/rooms", client_type="monitor"))
    out = HandSocket(kit, kit.connect("out", "/rooms"))

    def ask(socket: HandSocket, event: str, payload: Any = None) -> Any:
        return handled(namespace, socket, event, payload)

    assert ask(boss, "CREATE_ROOM", {"roomName": "hideout", "access": "invited"})["success"] is True
    assert ask(boss, "CREATE_ROOM", {"roomName": "hall", "access": "secret"})["message"] == (
        "Invalid access. It is one of: open, invited"
    )
    assert ask(boss, "CREATE_ROOM", "hall")["success"] is True
    details = {room["name"]: room["access"] for room in ask(boss, "GET_ROOMS")["roomDetails"]}
    assert (details["hideout"], details["hall"]) == ("invited", "open")
    assert "hideout" not in ask(out, "GET_ROOMS")["rooms"]
    assert [room["name"] for room in ask(out, "GET_ROOMS")["roomDetails"]] == ["monitor-room", "boss", "out", "hall"]
    assert ask(out, "GET_CLIENTS_IN_ROOM", "hideout")["message"] == "Room not found"
    assert ask(out, "JOIN_ROOM", "hideout")["message"] == "Room not found"
    assert ask(boss, "ADD_CLIENT_TO_ROOM", {"roomName": "hideout", "identity": "out"})["success"] is True
    assert "hideout" in ask(out, "GET_ROOMS")["rooms"]
