"""Whatever anybody sends, only who sent it hears of it, and nothing is half done (contract C1-C6, 3, 12.1).

Each event of each namespace gets no payload, null, a number, a string, an array, a deep object and wrong types in each
of its fields, with and without ack, from every kind of peer in every role; then a right payload from each of them. The
table is isolation_events.py, the hub isolation.py; the last tests send a part of the same to a started daemon.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Hub as RealHub
from harness import Socket
from isolation import Hub, Packet, Somebody
from isolation_events import ALIASES, ANYBODY, EVENTS, KEYLESS, Does, Event
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher
from zope.interface import implementer

from newage.services.accounts.expulsion import REVOKED, SENT_AWAY

NOTHING = object()
DEEP: Any = {"a": [{"b": {"c": [None, {"d": [[]]}]}}], "__proto__": {"x": 1}}
for _ in range(20):  # more than 64 levels are not read
    DEEP = {"deep": [DEEP]}
SHAPES: list[Any] = [NOTHING, None, 7, "no such thing", ["x", 1], DEEP, True, "", 0.5, {}]
WRONG: list[Any] = [None, True, [], [[1]], {}, {"a": {"b": [1]}}]
NO_NUMBERS = {"role", "mode", "policy", "updatedFields", "password", "functionName", "filename", "level"}
FLAGS = {"clearRequests", "clearResponses", "fromLlm"}  # everything else but these may be written as a number (C11)

WITH_ACK = [event for event in EVENTS if event.does is not Does.UPSTREAM]
UPSTREAM = [event for event in EVENTS if event.does is Does.UPSTREAM]


class Stage:
    """A hub that is built again whenever something has changed it."""

    def __init__(self, folder: Path, strict: bool) -> None:
        self._folders = (folder / str(n) for n in itertools.count())
        self._strict = strict
        self._hub: Hub | None = None

    def begin(self) -> Stage:
        """At the start of a test: whatever one that failed has left is no concern of it."""
        if self._hub is not None and any(who.sink.frames for who in self._hub.people.values()):
            self.again()
        return self

    @property
    def hub(self) -> Hub:
        if self._hub is None:
            self._hub = Hub(next(self._folders), strict=self._strict)
        return self._hub

    def again(self) -> None:
        if self._hub is not None:
            self._hub.close()
        self._hub = None

    def names(self, namespace: str) -> list[str]:
        """Who is in a namespace; the strict hub plays only the part that differs."""
        people = self.hub.people
        return [
            name
            for name in people
            if namespace in people[name].namespaces and not (self._strict and name in ("manager", "special"))
        ]

    def restore(self, trial: Trial) -> None:
        """After a success: let timers run out, or begin anew if more has changed."""
        if set(trial.difference()) - {"timers"}:
            self.again()
        else:
            self.hub.settle()
            self.hub.last = None


@pytest.fixture(scope="module", params=[False, True], ids=["trusting", "strict"])
def shared_stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("isolation"), request.param)


@pytest.fixture
def stage(shared_stage: Stage) -> Stage:
    return shared_stage.begin()


@pytest.fixture(autouse=True)
def no_errors() -> Iterator[None]:
    """Nothing is logged as an error: what a peer sends is never the hub's fault."""
    seen: list[Any] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if event.get("log_level") in (LogLevel.error, LogLevel.critical) or "log_failure" in event:
            seen.append(event.get("log_failure") or event.get("log_format"))

    globalLogPublisher.addObserver(observe)
    yield
    globalLogPublisher.removeObserver(observe)
    assert seen == []


def payloads(event: Event, hub: Hub, who: str) -> Iterator[tuple[Any, bool, bool]]:
    """(payload, must it fail, is it no object with one wrong field)."""
    for shape in SHAPES:
        yield shape, _shape_fails(event, shape), True
    right = event.valid(hub, who)
    for name in event.fields:
        for wrong in _wrong(name):
            fails = name in event.needed or (name in event.typed and wrong is not None)
            if name == "updatedFields" and isinstance(wrong, dict) and wrong:
                fails = False  # members of whatever name may be added to a message
            yield {**right, name: wrong}, fails, False
        for alias in ALIASES.get(name, ()) if isinstance(right, dict) and name not in event.loose else ():
            rest = {field: value for field, value in right.items() if field != name}
            for wrong in ([[1]], True):
                yield {**rest, alias: wrong}, True, False


