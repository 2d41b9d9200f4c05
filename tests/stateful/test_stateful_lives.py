"""The life of a request across all that it passes: asked, moved, begun, cut, resumed, taken back, restarted, in any
order (contract 5.3, 5.6, 5.7.7, 5.8; A20-A22, A35).

A person asks and may lose the line, three extensions answer as they like and may lose theirs, stores may be slow, and
the hub may be killed. The checker knows what each of them has been told, and what has to be true of it:

* of each question that was acked the person learns one end, by an event, a notice or RESUME_OUTPUTS, and never two;
* what is shown of an answer has no gap and nothing twice, and is what is stored;
* an answer is one extension's, none gives two that are whole, and where the end is ``completed`` there is one;
* when all is quiet nothing is left of it, neither in memory nor in the stores.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from attrs import define, field
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from twisted.internet.defer import Deferred

from followkit import Follower
from hubkit import Kit, Link, result_of
from newage.dialect import requests, streams
from newage.domain.details import Details
from newage.errors import NewAgeError, NotFound
from newage.ports import Said
from newage.services.requests.limits import RequestSettings
from newage.services.streams.cancelling import Which
from newage.services.streams.cursor import Position
from newage.services.streams.resuming import Wanted

ME = "ann"
NAMES = ("tavern-a", "tavern-b", "tavern-c")
FEATURES = frozenset({"accept", "cancel", "reset", "resume", "groups", "reasoning"})
FINAL = ("completed", "failed", "expired", "cancelled")
WORK = ("accept", "token", "token", "thought", "end", "piece", "error", "busy", "fail", "more", "over")
PICK = st.integers(0, 11)
LIMITS = RequestSettings(request_rate=100_000, queue_ttl_seconds=3600)


@define(eq=False)
class Task:
    """What an extension has been asked, and what it has said of it."""

    request_id: str
    output_id: str
    begun: bool = False
    said: str = ""


@define(eq=False)
class Page:
    """One extension's page: its line may go and come, what it is at outlives that."""

    name: str
    sid: str = ""
    link: Link = field(factory=Link)
    seen: int = 0
    stopped: int = 0
    tasks: dict[str, Task] = field(factory=dict)
    gone: list[Task] = field(factory=list)  # that it was told to stop

    def by(self, task: Task) -> Said:
        return Said(self.name, f"s-{task.output_id}", task.output_id, task.request_id, self.sid)


