"""Typing, processing, online and offline (contract 2.11, 4.9)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from hubkit import Kit, result_of
from newage.domain.model import RequestMode, Role
from newage.errors import NewAgeError
from newage.ports import IMessageListener, ISessionListener
from newage.services.rooms.activity import ActivitySettings


@pytest.fixture
def ann(kit: Kit) -> str:
    """A master's socket in a room with two guests."""
    sid = kit.connect("ann")
    kit.connect("bob-client", identity="bob-client-1")
    kit.connect("cid")
    kit.group("lounge", "ann", bob_client_1=Role.GUEST, cid=Role.GUEST)
    kit.clock.advance(1)
    kit.outbox.clear()
    return sid


def shown(kit: Kit, sid: str) -> list[tuple[str, str]]:
    return [(body["identity"], body["status"]) for body in kit.outbox.bodies(sid, "MEMBER_STATUS_UPDATE")]


def test_it_listens(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.activity)
    assert verifyObject(IMessageListener, kit.activity)


def test_a_status_goes_to_all_members_the_subject_included(kit: Kit, ann: str) -> None:
    kit.activity.show("lounge", "bob-client-1", "processing")
    bob = kit.sessions.sids("bob-client-1", "/llm")[0]
    body: Any = {
        "identity": "bob-client-1",
        "clientId": "bob-client",
        "roomName": "lounge",
        "status": "processing",
        "timestamp": "2023-11-14T22:13:21.000Z",
    }
    assert kit.outbox.bodies(ann, "MEMBER_STATUS_UPDATE") == kit.outbox.bodies(bob, "MEMBER_STATUS_UPDATE") == [body]


def test_typing_ends_by_itself(kit: Kit, ann: str) -> None:
    kit.activity.show_typing(kit.rooms.require("lounge"), "cid")
    kit.clock.advance(14)
    assert shown(kit, ann) == [("cid", "typing")]
    kit.clock.advance(1)
    assert shown(kit, ann) == [("cid", "typing"), ("cid", "idle")]
    assert kit.activity.typing_in("cid") == ()


def test_more_typing_prolongs_silently(kit: Kit, ann: str) -> None:
    for _ in range(4):
        kit.activity.show_typing(kit.rooms.require("lounge"), "cid")
        kit.clock.advance(14)
    assert shown(kit, ann) == [("cid", "typing")]
    kit.activity.end_typing("lounge", "cid")
    kit.activity.end_typing("lounge", "cid")
    kit.clock.advance(60)
    assert shown(kit, ann) == [("cid", "typing"), ("cid", "idle")]


