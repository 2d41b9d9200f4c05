"""Who is told what when rooms change, with the contract's exact words (contract 4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from hubkit import Kit, result_of
from newage.domain.model import RequestMode, Role
from newage.ports import IRoomListener
from newage.services.streams.limits import DownstreamSettings


@pytest.fixture
def sids(kit: Kit) -> dict[str, str]:
    """A room with a master, a manager, a special and a guest, each on ``/rooms``."""
    names = {"mas": "mas", "man": "man", "spe": "spe", "gue": "gue"}
    found = {who: kit.connect(f"client-{who}", "/rooms", identity=f"client-{who}-1") for who in names}
    kit.group(
        "lounge",
        "client-mas-1",
        client_man_1=Role.MANAGER,
        client_spe_1=Role.SPECIAL,
        client_gue_1=Role.GUEST,
    )
    kit.outbox.clear()
    return found


def got(kit: Kit, sids: dict[str, str], event: str) -> dict[str, list[Any]]:
    found = {who: kit.outbox.bodies(sid, event) for who, sid in sids.items()}
    return {who: bodies for who, bodies in found.items() if bodies}


def test_it_is_a_room_listener(kit: Kit) -> None:
    assert verifyObject(IRoomListener, kit.notices)


def test_all_members_hear_who_joined_and_staff_hears_the_role(kit: Kit, sids: dict[str, str]) -> None:
    sids["new"] = kit.connect("client-new", "/rooms", identity="client-new-1")
    result_of(kit.rooms.add("lounge", "client-new-1"))
    joined = {
        "clientId": "client-new",
        "identity": "client-new-1",
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
        "role": "guest",
    }
    assert got(kit, sids, "MEMBER_JOINED") == {who: [joined] for who in sids}
    staff = {**joined, "targetIdentity": "client-new-1", "newRole": "guest"}
    assert got(kit, sids, "MEMBER_ROLE_CHANGED") == {"new": [joined], "mas": [staff], "man": [staff]}
    assert got(kit, sids, "member_role_changed") == got(kit, sids, "MEMBER_ROLE_CHANGED")


def test_the_default_namespace_hears_the_same(kit: Kit, sids: dict[str, str]) -> None:
    root = {"mas": kit.connect("client-mas", "/", identity="client-mas-1")}
    kit.connect("new")
    result_of(kit.rooms.add("lounge", "new"))
    result_of(kit.rooms.remove("lounge", "new", "leave"))
    assert [sent.event for sent in kit.outbox.got(root["mas"])] == [
        "MEMBER_JOINED",
        "MEMBER_ROLE_CHANGED",
        "member_role_changed",
        "MEMBER_LEFT",
    ]


def left_and_joined(kit: Kit, sid: str) -> list[tuple[Any, ...]]:
    """The comings and goings that a socket heard of."""
    heard = kit.outbox.got(sid, "MEMBER_JOINED", "MEMBER_LEFT")
    return [(sent.event[7:], sent.body["identity"], sent.body.get("rejoin")) for sent in heard]


def test_who_comes_back_is_announced_as_his_going_was(kit: Kit, sids: dict[str, str]) -> None:
    """After the grace, not before it, and once for a session, whatever its sockets (A26)."""
    gone = "client-gue-1"
    again = kit.connect("client-gue", "/", identity=gone)
    kit.disconnect(sids["gue"])
    kit.connect("client-gue", "/rooms", identity=gone)  # a switch of sockets
    kit.disconnect(again)
    assert left_and_joined(kit, sids["mas"]) == []
    kit.disconnect_all(gone)
    kit.clock.advance(1)
    kit.connect("client-gue", "/rooms", identity=gone)  # within the grace
    assert left_and_joined(kit, sids["mas"]) == []
    kit.disconnect_all(gone)
    kit.clock.advance(2)
    kit.connect("client-gue", "/llm", identity=gone)
    kit.connect("client-gue", "/rooms", identity=gone)
    assert left_and_joined(kit, sids["mas"]) == [("LEFT", gone, None), ("JOINED", gone, True)]
    (joined,) = kit.outbox.bodies(sids["man"], "MEMBER_JOINED")
    assert joined == {
        "clientId": "client-gue",
        "identity": gone,
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
        "role": "guest",
        "rejoin": True,
    }


def test_guests_of_an_own_room_hear_that_its_owner_is_back(kit: Kit) -> None:
    kit.connect("ann")
    guest = kit.connect("bob", "/rooms")
    result_of(kit.rooms.add("ann", "bob"))
    kit.disconnect_all("ann")
    kit.clock.advance(2)
    kit.outbox.clear()
    kit.connect("ann")
    assert left_and_joined(kit, guest) == [("JOINED", "ann", True)]


def test_administrators_hear_of_each_other(kit: Kit) -> None:
    first = kit.connect("mon", "/rooms", client_type="monitor")
    kit.connect("mon-2", "/rooms", client_type="monitor")
    kit.disconnect_all("mon-2")
    kit.clock.advance(2)
    kit.connect("mon-2", "/rooms", client_type="monitor")
    assert left_and_joined(kit, first) == [
        ("JOINED", "mon-2", None),
        ("LEFT", "mon-2", None),
        ("JOINED", "mon-2", True),
    ]


def test_who_is_added_while_away_is_not_announced_as_there(kit: Kit, sids: dict[str, str]) -> None:
    kit.connect("away")
    kit.group("hall", "away")
    kit.disconnect_all("away")
    kit.clock.advance(2)
    result_of(kit.rooms.add("lounge", "away"))
    (joined,) = kit.outbox.bodies(sids["mas"], "MEMBER_JOINED")
    assert joined["online"] is False
    kit.connect("away")
    assert left_and_joined(kit, sids["mas"])[-1] == ("JOINED", "away", True)


def test_the_creator_hears_that_he_is_master(kit: Kit) -> None:
    sid = kit.connect("ann", "/rooms")
    kit.group("lounge", "ann")
    expected = {
        "clientId": "ann",
        "identity": "ann",
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
        "role": "master",
    }
    assert kit.outbox.bodies(sid, "MEMBER_JOINED") == [expected]
    assert kit.outbox.bodies(sid, "MEMBER_ROLE_CHANGED") == [expected]


@pytest.mark.parametrize("reason", ["leave", "remove", "disconnect"])
def test_members_and_the_leaver_hear_that_he_left(kit: Kit, sids: dict[str, str], reason: str) -> None:
    result_of(kit.rooms.remove("lounge", "client-gue-1", reason))
    left = {
        "clientId": "client-gue",
        "identity": "client-gue-1",
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
        "reason": reason,
    }
    assert got(kit, sids, "MEMBER_LEFT") == {who: [left] for who in sids}
    assert got(kit, sids, "WARNING") == {}


def test_the_kicked_one_is_warned_in_the_exact_words(kit: Kit, sids: dict[str, str]) -> None:
    llm, root = (kit.connect("client-gue", where, identity="client-gue-1") for where in ("/llm", "/"))
    kit.outbox.clear()
    result_of(kit.rooms.remove("lounge", "client-gue-1", "kick"))
    warnings = got(kit, {**sids, "llm": llm, "root": root}, "WARNING")
    assert set(warnings) == {"gue", "llm", "root"}
    assert {body["message"] for bodies in warnings.values() for body in bodies} == {
        "You have been kicked from room lounge."
    }
    assert [body["reason"] for body in kit.outbox.bodies(sids["man"], "MEMBER_LEFT")] == ["kick"]


def test_former_members_hear_of_the_deletion(kit: Kit, sids: dict[str, str]) -> None:
    room_id = kit.room_id("lounge")
    result_of(kit.rooms.delete("lounge"))
    body = {"roomName": "lounge", "roomId": room_id, "message": 'Room "lounge" has been deleted.'}
    assert got(kit, sids, "DELETE_ROOM") == {who: [body] for who in sids}


def test_the_end_of_a_personal_room_is_no_news(kit: Kit) -> None:
    kit.connect("web1")
    kit.disconnect_all("web1")
    kit.clock.advance(2)
    sid = kit.connect("ann", "/rooms")
    result_of(kit.rooms.delete("web1"))
    assert kit.outbox.bodies(sid, "DELETE_ROOM") == []


def test_who_is_away_is_named_by_his_identity(kit: Kit, sids: dict[str, str]) -> None:
    kit.disconnect(sids.pop("gue"))
    kit.clock.advance(2)
    kit.outbox.clear()
    result_of(kit.rooms.remove("lounge", "client-gue-1", "disconnect"))
    assert [(b["clientId"], b["identity"]) for b in kit.outbox.bodies(sids["mas"], "MEMBER_LEFT")] == [
        ("client-gue-1", "client-gue-1")
    ]


def test_a_role_that_was_set_is_echoed_to_staff_only(kit: Kit, sids: dict[str, str]) -> None:
    kit.notices.role_set(kit.rooms.require("lounge"), "client-gue-1", Role.SPECIAL)
    body = {
        "clientId": "client-gue",
        "identity": "client-gue-1",
        "role": "special",
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
    }
    assert got(kit, sids, "SET_MEMBER_ROLE") == {"mas": [body], "man": [body]}


def test_a_changed_manager_hears_of_himself_once(kit: Kit, sids: dict[str, str]) -> None:
    kit.notices.role_changed(kit.rooms.require("lounge"), "client-man-1", Role.MANAGER)
    assert [len(bodies) for bodies in got(kit, sids, "MEMBER_ROLE_CHANGED").values()] == [1, 1]
    assert "newRole" not in kit.outbox.bodies(sids["man"], "MEMBER_ROLE_CHANGED")[0]


def test_the_mode_is_news_in_three_namespaces(kit: Kit, sids: dict[str, str]) -> None:
    llm, root = (kit.connect("client-gue", where, identity="client-gue-1") for where in ("/llm", "/"))
    kit.set_mode("lounge", RequestMode.SEPARATE)
    kit.notices.mode_changed(kit.rooms.require("lounge"), "client-mas-1")
    body = {"roomName": "lounge", "roomId": kit.room_id("lounge"), "mode": "Separate", "setter": "client-mas-1"}
    assert got(kit, {**sids, "llm": llm, "root": root}, "ROOM_MODE_CHANGED") == {
        who: [body] for who in (*sids, "llm", "root")
    }


def test_without_aliases_only_the_canonical_names_are_sent(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(alias_events=False))
    sid = kit.connect("ann", "/rooms")
    kit.group("lounge", "ann")
    assert kit.outbox.names(sid) == ["MEMBER_JOINED", "MEMBER_ROLE_CHANGED"]