def _wrong(name: str) -> list[Any]:
    if name in FLAGS:
        return [wrong for wrong in WRONG if wrong is not True] + ["yes", 1]
    return [*WRONG, 12.5] if name in NO_NUMBERS else WRONG


def _shape_fails(event: Event, shape: Any) -> bool:
    if event.unread:
        return False
    if shape is NOTHING or shape is None:
        return not event.optional
    if isinstance(shape, str):
        return not event.string or (shape == "" and not event.optional)
    if isinstance(shape, dict):
        return bool(event.needed)
    return True


def dialects(reply: list[Any]) -> bool:
    """The ack speaks both dialects (C2); returns whether it is a success."""
    (body,) = reply
    assert isinstance(body, dict)
    if body["status"] in ("ok", "warning"):
        assert body["success"] is True
        assert "error" not in body
        return True
    assert (body["status"], body["success"]) == ("error", False)
    assert isinstance(body["message"], str)
    assert body["message"]
    assert body["error"]["message"] == body["message"]
    assert "code" in body["error"]
    assert type(body["errorCode"]) is int
    return False


ENDS = (REVOKED, SENT_AWAY)  # of a socket that asked for its own end, which is no refusal


class Trial:
    """One packet, and what became of it."""

    def __init__(self, hub: Hub, event: Event, who: Somebody, payload: Any, ack: bool) -> None:
        self.label = (event.namespace, event.name, who.name, payload if payload is not NOTHING else "NOTHING", ack)
        self._event = event
        self._before = hub.state() if hub.last is None else hub.last
        args = [event.name] if payload is NOTHING else [event.name, payload]
        who.send(event.namespace, args, ack)
        hub.clock.advance(0)
        self.own = who.take()
        self.others = hub.noticed(who)
        hub.last = hub.state()
        self._after = hub.last
        self.changed = self._after != self._before
        self._ack = ack

    def refused(self) -> bool:
        """Check the answer, and that a refusal is nobody else's business; was it one?"""
        acks = [packet for packet in self.own if packet.kind == "3"]
        told = [packet for packet in self.own if packet.data[:1] == ["ERROR"]]
        errors = [packet for packet in told if packet.data[1]["message"] not in ENDS]
        assert len(acks) == self._ack, self.label
        success = dialects(acks[0].data) if self._ack else not errors
        if self._event.does is Does.TELL and not self._ack:
            assert self.own == [], (self.label, "a query without ack is ignored (C3)")
        elif not success:
            self._check_refusal(errors)
        if not success or self._event.does in (Does.TELL, Does.PUSH):
            assert self.others == {}, (self.label, self.others)
            assert self._event.does is Does.PUSH or not self.changed, (self.label, self.difference())
        return not success

    def _check_refusal(self, errors: list[Packet]) -> None:
        if not self._ack:
            assert len(errors) == 1, self.label
        assert [p for p in self.own if p.kind != "3"] == errors, (self.label, self.own)
        for error in errors:
            assert error.namespace == self._event.namespace
            (body,) = error.data[1:]
            assert (body["type"], type(body["message"]), type(body["errorCode"])) == ("ERROR", str, int), self.label
            assert "code" in body

    def difference(self) -> dict[str, Any]:
        before, after = self._before, self._after
        return {name: (before[name], after[name]) for name in after if after[name] != before[name]}


def test_the_table_names_every_event_of_every_namespace(tmp_path: Path) -> None:
    hub = Hub(tmp_path, strict=False)
    handled = {(n.path, event) for n in hub.core.dispatcher.namespaces() for event in n.handlers}
    leaving = {pair for pair in handled if pair[1] == "CLIENT_DISCONNECTED"}
    assert {n.path for n in hub.core.dispatcher.namespaces()} == {path for path, _ in leaving}
    listed = [(event.namespace, event.name) for event in EVENTS]
    assert sorted(listed) == sorted(handled - leaving)
    hub.close()


@pytest.mark.parametrize("event", WITH_ACK, ids=str)
def test_malformed_payloads_concern_nobody_else(stage: Stage, event: Event) -> None:
    for name in stage.names(event.namespace):
        cases = list(payloads(event, stage.hub, name))
        for number, ack in itertools.product(range(len(cases)), (True, False)):
            payload, fails, is_shape = cases[number]
            if not is_shape and (not ack or (not fails and name not in ("guest", "extension"))):
                continue  # what is tolerated is tolerated of everybody
            trial = Trial(stage.hub, event, stage.hub.people[name], payload, ack)
            refused = trial.refused()
            ignored = event.does is Does.TELL and not ack
            assert refused or ignored or not fails, (trial.label, trial.own)
            if trial.changed or trial.others or (event.does is Does.PUSH and not refused):
                stage.restore(trial)
                cases = list(payloads(event, stage.hub, name))


