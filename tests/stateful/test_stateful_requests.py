"""A room's queue, its modes and what becomes of each request, in any order of events (contract 5.3, 5.4)."""

from __future__ import annotations

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hubkit import Kit, Link, failure_of, result_of
from newage.domain.model import RequestMode, Role
from newage.ports import Said
from newage.services.requests.limits import RequestSettings
from newage.services.sessions.sessions import SessionSettings

X = "SillyTavern-8000"
RANK = {"mas": 3, "man": 2, "spe": 1, "gue": 0, "pal": 0}
SIZE, PER_IDENTITY, QUEUE_TTL, TIMEOUT, TICK = 4, 2, 200, 60, 5
QUEUES = ("Default", "HostSubmit")
NOBODY = "No connected SillyTavern extensions."


@define(eq=False)
class Entry:
    """One request as the model sees it; ``said`` is what its requester heard of it."""

    request_id: str
    who: str
    at: float
    state: str
    said: list[str] = field(factory=list)
    merged: list[Entry] = field(factory=list)

    def goes_on(self, status: str) -> None:
        self.state = status
        self.said.append(status)

    def ends(self, status: str) -> None:
        self.goes_on(status)
        for entry in self.merged:
            entry.ends(status)


@define
class Forwarded:
    """What the extension should have been given."""

    request_id: str
    text: str
    ids: list[str] | None  # of what was merged


