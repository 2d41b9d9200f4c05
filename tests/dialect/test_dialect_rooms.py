"""Rooms and members on the wire (contract 3.5, 4.4, 4.5, 6.3, 6.4)."""

from __future__ import annotations

from math import inf

import pytest
from attrs import evolve

from newage.dialect import Body, Event, clients, rooms
from newage.domain.membership import Member, Roster
from newage.domain.model import PERMANENT, Bar, ConnectionPolicy, RequestMode, Role, Room, Session, Term

BOB = Session(client_id="bob", identity="bob-1")
LOUNGE = Room(
    name="lounge",
    id="id",
    mode=RequestMode.SEPARATE,
    members={"ann": Role.MASTER, "bob-1": Role.MANAGER, "cid": Role.GUEST},
    created_at=1.5,
)
NAMED = {"roomName": "lounge", "roomId": "id"}
WHO = {"clientId": "bob", "identity": "bob-1", **NAMED}
BOTH, ALL, LLM = ("/", "/rooms"), ("/", "/rooms", "/llm"), ("/llm",)


@pytest.mark.parametrize(
    ("event", "name", "body", "namespaces"),
    [
        (rooms.joined(LOUNGE, BOB, Role.GUEST), "MEMBER_JOINED", {**WHO, "role": "guest"}, BOTH),
        (rooms.left(LOUNGE, BOB, "kick"), "MEMBER_LEFT", {**WHO, "reason": "kick"}, BOTH),
        (
            rooms.kicked(LOUNGE),
            "WARNING",
            {"type": "WARNING", "message": "You have been kicked from room lounge.", "roomName": "lounge"},
            ALL,
        ),
        (rooms.role_changed(LOUNGE, BOB, Role.SPECIAL), "MEMBER_ROLE_CHANGED", {**WHO, "role": "special"}, BOTH),
        (
            rooms.role_changed_of(LOUNGE, BOB, Role.SPECIAL),
            "MEMBER_ROLE_CHANGED",
            {**WHO, "role": "special", "targetIdentity": "bob-1", "newRole": "special"},
            BOTH,
        ),
        (rooms.role_set(LOUNGE, BOB, Role.SPECIAL), "SET_MEMBER_ROLE", {**WHO, "role": "special"}, BOTH),
        (rooms.deleted(LOUNGE), "DELETE_ROOM", {**NAMED, "message": 'Room "lounge" has been deleted.'}, BOTH),
        (rooms.mode_changed(LOUNGE, "ann"), "ROOM_MODE_CHANGED", {**NAMED, "mode": "Separate", "setter": "ann"}, ALL),
        (
            rooms.muted(LOUNGE, BOB, Term(61.0, 60), "ann"),
            "MEMBER_MUTED",
            {**WHO, "mutedBy": "ann", "mutedUntil": "1970-01-01T00:01:01.000Z", "duration": 60},
            LLM,
        ),
        (rooms.unmuted(LOUNGE, BOB, "System"), "MEMBER_UNMUTED", {**WHO, "unmutedBy": "System"}, LLM),
        (
            rooms.status("lounge", BOB, "typing", "now"),
            "MEMBER_STATUS_UPDATE",
            {"identity": "bob-1", "clientId": "bob", "roomName": "lounge", "status": "typing", "timestamp": "now"},
            LLM,
        ),
        (
            rooms.served("lounge", ("X", "Y"), ConnectionPolicy.FREE),
            "AVAILABLE_EXTENSIONS",
            {"extensions": ["X", "Y"], "roomName": "lounge", "policy": "Free"},
            ("/rooms",),
        ),
    ],
)
def test_events(event: Event, name: str, body: Body, namespaces: tuple[str, ...]) -> None:
    assert event == Event(name, body, namespaces)


def test_a_mute_for_ever_says_so() -> None:
    assert rooms.muted_ack(Term.of(0, 0)) == {"mutedUntil": "9999-12-31T23:59:59.999Z", "duration": "permanent"}


def test_rooms_are_listed_with_their_details() -> None:
    details = {
        "name": "lounge",
        "roomId": "id",
        "master": "ann",
        "managers": ["bob-1"],
        "memberCount": 3,
        "mode": "Separate",
        "access": "open",
        "createdAt": "1970-01-01T00:00:01.500Z",
        "kind": "group",
    }
    assert rooms.list_ack([LOUNGE]) == {"rooms": ["lounge"], "roomDetails": [details]}


def test_members_are_clients_and_more() -> None:
    member = Member(session=BOB, role=Role.MANAGER, online=False, muted=True)
    known = {
        "roomId": "id",
        "clients": [{**clients.info(BOB), "role": "manager", "online": False, "muted": True}],
    }
    assert rooms.members_ack(Roster(room=LOUNGE, members=(member,))) == known
    bot = Roster(room=LOUNGE, members=(evolve(member, bot=True), member))
    assert rooms.members_ack(bot)["clients"] == [*known["clients"], *known["clients"]]
    assert [each.get("bot") for each in rooms.members_ack(bot, bots=True)["clients"]] == [True, None]
    bars = {"gus": Bar(Term(1.5, 1), "gus-1", "ann", "noise"), "eve": Bar(Term(PERMANENT, inf), "eve", "ann")}
    ever = {"barredUntil": "9999-12-31T23:59:59.999Z", "duration": "permanent"}
    once = {"barredUntil": "1970-01-01T00:00:01.500Z", "duration": 1}
    assert rooms.members_ack(Roster(room=LOUNGE, members=(member,), barred=bars)) == {
        **known,
        "barred": [
            {"clientId": "gus", "identity": "gus-1", "barredBy": "ann", **once, "reason": "noise"},
            {"clientId": "eve", "identity": "eve", "barredBy": "ann", **ever},
        ],
    }


@pytest.mark.parametrize(
    ("ack", "body"),
    [
        (rooms.created_ack(LOUNGE), NAMED),
        (rooms.joined_ack(LOUNGE, "cid"), {**NAMED, "role": "guest"}),
        (rooms.room_ack("lounge"), {"roomName": "lounge"}),
        (rooms.added_ack("lounge", "cid", Role.GUEST), {"roomName": "lounge", "identity": "cid", "role": "guest"}),
        (rooms.role_ack("lounge", Role.MASTER), {"roomName": "lounge", "role": "master"}),
        (rooms.mode_ack(RequestMode.IMMEDIATE), {"mode": "Immediate"}),
        (rooms.policy_ack(ConnectionPolicy.MANUAL), {"policy": "Manual"}),
        (rooms.assigned_ack("lounge", ("X",)), {"clientRoom": "lounge", "extensions": ["X"]}),
        (rooms.assignments_ack({"lounge": ("X",)}), {"assignments": {"lounge": ["X"]}}),
        (rooms.serving_ack("lounge", ("X",)), {"roomName": "lounge", "assignments": ["X"], "extensions": ["X"]}),
        (rooms.client_rooms_ack(("a", "b")), {"rooms": ["a", "b"]}),
    ],
)
def test_acks(ack: Body, body: Body) -> None:
    assert ack == body


def test_extensions_are_told_with_the_rooms_they_serve() -> None:
    found = rooms.extensions_ack({"bob-1": BOB, "away": None}, {"bob-1": ("lounge",), "away": ()})
    details = [{"identity": "bob-1", "clientId": "bob", "desc": "", "rooms": ["lounge"]}]
    assert found == {"extensions": ["bob-1", "away"], "details": details}