@pytest.mark.parametrize("event", WITH_ACK, ids=str)
def test_a_right_payload_succeeds_for_those_who_may(stage: Stage, event: Event) -> None:
    for name in stage.names(event.namespace) if event.allowed is not None else ():
        hub = stage.hub
        trial = Trial(hub, event, hub.people[name], event.valid(hub, name), True)
        assert trial.refused() is (name not in (event.allowed or ())), (trial.label, trial.own)
        if trial.changed or trial.others or event.does is Does.PUSH:
            stage.restore(trial)


@pytest.mark.parametrize("event", UPSTREAM, ids=str)
def test_nobody_injects_an_answer(stage: Stage, event: Event) -> None:
    """Contract 12.2, H3: what is no extension's, or is malformed, is dropped; nobody is acked."""
    for name in stage.names(event.namespace):
        right = event.valid(stage.hub, name)
        odd = [{**right, field: wrong} for field in event.fields for wrong in WRONG]
        shapes = [shape for shape in SHAPES if not (name == "extension" and isinstance(shape, dict))]
        foreign = [] if name == "extension" else [right, {**right, "requestId": "r3"}, *odd]
        for payload in (*shapes, *foreign):
            for ack in (True, False):
                trial = Trial(stage.hub, event, stage.hub.people[name], payload, ack)
                assert not trial.changed, trial.label
                assert trial.others == {}, (trial.label, trial.others)
                kinds = {p.data[0] if p.kind == "2" else p.kind for p in trial.own}
                if event.name == "$stream-write":
                    assert [p.data for p in trial.own if p.kind == "3"] == ([_unknown(payload)] if ack else [])
                elif event.name == "message":
                    assert kinds <= {"WARNING"}, (trial.label, trial.own)
                else:
                    assert trial.own == [], (trial.label, trial.own)


def _unknown(payload: Any) -> list[str]:
    return [f"invalid stream id: {payload if isinstance(payload, str) else ''}"]


@pytest.mark.parametrize("event", [e for e in UPSTREAM if e.fields and not e.name.startswith("STREAM")], ids=str)
@pytest.mark.parametrize("shared_stage", [False], ids=["trusting"], indirect=True)
def test_what_an_extension_gets_wrong_harms_no_other_request(stage: Stage, event: Event) -> None:
    """What it has been asked by others stays as it is, and who has nothing to do with it hears nothing."""
    for field, wrong in itertools.product(event.fields, [None, [[1]], {"a": {"b": 1}}]):
        hub = stage.hub
        before = hub.state()
        payload = {**event.valid(hub, "extension"), field: wrong}
        trial = Trial(hub, event, hub.people["extension"], payload, False)
        after = hub.state()
        assert after["requests"]["r2"] == before["requests"]["r2"], trial.label
        assert after["rooms"].keys() == before["rooms"].keys()
        assert not {"outsider", "remote", "admin"} & trial.others.keys(), (trial.label, trial.others)
        if trial.changed or trial.others:
            stage.restore(trial)


@pytest.mark.parametrize("payload", SHAPES, ids=lambda shape: "nothing" if shape is NOTHING else str(shape)[:20])
def test_leaving_a_namespace_needs_no_payload(stage: Stage, payload: Any) -> None:
    for name in ("outsider", "admin"):
        for namespace in stage.hub.people[name].namespaces:
            somebody = stage.hub.people[name]
            somebody.send(
                namespace, ["CLIENT_DISCONNECTED"] if payload is NOTHING else ["CLIENT_DISCONNECTED", payload], False
            )
            stage.hub.clock.advance(0)
            assert [(p.kind, p.namespace) for p in somebody.take()] == [("1", namespace)]
            assert stage.hub.noticed(somebody) == {}
    stage.again()


@pytest.mark.parametrize(
    "frame", ['[null,{"a":1}]', "[]", "[7]", '[{"a":1},2]', "[[]]", '["NO_SUCH_EVENT",{}]', '["",{}]']
)
def test_events_without_a_name_are_ignored(stage: Stage, frame: str) -> None:
    """C6, H12."""
    hub = stage.hub
    before = hub.state()
    for somebody in hub.people.values():
        for namespace in somebody.namespaces:
            prefix = "" if namespace == "/" else namespace + ","
            for ack in ("", "3"):
                somebody.connection.text_received(f"42{prefix}{ack}{frame}".encode())
    assert hub.noticed() == {}
    assert hub.state() == before