class QueueAndModes(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        limits = RequestSettings(
            queue_size=SIZE,
            queue_size_per_identity=PER_IDENTITY,
            queue_ttl_seconds=QUEUE_TTL,
            llm_request_timeout_seconds=TIMEOUT,
            extension_first_sign_seconds=10 * TIMEOUT,
            request_rate=10_000,
            max_live_requests_per_identity=10_000,
        )
        self.kit = kit = Kit(requests=limits, sessions=SessionSettings(extension_grace_ms=0))
        self.sids = {who: kit.connect(who, incremental=True) for who in RANK}
        self.boss = kit.connect("mon", "/rooms", client_type="monitor")
        kit.group("room", "mas", man=Role.MANAGER, spe=Role.SPECIAL, gue=Role.GUEST, pal=Role.GUEST)
        self.mode = "Default"
        self.all: list[Entry] = []
        self.queue: list[Entry] = []
        self.under_way: list[Entry] = []
        self.links: list[Link] = [kit.extension(X, capacity=1000)]
        self.given: list[Forwarded] = []
        self.there = True
        self.next_tick = float(TICK)

    # ------------------------------------------------------------------------------------------------------- asking

    @rule(who=st.sampled_from(sorted(RANK)))
    def ask(self, who: str) -> None:
        entry = Entry(f"r{len(self.all)}", who, self.kit.clock.seconds(), "")
        self.all.append(entry)
        outcome = self.kit.ask(self.sids[who], f"of {entry.request_id}", entry.request_id, room="room")
        verdict = self.verdict(RANK[who])
        if verdict == "forwarded" and not self.there:
            assert str(failure_of(outcome)) == NOBODY
            entry.ends("failed")
            return
        assert result_of(outcome)["state"] == verdict
        if verdict == "queued":
            self.push(entry)
        elif verdict == "forwarded":
            self.forward_with_queue(entry)
        entry.goes_on(verdict)

    def verdict(self, rank: int) -> str:
        if self.mode in QUEUES:
            return "forwarded" if rank >= RANK["man"] else "queued"
        if self.mode == "MasterOnly":
            return "forwarded" if rank == RANK["mas"] else "ignored"
        return "recorded" if self.mode == "Conversational" else "forwarded"

    def push(self, entry: Entry) -> None:
        own = [queued for queued in self.queue if queued.who == entry.who]
        dropped = own[0] if len(own) >= PER_IDENTITY else self.queue[0] if len(self.queue) >= SIZE else None
        if dropped is not None:
            self.queue.remove(dropped)
            dropped.ends("expired")
        self.queue.append(entry)

    def forward_with_queue(self, entry: Entry) -> None:
        if self.mode in QUEUES:
            entry.merged = sorted(self.queue, key=lambda queued: -RANK[queued.who])  # sorted() keeps their order
            self.queue = []
        for merged in entry.merged:
            merged.goes_on("merged")
        ids = [each.request_id for each in (*entry.merged, entry)]
        self.given.append(
            Forwarded(entry.request_id, "\n\n".join(f"of {i}" for i in ids), ids if entry.merged else None)
        )
        self.under_way.append(entry)

    # ------------------------------------------------------------------------------------------------------- modes

    @rule(mode=st.sampled_from([mode.value for mode in RequestMode]))
    def set_mode(self, mode: str) -> None:
        boss = self.kit.caller(self.boss)
        result_of(self.kit.moderation.set_mode(boss, "room", RequestMode(mode)))
        if mode == self.mode:
            return
        self.mode = mode
        if mode in ("Immediate", "Separate"):
            waiting, self.queue = self.queue, []
            for entry in waiting:
                if self.there:
                    self.given.append(Forwarded(entry.request_id, f"of {entry.request_id}", None))
                    self.under_way.append(entry)
                    entry.at = self.kit.clock.seconds()
                    entry.goes_on("forwarded")
                else:
                    entry.ends("failed")
        elif mode == "MasterOnly":
            for entry in self.queue:
                entry.ends("expired")
            self.queue = []

    # ------------------------------------------------------------------------------------------------------- answers

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), well=st.booleans())
    def answer(self, data: st.DataObject, well: bool) -> None:
        entry = data.draw(st.sampled_from(self.under_way))
        self.under_way.remove(entry)
        if well:
            self.kit.streams.answered(Said(X, request=entry.request_id), "yes")
        else:
            self.kit.streams.failed(Said(X, request=entry.request_id), "no", None)
        entry.ends("completed" if well else "failed")

    @rule()
    def extension_comes_or_goes(self) -> None:
        if self.there:
            self.kit.disconnect_all(X)
            for entry in self.under_way:
                entry.ends("failed")
            self.under_way = []
        else:
            self.links.append(self.kit.extension(X, capacity=1000))
        self.there = not self.there

    # ------------------------------------------------------------------------------------------------------- time

    @rule(seconds=st.sampled_from((1, TICK, TIMEOUT - 1, TIMEOUT + TICK, QUEUE_TTL + TICK)))
    def wait(self, seconds: int) -> None:
        self.kit.clock.advance(seconds)
        now = self.kit.clock.seconds()
        if now < self.next_tick:
            return
        self.next_tick = now + TICK
        for entry in [entry for entry in self.queue if now - entry.at >= QUEUE_TTL]:
            self.queue.remove(entry)
            entry.ends("expired")
        for entry in [entry for entry in self.under_way if now - entry.at >= TIMEOUT]:
            self.under_way.remove(entry)
            entry.ends("expired")

    # ------------------------------------------------------------------------------------------------------- always

    @invariant()
    def everybody_heard_what_became_of_each_request(self) -> None:
        for entry in self.all[-12:]:
            assert self.kit.statuses(self.sids[entry.who], entry.request_id) == entry.said, entry.request_id

    @invariant()
    def the_extension_was_given_what_was_to_be_forwarded(self) -> None:
        payloads = [payload for link in self.links for payload in link.forwarded]
        assert [(p["requestId"], p["message"], p["currentRequest"].get("originalRequestIds")) for p in payloads] == [
            (given.request_id, given.text, given.ids) for given in self.given
        ]
        for payload in payloads[-1:]:
            ids = payload["currentRequest"].get("originalRequestIds")
            assert payload["currentRequest"].get("mergedFromCount") == (len(ids) if ids else None)

    @invariant()
    def what_is_live_is_queued_or_under_way(self) -> None:
        live = [*self.queue, *self.under_way, *(merged for entry in self.under_way for merged in entry.merged)]
        assert self.kit.ledger.live_count == len(live)
        for entry in live:
            request = self.kit.ledger.get(entry.who, entry.request_id)
            assert request is not None
            assert (request.state, request.live) == (entry.state, True)
        assert len(self.queue) <= SIZE

    @invariant()
    def whatever_became_of_it_everything_said_is_stored(self) -> None:
        said = [message.request_id for message in self.kit.stored("room") if not message.is_system]
        asked = [message.request_id for message in self.kit.stored("room") if message.text.startswith("of ")]
        assert asked == [entry.request_id for entry in self.all]
        assert len(said) == len(self.all) + sum(entry.said[-1:] == ["completed"] for entry in self.answered())

    def answered(self) -> list[Entry]:
        """Those that have an answer of their own: what was merged into another has not."""
        merged = {id(each) for entry in self.all for each in entry.merged}
        return [entry for entry in self.all if id(entry) not in merged]

    def teardown(self) -> None:
        self.kit.close()


QueueAndModes.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestQueueAndModes = QueueAndModes.TestCase