class Lives(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.kit = Kit(requests=LIMITS)
        self.kit.talk.first_tokens.start()
        self.numbers = count(1)
        self.pages = {name: Page(name) for name in NAMES}
        self.follower = Follower()
        self.sid = ""
        self.taken = 0  # of what came to that socket
        self.acked: dict[str, str] = {}  # requestId -> its last known end, "" while there is none
        self.asking: dict[str, Deferred[dict[str, Any]]] = {}
        self.asked_of: dict[str, int] = {}  # how many extensions were asked each request
        self.groups: set[str] = set()  # requests with several answers
        self.unsure: set[str] = set()  # what was told of them was perhaps not stored when the hub was killed
        self.texts: dict[str, str] = {}  # outputId -> what was said of it, whoever heard it
        self.old: list[Kit] = []

    @initialize()
    def everybody_comes(self) -> None:
        self.person_comes()
        for page in self.pages.values():
            self.comes(page)
        self.ask(failover=True, named=None)

    # ------------------------------------------------------------------------------------------------------ the person

    def person_comes(self) -> None:
        self.sid = self.kit.connect(ME, outputs=True)
        self.taken = 0
        self.kit.settle()
        self.hear()
        wanted = [
            Wanted(each, Position(had.rev, wish["at"], wish["reasoningAt"]))
            for each, had in self.follower.outputs.items()
            if (wish := had.wish(each)) and had.state == "live"
        ]
        open_now = [each for each, end in self.acked.items() if not end]
        resuming, standings = self.kit.talk.resuming, self.kit.talk.standings
        found = result_of(
            Deferred.fromCoroutine(
                resuming.resume(self.kit.caller(self.sid), None, self.follower.epoch or None, wanted[:64])
            )
        )
        body = streams.resumed(resuming.epoch, found)
        said = requests.standings(standings.of(self.kit.caller(self.sid), open_now))["requests"]
        self.hear()
        more = self.follower.resumed({"status": "ok", **body})
        assert not more
        for each in said:
            if not each["live"] and not self.acked[each["requestId"]]:
                self.ends(each["requestId"], each["status"])

    @precondition(lambda self: not self.kit.gate.shut)
    @rule()
    def line_of_person(self) -> None:
        if self.sid:
            self.hear()
            self.kit.disconnect(self.sid)
            self.sid = ""
        else:
            self.person_comes()

    @precondition(lambda self: self.sid)
    @rule(failover=st.booleans(), named=st.sampled_from([None, *NAMES, "tavern-a tavern-b"]))
    def ask(self, failover: bool, named: str | None) -> None:
        request_id = f"r{next(self.numbers)}"
        targets = None if named is None else tuple(named.split())
        self.asked_of[request_id] = 1 if targets is None else len(targets)
        asking = self.kit.ask(self.sid, f"q {request_id}", request_id, failover=failover, targets=targets)
        self.asking[request_id] = asking
        self.look_for_acks()

    def look_for_acks(self) -> None:
        for request_id, asking in list(self.asking.items()):
            if asking.called:
                del self.asking[request_id]
                asking.addCallbacks(lambda ack, request_id=request_id: self.ack(request_id), self.refused)

    def ack(self, request_id: str) -> None:
        self.acked.setdefault(request_id, "")

    def refused(self, failure: Any) -> None:
        failure.trap(NewAgeError)

    @precondition(lambda self: self.sid and any(not end for end in self.acked.values()))
    @rule(pick=PICK)
    def stop(self, pick: int) -> None:
        waiting = [each for each, end in self.acked.items() if not end]
        request_id = waiting[pick % len(waiting)]
        stopping = Deferred.fromCoroutine(
            self.kit.cancelling.cancel(self.kit.caller(self.sid), Which(request_id=request_id))
        )
        stopping.addErrback(lambda failure: failure.trap(NotFound) and None)

    def hear(self) -> None:
        """What has come to the person's socket since."""
        self.look_for_acks()
        if not self.sid:
            return
        come = self.kit.outbox.got(self.sid)
        for each in come[self.taken :]:
            if each.event == "REQUEST_STATUS_UPDATE":
                if each.body["status"] in FINAL:
                    self.ends(each.body["requestId"], each.body["status"])
            else:
                self.follower.take(each.event, each.body)
        self.taken = len(come)

    def ends(self, request_id: str, status: str) -> None:
        assert not self.acked.get(request_id) or request_id in self.unsure, (request_id, self.acked, status)
        self.unsure.discard(request_id)
        self.acked[request_id] = status

    # -------------------------------------------------------------------------------------------------- the extensions

    def comes(self, page: Page) -> None:
        page.link, page.seen, page.stopped = Link(), 0, 0
        page.sid = self.kit.connect(page.name, client_type="SillyTavern", link=page.link, features=FEATURES)
        for task in list(page.tasks.values()):
            if task.begun:
                try:
                    had = self.kit.streams.resume(page.by(task))
                except NotFound:
                    del page.tasks[task.request_id]
                else:
                    heard = had.text.text()
                    assert task.said.startswith(heard)
                    rest = task.said[len(heard) :]
                    if rest:
                        self.kit.streams.stream_data(page.by(task), None, rest)

    @rule(name=st.sampled_from(NAMES), loaded_again=st.booleans())
    def line_of_extension(self, name: str, loaded_again: bool) -> None:
        page = self.pages[name]
        if page.sid:
            self.look()
            self.kit.disconnect(page.sid)
            page.sid = ""
        else:
            if loaded_again:
                page.tasks.clear()
            self.comes(page)

    def look(self) -> None:
        """What extensions have been asked, and told to stop."""
        for page in self.pages.values():
            for asked in page.link.forwarded[page.seen :]:
                request_id = asked["requestId"]
                page.tasks[request_id] = Task(request_id, f"o-{page.name}-{next(self.numbers)}")
            page.seen = len(page.link.forwarded)
            for request_id, _, reason in page.link.stops[page.stopped :]:
                task = page.tasks.pop(request_id, None)
                if task is not None and reason != "timeout":  # then what comes late counts (5.5)
                    page.gone.append(task)
            stopped, page.stopped = page.link.stopping[page.stopped :], len(page.link.stopping)
            for each in stopped:
                each.callback(None)

    def at_work(self) -> list[tuple[Page, Task]]:
        self.look()
        return [(page, task) for page in self.pages.values() if page.sid for task in page.tasks.values()]

    @precondition(lambda self: self.at_work())
    @rule(pick=PICK, what=st.sampled_from(WORK))
    def work(self, pick: int, what: str) -> None:
        work = self.at_work()
        page, task = work[pick % len(work)]
        said, kit = page.by(task), self.kit
        match what:
            case "accept":
                kit.talk.taking.accept(kit.caller(page.sid), task.request_id, "headless", None)
            case "token":
                word = f"{page.name}:{task.output_id}:{len(task.said)} "
                task.begun, task.said = True, task.said + word
                self.texts[task.output_id] = task.said
                kit.streams.stream_data(said, None, word)
            case "thought":
                task.begun = True
                kit.streams.stream_reasoning(said, None, "hm ")
            case "end":
                kit.streams.stream_started(said)
                kit.streams.stream_ended(said, True)
            case "piece" if not task.begun:
                self.texts[task.output_id] = task.said = f"{page.name}:{task.output_id}:whole"
                kit.streams.answered(said, task.said, Details(extra={"n": 1}))
            case "more":
                kit.streams.stream_started(said)
                kit.streams.stream_ended(said, True, Details(more=True))
                self.groups.add(task.request_id)
                task.output_id, task.begun, task.said = f"o-{page.name}-{next(self.numbers)}", False, ""
            case "over" if task.request_id in self.groups:
                kit.streams.processing_stopped(Said(page.name, request=task.request_id, socket=page.sid))
            case "error":
                kit.streams.failed(said, "no model", None)
            case "busy" if not task.begun and task.request_id not in self.groups:
                kit.talk.taking.busy(kit.caller(page.sid), task.request_id, None, "busy")
            case "fail":
                kit.streams.stream_started(said)
                kit.streams.stream_failed(said)
        if what in ("end", "piece", "error", "busy", "fail") or (what == "over" and task.request_id in self.groups):
            page.tasks.pop(task.request_id, None)

    @precondition(lambda self: any(page.sid and page.gone for page in self.pages.values()))
    @rule(pick=PICK, what=st.sampled_from(("token", "piece", "error", "end", "accept")))
    def a_page_goes_on_with_what_it_was_told_to_stop(self, pick: int, what: str) -> None:
        gone = [(page, task) for page in self.pages.values() if page.sid for task in page.gone]
        page, task = gone[pick % len(gone)]
        said = page.by(task)
        match what:
            case "token":
                self.kit.streams.stream_data(said, None, "nobody hears this")
            case "piece":
                self.kit.streams.answered(said, "nor this")
            case "error":
                self.kit.streams.failed(said, "nor that", None)
            case "end":
                self.kit.streams.stream_ended(said, True)
            case _:
                self.kit.talk.taking.accept(self.kit.caller(page.sid), task.request_id, "headless", None)

    # --------------------------------------------------------------------------------------------- the stores, the hub

    @rule()
    def stores_are_slow(self) -> None:
        self.kit.gate.shut = self.kit.request_gate.shut = True

    @rule()
    def stores_work(self) -> None:
        self.kit.gate.open()
        self.kit.request_gate.open()

    @rule(killed=st.booleans(), lost=st.booleans())
    def hub_restarts(self, killed: bool, lost: bool) -> None:
        """:param lost: the pages are loaded again meanwhile."""
        self.hear()
        if not killed:
            self.stores_work()
            self.kit.requests.refuse_new()
            result_of(Deferred.fromCoroutine(self.kit.streams.drain()))
            self.hear()
        elif self.kit.gate.shut:  # what was told while nothing could be stored may be told otherwise
            self.unsure.update(each for each, end in self.acked.items() if end)
        self.old.append(self.kit)
        self.asking.clear()
        self.kit = Kit(with_stores_of=self.kit, requests=LIMITS)
        self.kit.talk.first_tokens.start()
        was_there, self.sid = bool(self.sid), ""
        for page in self.pages.values():
            there, page.sid = bool(page.sid), ""
            page.gone.clear()  # it may be asked the same anew
            if lost:
                page.tasks.clear()
            if there:
                self.comes(page)
        if was_there:
            self.person_comes()

    @rule(seconds=st.sampled_from([0.1, 0.6, 3, 11, 31, 61, 200]))
    def time_passes(self, seconds: float) -> None:
        whole = int(seconds)
        self.kit.clock.pump([1.0] * whole + [seconds - whole])

    # ---------------------------------------------------------------------------------------------------------- always

    @invariant()
    def nothing_is_shown_twice_or_with_a_gap(self) -> None:
        self.look()
        self.hear()
        for output_id, had in self.follower.outputs.items():
            said = self.texts.get(output_id)
            if said is not None and had.whole:
                assert said.startswith(had.text["text"]) or had.text["text"].startswith(said)

    def teardown(self) -> None:
        try:
            self.all_is_quiet()
        finally:
            self.kit.close()

    def all_is_quiet(self) -> None:
        self.stores_work()
        self.look()
        for page in self.pages.values():
            if page.sid:
                self.kit.disconnect(page.sid)
                page.sid = ""
        self.hear()
        if not self.sid:
            self.person_comes()
        self.kit.clock.pump([30.0] * 130)
        self.hear()
        self.kit.disconnect(self.sid)
        self.sid = ""
        self.kit.settle()
        self.person_comes()
        assert all(self.acked.values()), self.acked
        answers = self.kit.responses(ME)
        for request_id, end in self.acked.items():
            own = [each for each in answers if each.request_id == request_id]
            whole = [each for each in own if not (each.failed or each.partial)]
            if request_id in self.groups:
                continue
            if end == "completed":
                assert whole, (request_id, end, own)
            assert len(whole) <= self.asked_of[request_id], own  # what failed may have been answered late
        for each in answers:
            said = self.texts.get(each.output_id or "", "")
            fits = said == each.text or (each.partial and said.startswith(each.text))
            assert fits, (each, said)
        asked = [each.request_id for each in self.kit.stored(ME) if not (each.is_response or each.is_system)]
        assert len(asked) == len(set(asked))
        assert set(self.acked) <= set(asked)
        assert self.kit.ledger.live_count == 0
        assert (self.kit.streams.open_outputs, self.kit.streams.known_extensions) == (0, 0)
        assert result_of(self.kit.request_store.load_requests()) == ()
        assert result_of(self.kit.open_output_store.load_texts()) == ()
        assert self.kit.desks._desks == {}
        assert self.kit.pacer.extensions == []
        assert dict(self.kit.talk.returns._held.lost()) == {}


Lives.TestCase.settings = settings(max_examples=15, stateful_step_count=30, deadline=None, derandomize=True)
TestLives = Lives.TestCase
