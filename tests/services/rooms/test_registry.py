"""Rooms, members and roles: what is in force, what is stored, who inherits, what expires (contract 2.10, 4.1-4.3)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from hubkit import EPOCH, Kit, Link, failure_of, result_of
from newage.domain.delivery import Audience
from newage.domain.model import MONITOR_ROOM, Message, RequestMode, Role, Room, RoomKind, Term
from newage.errors import (
    AlreadyMember,
    InvalidRequest,
    NewAgeError,
    NotMember,
    RoomExists,
    RoomMissing,
    Unavailable,
)
from newage.ports import IRoomListener
from newage.services.events import RoomListener
from newage.services.rooms.limits import RoomSettings

DAY = 86_400


class Diary(RoomListener):
    def __init__(self) -> None:
        self.told: list[tuple[str, ...]] = []

    def room_created(self, room: Room) -> None:
        self.told.append(("created", room.name))

    def member_joined(self, room: Room, identity: str, role: Role) -> None:
        assert room.members[identity] is role
        self.told.append(("joined", room.name, identity, role.wire))

    def member_left(self, room: Room, identity: str, reason: str) -> None:
        assert identity not in room.members
        self.told.append(("left", room.name, identity, reason))

    def room_deleted(self, room: Room) -> None:
        self.told.append(("deleted", room.name))


@pytest.fixture
def diary(kit: Kit) -> Diary:
    diary = Diary()
    assert verifyObject(IRoomListener, diary)
    kit.rooms.add_listener(diary)
    return diary


def members(kit: Kit, name: str) -> dict[str, Role]:
    return dict(kit.rooms.require(name).members)


def stored_members(kit: Kit, name: str) -> dict[str, Role] | None:
    stored = kit.room_store.rooms.get(kit.room_id(name))
    return None if stored is None else dict(stored.room.members)


def in_room(kit: Kit, sid: str, name: str) -> bool:
    return Audience.room(name) in kit.outbox.audiences(sid)


# ----------------------------------------------------------------------------------------------------- own and monitor


def test_a_personal_room_is_stored_with_its_first_message_only(kit: Kit) -> None:
    kit.connect("web1")
    assert stored_members(kit, "web1") is None
    result_of(kit.rooms.ensure_stored(kit.room_id("web1"), said=True))
    assert stored_members(kit, "web1") == {"web1": Role.MASTER}
    result_of(kit.rooms.ensure_stored(kit.room_id("web1"), said=True))


def test_a_room_that_could_not_be_stored_is_tried_again(kit: Kit) -> None:
    kit.connect("web1")
    kit.gate.broken = True
    result_of(kit.rooms.ensure_stored(kit.room_id("web1"), said=True))
    kit.gate.broken = False
    result_of(kit.rooms.ensure_stored(kit.room_id("web1"), said=True))
    assert stored_members(kit, "web1") == {"web1": Role.MASTER}


# -------------------------------------------------------------------------------------------------------------- create


def test_who_creates_a_group_room_is_its_master(kit: Kit, diary: Diary) -> None:
    llm, rooms = kit.connect("ann"), kit.connect("ann", "/rooms")
    room = kit.group("lounge", "ann")
    assert (room.kind, room.master, room.mode) == (RoomKind.GROUP, "ann", RequestMode.DEFAULT)
    assert in_room(kit, llm, "lounge")
    assert in_room(kit, rooms, "lounge")
    assert stored_members(kit, "lounge") == {"ann": Role.MASTER}
    assert diary.told[-2:] == [("created", "lounge"), ("joined", "lounge", "ann", "master")]
    assert kit.rooms.require("ann").kind is not RoomKind.GROUP


def test_new_rooms_take_the_default_mode(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(default_room_message_request_mode="Immediate"))
    kit.connect("ann")
    assert kit.group("lounge", "ann").mode is kit.rooms.require("ann").mode is RequestMode.IMMEDIATE


def test_a_room_may_not_be_named_as_somebody_who_is_away(kit: Kit) -> None:
    """A group room holds its name: that client could not come back."""
    kit.known_clients.add("bob")
    ann = kit.caller(kit.connect("ann")).session
    kit.connect("web1")
    result_of(kit.rooms.create("lounge", ann))
    result_of(kit.rooms.add("lounge", "web1"))
    kit.disconnect_all("web1")
    kit.clock.advance(kit.live.sessions.value.session_grace_ms / 1000)
    result_of(kit.rooms.delete("web1"))
    for name in ("bob", "web1"):
        assert str(failure_of(kit.rooms.create(name, ann))) == "Invalid room name"


def test_a_room_may_not_be_named_as_somebody(kit: Kit) -> None:
    kit.connect("web1", identity="web1-a")
    ann = kit.caller(kit.connect("ann")).session
    assert str(failure_of(kit.rooms.create("web1", ann))) == "Invalid room name"
    assert isinstance(failure_of(kit.rooms.create("web1-a", ann)), RoomExists)
    kit.group("lounge", "ann")
    assert str(failure_of(kit.rooms.create("lounge", ann))) == "Room already exists"


def test_group_rooms_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_group_rooms=2))
    ann = kit.caller(kit.connect("ann")).session
    for name in ("r1", "r2"):
        result_of(kit.rooms.create(name, ann))
    assert isinstance(failure_of(kit.rooms.create("r3", ann)), Unavailable)
    result_of(kit.rooms.delete("r1"))
    result_of(kit.rooms.create("r3", ann))


def test_rooms_of_all_kinds_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_rooms=3))
    ann = kit.caller(kit.connect("ann")).session
    result_of(kit.rooms.create("r1", ann))
    assert isinstance(failure_of(kit.rooms.create("r2", ann)), Unavailable)


# ------------------------------------------------------------------------------------------------------ join and leave


def test_a_member_is_in_the_room_with_all_its_sockets_in_all_namespaces(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    sids = [kit.connect("bob", namespace) for namespace in ("/llm", "/rooms", "/")]
    kit.group("lounge", "ann")
    room = result_of(kit.rooms.add("lounge", "bob"))
    assert room.members == members(kit, "lounge") == {"ann": Role.MASTER, "bob": Role.GUEST}
    assert all(in_room(kit, sid, "lounge") for sid in sids)
    assert in_room(kit, kit.connect("bob", "/clients"), "lounge")
    assert diary.told[-1] == ("joined", "lounge", "bob", "guest")
    assert kit.rooms.rooms_of("bob") == ("bob", "lounge")


def test_joining_twice_or_nowhere_fails(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    assert isinstance(failure_of(kit.rooms.add("lounge", "ann")), AlreadyMember)
    error = failure_of(kit.rooms.add("nowhere", "ann"))
    assert isinstance(error, RoomMissing)
    assert str(error) == "Room not found"


def test_members_of_a_room_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_members_per_room=2))
    for name in ("ann", "bob", "cid"):
        kit.connect(name)
    kit.group("lounge", "ann", bob=Role.GUEST)
    error = failure_of(kit.rooms.add("lounge", "cid"))
    assert isinstance(error, Unavailable)
    assert str(error) == "Failed to join room"


def test_who_leaves_hears_no_more_of_the_room(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    sid = kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    result_of(kit.rooms.remove("lounge", "bob", "leave"))
    assert not in_room(kit, sid, "lounge")
    assert Audience.aliases("lounge") not in kit.outbox.audiences(sid)
    assert stored_members(kit, "lounge") == {"ann": Role.MASTER}
    assert diary.told[-1] == ("left", "lounge", "bob", "leave")
    assert kit.rooms.rooms_of("bob") == ("bob",)
    assert isinstance(failure_of(kit.rooms.remove("lounge", "bob", "leave")), NotMember)


@pytest.mark.parametrize("reason", ["leave", "remove", "kick"])
def test_nobody_leaves_its_own_room(kit: Kit, reason: str) -> None:
    kit.connect("web1")
    error = failure_of(kit.rooms.remove("web1", "web1", reason))
    assert isinstance(error, InvalidRequest)
    assert str(error) == "Invalid operation"


@pytest.mark.parametrize("reason", ["leave", "remove", "kick"])
def test_a_mute_is_not_shaken_off_by_leaving(kit: Kit, reason: str) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.mute("lounge", "bob", 100)
    result_of(kit.rooms.remove("lounge", "bob", reason))
    assert dict(result_of(kit.rooms.add("lounge", "bob")).muted) == {"bob": Term(EPOCH + 100, 100)}


def test_a_mute_ends_with_the_retention(kit: Kit) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.mute("lounge", "bob", 100)
    result_of(kit.rooms.remove("lounge", "bob", "disconnect"))
    assert dict(kit.rooms.require("lounge").muted) == {}


def test_only_so_many_mutes_of_former_members_are_kept(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(rooms=RoomSettings(max_members_per_room=2))
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.GUEST)
    for absent in ("a", "b", "bob"):
        kit.mute("lounge", absent, 100)
    result_of(kit.rooms.remove("lounge", "bob", "leave"))
    assert set(kit.rooms.require("lounge").muted) == {"a", "b"}


# ---------------------------------------------------------------------------------------------------------- succession


def test_the_oldest_online_manager_inherits(kit: Kit) -> None:
    for name in ("ann", "away", "bob", "cid", "dan"):
        kit.connect(name)
    kit.group("lounge", "ann", dan=Role.GUEST, away=Role.MANAGER, bob=Role.MANAGER, cid=Role.MANAGER)
    kit.disconnect_all("away")
    kit.clock.advance(2)
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    assert kit.rooms.require("lounge").master == "bob"
    assert stored_members(kit, "lounge") == members(kit, "lounge")


def test_without_managers_a_special_inherits_then_a_guest_then_nobody(kit: Kit) -> None:
    for name in ("ann", "guest", "spec", "away"):
        kit.connect(name)
    kit.group("lounge", "ann", guest=Role.GUEST, away=Role.GUEST, spec=Role.SPECIAL)
    kit.disconnect_all("away")
    kit.clock.advance(2)
    for leaver, heir in [("ann", "spec"), ("spec", "guest"), ("guest", None)]:
        result_of(kit.rooms.remove("lounge", leaver, "leave"))
        assert kit.rooms.require("lounge").master == heir


def test_who_enters_a_room_without_a_master_is_it(kit: Kit) -> None:
    """Whose members are all away, or gone (A25)."""
    for name in ("ann", "away", "bob", "cid"):
        kit.connect(name)
    kit.group("lounge", "ann", away=Role.GUEST)
    kit.disconnect_all("away")
    kit.clock.advance(2)
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    assert kit.rooms.require("lounge").master is None
    result_of(kit.rooms.add("lounge", "bob"))
    kit.group("hall", "ann")
    result_of(kit.rooms.remove("hall", "ann", "leave"))
    result_of(kit.rooms.add("hall", "cid", Role.SPECIAL))
    result_of(kit.rooms.add("hall", "bob"))
    assert (kit.rooms.require("lounge").master, kit.rooms.require("hall").master) == ("bob", "cid")
    assert stored_members(kit, "hall") == members(kit, "hall")


def test_who_comes_back_to_a_room_without_a_master_inherits_it(kit: Kit) -> None:
    """After a restart, too; it is stored, and he is told (A25)."""
    for name in ("ann", "bob", "cid"):
        kit.connect(name)
    kit.group("lounge", "ann", bob=Role.GUEST, cid=Role.MANAGER)
    for name in ("bob", "cid"):
        kit.disconnect_all(name)
    kit.clock.advance(2)
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.close()
    later = Kit(with_stores_of=kit)
    back = later.connect("bob", "/rooms")
    assert dict(later.rooms.require("lounge").members) == {"bob": Role.MASTER, "cid": Role.MANAGER}
    assert stored_members(later, "lounge") == members(later, "lounge")
    assert [body["role"] for body in later.outbox.bodies(back, "MEMBER_ROLE_CHANGED")] == ["master"]
    later.connect("cid")
    assert later.rooms.require("lounge").master == "bob"
    later.close()


def test_an_inherited_room_that_cannot_be_stored_has_its_master_all_the_same(kit: Kit) -> None:
    for name in ("ann", "bob"):
        kit.connect(name)
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.disconnect_all("bob")
    kit.clock.advance(2)
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.gate.broken = True
    kit.connect("bob")
    assert kit.rooms.require("lounge").master == "bob"


def test_an_inherited_room_that_is_deleted_meanwhile_is_gone(kit: Kit) -> None:
    for name in ("ann", "bob"):
        kit.connect(name)
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.disconnect_all("bob")
    kit.clock.advance(2)
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    kit.gate.shut = True
    kit.connect("bob")
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.open()
    result_of(deleting)
    assert kit.rooms.get("lounge") is None
    assert "lounge" not in {kept.room.name for kept in kit.room_store.rooms.values()}


def test_the_heir_is_told(kit: Kit) -> None:
    kit.connect("ann")
    bob = kit.connect("bob", "/rooms")
    kit.group("lounge", "ann", bob=Role.MANAGER)
    kit.outbox.clear()
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    changed = kit.outbox.bodies(bob, "MEMBER_ROLE_CHANGED")
    assert [(body["identity"], body["role"]) for body in changed] == [("bob", "master")]


def test_when_a_guest_leaves_the_master_stays(kit: Kit) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.MANAGER)
    result_of(kit.rooms.remove("lounge", "bob", "leave"))
    assert kit.rooms.require("lounge").master == "ann"


# ------------------------------------------------------------------------------------------------------ empty, deleted


def test_a_deleted_room_is_gone_with_its_history_and_all_hear_it(kit: Kit, diary: Diary) -> None:
    sid = kit.connect("ann")
    kit.group("lounge", "ann")
    result_of(kit.history.add(Message(message_id="m", room="lounge", seq=0, identity="ann", text="x")))
    result_of(kit.rooms.delete("lounge"))
    assert kit.rooms.get("lounge") is None
    assert kit.stored("lounge") == []
    assert kit.rooms.rooms_of("ann") == ("ann",)
    assert not in_room(kit, sid, "lounge")
    assert diary.told[-1] == ("deleted", "lounge")
    assert isinstance(failure_of(kit.rooms.delete("lounge")), RoomMissing)


def test_live_personal_rooms_and_the_monitor_room_are_not_deleted(kit: Kit) -> None:
    kit.connect("web1")
    for name in ("web1", MONITOR_ROOM):
        error = failure_of(kit.rooms.delete(name))
        assert isinstance(error, InvalidRequest)
        assert str(error) == "Invalid operation"
    kit.disconnect_all("web1")
    kit.clock.advance(2)
    result_of(kit.rooms.delete("web1"))
    assert kit.rooms.get("web1") is None


def test_deleting_twice_at_once_deletes_once(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    kit.gate.shut = True
    first, second = (Deferred.fromCoroutine(kit.rooms.delete("lounge")) for _ in range(2))
    kit.gate.open()
    result_of(first)
    assert isinstance(failure_of(second), RoomMissing)
    assert diary.told.count(("deleted", "lounge")) == 1


def test_a_room_that_could_not_be_deleted_is_still_there(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    kit.gate.broken = True
    assert str(failure_of(kit.rooms.delete("lounge"))) == "The disk is full."
    assert kit.rooms.require("lounge").master == "ann"
    assert ("deleted", "lounge") not in diary.told
    assert kit.rooms.rooms_of("ann") == ("ann", "lounge")


def test_who_joins_while_the_room_is_being_deleted_does_not_revive_it(kit: Kit) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann")
    kit.gate.shut = True
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    joining = Deferred.fromCoroutine(kit.rooms.add("lounge", "bob"))
    kit.gate.open()
    result_of(deleting)
    assert isinstance(failure_of(joining), RoomMissing)
    assert kit.rooms.get("lounge") is None
    assert stored_members(kit, "lounge") is None
    assert kit.rooms.rooms_of("bob") == ("bob",)


def test_a_join_under_way_when_the_room_is_deleted_does_not_revive_it(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann")
    kit.gate.shut = True
    joining = Deferred.fromCoroutine(kit.rooms.add("lounge", "bob"))
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.open()
    result_of(deleting)
    assert isinstance(failure_of(joining), RoomMissing)
    assert stored_members(kit, "lounge") is None
    assert ("joined", "lounge", "bob", "guest") not in diary.told


def test_an_owner_who_returns_while_his_room_is_deleted_gets_a_new_one(kit: Kit) -> None:
    kit.connect("web1")
    result_of(kit.rooms.ensure_stored(kit.room_id("web1"), said=True))
    kit.disconnect_all("web1")
    kit.clock.advance(2)
    kit.gate.shut = True
    deleting = Deferred.fromCoroutine(kit.rooms.delete("web1"))
    sid = kit.connect("web1")
    kit.gate.open()
    result_of(deleting)
    assert kit.rooms.require("web1").master == "web1"
    assert in_room(kit, sid, "web1")


# -------------------------------------------------------------------------------------------------------------- stores


def test_a_change_that_cannot_be_stored_is_taken_back(kit: Kit, diary: Diary) -> None:
    kit.connect("ann")
    sid = kit.connect("bob")
    kit.group("lounge", "ann")
    told = list(diary.told)
    kit.gate.broken = True
    assert isinstance(failure_of(kit.rooms.add("lounge", "bob")), NewAgeError)
    assert members(kit, "lounge") == {"ann": Role.MASTER}
    assert not in_room(kit, sid, "lounge")
    assert isinstance(failure_of(kit.rooms.remove("lounge", "ann", "leave")), NewAgeError)
    assert members(kit, "lounge") == {"ann": Role.MASTER}
    failure_of(kit.rooms.set_mode(kit.rooms.require("lounge"), RequestMode.SEPARATE, "ann"))
    assert kit.rooms.require("lounge").mode is RequestMode.DEFAULT
    assert diary.told == told


def test_a_room_that_cannot_be_stored_was_never_there(kit: Kit, diary: Diary) -> None:
    ann = kit.caller(kit.connect("ann")).session
    kit.gate.broken = True
    failure_of(kit.rooms.create("lounge", ann))
    assert kit.rooms.get("lounge") is None
    assert kit.rooms.rooms_of("ann") == ("ann",)
    kit.gate.broken = False
    result_of(kit.rooms.create("lounge", ann))
    assert diary.told.count(("created", "lounge")) == 1


def test_a_creation_that_fails_after_the_room_was_deleted_is_no_fault(kit: Kit) -> None:
    ann = kit.caller(kit.connect("ann")).session
    kit.gate.shut = True
    creating = Deferred.fromCoroutine(kit.rooms.create("lounge", ann))
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.waiting.pop(0).errback(NewAgeError("The disk is full."))
    kit.gate.open()
    result_of(deleting)
    assert str(failure_of(creating)) == "The disk is full."
    assert kit.rooms.get("lounge") is None


def test_numbers_given_while_a_change_was_stored_are_not_given_again(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    kit.gate.shut = True
    before = kit.rooms.require("lounge").seq
    adding = Deferred.fromCoroutine(kit.rooms.add("lounge", "bob"))
    assert kit.rooms.next_seq(kit.room_id("lounge")) == before + 1
    kit.gate.waiting.pop(0).errback(NewAgeError("The disk is full."))
    kit.gate.shut = False
    failure_of(adding)
    assert kit.rooms.next_seq(kit.room_id("lounge")) == before + 2


def test_rooms_outlive_a_restart(make_kit: Callable[..., Kit]) -> None:
    before = make_kit()
    before.connect("ann")
    before.connect("bob")
    before.group("lounge", "ann", RequestMode.SEPARATE, bob=Role.MANAGER)
    result_of(before.rooms.ensure_stored(before.room_id("ann"), said=True))
    kit = make_kit(with_stores_of=before)
    room = kit.rooms.require("lounge")
    assert (room.mode, dict(room.members)) == (RequestMode.SEPARATE, {"ann": Role.MASTER, "bob": Role.MANAGER})
    assert room.seq == before.rooms.require("lounge").seq
    assert not any(map(kit.sessions.is_online, room.members))
    sid = kit.connect("bob")
    assert in_room(kit, sid, "lounge")
    assert list(filter(kit.sessions.is_online, room.members)) == ["bob"]
    assert kit.rooms.get("bob") is not None


# --------------------------------------------------------------------------------------------------------------- other


def test_sockets_are_in_the_audiences_of_what_they_declared(kit: Kit) -> None:
    def audiences(**declared: Any) -> set[str]:
        sid = kit.connect("web1", **declared)
        kinds = {audience.kind.value for audience in kit.outbox.audiences(sid) if audience.name == "web1"}
        return kinds - {"identity", "client"}

    assert audiences() == {"room", "aliases"}
    assert audiences(stream_mode="ss") == {"room"}
    assert audiences(stream_mode="plain") == {"room"}
    assert audiences(stream_mode="output") == {"room", "aliases"}
    assert audiences(incremental=True) == {"room", "aliases"}
    assert audiences(client_type="SillyTavern", link=Link()) == {"room", "aliases"}


class RoomsMachine(RuleBasedStateMachine):
    """Group rooms and roles in any order of events against dicts; the store always agrees with memory."""

    PEOPLE = ("ann", "bob", "cid", "dan")
    NAMES = ("r1", "r2")

    def __init__(self) -> None:
        super().__init__()
        self.kit = Kit(rooms=RoomSettings(max_members_per_room=3))
        self.rooms: dict[str, dict[str, Role]] = {}
        self.online: set[str] = set()
        self.sids = count()
        self.emptied: dict[str, float] = {}
        self.heirs: dict[str, str] = {}  # of rooms without members: who was their master last
        for who in self.PEOPLE:
            self.kit.connect(who)
            self.online.add(who)

    people = st.sampled_from(PEOPLE)
    names = st.sampled_from(NAMES)

    @precondition(lambda self: self.online)
    @rule(name=names, who=people)
    def create(self, name: str, who: str) -> None:
        session = self.kit.sessions.by_identity(who)
        if session is None:
            return
        outcome = Deferred.fromCoroutine(self.kit.rooms.create(name, session))
        if name in self.rooms:
            assert isinstance(failure_of(outcome), RoomExists)
        else:
            result_of(outcome)
            self.rooms[name] = {who: Role.MASTER}

    @rule(name=names, who=people, role=st.sampled_from([Role.GUEST, Role.SPECIAL, Role.MANAGER]))
    def add(self, name: str, who: str, role: Role) -> None:
        outcome = Deferred.fromCoroutine(self.kit.rooms.add(name, who, role))
        if name not in self.rooms:
            assert isinstance(failure_of(outcome), RoomMissing)
        elif who in self.rooms[name]:
            assert isinstance(failure_of(outcome), AlreadyMember)
        elif len(self.rooms[name]) == 3:
            assert isinstance(failure_of(outcome), Unavailable)
        else:
            result_of(outcome)
            members = self.rooms[name]
            members[who] = role
            self.succeed(name)
            if self.heirs.get(name) == who:
                del self.heirs[name]
                for other in members:
                    members[other] = Role.MANAGER if members[other] is Role.MASTER else members[other]
                members[who] = Role.MASTER
            self.emptied.pop(name, None)

    @rule(name=names, who=people)
    def remove(self, name: str, who: str) -> None:
        outcome = Deferred.fromCoroutine(self.kit.rooms.remove(name, who, "leave"))
        if name not in self.rooms:
            assert isinstance(failure_of(outcome), RoomMissing)
        elif who not in self.rooms[name]:
            assert isinstance(failure_of(outcome), NotMember)
        else:
            result_of(outcome)
            members = self.rooms[name]
            was = members.pop(who)
            self.succeed(name)
            if not members and was is Role.MASTER:
                self.heirs[name] = who
            if not members:
                self.emptied[name] = self.kit.clock.seconds()

    def succeed(self, name: str) -> None:
        """A room in which somebody is has a master (contract 4.2): of those who are here, the highest."""
        members = self.rooms[name]
        here = [other for other in members if other in self.online]
        if here and Role.MASTER not in members.values():
            members[max(here, key=lambda other: members[other])] = Role.MASTER

    @rule(name=names)
    def delete(self, name: str) -> None:
        outcome = Deferred.fromCoroutine(self.kit.rooms.delete(name))
        if name not in self.rooms:
            assert isinstance(failure_of(outcome), RoomMissing)
        else:
            result_of(outcome)
            del self.rooms[name]
            self.emptied.pop(name, None)
            self.heirs.pop(name, None)

    @rule(who=people)
    def come_or_go(self, who: str) -> None:
        if who in self.online:
            self.kit.disconnect_all(who)
            self.online.remove(who)
            self.kit.clock.advance(2)
        else:
            self.kit.connect(who)
            self.online.add(who)
            for name in self.rooms:
                self.succeed(name)

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def wait(self, seconds: int) -> None:
        self.kit.clock.advance(seconds)

    @invariant()
    def memory_store_and_model_agree(self) -> None:
        for name, since in list(self.emptied.items()):
            if self.kit.clock.seconds() - since >= 60:
                del self.rooms[name], self.emptied[name]
                self.heirs.pop(name, None)
        found = {room.name: dict(room.members) for room in self.kit.rooms.all() if room.kind is RoomKind.GROUP}
        assert found == self.rooms
        assert all(list(found[name]) == list(self.rooms[name]) for name in found)
        stored = {
            kept.room.name: dict(kept.room.members)
            for kept in self.kit.room_store.rooms.values()
            if kept.room.name in self.NAMES
        }
        assert stored == self.rooms
        for who in self.PEOPLE:
            expected = {who} | {name for name, members in self.rooms.items() if who in members}
            assert set(self.kit.rooms.rooms_of(who)) == expected
            for caller in self.kit.sessions.all_callers(who):
                audiences = self.kit.outbox.audiences(caller.sid)
                assert {a.name for a in audiences if a.kind == "room"} == expected

    def teardown(self) -> None:
        self.kit.close()


RoomsMachine.TestCase.settings = hypothesis_settings(max_examples=40, stateful_step_count=30, deadline=None)
TestRoomsMachine = RoomsMachine.TestCase
