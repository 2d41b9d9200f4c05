"""Snapshots of a room's newest messages (contract 4.8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from historykit import say, texts
from hubkit import Kit, Link, faults, result_of
from newage.services.history.limits import HistorySettings


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1")


def test_the_end_of_the_hub_ends_a_snapshot_under_way_and_asks_no_closed_store(kit: Kit, sid: str) -> None:
    say(kit, "a")
    kit.gate.shut = True
    kit.clock.advance(0.2)
    kit.gate.broken = True  # by the time it is read, the store is closed

    def end() -> None:
        kit.snapshots.close()
        kit.gate.open()

    assert faults(end) == []
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []


def test_changes_within_150_ms_share_a_snapshot(kit: Kit, sid: str) -> None:
    message = say(kit, "a")
    kit.clock.advance(0.1)
    say(kit, "b")
    result_of(kit.history.replace(evolve(message, text="c"), message))
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []
    kit.clock.advance(0.05)
    snapshots = kit.outbox.bodies(sid, "UPDATE_CONTEXT")
    assert [(s["roomName"], texts(s["context"]), s["truncated"], s["seq"]) for s in snapshots] == [
        ("web1", ["c", "b"], False, 3)
    ]


def test_a_snapshot_is_bounded_and_says_so(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(context_snapshot_max=2, context_snapshot_delay_ms=10))
    sid = kit.connect("web1")
    for text in "abc":
        say(kit, text)
    kit.clock.advance(0.01)
    snapshot = kit.outbox.bodies(sid, "UPDATE_CONTEXT")[0]
    assert (texts(snapshot["context"]), snapshot["truncated"]) == (["b", "c"], True)


def test_incremental_clients_and_extensions_get_no_snapshots(kit: Kit, sid: str) -> None:
    incremental = kit.connect("web1", incremental=True)
    extension = kit.connect("web1", client_type="SillyTavern", link=Link())
    say(kit, "hi")
    kit.clock.advance(0.15)
    assert [len(kit.outbox.bodies(s, "UPDATE_CONTEXT")) for s in (sid, incremental, extension)] == [1, 0, 0]


def test_no_snapshot_is_made_for_nobody(kit: Kit) -> None:
    kit.connect("web1", incremental=True)
    say(kit, "hi")
    kit.gate.broken = True  # looking would fail
    kit.clock.advance(1)
    assert [e.event for e in kit.outbox.emissions if e.event == "UPDATE_CONTEXT"] == []


def test_a_deleted_room_takes_its_snapshot_with_it(kit: Kit, sid: str) -> None:
    kit.group("lounge", "web1")
    result_of(kit.rooms.delete("lounge"))
    kit.clock.advance(1)
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []


def test_a_room_deleted_while_its_snapshot_is_read_gets_none(kit: Kit, sid: str) -> None:
    kit.group("lounge", "web1")
    kit.gate.shut = True
    kit.clock.advance(0.15)
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.open()
    result_of(deleting)
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []


def test_a_snapshot_that_cannot_be_read_is_left_out(kit: Kit, sid: str) -> None:
    say(kit, "hi")
    kit.gate.broken = True
    kit.clock.advance(0.15)
    kit.gate.broken = False
    say(kit, "ho")
    kit.clock.advance(1)
    assert [texts(s["context"]) for s in kit.outbox.bodies(sid, "UPDATE_CONTEXT")] == [["hi", "ho"]]
