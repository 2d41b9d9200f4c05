"""Adding, removing, roles, kicks, mutes and modes on the wire: shapes, rights, exact words (contract 3.5, 4.5)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hubkit import HandSocket, Kit, faults, handled, result_of
from newage.domain.model import RequestMode, Role
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.moderation import ModerationEvents

OK = {"status": "ok", "success": True}
FOREVER = "9999-12-31T23:59:59.999Z"
ACTORS = ("admin", "weak", "mas", "man", "spe", "gue", "out")
EVENTS = (
    "ADD_CLIENT_TO_ROOM",
    "REMOVE_CLIENT_FROM_ROOM",
    "SET_MEMBER_ROLE",
    "KICK_MEMBER",
    "LIFT_BAR",
    "SET_ROOM_ACCESS",
    "MUTE_MEMBER",
    "UNMUTE_MEMBER",
    "SET_ROOM_MESSAGE_REQUEST_MODE",
    "SET_MESSAGE_REQUEST_MODE",
)


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


@pytest.fixture
def rooms(kit: Kit) -> Namespace:
    namespace = Namespace("/rooms", connect=refuse, disconnected=refuse)
    events = ModerationEvents(rooms=kit.room_service, moderation=kit.moderation)
    namespace.add(events.mutes())
    namespace.add(events.handlers())
    return namespace


@pytest.fixture
def people(kit: Kit) -> dict[str, HandSocket]:
    """The lounge with one of each role, an administrator, a monitor without sensitive rights, and an outsider."""
    found = {}
    for who in ACTORS:
        staff: dict[str, Any] = (
            {"client_type": "monitor", "sensitive": who == "admin"} if who in ("admin", "weak") else {}
        )
        found[who] = HandSocket(kit, kit.connect(f"client-{who}", "/rooms", identity=f"client-{who}-1", **staff))
    kit.group("lounge", me("mas"), client_man_1=Role.MANAGER, client_spe_1=Role.SPECIAL, client_gue_1=Role.GUEST)
    kit.settle()
    kit.outbox.clear()
    return found


def me(who: str) -> str:
    return f"client-{who}-1"


def members(kit: Kit, room: str = "lounge") -> dict[str, str]:
    return {who.split("-")[1]: role.wire for who, role in kit.rooms.require(room).members.items()}


def words(ack: Any) -> tuple[str, str]:
    return ack["status"], ack.get("message", "")


# ----------------------------------------------------------------------------------------------------------------- add


@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_add_somebody_else(kit: Kit, rooms: Namespace, people: dict[str, HandSocket], actor: str) -> None:
    kit.connect("new", "/rooms")
    ack = handled(rooms, people[actor], "ADD_CLIENT_TO_ROOM", {"identity": "new", "roomName": "lounge"})
    if actor in ("admin", "mas", "man"):
        assert ack == {**OK, "roomName": "lounge", "identity": "new", "role": "guest"}
        assert kit.rooms.require("lounge").members["new"] is Role.GUEST
    else:
        assert (*words(ack), ack["errorCode"]) == ("error", "Unauthorized", 6)
        assert "new" not in kit.rooms.require("lounge").members
        assert kit.outbox.got(people["mas"].sid, "MEMBER_JOINED") == []


def added(role: str) -> dict[str, str]:
    return {"mas": "master", "man": "manager", "spe": "special", "gue": "guest", "out": role}


@pytest.mark.parametrize(
    ("actor", "role", "expected"),
    [
        ("admin", "master", {**added("master"), "mas": "manager"}),
        ("admin", "moderator", added("manager")),
        ("mas", "master", {**added("master"), "mas": "manager"}),
        ("mas", "manager", added("manager")),
        ("man", "special", added("special")),
        ("man", "guest", added("guest")),
        ("man", "manager", None),
        ("man", "master", None),
    ],
)
def test_with_which_role_staff_may_add(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], actor: str, role: str, expected: dict[str, str] | None
) -> None:
    before = members(kit)
    payload = {"clientId": "client-out", "roomName": "lounge", "role": role}
    ack = handled(rooms, people[actor], "ADD_CLIENT_TO_ROOM", payload)
    if expected is None:
        assert words(ack) == ("error", "Failed to add client to room")
        assert members(kit) == before
    else:
        assert ack == {**OK, "roomName": "lounge", "identity": me("out"), "role": expected["out"]}
        assert members(kit) == expected


@pytest.mark.parametrize(
    "payload", [{"roomName": "lounge"}, {"roomName": "lounge", "identity": "client-out-1"}, "lounge"]
)
def test_anybody_adds_itself_to_an_open_room_as_a_guest(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any
) -> None:
    asked = {**payload, "role": "special"} if isinstance(payload, dict) else payload
    ack = handled(rooms, people["out"], "ADD_CLIENT_TO_ROOM", asked)
    assert ack == {**OK, "roomName": "lounge", "identity": me("out"), "role": "guest"}
    assert members(kit)["out"] == "guest"


def test_closed_rooms_are_not_for_adding_oneself(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    kit.extension()
    for room in (me("mas"), "SillyTavern-8000", "monitor-room"):
        assert words(handled(rooms, people["out"], "ADD_CLIENT_TO_ROOM", room)) == ("error", "Unauthorized")
    payload = {"roomName": me("mas"), "clientId": "client-out"}
    assert handled(rooms, people["mas"], "ADD_CLIENT_TO_ROOM", payload)["status"] == "ok"


@pytest.mark.parametrize(
    "payload",
    [
        {"roomName": "nowhere", "identity": "client-out-1"},
        {"roomName": "lounge", "identity": "client-gue-1"},  # is one already
        {"roomName": "lounge", "identity": "nobody"},
        {"roomName": "client-mas-1", "identity": "client-out-1", "role": "master"},
    ],
)
def test_what_cannot_be_added_fails_and_leaves_no_trace(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any
) -> None:
    before = {room.name: room for room in kit.rooms.all()}
    ack = handled(rooms, people["admin"], "ADD_CLIENT_TO_ROOM", payload)
    assert words(ack) == ("error", "Failed to add client to room")
    assert {room.name: room for room in kit.rooms.all()} == before
    assert kit.outbox.sent == []


def test_who_is_away_can_be_added_while_it_is_a_retained_member(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    kit.group("garden", me("mas"))
    kit.disconnect_all(me("gue"))
    kit.clock.advance(2)
    payload = {"roomName": "garden", "identity": me("gue")}
    assert handled(rooms, people["mas"], "ADD_CLIENT_TO_ROOM", payload)["identity"] == me("gue")


def test_a_master_that_cannot_be_stored_is_not_added_half(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    kit.gate.broken = True
    payload = {"roomName": "lounge", "identity": me("out"), "role": "master"}
    assert words(handled(rooms, people["admin"], "ADD_CLIENT_TO_ROOM", payload)) == (
        "error",
        "Failed to add client to room",
    )
    assert "out" not in members(kit)


# -------------------------------------------------------------------------------------------------------------- remove

MAY_REMOVE = {"admin": {"mas", "man", "spe", "gue"}, "mas": {"man", "spe", "gue"}, "man": {"spe", "gue"}}


@pytest.mark.parametrize("target", ["mas", "man", "spe", "gue"])
@pytest.mark.parametrize("actor", ACTORS)
def test_who_may_remove_whom(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], actor: str, target: str
) -> None:
    ack = handled(
        rooms, people[actor], "REMOVE_CLIENT_FROM_ROOM", {"clientId": f"client-{target}", "roomName": "lounge"}
    )
    if actor == target or target in MAY_REMOVE.get(actor, set()):
        assert ack == {**OK, "roomName": "lounge"}
        assert target not in members(kit)
        reason = "leave" if actor == target else "remove"
        assert [body["reason"] for body in kit.outbox.bodies(people[target].sid, "MEMBER_LEFT")] == [reason]
        assert kit.outbox.got(people[target].sid, "WARNING") == []
    else:
        staff = actor == "man"
        assert words(ack) == ("error", "Failed to remove client from room" if staff else "Unauthorized")
        assert target in members(kit)
        assert kit.outbox.sent == []


@pytest.mark.parametrize("payload", ["lounge", {"roomName": "lounge"}, {"room": "lounge", "identity": "client-gue-1"}])
def test_without_a_name_oneself_is_removed(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any
) -> None:
    assert handled(rooms, people["gue"], "REMOVE_CLIENT_FROM_ROOM", payload) == {**OK, "roomName": "lounge"}
    assert "gue" not in members(kit)


@pytest.mark.parametrize("payload", ["lounge", {"roomName": "lounge", "clientId": "client-out"}, "nowhere"])
def test_who_is_no_member_cannot_remove_itself(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any
) -> None:
    ack = handled(rooms, people["out"], "REMOVE_CLIENT_FROM_ROOM", payload)
    assert words(ack) == ("error", "Failed to remove client from room")


@pytest.mark.parametrize("payload", [{"roomName": "nowhere"}, {"roomName": "lounge"}])
def test_what_is_not_there_cannot_be_removed(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any
) -> None:
    ack = handled(rooms, people["admin"], "REMOVE_CLIENT_FROM_ROOM", {**payload, "identity": "nobody"})
    assert words(ack) == ("error", "Failed to remove client from room")


@pytest.mark.parametrize("event", ["ADD_CLIENT_TO_ROOM", "REMOVE_CLIENT_FROM_ROOM"])
@pytest.mark.parametrize("who", [{}, [], True, "", "x" * 129])
def test_a_name_that_is_none_does_not_mean_oneself(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], event: str, who: Any
) -> None:
    before = kit.rooms.require("lounge")
    ack = handled(rooms, people["mas"], event, {"roomName": "lounge", "targetIdentity": who})
    assert words(ack) == ("error", "Invalid request data.")
    assert kit.rooms.require("lounge") == before


def test_nobody_is_removed_from_the_own_room(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    own = me("gue")
    for actor, payload in (
        ("gue", own),
        ("gue", {"roomName": own, "identity": own}),
        ("admin", {"roomName": own, "clientId": "client-gue"}),
        ("out", {"roomName": own, "identity": own}),
    ):
        assert words(handled(rooms, people[actor], "REMOVE_CLIENT_FROM_ROOM", payload)) == (
            "error",
            "Invalid operation",
        )
    assert members(kit, own) == {"gue": "master"}


def test_a_room_that_goes_meanwhile_cannot_be_left(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    kit.gate.shut = True
    leaving = rooms.handlers["REMOVE_CLIENT_FROM_ROOM"](people["gue"], ["lounge"], True)
    found: list[Any] = []
    Deferred.fromCoroutine(leaving).addBoth(found.append)
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.open()
    result_of(deleting)
    assert words(found[0][0]) == ("error", "Failed to remove client from room")


# ----------------------------------------------------------------------------------------------- roles, kicks, mutes

SUBJECTS = [
    {"targetIdentity": "client-gue-1", "clientId": "client-mas"},
    {"identity": "client-gue-1"},
    {"targetClientId": "client-gue", "clientId": "client-mas"},
    {"clientId": "client-gue"},
]


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_role_is_set_by_any_name_of_the_member(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], subject: dict[str, str]
) -> None:
    ack = handled(rooms, people["mas"], "SET_MEMBER_ROLE", {**subject, "targetRoom": "lounge", "role": "moderator"})
    assert ack == {**OK, "roomName": "lounge", "role": "manager"}
    assert members(kit)["gue"] == "manager"


@pytest.mark.parametrize("role", ["king", "", None, 3, ["guest"], {"guest": 1}, "system", "assistant"])
def test_only_four_roles_exist(kit: Kit, rooms: Namespace, people: dict[str, HandSocket], role: Any) -> None:
    payload = {"targetIdentity": me("gue"), "roomName": "lounge", "role": role}
    assert words(handled(rooms, people["admin"], "SET_MEMBER_ROLE", payload)) == ("error", "Invalid role")
    if role is not None:
        assert words(handled(rooms, people["admin"], "ADD_CLIENT_TO_ROOM", payload)) == ("error", "Invalid role")
    assert members(kit)["gue"] == "guest"


@pytest.mark.parametrize("subject", SUBJECTS)
def test_a_kick_is_acked(kit: Kit, rooms: Namespace, people: dict[str, HandSocket], subject: dict[str, str]) -> None:
    ack = handled(rooms, people["man"], "KICK_MEMBER", {**subject, "roomName": "lounge", "reason": "noise"})
    assert ack == {**OK, "roomName": "lounge", "barredUntil": "2023-11-14T22:18:20.000Z", "duration": 300}
    assert "gue" not in members(kit)
    (bar,) = kit.rooms.require("lounge").barred.values()
    assert (bar.identity, bar.by, bar.reason) == (me("gue"), me("man"), "noise")


@pytest.mark.parametrize(
    ("duration", "told"),
    [
        (0, {}),
        ("0", {}),
        (-1, {"barredUntil": "9999-12-31T23:59:59.999Z", "duration": "permanent"}),
        ("permanent", {"barredUntil": "9999-12-31T23:59:59.999Z", "duration": "permanent"}),
        (1e300, {"barredUntil": "9999-12-31T23:59:59.999Z", "duration": "permanent"}),
        (60, {"barredUntil": "2023-11-14T22:14:20.000Z", "duration": 60}),
        (None, {"barredUntil": "2023-11-14T22:18:20.000Z", "duration": 300}),
    ],
)
def test_how_long_a_kick_lasts(
    rooms: Namespace, people: dict[str, HandSocket], duration: object, told: dict[str, object]
) -> None:
    payload = {"identity": me("gue"), "roomName": "lounge", "duration": duration}
    assert handled(rooms, people["man"], "KICK_MEMBER", payload) == {**OK, "roomName": "lounge", **told}


@pytest.mark.parametrize("duration", [True, "soon", [], {}, "nan"])
def test_a_slip_in_how_long_kicks_nobody(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], duration: object
) -> None:
    payload = {"identity": me("gue"), "roomName": "lounge", "duration": duration}
    assert handled(rooms, people["man"], "KICK_MEMBER", payload)["message"] == "Invalid request data."
    assert "gue" in members(kit)


def test_a_bar_is_lifted(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    kick = {"identity": me("gue"), "roomName": "lounge", "duration": -1}
    handled(rooms, people["man"], "KICK_MEMBER", kick)
    for lifted in (["client-gue"], []):
        ack = handled(rooms, people["man"], "LIFT_BAR", {"roomName": "lounge", "identity": me("gue")})
        assert ack == {**OK, "roomName": "lounge", "lifted": lifted}
    assert dict(kit.rooms.require("lounge").barred) == {}


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"roomName": "lounge"}, "Invalid request data."),
        ({"roomName": "lounge", "identity": []}, "Invalid request data."),
        ({"identity": me("gue")}, "Invalid room name"),
        ({"identity": me("gue"), "roomName": "nowhere"}, "Room not found"),
    ],
)
def test_a_bar_that_cannot_be_lifted(
    rooms: Namespace, people: dict[str, HandSocket], payload: dict[str, object], words: str
) -> None:
    assert handled(rooms, people["man"], "LIFT_BAR", payload)["message"] == words


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ({"roomName": "lounge"}, "Invalid access. It is one of: open, invited"),
        ({"roomName": "lounge", "access": []}, "Invalid access. It is one of: open, invited"),
        ({"access": "open"}, "Invalid room name"),
        ({"access": "open", "roomName": "nowhere"}, "Room not found"),
        ({"access": "invited", "roomName": me("mas")}, "Invalid operation"),
    ],
)
def test_an_access_that_cannot_be_set(
    rooms: Namespace, people: dict[str, HandSocket], payload: dict[str, object], words: str
) -> None:
    assert handled(rooms, people["mas"], "SET_ROOM_ACCESS", payload)["message"] == words


def test_its_master_opens_and_closes_a_room(kit: Kit, rooms: Namespace, people: dict[str, HandSocket]) -> None:
    payload = {"roomName": "lounge", "access": "invited"}
    assert handled(rooms, people["man"], "SET_ROOM_ACCESS", payload)["message"] == "Unauthorized"
    for _ in range(2):
        assert handled(rooms, people["mas"], "SET_ROOM_ACCESS", payload) == {**OK, **payload}
    told = {**payload, "roomId": kit.room_id("lounge"), "setter": me("mas")}
    assert kit.outbox.bodies(people["gue"].sid, "ROOM_ACCESS_CHANGED") == [told]
    assert handled(rooms, people["mas"], "SET_ROOM_ACCESS", {**payload, "access": "open"})["access"] == "open"


@pytest.mark.parametrize(
    ("event", "words_"),
    [
        ("SET_MEMBER_ROLE", "Failed to set member role"),
        ("KICK_MEMBER", "Failed to kick member"),
        ("MUTE_MEMBER", "Failed to mute member"),
        ("UNMUTE_MEMBER", "Failed to unmute member"),
    ],
)
@pytest.mark.parametrize(
    "payload", [{}, {"roomName": "lounge"}, {"identity": "client-gue-1"}, {"roomName": 1, "identity": {}}]
)
def test_a_room_and_a_member_must_be_named(
    rooms: Namespace, people: dict[str, HandSocket], event: str, words_: str, payload: dict[str, Any]
) -> None:
    ack = handled(rooms, people["admin"], event, {**payload, "role": "guest"})
    assert words(ack) == ("error", words_)


@pytest.mark.parametrize(
    ("given", "duration"),
    [
        ({"duration": 60}, 60),
        ({"duration": 1.5}, 1.5),
        ({"duration": "60"}, 60),
        ({"durationSeconds": 60}, 60),
        ({"duration": 60, "durationSeconds": 1}, 60),
        ({"duration": None, "durationSeconds": 5}, 5),
        ({}, "permanent"),
        ({"duration": None}, "permanent"),
        ({"duration": 0}, "permanent"),
        ({"duration": -5}, "permanent"),
        ({"duration": "0"}, "permanent"),
        ({"duration": "1e400"}, "permanent"),
        ({"duration": "permanent"}, "permanent"),
    ],
)
def test_how_long_a_mute_is(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], given: dict[str, Any], duration: Any
) -> None:
    payload = {"targetClientId": "client-gue", "roomName": "lounge", **given}
    ack = handled(rooms, people["man"], "MUTE_MEMBER", payload)
    assert ack == {**OK, "duration": duration, "mutedUntil": ack["mutedUntil"]}
    assert (ack["mutedUntil"] == FOREVER) == (duration == "permanent")
    assert handled(rooms, people["man"], "UNMUTE_MEMBER", payload) == {**OK, "roomName": "lounge"}
    assert kit.rooms.require("lounge").muted == {}
    assert handled(rooms, people["man"], "UNMUTE_MEMBER", payload)["status"] == "ok", "not muted is fine"


@pytest.mark.parametrize("duration", ["soon", "", True, False, [60], {"seconds": 60}, "nan"])
def test_a_length_that_is_none_mutes_nobody(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], duration: Any
) -> None:
    """A slip must not silence somebody for ever."""
    payload = {"identity": me("gue"), "roomName": "lounge", "duration": duration}
    assert words(handled(rooms, people["man"], "MUTE_MEMBER", payload)) == ("error", "Invalid request data.")
    assert kit.rooms.require("lounge").muted == {}


def test_muting_is_offered_on_llm_too(kit: Kit, people: dict[str, HandSocket]) -> None:
    llm = Namespace("/llm", connect=refuse, disconnected=refuse)
    llm.add(ModerationEvents(rooms=kit.room_service, moderation=kit.moderation).mutes())
    assert set(llm.handlers) == {"MUTE_MEMBER", "UNMUTE_MEMBER"}


# --------------------------------------------------------------------------------------------------------------- modes

INVALID_MODE = (
    "Invalid mode specified. Valid modes are: Default, Immediate, MasterOnly, Separate, HostSubmit, Conversational"
)


@pytest.mark.parametrize("mode", list(RequestMode))
def test_every_mode_can_be_set(kit: Kit, rooms: Namespace, people: dict[str, HandSocket], mode: RequestMode) -> None:
    payload = {"roomName": "lounge", "mode": mode.value}
    assert handled(rooms, people["man"], "SET_ROOM_MESSAGE_REQUEST_MODE", payload) == {**OK, "mode": mode.value}
    assert kit.rooms.require("lounge").mode is mode


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ({"mode": "Immediate"}, "roomName and mode are required."),
        ({"roomName": "lounge"}, "roomName and mode are required."),
        ("lounge", "Invalid request data."),
        (None, "roomName and mode are required."),
        ({"roomName": "lounge", "mode": ""}, "roomName and mode are required."),
        ({"roomName": "lounge", "mode": "immediate"}, INVALID_MODE),
        ({"roomName": "nowhere", "mode": ["Default"]}, INVALID_MODE),
        ({"roomName": "nowhere", "mode": "Default"}, "Room nowhere not found."),
    ],
)
def test_a_mode_that_cannot_be_set(
    rooms: Namespace, people: dict[str, HandSocket], payload: Any, expected: str
) -> None:
    ack = handled(rooms, people["admin"], "SET_ROOM_MESSAGE_REQUEST_MODE", payload)
    assert words(ack) == ("error", expected)


def test_who_may_not_set_a_mode_hears_so(rooms: Namespace, people: dict[str, HandSocket]) -> None:
    payload = {"roomName": "lounge", "mode": "Immediate"}
    for actor in ("weak", "spe", "gue", "out"):
        ack = handled(rooms, people[actor], "SET_ROOM_MESSAGE_REQUEST_MODE", payload)
        assert ack["message"] == "Permission denied. Only room master/manager or admin can set the mode."


@pytest.mark.parametrize("payload", ["Immediate", {"mode": "Immediate"}])
def test_an_administrator_sets_the_mode_of_all_rooms(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], payload: Any
) -> None:
    assert handled(rooms, people["admin"], "SET_MESSAGE_REQUEST_MODE", payload) == {**OK, "mode": "Immediate"}
    assert {room.mode for room in kit.rooms.all()} == {RequestMode.IMMEDIATE}


def test_an_administrator_sets_the_mode_of_one_room_by_either_name(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    payload = {"mode": "Separate", "roomName": "lounge"}
    assert handled(rooms, people["admin"], "SET_MESSAGE_REQUEST_MODE", payload) == {**OK, "mode": "Separate"}
    changed = {room.name for room in kit.rooms.all() if room.mode is RequestMode.SEPARATE}
    assert changed == {"lounge"}


@pytest.mark.parametrize("room", [[], {}, True, "", "x" * 129])
def test_a_room_that_is_none_does_not_mean_all_of_them(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], room: Any
) -> None:
    ack = handled(rooms, people["admin"], "SET_MESSAGE_REQUEST_MODE", {"mode": "Immediate", "roomName": room})
    assert words(ack) == ("error", "Invalid request data.")
    assert {room.mode for room in kit.rooms.all()} == {RequestMode.DEFAULT}


@pytest.mark.parametrize("room", [{}, {"roomName": "lounge"}])
@pytest.mark.parametrize("actor", [who for who in ACTORS if who != "admin"])
def test_set_message_request_mode_is_the_administrators(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], actor: str, room: dict[str, str]
) -> None:
    ack = handled(rooms, people[actor], "SET_MESSAGE_REQUEST_MODE", {"mode": "Immediate", **room})
    assert words(ack) == ("error", "Unauthorized")
    assert {room.mode for room in kit.rooms.all()} == {RequestMode.DEFAULT}


@pytest.mark.parametrize("payload", [None, {}, {"mode": "x"}, 5, ["Immediate"]])
def test_a_default_mode_must_be_one(rooms: Namespace, people: dict[str, HandSocket], payload: Any) -> None:
    ack = handled(rooms, people["admin"], "SET_MESSAGE_REQUEST_MODE", payload)
    assert words(ack) == ("error", "Invalid request data." if isinstance(payload, int | list) else INVALID_MODE)


# ------------------------------------------------------------------------------------------------------ whatever comes

ODD = [
    None,
    0,
    True,
    "",
    "x",
    [],
    ["lounge"],
    {},
    {"roomName": None},
    {"roomName": ["lounge"], "identity": [], "mode": 1},
]


@pytest.mark.parametrize("actor", ["admin", "mas", "gue", "out"])
@pytest.mark.parametrize("event", EVENTS)
def test_odd_payloads_get_an_answer_and_change_nothing(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket], event: str, actor: str
) -> None:
    before = kit.rooms.require("lounge")

    def send() -> None:
        assert handled(rooms, people[actor], event)["status"] == "error"
        for payload in ODD:
            assert handled(rooms, people[actor], event, payload, "more")["status"] == "error", payload
            handled(rooms, people[actor], event, payload, ack=False)

    assert faults(send) == []
    assert kit.rooms.require("lounge") == before
    errors = kit.outbox.bodies(people[actor].sid, "ERROR")
    assert len(errors) == len(ODD)
    assert kit.heard(*{sent.event for sent in kit.outbox.sent}).keys() <= {f"{me(actor)}/rooms"}


def test_without_an_ack_it_is_done_and_failures_come_as_errors(
    kit: Kit, rooms: Namespace, people: dict[str, HandSocket]
) -> None:
    payload = {"identity": me("gue"), "roomName": "lounge"}
    assert handled(rooms, people["gue"], "KICK_MEMBER", {**payload, "requestId": "r1"}, ack=False) is None
    error = kit.outbox.bodies(people["gue"].sid, "ERROR")[0]
    assert error == {
        "type": "ERROR",
        "message": "Unauthorized",
        "code": "unauthorized",
        "errorCode": 6,
        "requestId": "r1",
    }
    assert handled(rooms, people["mas"], "KICK_MEMBER", payload, ack=False) is None
    assert "gue" not in members(kit)