def test_the_keyless_may_do_nothing_but_become_known(stage: Stage) -> None:
    """Contract 2.8.4 (a): the table says so for every event; this says that the table does."""
    opened = {event.name for event in EVENTS if event.allowed is not None and event.allowed & KEYLESS}
    assert opened == {"GET_SILLYTAVERN_EXTENSION", "IDENTIFY_SILLYTAVERN"}
    assert not ANYBODY & KEYLESS


# ---------------------------------------------------------------------------------------------------- a started daemon

REAL = [
    *("/auth GET_CLIENT_KEY", "/auth LOGIN", "/clients GENERATE_CLIENT_KEY", "/function_call FUNCTION_CALL"),
    *("/llm LLM_REQUEST", "/llm EDIT_MESSAGE", "/llm GET_OFFLINE_MESSAGES", "/llm START_TYPING", "/debug READ_LOG"),
    *("/rooms CREATE_ROOM", "/rooms SET_MEMBER_ROLE", "/rooms MUTE_MEMBER", "/rooms REMOVE_CLIENT_FROM_ROOM"),
    *("/rooms SET_MESSAGE_REQUEST_MODE", "/rooms SET_CONNECTION_POLICY", "/rooms CLEAR_MESSAGES"),
]


@pytest.mark.parametrize("kind", ["web-app", "SillyTavern", "monitor"])
def test_a_started_daemon_answers_the_same(hub: RealHub, kind: str) -> None:
    """Through socket.io-client: an ack in both dialects for each, and no word to a bystander."""
    stem = "SillyTavern" if kind == "SillyTavern" else "peer"
    client_id = f"SillyTavern-{hub.new_id('x')[2:]}" if kind == "SillyTavern" else hub.new_id(stem)
    engine = hub.engine()
    events = [
        event for event in EVENTS if str(event) in REAL and not (kind == "web-app" and event.namespace == "/debug")
    ]
    namespaces = dict.fromkeys(event.namespace for event in events)
    auth = {"clientType": kind, "clientId": client_id}
    sockets = {nsp: hub.open(nsp, auth, engine=engine).connected() for nsp in namespaces}
    bystander = {nsp: hub.client(hub.new_id("by"), nsp) for nsp in ("/llm", "/rooms")}
    for socket in bystander.values():
        socket.call("GET_FULL_CONTEXT" if socket.nsp == "/llm" else "GET_ROOMS", {})
    before = bystander["/rooms"].call("GET_ROOMS")
    marks = {nsp: socket.mark() for nsp, socket in bystander.items()}
    numbers: list[tuple[Event, Any, int]] = []
    for event in events:
        for shape in SHAPES:
            if event.does is not Does.TELL and not (event.optional or _shape_fails(event, shape)):
                continue  # it may succeed: the others test what becomes of it
            if event.optional and event.does is Does.CHANGE and not _shape_fails(event, shape):
                continue
            args: list[Any] = [event.name] if shape is NOTHING else [event.name, shape]
            numbers.append((event, shape, sockets[event.namespace].post_call(*args)))
            sockets[event.namespace].emit(*args)
    for event, shape, number in numbers:
        success = dialects(hub.driver.result(number))
        assert not (success and _shape_fails(event, shape)), (str(event), shape)
    _nothing_was_noticed(bystander, marks)
    assert bystander["/rooms"].call("GET_ROOMS") == before
    assert not [socket.nsp for socket in sockets.values() if socket.all("@disconnect")]


def _nothing_was_noticed(bystander: dict[str, Socket], marks: dict[str, int]) -> None:
    for nsp, socket in bystander.items():
        socket.call("GET_ASSIGNMENTS_FOR_ROOM", {})
        events = {record.event for record in socket.records[marks[nsp] :]}
        assert events <= {"UPDATE_CONTEXT_PAGE", "AVAILABLE_EXTENSIONS"}, events


def test_a_daemon_survives_whatever_has_no_name(hub: RealHub) -> None:
    socket = hub.client(hub.new_id())
    args: list[Any]
    for args in ([None, {}], [7], [[]], [{}, 1], [""], [True]):
        socket.emit(*args)
    socket.fence()
    assert not socket.all("@disconnect")