def test_the_typing_time_is_a_setting(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(presence=ActivitySettings(typing_idle_seconds=3))
    sid = kit.connect("web1")
    kit.activity.show_typing(kit.rooms.require("web1"), "web1")
    kit.clock.advance(3)
    assert shown(kit, sid) == [("web1", "typing"), ("web1", "idle")]


def test_one_types_in_several_rooms(kit: Kit, ann: str) -> None:
    kit.activity.show_typing(kit.rooms.require("lounge"), "cid")
    kit.activity.show_typing(kit.rooms.require("cid"), "cid")
    assert kit.activity.typing_in("cid") == ("lounge", "cid")


def test_who_goes_offline_is_announced_after_the_grace(kit: Kit, ann: str) -> None:
    rooms = kit.connect("ann", "/rooms")
    kit.activity.show_typing(kit.rooms.require("lounge"), "bob-client-1")
    kit.disconnect_all("bob-client-1")
    assert shown(kit, ann) == [("bob-client-1", "typing")]
    kit.clock.advance(2)
    assert shown(kit, ann)[1:] == [("bob-client-1", "idle"), ("bob-client-1", "offline")]
    assert kit.outbox.bodies(rooms, "MEMBER_LEFT") == [
        {
            "clientId": "bob-client",
            "identity": "bob-client-1",
            "reason": "disconnect",
            "roomName": "lounge",
            "roomId": kit.room_id("lounge"),
        }
    ]
    assert kit.rooms.require("lounge").members["bob-client-1"] is Role.GUEST


def test_who_returns_is_announced(kit: Kit, ann: str) -> None:
    kit.disconnect_all("cid")
    kit.clock.advance(2)
    kit.outbox.clear()
    kit.connect("cid")
    assert shown(kit, ann) == [("cid", "online")]


def test_a_short_break_is_no_news(kit: Kit, ann: str) -> None:
    kit.disconnect_all("cid")
    kit.clock.advance(1)
    kit.connect("cid")
    kit.clock.advance(5)
    assert shown(kit, ann) == []


def test_nobody_hears_of_who_is_alone(kit: Kit) -> None:
    kit.connect("web1")
    kit.disconnect_all("web1")
    kit.clock.advance(2)
    events = {emission.event for emission in kit.outbox.emissions}
    assert events.isdisjoint({"MEMBER_LEFT", "MEMBER_STATUS_UPDATE"})


def test_who_has_left_types_no_more(kit: Kit, ann: str) -> None:
    kit.activity.show_typing(kit.rooms.require("lounge"), "cid")
    result_of(kit.rooms.remove("lounge", "cid", "leave"))
    kit.clock.advance(60)
    assert kit.activity.typing_in("cid") == ()


@pytest.mark.parametrize("mode", RequestMode)
@pytest.mark.parametrize("who", ["ann", "cid"])
def test_what_is_said_ends_the_typing_whatever_becomes_of_it(kit: Kit, ann: str, mode: RequestMode, who: str) -> None:
    kit.extension()
    kit.set_mode("lounge", mode)
    kit.activity.show_typing(kit.rooms.require("lounge"), who)
    kit.outbox.clear()
    kit.submit(kit.sessions.sids(who, "/llm")[0], room="lounge")
    assert (who, "idle") in shown(kit, ann)
    assert kit.activity.typing_in(who) == ()


def test_what_is_said_where_nobody_answers_ends_it_too(kit: Kit, ann: str) -> None:
    kit.activity.show_typing(kit.rooms.require("lounge"), "ann")
    with pytest.raises(NewAgeError, match="No connected"):
        kit.submit(ann, room="lounge")
    assert kit.activity.typing_in("ann") == ()


def test_who_was_refused_before_anything_was_said_types_on(kit: Kit, ann: str) -> None:
    kit.activity.show_typing(kit.rooms.require("lounge"), "ann")
    kit.activity.show_typing(kit.rooms.require("ann"), "ann")
    with pytest.raises(NewAgeError, match="Invalid LLM request data"):
        kit.submit(ann, "", room="lounge")
    assert kit.activity.typing_in("ann") == ("lounge", "ann")


def test_typing_elsewhere_goes_on(kit: Kit, ann: str) -> None:
    kit.extension()
    kit.activity.show_typing(kit.rooms.require("ann"), "ann")
    kit.submit(ann, room="lounge")
    assert kit.activity.typing_in("ann") == ("ann",)


# ---------------------------------------------------------------------------------------------------------- its rate


def toggle(kit: Kit, who: str, times: int) -> None:
    caller = kit.caller(kit.sessions.sids(who, "/llm")[0])
    for _ in range(times):
        kit.activity.start_typing(caller, "lounge")
        kit.activity.stop_typing(caller, "lounge")


def test_who_toggles_all_the_time_is_shown_twice_a_second(kit: Kit, ann: str) -> None:
    for _ in range(50):
        toggle(kit, "cid", 5)
        kit.clock.advance(0.1)
    assert 10 <= len(shown(kit, ann)) <= 13
    kit.clock.advance(1)
    assert shown(kit, ann)[-1] == ("cid", "idle"), "the last state always arrives"
    statuses = [status for _, status in shown(kit, ann)]
    assert all(one != two for one, two in pairwise(statuses))


def test_typing_that_began_too_soon_is_shown_late(kit: Kit, ann: str) -> None:
    toggle(kit, "cid", 1)
    caller = kit.caller(kit.sessions.sids("cid", "/llm")[0])
    kit.activity.start_typing(caller, "lounge")
    assert shown(kit, ann) == [("cid", "typing"), ("cid", "idle")]
    kit.clock.advance(0.5)
    assert shown(kit, ann)[2:] == [("cid", "typing")]
    kit.clock.advance(14)
    assert len(shown(kit, ann)) == 3
    kit.clock.advance(1)
    assert shown(kit, ann)[3:] == [("cid", "idle")]


def test_what_is_said_ends_it_at_once_however_often_it_changed(kit: Kit, ann: str) -> None:
    kit.extension()
    toggle(kit, "ann", 1)
    kit.activity.start_typing(kit.caller(ann), "lounge")
    kit.clock.advance(0.5)
    kit.activity.stop_typing(kit.caller(ann), "lounge")  # waits to be shown
    kit.outbox.clear()
    kit.submit(ann, room="lounge")
    assert ("ann", "idle") in shown(kit, ann)
    kit.clock.advance(5)
    assert [status for who, status in shown(kit, ann) if who == "ann"] == ["idle"]


@pytest.mark.parametrize("how", ["leaves", "goes", "room deleted"])
def test_nothing_is_shown_late_of_who_is_gone(kit: Kit, ann: str, how: str) -> None:
    toggle(kit, "cid", 1)
    kit.activity.start_typing(kit.caller(kit.sessions.sids("cid", "/llm")[0]), "lounge")
    if how == "leaves":
        result_of(kit.rooms.remove("lounge", "cid", "leave"))
    elif how == "goes":
        kit.disconnect_all("cid")
        kit.sessions.end_grace("cid")
    else:
        result_of(kit.rooms.delete("lounge"))
    kit.clock.advance(20)
    assert ("cid", "typing") not in shown(kit, ann)[2:]
    assert kit.activity.typing_in("cid") == ()
