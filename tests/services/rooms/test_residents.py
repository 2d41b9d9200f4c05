"""Who is kept for long, and what the hub knows of its own running time (A42)."""

from __future__ import annotations

from collections.abc import Callable

from zope.interface.verify import verifyObject

from historykit import say
from hubkit import Kit, faults, result_of
from newage.domain.model import Role
from newage.domain.resident import Resident
from newage.ports import IMessageListener, IRoomListener, ISessionListener
from newage.storage.memory import MemoryResidentStore


def stored(kit: Kit) -> dict[str, Resident]:
    found: dict[str, Resident] = result_of(kit.resident_store.load_residents())
    return found


def test_it_listens(kit: Kit) -> None:
    for interface in (IMessageListener, IRoomListener, ISessionListener):
        assert verifyObject(interface, kit.residents)


def test_one_word_is_enough_and_written_once(kit: Kit) -> None:
    kit.connect("web", identity="web1")
    assert "web1" not in kit.residents
    say(kit, "hi")
    say(kit, "again")
    assert "web1" in kit.residents
    assert stored(kit) == {"web1": Resident("web")}


def test_notes_of_the_hub_make_nobody_a_resident(kit: Kit) -> None:
    kit.connect("web1")
    say(kit, "[System] hi", identity="System", role="system")
    assert stored(kit) == {}


def test_an_absence_begins_and_ends_in_the_store_too(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit()
    kit.connect("web1")
    say(kit, "hi")
    kit.disconnect_all("web1")
    kit.clock.advance(100)
    assert stored(kit) == {"web1": Resident("web1", 2.0 if kit.clock.seconds() < 2 else 100.0)}
    kit.connect("web1")
    assert stored(kit) == {"web1": Resident("web1")}
    assert kit.residents.gone_since("web1") is None


def test_who_gets_a_role_is_a_resident(kit: Kit) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.connect("cid")
    room = kit.group("lounge", "ann", bob=Role.GUEST, cid=Role.GUEST)
    assert stored(kit) == {}
    result_of(kit.rooms.give_role(room, "bob", Role.MANAGER))
    result_of(kit.rooms.give_role(kit.rooms.require("lounge"), "cid", Role.GUEST))
    assert set(stored(kit)) == {"bob"}


def test_one_that_is_away_is_settled_as_what_is_known_of_it(kit: Kit) -> None:
    kit.clock.advance(7)
    kit.residents.settle("bob-1", "bob")
    kit.residents.settle("somebody")
    assert stored(kit) == {"bob-1": Resident("bob", 7.0), "somebody": Resident("somebody", 7.0)}


def test_who_is_in_no_room_any_more_is_forgotten(kit: Kit) -> None:
    kit.residents.settle("bob")
    kit.residents.forget("bob")
    kit.residents.forget("bob")
    assert stored(kit) == {}


def test_the_running_time_goes_on(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit()
    kit.clock.advance(1000)
    later = make_kit(with_stores_of=kit)  # as after a crash: the last note counts
    assert later.residents.now() == 1000.0
    later.clock.advance(5)
    later.residents.close()
    assert make_kit(with_stores_of=later).residents.now() == 1005.0


def test_a_note_that_was_lost_makes_nobody_be_away_before_he_went(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit()
    kit.clock.advance(300)
    kit.residents.settle("bob")
    later = make_kit(with_stores_of=kit)  # it crashed before the first note
    assert later.residents.now() == 0.0
    assert later.residents.gone_since("bob") == 0.0


def test_what_cannot_be_stored_is_one_line(kit: Kit) -> None:
    kit.connect("web1")
    kit.state_gate.broken = True
    assert len(faults(lambda: kit.clock.advance(600))) == 1


def test_the_store_of_a_kit_is_a_real_one(kit: Kit) -> None:
    assert isinstance(kit.resident_store, MemoryResidentStore)
