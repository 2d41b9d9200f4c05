"""Own rooms, memberships of who is away, empty rooms: what begins and ends by itself (contract 2.10, 2.11, 4.3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from hubkit import EPOCH, Kit, result_of
from newage.domain.delivery import Audience
from newage.domain.model import MONITOR_ROOM, Message, Role, Room, RoomKind
from newage.ports import IRoomListener, ISessionListener
from newage.services.events import RoomListener
from newage.services.rooms.limits import RoomSettings

DAY = 86_400


class Diary(RoomListener):
    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        self.told.append(("left", room.name, identity, reason))

    def room_deleted(self, room: Room) -> None:
        self.told.append(("deleted", room.name))


@pytest.fixture
def diary(kit: Kit) -> Diary:
    diary = Diary()
    kit.rooms.add_listener(diary)
    return diary


def members(kit: Kit, name: str) -> dict[str, Role]:
    return dict(kit.rooms.require(name).members)


def in_room(kit: Kit, sid: str, name: str) -> bool:
    return Audience.room(name) in kit.outbox.audiences(sid)


@pytest.mark.parametrize(
    ("client_type", "kind"),
    [("web-app", RoomKind.PERSONAL), ("SillyTavern", RoomKind.EXTENSION), ("monitor", RoomKind.PERSONAL)],
)
def test_a_session_has_a_room_of_its_own_and_is_its_master(kit: Kit, client_type: str, kind: RoomKind) -> None:
    sid = kit.connect("SillyTavern-1", "/rooms", client_type=client_type)
    room = kit.rooms.require("SillyTavern-1")
    assert (room.kind, room.master, room.created_at) == (kind, "SillyTavern-1", EPOCH)
    assert in_room(kit, sid, "SillyTavern-1")


def test_a_personal_room_is_named_by_the_identity(kit: Kit) -> None:
    kit.connect("web1", identity="web1-a")
    assert kit.rooms.get("web1") is None
    assert kit.rooms.require("web1-a").master == "web1-a"


def test_monitors_manage_the_monitor_room(kit: Kit) -> None:
    sid = kit.connect("monitor", "/rooms", client_type="monitor")
    kit.connect("web1")
    assert members(kit, MONITOR_ROOM) == {"monitor": Role.MANAGER}
    assert kit.rooms.require(MONITOR_ROOM).master is None
    assert in_room(kit, sid, MONITOR_ROOM)


def test_a_monitor_that_returns_is_entered_once(kit: Kit) -> None:
    kit.disconnect(kit.connect("monitor", client_type="monitor"))
    kit.clock.advance(5)
    sid = kit.connect("monitor", client_type="monitor")
    assert members(kit, MONITOR_ROOM) == {"monitor": Role.MANAGER}
    assert in_room(kit, sid, MONITOR_ROOM)


def test_an_empty_group_room_is_kept_for_its_grace_then_deleted(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.clock.advance(59)
    assert kit.rooms.get("lounge") is not None
    kit.clock.advance(2)
    assert kit.rooms.get("lounge") is None
    assert kit.room_id("lounge") == "", "nor in the store"
    assert diary.told[-1] == ("deleted", "lounge")


def test_who_joins_an_empty_room_saves_it(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.clock.advance(59)
    result_of(kit.rooms.add("lounge", "ann", Role.MASTER))
    kit.clock.advance(120)
    assert kit.rooms.get("lounge") is not None
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.clock.advance(60)
    assert kit.rooms.get("lounge") is None


def test_an_empty_room_that_cannot_be_deleted_stays(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.gate.broken = True
    kit.clock.advance(61)
    assert kit.rooms.get("lounge") is not None


def test_a_room_found_empty_at_the_start_is_deleted_after_the_grace(make_kit: Callable[..., Kit]) -> None:
    before = make_kit()
    before.connect("ann")
    before.group("lounge", "ann")
    result_of(before.rooms.remove("lounge", "ann", "leave"))
    kit = make_kit(with_stores_of=before)
    assert kit.rooms.get("lounge") is not None
    kit.clock.advance(61)
    assert kit.rooms.get("lounge") is None


def test_membership_outlives_the_session_by_the_retention(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.MANAGER)
    kit.disconnect_all("ann")
    kit.clock.advance(2)
    kit.clock.advance(DAY - 61)
    assert kit.rooms.require("lounge").master == "ann"
    kit.clock.pump([60] * 3)
    assert members(kit, "lounge") == {"bob": Role.MASTER}
    assert kit.rooms.get("ann") is None
    assert ("left", "lounge", "ann", "disconnect") in diary.told
    assert ("deleted", "ann") in diary.told


def test_who_returns_in_time_keeps_everything(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    kit.disconnect_all("ann")
    kit.clock.advance(2)
    kit.clock.advance(DAY - 61)
    kit.connect("ann")
    kit.clock.pump([60] * 5)
    assert members(kit, "lounge") == {"ann": Role.MASTER}


def test_members_of_before_the_restart_expire_too(make_kit: Callable[..., Kit]) -> None:
    before = make_kit()
    before.connect("ann")
    before.group("lounge", "ann")
    kit = make_kit(with_stores_of=before, rooms=RoomSettings(offline_retention_seconds=100, sweep_seconds=10))
    kit.clock.pump([10] * 9)
    assert kit.rooms.get("lounge") is not None
    kit.clock.pump([10] * 9)
    assert kit.rooms.get("lounge") is None


def test_what_could_not_be_expired_is_tried_again(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(offline_retention_seconds=100, sweep_seconds=10))
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.disconnect_all("bob")
    kit.clock.advance(2)
    kit.gate.broken = True
    kit.clock.pump([10] * 12)
    assert "bob" in members(kit, "lounge")
    kit.gate.broken = False
    kit.clock.pump([10] * 12)
    assert "bob" not in members(kit, "lounge")
    assert kit.rooms.get("bob") is None


def test_an_owner_whose_membership_expired_is_master_again_when_he_returns(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(offline_retention_seconds=100, sweep_seconds=10))
    kit.connect("ann")
    kit.connect("bob")
    result_of(kit.rooms.add("ann", "bob", Role.GUEST))
    kit.disconnect_all("ann")
    kit.clock.advance(2)
    kit.clock.pump([10] * 12)
    assert members(kit, "ann") == {"bob": Role.GUEST}
    sid = kit.connect("ann")
    assert kit.rooms.require("ann").master == "ann"
    assert in_room(kit, sid, "ann")


def test_it_listens_to_sessions(kit: Kit) -> None:
    assert verifyObject(ISessionListener, kit.retention)
    assert verifyObject(IRoomListener, kit.retention)


def test_an_absence_that_lasts_while_a_room_cannot_be_deleted_is_not_forgotten(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(offline_retention_seconds=100, sweep_seconds=10))
    kit.connect("ann")
    kit.disconnect_all("ann")
    kit.clock.advance(2)
    kit.gate.broken = True
    kit.clock.pump([10] * 12)
    assert kit.rooms.get("ann") is not None
    assert len(kit.retention.absences) == 1
    kit.gate.broken = False
    kit.clock.pump([10] * 2)
    assert kit.rooms.get("ann") is None
    assert len(kit.retention.absences) == 0


def test_who_is_in_no_room_any_more_is_not_remembered(kit: Kit) -> None:
    kit.connect("ann")
    kit.disconnect_all("ann")
    kit.clock.advance(2)
    assert len(kit.retention.absences) == 1
    result_of(kit.rooms.delete("ann"))
    assert len(kit.retention.absences) == 0


# ---------------------------------------------------------------------------------------------------- people come back


def say(kit: Kit, who: str, room: str) -> None:
    kit.extension()
    kit.submit(kit.sessions.newest(who, "/llm") or "", room=room)
    kit.disconnect_all("SillyTavern-8000")
    kit.clock.advance(2)


def go(kit: Kit, who: str) -> None:
    kit.disconnect_all(who)
    kit.clock.advance(2)


SHORT: dict[str, RoomSettings] = {
    "rooms": RoomSettings(offline_retention_seconds=100, sweep_seconds=10, member_retention_days=0.01)  # 864 s
}


def test_who_has_said_something_keeps_membership_room_and_history(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    for who in ("ann", "bob", "cid"):
        kit.connect(who)
    kit.group("lounge", "cid", ann=Role.SPECIAL, bob=Role.GUEST)
    say(kit, "ann", "ann")
    say(kit, "ann", "lounge")
    go(kit, "ann")
    go(kit, "bob")
    kit.clock.pump([10] * 30)
    assert members(kit, "lounge") == {"cid": Role.MASTER, "ann": Role.SPECIAL}, "bob said nothing"
    assert len(kit.stored("ann")) == 1
    kit.clock.pump([10] * 60)
    assert members(kit, "lounge") == {"cid": Role.MASTER}, "even this ends"
    assert kit.rooms.get("ann") is None
    assert "ann" not in kit.residents


def test_a_weekend_and_a_restart_cost_nobody_his_room(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit()
    for who in ("ann", "bob"):
        kit.connect(who)
    kit.group("lounge", "ann", bob=Role.GUEST)
    say(kit, "bob", "lounge")
    say(kit, "bob", "bob")
    go(kit, "bob")
    kit.clock.advance(3 * DAY)
    kit.residents.close()
    later = make_kit(with_stores_of=kit)
    later.clock.advance(3 * DAY)
    later.clock.pump([60] * 3)
    assert later.rooms.require("lounge").members["bob"] is Role.GUEST
    sid = later.connect("bob")
    assert in_room(later, sid, "lounge")
    assert [message.identity for message in later.stored("bob")] == ["bob"]


def test_absence_goes_on_over_restarts_and_counts_only_while_the_hub_runs(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    kit.connect("ann")
    say(kit, "ann", "ann")
    go(kit, "ann")
    for _ in range(2):  # 600 s each time, whatever the clock on the wall says meanwhile
        assert kit.rooms.get("ann") is not None
        kit.clock.pump([10] * 42)
        kit.residents.close()
        kit.step(73 * 365 * DAY)
        kit = make_kit(with_stores_of=kit, **SHORT)
    kit.clock.pump([10] * 10)
    assert kit.rooms.get("ann") is None


@pytest.mark.parametrize("years", [-56, 73])
def test_no_wall_clock_deletes_what_people_wrote(make_kit: Callable[..., Kit], years: int) -> None:
    kit = make_kit()
    kit.connect("ann")
    kit.group("lounge", "ann")
    say(kit, "ann", "lounge")
    say(kit, "ann", "ann")
    go(kit, "ann")
    kit.residents.close()
    kit.step(years * 365 * DAY)
    later = make_kit(with_stores_of=kit)
    later.clock.pump([60] * 5)
    later.step(-years * 365 * DAY)
    later.clock.pump([60] * 5)
    assert later.rooms.require("lounge").master == "ann"
    assert later.stored("ann")


def test_who_was_here_when_the_hub_died_is_away_from_the_next_start_on(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    kit.connect("ann")
    say(kit, "ann", "ann")
    go(kit, "ann")
    kit.connect("ann")
    kit.clock.pump([10] * 80)
    kit.residents.close()
    later = make_kit(with_stores_of=kit, **SHORT)
    later.clock.pump([10] * 80)
    assert later.rooms.get("ann") is not None
    later.clock.pump([10] * 10)
    assert later.rooms.get("ann") is None


def test_who_was_added_is_kept_as_well(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    for who in ("ann", "bob", "cid"):
        kit.connect(who)
    kit.group("lounge", "ann")
    result_of(kit.room_service.add(kit.caller(kit.sessions.newest("ann", "/llm") or ""), "lounge", "bob"))
    result_of(kit.room_service.join(kit.caller(kit.sessions.newest("cid", "/llm") or ""), "lounge"))
    go(kit, "bob")
    go(kit, "cid")
    kit.clock.pump([10] * 20)
    assert members(kit, "lounge") == {"ann": Role.MASTER, "bob": Role.GUEST}


def test_who_was_given_a_role_is_kept_as_well(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    kit.connect("ann")
    kit.connect("bob")
    room = kit.group("lounge", "ann", bob=Role.GUEST)
    result_of(kit.rooms.give_role(room, "bob", Role.SPECIAL))
    go(kit, "bob")
    kit.clock.pump([10] * 20)
    assert "bob" in members(kit, "lounge")


def test_who_is_trusted_is_kept_as_well(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    kit.known_clients.add("bob")
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    go(kit, "bob")
    kit.clock.pump([10] * 20)
    assert "bob" in members(kit, "lounge")


def test_a_room_of_ones_own_in_which_a_guest_spoke_is_kept(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    kit.connect("ann")
    kit.connect("bob")
    result_of(kit.rooms.add("ann", "bob"))
    say(kit, "bob", "ann")
    result_of(kit.rooms.remove("ann", "bob", "leave"))
    go(kit, "ann")
    kit.clock.pump([10] * 20)
    assert kit.rooms.get("ann") is not None


EMPTY: dict[str, RoomSettings] = {
    "rooms": RoomSettings(empty_room_retention_days=0.01, empty_room_grace_seconds=60, sweep_seconds=10)
}


def test_a_group_room_with_history_lives_on_without_members(make_kit: Callable[..., Kit], diary: Diary) -> None:
    kit = make_kit(**EMPTY)
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    say(kit, "bob", "lounge")
    result_of(kit.rooms.remove("lounge", "bob", "leave"))
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.clock.pump([10] * 40)
    assert kit.rooms.require("lounge").heir == "ann"
    kit.residents.close()
    later = make_kit(with_stores_of=kit, **EMPTY)
    later.clock.pump([10] * 40)
    assert later.rooms.get("lounge") is not None
    later.clock.pump([10] * 10)
    assert later.rooms.get("lounge") is None


def test_its_last_master_inherits_it_at_return(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**EMPTY)
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann")
    say(kit, "ann", "lounge")
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.clock.pump([10] * 10)
    result_of(kit.rooms.add("lounge", "bob"))
    kit.outbox.clear()
    result_of(kit.rooms.add("lounge", "ann"))
    room = kit.rooms.require("lounge")
    assert room.master == "ann"
    assert (room.heir, room.vacant_since) == (None, None)
    assert room.members["bob"] < Role.MASTER
    kit.clock.pump([10] * 100)
    assert kit.rooms.get("lounge") is not None


def test_who_was_thrown_out_inherits_nothing(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**EMPTY)
    kit.connect("ann")
    kit.group("lounge", "ann")
    say(kit, "ann", "lounge")
    result_of(kit.rooms.remove("lounge", "ann", "remove"))
    assert kit.rooms.require("lounge").heir is None


def test_a_room_in_which_an_answer_came_late_is_kept_for_long(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**EMPTY)
    kit.connect("ann")
    kit.group("lounge", "ann")
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    late = Message(message_id="m", room="lounge", seq=0, identity="SillyTavern-1", role="assistant", text="late")
    result_of(kit.history.add(late))
    kit.clock.pump([10] * 20)
    assert kit.rooms.get("lounge") is not None


def test_an_empty_room_with_history_that_cannot_be_deleted_is_tried_again(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**EMPTY)
    kit.connect("ann")
    kit.group("lounge", "ann")
    say(kit, "ann", "lounge")
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.gate.broken = True
    kit.clock.pump([10] * 90)
    assert kit.rooms.get("lounge") is not None
    kit.gate.broken = False
    kit.clock.pump([10] * 2)
    assert kit.rooms.get("lounge") is None


def test_an_empty_room_that_is_deleted_by_hand_is_watched_no_more(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**EMPTY)
    kit.connect("ann")
    kit.group("lounge", "ann")
    say(kit, "ann", "lounge")
    kit.gate.shut = True
    leaving = Deferred.fromCoroutine(kit.rooms.remove("lounge", "ann", "leave"))
    kit.gate.open()
    result_of(leaving)
    kit.gate.shut = True
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.open()
    result_of(deleting)
    kit.clock.pump([10] * 100)
    assert kit.rooms.get("lounge") is None


def test_a_room_of_somebody_who_is_forgotten_goes_with_its_last_guest(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(**SHORT)
    kit.connect("ann")
    kit.connect("bob")
    result_of(kit.rooms.add("ann", "bob"))
    go(kit, "ann")
    kit.clock.pump([10] * 90)
    assert members(kit, "ann") == {"bob": Role.GUEST}
    result_of(kit.rooms.remove("ann", "bob", "leave"))
    kit.clock.advance(61)
    assert kit.rooms.get("ann") is None
