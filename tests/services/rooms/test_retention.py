"""Own rooms, memberships of who is away, empty rooms: what begins and ends by itself (contract 2.10, 2.11, 4.3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from zope.interface.verify import verifyObject

from hubkit import EPOCH, Kit, result_of
from newage.domain.delivery import Audience
from newage.domain.model import MONITOR_ROOM, Role, Room, RoomKind
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


def test_the_room_of_who_is_away_longest_makes_place(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=4))
    for name in ("old", "older-than-new", "here"):
        sid = kit.connect(name)
        if name != "here":
            kit.disconnect(sid)
            kit.clock.advance(3)
    kit.connect("new")
    assert kit.rooms.get("old") is None
    kit.connect("newer")
    assert kit.rooms.get("older-than-new") is None
    assert {room.name for room in kit.rooms.all()} == {MONITOR_ROOM, "here", "new", "newer"}
    kit.connect("newest")  # nobody is away: sessions have their own limit
    assert kit.rooms.require("newest").master == "newest"


def test_a_crowd_that_comes_and_goes_leaves_no_more_than_the_limit(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=5))
    for number in range(30):
        kit.disconnect(kit.connect(f"passer-{number}"))
        kit.clock.advance(2)
    assert len(list(kit.rooms.all())) <= 5
    assert kit.retention.absent_count <= 5


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
    assert kit.retention.absent_count == 1
    kit.gate.broken = False
    kit.clock.pump([10] * 2)
    assert kit.rooms.get("ann") is None
    assert kit.retention.absent_count == 0


def test_who_is_in_no_room_any_more_is_not_remembered(kit: Kit) -> None:
    kit.connect("ann")
    kit.disconnect_all("ann")
    kit.clock.advance(2)
    assert kit.retention.absent_count == 1
    result_of(kit.rooms.delete("ann"))
    assert kit.retention.absent_count == 0
