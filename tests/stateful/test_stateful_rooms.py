"""Rooms, roles, mutes, comings and goings in any order, as clients send them, against dicts (contract 3.5, 4.1-4.5).

The model knows nothing of the code: who may do what is written down again, in the words of the contract.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubkit import HandSocket, Kit, handled
from newage.domain.model import RoomKind
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.moderation import ModerationEvents
from newage.namespaces.rooms import RoomEvents
from newage.services.rooms.limits import RoomSettings

RETENTION, GRACE, SWEEP = 1000, 60, 60  # seconds
RANK = {"guest": 0, "special": 1, "manager": 2, "master": 3}
ADMIN = "mon"
PEOPLE = ("ann", "bob", "cid", "dan", ADMIN)
FOREVER = float("inf")

people = st.sampled_from(PEOPLE)
names = st.sampled_from(("r1", "r2"))
roles = st.sampled_from(tuple(RANK))


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


@define
class ModelRoom:
    members: dict[str, str]  # identity -> role, in order of joining
    muted: dict[str, float] = field(factory=dict)  # identity -> end
    barred: dict[str, float] = field(factory=dict)  # the same
    heir: str | None = None  # of a room that was left empty: who was its master last

    @property
    def master(self) -> str | None:
        return next((who for who, role in self.members.items() if role == "master"), None)


class RoomsAndRoles(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        limits = RoomSettings(
            offline_retention_seconds=RETENTION,
            empty_room_grace_seconds=GRACE,
            sweep_seconds=SWEEP,
            joins_per_minute=10_000,
        )
        self.kit = Kit(rooms=limits)
        self.rooms_namespace = Namespace("/rooms", connect=refuse, disconnected=refuse)
        events = RoomEvents(registry=self.kit.rooms, rooms=self.kit.room_service)
        self.rooms_namespace.add(events.handlers())
        staff = ModerationEvents(rooms=self.kit.room_service, moderation=self.kit.moderation)
        self.rooms_namespace.add(staff.mutes())
        self.rooms_namespace.add(staff.handlers())
        self.model: dict[str, ModelRoom] = {}
        self.online: dict[str, HandSocket] = {}
        self.gone_at: dict[str, float] = {}  # of whom something is kept
        self.rooted: set[str] = set()  # who was added or given a role: he is kept for longer than any of this lasts
        self.emptied: dict[str, float] = {}
        self.next_sweep = float(SWEEP)
        self.views: dict[tuple[str, str], set[str]] = {}  # (socket, room) -> who is there, as the events say
        for who in PEOPLE:
            self.come(who)

    # ------------------------------------------------------------------------------------------------------- helpers

    def send(self, who: str, event: str, **payload: Any) -> tuple[str, str]:
        ack = handled(self.rooms_namespace, self.online[who], event, payload)
        assert ack["success"] is (ack["status"] != "error")
        return ack["status"], ack.get("message", "")

    def come(self, who: str) -> None:
        kind = "monitor" if who == ADMIN else "web-app"
        self.kit.connect(who, "/llm", client_type=kind, incremental=True)
        self.online[who] = HandSocket(self.kit, self.kit.connect(who, "/rooms", client_type=kind))
        self.gone_at.pop(who, None)
        for room in self.model.values():
            if who in room.members:
                self.fill_throne(room)

    def role(self, name: str, who: str) -> str | None:
        room = self.model.get(name)
        return None if room is None else room.members.get(who)

    def is_staff(self, name: str, who: str) -> bool:
        return who == ADMIN or RANK[self.role(name, who) or "guest"] >= RANK["manager"]

    def commands(self, name: str, actor: str, whom: str) -> bool:
        """May the actor kick and mute this member?"""
        own, others = self.role(name, actor), self.role(name, whom)
        assert others is not None
        return actor == ADMIN or own == "master" or (own == "manager" and RANK[others] < RANK["manager"])

    def heir(self, room: ModelRoom, *, but: str | None = None) -> str | None:
        """The longest-standing online manager, else special, else guest."""
        here = [who for who in room.members if who in self.online and who != but]
        return max(here, key=lambda who: RANK[room.members[who]], default=None)

    def take_out(self, name: str, who: str, *, forgotten: bool = False, by_itself: bool = True) -> None:
        """A mute outlives leaving, else an open room would be left for that; it ends when its member is forgotten."""
        room = self.model[name]
        was = room.members.pop(who)
        if forgotten:
            room.muted.pop(who, None)
        self.fill_throne(room)
        if not room.members:
            self.emptied[name] = self.kit.clock.seconds()
            if was == "master" and by_itself:
                room.heir = who

    def crown(self, name: str, who: str) -> None:
        room = self.model[name]
        if room.master not in (None, who):
            room.members[str(room.master)] = "manager"
        room.members[who] = "master"
        room.heir = None

    # --------------------------------------------------------------------------------------------------- rooms

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names)
    def create(self, data: st.DataObject, name: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "CREATE_ROOM", roomName=name)
        if actor != ADMIN:
            assert outcome == ("error", "Unauthorized")
        elif name in self.model:
            assert outcome == ("error", "Room already exists")
        else:
            assert outcome[0] == "ok"
            self.model[name] = ModelRoom({actor: "master"})

    def somebody(self, data: st.DataObject) -> str:
        """Somebody who is there, the administrator more often than others."""
        here = sorted(self.online)
        return data.draw(st.sampled_from([*here, *(who for who in here if who == ADMIN)]), label="actor")

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names)
    def delete(self, data: st.DataObject, name: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "DELETE_ROOM", roomName=name)
        if name not in self.model:
            assert outcome == ("error", "Room not found")
        elif actor != ADMIN and self.role(name, actor) != "master":
            assert outcome == ("error", "Unauthorized")
        else:
            assert outcome[0] == "ok"
            del self.model[name]
            self.emptied.pop(name, None)

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names)
    def join(self, data: st.DataObject, name: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "JOIN_ROOM", roomName=name)
        if name not in self.model:
            assert outcome == ("error", "Room not found")
        elif self.role(name, actor) is not None:
            assert outcome[0] == "warning"
        elif actor in self.model[name].barred:
            assert outcome[0] == "error"
            assert outcome[1].startswith("Failed to join room: you were kicked")
        else:
            assert outcome[0] == "ok"
            self.enter(name, actor, "guest")

    def enter(self, name: str, who: str, role: str) -> None:
        room = self.model[name]
        room.members[who] = role
        room.barred.pop(who, None)
        self.emptied.pop(name, None)
        if room.heir == who:
            self.crown(name, who)
        self.fill_throne(room)

    def fill_throne(self, room: ModelRoom, *, but: str | None = None) -> None:
        """While somebody is there, somebody is master."""
        heir = self.heir(room, but=but)
        if room.master is None and heir is not None:
            room.members[heir] = "master"

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names)
    def leave(self, data: st.DataObject, name: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "LEAVE_ROOM", roomName=name)
        if self.role(name, actor) is None:
            assert outcome == ("error", "Room not found")
        else:
            assert outcome[0] == "ok"
            self.take_out(name, actor)

    # ------------------------------------------------------------------------------------------------ members

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names, whom=people, role=roles)
    def add(self, data: st.DataObject, name: str, whom: str, role: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "ADD_CLIENT_TO_ROOM", roomName=name, identity=whom, role=role)
        known = whom in self.online or whom in self.gone_at
        failed = ("error", "Failed to add client to room")
        high, crowned = RANK[role] >= RANK["manager"], actor == ADMIN or self.role(name, actor) == "master"
        if name not in self.model:
            assert outcome == failed
        elif not self.is_staff(name, actor) and whom != actor:
            assert outcome == ("error", "Unauthorized")
        elif not known or (high and not crowned):
            assert outcome == failed
        elif whom in self.model[name].barred and not self.is_staff(name, actor):
            assert outcome[1].startswith("Failed to join room: you were kicked")
        elif self.role(name, whom) is not None:
            assert outcome == failed
        else:
            assert outcome[0] == "ok"
            given = role if self.is_staff(name, actor) else "guest"
            if given == "master":
                self.model[name].members[whom] = "manager"
                self.model[name].barred.pop(whom, None)
                self.crown(name, whom)
            else:
                self.enter(name, whom, given)
            self.emptied.pop(name, None)
            if actor != whom or given == "master":
                self.rooted.add(whom)

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names, whom=people)
    def remove(self, data: st.DataObject, name: str, whom: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "REMOVE_CLIENT_FROM_ROOM", roomName=name, identity=whom)
        failed = ("error", "Failed to remove client from room")
        own, others = self.role(name, actor), self.role(name, whom)
        if name not in self.model or (actor == whom and others is None):
            assert outcome == failed
        elif actor != whom and not self.is_staff(name, actor):
            assert outcome == ("error", "Unauthorized")
        elif others is None or (actor not in (whom, ADMIN) and RANK[others] >= RANK[str(own)]):
            assert outcome == failed
        else:
            assert outcome[0] == "ok"
            self.take_out(name, whom, by_itself=actor == whom)

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names, whom=people, seconds=st.sampled_from((-1, 0, 5, 100)))
    def kick(self, data: st.DataObject, name: str, whom: str, seconds: int) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "KICK_MEMBER", roomName=name, identity=whom, duration=seconds)
        if self.role(name, whom) is None:
            assert outcome == ("error", "Failed to kick member")
        elif not self.commands(name, actor, whom):
            assert outcome == ("error", "Unauthorized")
        elif actor == whom:
            assert outcome == ("error", "Failed to kick member")
        else:
            assert outcome[0] == "ok"
            self.take_out(name, whom, by_itself=False)
            if seconds:
                self.model[name].barred[whom] = self.kit.clock.seconds() + seconds if seconds > 0 else FOREVER

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names, whom=people, role=roles)
    def set_role(self, data: st.DataObject, name: str, whom: str, role: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "SET_MEMBER_ROLE", roomName=name, targetIdentity=whom, role=role)
        if self.role(name, whom) is None:
            assert outcome == ("error", "Failed to set member role")
            return
        low = RANK[role] < RANK["manager"]
        if not (self.commands(name, actor, whom) and (low or actor == ADMIN or self.role(name, actor) == "master")):
            assert outcome == ("error", "Unauthorized")
            return
        room = self.model[name]
        if room.master == whom and role != "master" and self.heir(room, but=whom) is None:
            assert outcome == ("error", "Failed to set member role: nobody else is here to be master of this room.")
            return
        assert outcome[0] == "ok"
        if role != "guest":
            self.rooted.add(whom)
        if role == "master":
            self.crown(name, whom)
            return
        demoted = whom if room.master == whom else None
        room.members[whom] = role
        self.fill_throne(room, but=demoted)

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names, whom=people)
    def lift(self, data: st.DataObject, name: str, whom: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "LIFT_BAR", roomName=name, identity=whom)
        if name not in self.model:
            assert outcome == ("error", "Room not found")
        elif not self.is_staff(name, actor):
            assert outcome == ("error", "Unauthorized")
        else:
            assert outcome[0] == "ok"
            self.model[name].barred.pop(whom, None)

    # ------------------------------------------------------------------------------------------------ mutes

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names, whom=people, seconds=st.sampled_from((0, 5, 100)))
    def mute(self, data: st.DataObject, name: str, whom: str, seconds: int) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "MUTE_MEMBER", roomName=name, identity=whom, duration=seconds)
        if self.role(name, whom) is None:
            assert outcome == ("error", "Failed to mute member")
        elif not self.commands(name, actor, whom):
            assert outcome == ("error", "Unauthorized")
        else:
            assert outcome[0] == "ok"
            self.model[name].muted[whom] = self.kit.clock.seconds() + seconds if seconds else FOREVER

    @precondition(lambda self: self.online)
    @rule(data=st.data(), name=names, whom=people)
    def unmute(self, data: st.DataObject, name: str, whom: str) -> None:
        actor = self.somebody(data)
        outcome = self.send(actor, "UNMUTE_MEMBER", roomName=name, identity=whom)
        if self.role(name, whom) is None:
            assert outcome == ("error", "Failed to unmute member")
        elif not self.commands(name, actor, whom):
            assert outcome == ("error", "Unauthorized")
        else:
            assert outcome[0] == "ok"
            self.model[name].muted.pop(whom, None)

    # ------------------------------------------------------------------------------------------------ time

    @rule(who=people)
    def come_or_go(self, who: str) -> None:
        if who not in self.online:
            self.come(who)
            return
        self.kit.disconnect_all(who)
        self.advance(2, gone=who)

    @rule(seconds=st.sampled_from((1, 30, GRACE, RETENTION + SWEEP)))
    def wait(self, seconds: int) -> None:
        self.advance(seconds)

    def advance(self, seconds: int, gone: str | None = None) -> None:
        """All that falls due in this leap falls due at its end."""
        self.kit.clock.advance(seconds)
        now = self.kit.clock.seconds()
        if gone is not None:
            del self.online[gone]
            self.gone_at[gone] = now
        for room in self.model.values():
            room.muted = {who: until for who, until in room.muted.items() if until > now}
            room.barred = {who: until for who, until in room.barred.items() if until > now}
        for name, since in list(self.emptied.items()):
            if now - since >= GRACE:
                del self.model[name], self.emptied[name]
        if now >= self.next_sweep:
            self.next_sweep = now + SWEEP
            for who, since in list(self.gone_at.items()):
                if now - since >= RETENTION and who not in self.rooted:
                    del self.gone_at[who]
                    for name in [name for name, room in self.model.items() if who in room.members]:
                        self.take_out(name, who, forgotten=True)

    # ------------------------------------------------------------------------------------------------ invariants

    @invariant()
    def rooms_are_those_of_the_model(self) -> None:
        found = {room.name: room for room in self.kit.rooms.all() if room.kind is RoomKind.GROUP}
        members = {name: [(who, role.wire) for who, role in room.members.items()] for name, room in found.items()}
        assert members == {name: list(room.members.items()) for name, room in self.model.items()}
        assert {name: set(room.muted) for name, room in found.items()} == {
            name: set(room.muted) for name, room in self.model.items()
        }
        assert {name: set(room.barred) for name, room in found.items()} == {
            name: set(room.barred) for name, room in self.model.items()
        }

    @invariant()
    def nobody_shares_the_crown(self) -> None:
        for room in self.kit.rooms.all():
            assert sum(role.wire == "master" for role in room.members.values()) <= 1
            if room.kind is RoomKind.PERSONAL:
                assert room.master in (room.name, None)
            if room.kind is RoomKind.GROUP and any(map(self.kit.sessions.is_online, room.members)):
                assert room.master is not None

    @invariant()
    def who_follows_the_events_knows_who_is_there(self) -> None:
        """Beginning with the list at his coming, the events of /rooms tell everybody who is there with him (A26)."""
        new, self.kit.outbox.sent[:] = list(self.kit.outbox.sent), []
        for sent in new:
            body = sent.body if sent.event in ("MEMBER_JOINED", "MEMBER_LEFT") else {}
            view = self.views.get((sent.sid, body.get("roomName", "")))
            if view is None:
                continue
            there = sent.event == "MEMBER_JOINED" and body.get("online", True)
            (view.add if there else view.discard)(body["identity"])
        kept, self.views = self.views, {}
        for who, socket in self.online.items():
            for name in self.kit.rooms.rooms_of(who):
                there = set(filter(self.kit.sessions.is_online, self.kit.rooms.require(name).members))
                place = (socket.sid, name)
                assert kept.get(place, there) == there, (who, name)
                self.views[place] = there

    @invariant()
    def the_store_holds_what_memory_holds(self) -> None:
        """Who is entered by coming (own room, the monitors' room) is not stored by that: it is entered again anyway."""
        stored = {kept.room.name: kept.room for kept in self.kit.room_store.rooms.values()}
        for name, room in stored.items():
            kept = self.kit.rooms.require(name)
            if kept.kind is RoomKind.GROUP:
                assert room == kept
            else:
                assert room.members.items() <= kept.members.items()
        assert self.model.keys() <= stored.keys()

    @invariant()
    def sockets_are_where_their_members_are(self) -> None:
        for who in PEOPLE:
            rooms = {room.name for room in self.kit.rooms.all() if who in room.members}
            assert set(self.kit.rooms.rooms_of(who)) == rooms
            for caller in self.kit.sessions.all_callers(who):
                heard = {a.name for a in self.kit.outbox.audiences(caller.sid) if a.kind == "room"}
                assert heard == rooms

    def teardown(self) -> None:
        self.kit.close()


RoomsAndRoles.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestRoomsAndRoles = RoomsAndRoles.TestCase
