"""Policies and assignments while rooms and extensions come and go, and across restarts, against lists (contract 6)."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubkit import OPERATOR, Kit, failure_of, result_of
from newage.domain.model import ConnectionPolicy, Role

CLIENTS = ("ann", "bob", "cid", "dan")
GROUP = "lounge"
IN_GROUP = ("ann", "bob")
EXTENSIONS = ("SillyTavern-1", "SillyTavern-2", "SillyTavern-3")
Lists = dict[str, list[str]]


class PoliciesAndAssignments(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.kit = Kit()
        self.policy = "Free"
        self.manual: Lists = {}
        self.rooms: list[str] = []  # connected client rooms in order of registration
        self.extensions: list[str] = []  # available, earliest first
        self.ever: list[str] = []  # in order of first connection ever
        self.restored: set[str] = set()  # whose membership of the group is older than the room of its own
        self.group_first: set[str] = set()  # of these, who has had a room of its own since
        self.stored: set[str] = set()  # whose own room was stored for its assignment
        self.before: Lists = {}
        for who in CLIENTS:
            self.come(who)
            self.rooms.append(who)
        self.kit.group(GROUP, IN_GROUP[0], **{IN_GROUP[1]: Role.GUEST})  # type: ignore[arg-type]
        self.rooms.append(GROUP)
        self.kit.settle()
        self.kit.outbox.clear()
        self.before = self.lists()

    # ------------------------------------------------------------------------------------------------------- helpers

    def come(self, who: str) -> None:
        self.kit.connect(who, "/rooms")

    def lists(self) -> Lists:
        return {room: list(serving) for room, serving in self.kit.assignments.all().items()}

    def settled(self, told: set[str] | None = None) -> None:
        """The turn is over: exactly the rooms whose list changed, or that are new, have heard of it.

        :param told: these, whatever changed.
        """
        self.kit.settle()
        now = self.lists()
        if told is None:
            told = {room for room, serving in now.items() if self.before.get(room) != serving}
        heard: dict[str, Lists] = {}
        for key, bodies in self.kit.heard("AVAILABLE_EXTENSIONS").items():
            assert {body["policy"] for body in bodies} == {self.policy}
            heard[key] = {body["roomName"]: body["extensions"] for body in bodies}
            assert len(heard[key]) == len(bodies), "no room twice"
        expected: dict[str, Lists] = {}
        for room in told:
            for who in IN_GROUP if room == GROUP else (room,):
                if self.kit.sessions.sids(who, "/rooms"):
                    expected.setdefault(f"{who}/rooms", {})[room] = now[room]
        assert heard == expected
        self.before = now
        self.kit.outbox.clear()

    # ------------------------------------------------------------------------------------------------------- rules

    @rule(policy=st.sampled_from([policy.value for policy in ConnectionPolicy]))
    def set_policy(self, policy: str) -> None:
        result_of(self.kit.assignments.set_policy(OPERATOR, ConnectionPolicy(policy)))
        self.policy = policy
        now, some = self.lists(), self.extensions
        if some and policy == "Balanced":
            assert now == {room: [some[i % len(some)]] for i, room in enumerate(self.rooms)}
        if some and policy == "Random":
            assert now == {room: [some[-1]] for room in self.rooms}, "drawn anew; the kit draws the last"
        self.settled(set(self.rooms))

    @rule(room=st.sampled_from((*CLIENTS, GROUP, "nowhere")), chosen=st.lists(st.sampled_from(EXTENSIONS), max_size=2))
    def assign(self, room: str, chosen: list[str]) -> None:
        outcome = self.kit.assignments.assign_manually(OPERATOR, room, chosen)
        missing = [extension for extension in chosen if extension not in self.extensions]
        if self.policy != "Manual":
            assert str(failure_of(outcome)) == "Manual assignment is only allowed in Manual mode"
        elif room not in self.rooms and room not in self.manual:
            assert str(failure_of(outcome)) == "Client room not found"
        elif missing:
            assert str(failure_of(outcome)) == f"Extension not found: {missing[0]}"
        else:
            kept = list(dict.fromkeys(chosen))
            assert list(result_of(outcome)) == kept
            self.manual[room] = kept
            self.stored.update([room] if kept else [])
            if not kept:
                del self.manual[room]
            self.settled(set(self.rooms))

    @rule(who=st.sampled_from(CLIENTS))
    def client_comes_or_goes(self, who: str) -> None:
        concerned = [who, GROUP] if who in IN_GROUP else [who]
        if self.kit.sessions.is_online(who):
            self.kit.disconnect_all(who)
            self.kit.clock.advance(2)
            self.rooms.remove(who)
            if who in IN_GROUP and not any(self.kit.sessions.is_online(other) for other in IN_GROUP):
                self.rooms.remove(GROUP)
        else:
            self.come(who)
            for room in reversed(concerned) if who in self.group_first else concerned:
                if room not in self.rooms:
                    self.rooms.append(room)
            if who in self.restored:
                self.group_first.add(who)
        self.others_stay(set(concerned))
        self.settled()

    def others_stay(self, concerned: set[str]) -> None:
        """A room that comes moves nobody; one that goes moves at most what balance demands."""
        now = self.lists()
        moved = [room for room in now if room not in concerned and self.before.get(room) != now[room]]
        assert len(moved) <= (len(concerned) if self.policy == "Balanced" else 0)

    @rule(extension=st.sampled_from(EXTENSIONS))
    def extension_comes_or_goes(self, extension: str) -> None:
        before, gone = self.before, extension in self.extensions
        if gone:
            self.kit.disconnect_all(extension)
            self.extensions.remove(extension)
        else:
            self.kit.extension(extension)
            self.extensions.append(extension)
            self.ever.extend([] if extension in self.ever else [extension])
        now = self.lists()
        for room, serving in now.items():
            if self.policy == "Balanced" and before.get(room) != serving:
                assert before.get(room) in ([], [extension]) if gone else serving == [extension] or not before.get(room)
        self.settled()

    @precondition(lambda self: self.kit.clock.seconds() > 0)
    @rule()
    def restart(self) -> None:
        before, self.kit = self.kit, Kit(with_stores_of=self.kit)
        before.close()
        assert self.kit.assignments.policy.value == self.policy
        self.rooms, self.extensions, self.before = [], [], {}
        self.restored, self.group_first = set(IN_GROUP), self.stored & set(IN_GROUP)

    # ------------------------------------------------------------------------------------------------------- always

    @invariant()
    def the_lists_are_what_the_policy_says(self) -> None:
        assigned, now = self.kit.assignments, self.lists()
        assert list(assigned.client_rooms(OPERATOR)) == self.rooms == list(now)
        assert list(assigned.extensions()) == self.extensions
        if not self.extensions:
            assert all(serving == [] for serving in now.values())
        elif self.policy in ("Free", "Broadcast"):
            assert all(serving == self.extensions for serving in now.values())
        elif self.policy == "Manual":
            there = set(self.extensions)
            assert now == {room: [e for e in self.manual.get(room, []) if e in there] for room in self.rooms}
        elif self.policy == "Failover":
            everybody = [e for e in self.ever if e in self.extensions]
            lists = {room: [e for e in names if e in everybody] for room, names in self.manual.items() if names}
            assert now == {room: lists.get(room, everybody) for room in self.rooms}
        else:
            assert all(len(serving) == 1 and serving[0] in self.extensions for serving in now.values())
            load = Counter(serving[0] for serving in now.values())
            counts = [load[extension] for extension in self.extensions]
            assert self.policy == "Random" or max(counts) - min(counts) <= 1

    @invariant()
    def what_must_outlive_a_restart_is_stored(self) -> None:
        state = result_of(self.kit.state_store.load_values())
        assert state.get("connectionPolicy", "Free") == self.policy
        stored = {kept.room.id: kept.room.name for kept in self.kit.room_store.rooms.values()}
        assert {stored[room_id]: names for room_id, names in state.get("roomAssignments", {}).items()} == self.manual

    def teardown(self) -> None:
        self.kit.close()


PoliciesAndAssignments.TestCase.settings = settings(max_examples=70, stateful_step_count=40, deadline=None)
TestPoliciesAndAssignments = PoliciesAndAssignments.TestCase
