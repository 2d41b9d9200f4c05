"""A room's whole history, page by page (contract 4.8; scenario 57)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from historykit import fill, say, texts
from hubkit import Kit, failure_of, result_of
from newage.dialect import messages
from newage.domain.model import Role
from newage.errors import NotMember
from newage.services.history.limits import HistorySettings


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1")


def push(kit: Kit, sid: str, room: str = "web1") -> dict[str, Any]:
    return messages.update_ack(result_of(kit.pages.push(kit.caller(sid), room)))


def test_120_messages_are_three_pages(kit: Kit, sid: str) -> None:
    fill(kit, 120)
    ack = push(kit, sid)
    assert (ack["roomName"], ack["totalPages"], ack["totalMessages"]) == ("web1", 3, 120)
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []  # the ack goes first
    kit.clock.pump([0, 0.1, 0.1])
    pages = kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")
    assert [(p["pageNumber"], len(p["contextPage"]), p["isLastPage"]) for p in pages] == [
        (1, 50, False),
        (2, 50, False),
        (3, 20, True),
    ]
    assert texts([m for page in pages for m in page["contextPage"]]) == [str(n) for n in range(120)]
    assert {(p["updateId"], p["totalPages"], p["totalMessages"], p["seq"]) for p in pages} == {
        (ack["updateId"], 3, 120, 120)
    }


def test_pages_keep_their_distance(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.clock.pump([0, 0.09])
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 1
    kit.clock.advance(0.02)
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 2


def test_page_size_and_distance_are_settings(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(context_page_size=2, context_send_delay=0))
    sid = kit.connect("web1")
    fill(kit, 5)
    push(kit, sid)
    kit.clock.pump([0, 0, 0])
    assert [len(p["contextPage"]) for p in kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")] == [2, 2, 1]


def test_an_empty_history_is_one_empty_page(kit: Kit, sid: str) -> None:
    push(kit, sid)
    kit.settle()
    page = kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")[0]
    assert (page["pageNumber"], page["totalPages"], page["isLastPage"], page["contextPage"]) == (1, 1, True, [])


def test_only_members_and_administrators_read(kit: Kit, sid: str) -> None:
    stranger, monitor = kit.connect("stranger"), kit.connect("monitor", client_type="monitor")
    error = failure_of(kit.pages.push(kit.caller(stranger), "web1"))
    assert isinstance(error, NotMember)
    assert str(error) == "You are not a member of room web1."
    missing = failure_of(kit.pages.push(kit.caller(stranger), "nowhere"))
    assert str(missing) == "Could not retrieve context for room nowhere."
    assert push(kit, monitor)["totalMessages"] == 0


def test_a_second_request_restarts_the_pages(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    first = push(kit, sid)
    kit.settle()
    second = push(kit, sid)
    kit.clock.pump([0, 0.1, 0.1, 0.1])
    pages = [(p["updateId"], p["pageNumber"]) for p in kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")]
    assert pages == [(first["updateId"], 1), (second["updateId"], 1), (second["updateId"], 2)]


def test_pushes_are_limited_and_the_oldest_goes(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(max_page_pushes=2, context_page_size=1))
    sids = [kit.connect(f"w{n}") for n in range(3)]
    for n, sid in enumerate(sids):
        for text in "abc":
            say(kit, text, room=f"w{n}", identity=f"w{n}")
        push(kit, sid, f"w{n}")
    kit.clock.pump([0, 0.1, 0.1, 0.1])
    assert [len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) for sid in sids] == [0, 3, 3]


def test_pages_end_with_their_socket(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.disconnect(sid)
    kit.clock.pump([0, 0.1])
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []


def test_pages_end_with_the_membership(kit: Kit, sid: str) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann", web1=Role.GUEST)
    kit.settle()
    for number in range(60):
        say(kit, str(number), room="lounge")
    kit.outbox.clear()
    push(kit, sid, "lounge")
    kit.settle()
    result_of(kit.rooms.remove("lounge", "web1", "kick"))
    kit.clock.pump([0.1, 0.1])
    assert [p["pageNumber"] for p in kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")] == [1]


def test_pages_end_with_the_room(kit: Kit, sid: str) -> None:
    kit.group("lounge", "web1")
    kit.settle()
    kit.outbox.clear()
    push(kit, sid, "lounge")
    result_of(kit.rooms.delete("lounge"))
    kit.clock.pump([0, 0.1])
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []


def test_a_store_that_fails_between_pages_ends_them(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.settle()
    kit.gate.broken = True
    kit.clock.advance(0.1)
    kit.gate.broken = False
    kit.clock.advance(1)
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 1
    assert push(kit, sid)["totalPages"] == 2


def test_the_end_of_the_hub_ends_the_pages_even_in_a_slow_store(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.gate.shut = True
    kit.settle()
    kit.pages.close()
    kit.gate.open()
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []
