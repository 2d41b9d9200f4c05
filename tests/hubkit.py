"""A hub's services put together on a Clock, memory stores and an outbox that remembers: what unit tests stand on.

The order of listeners is that of ``newage.assembly``. Nothing waits: a store answers at once, or when its gate opens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from inspect import isawaitable
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID

import orjson
from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import LogLevel, capturedLogs
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.assembly.accounts import Basis
from newage.assembly.talk import close_talk, load_talk, make_talk
from newage.config import Config
from newage.config.live import LiveTables
from newage.daemon.workers import InlineWorkers
from newage.dialect import requests
from newage.domain.correlation import Desk
from newage.domain.delivery import EVERYBODY, Audience, AudienceKind, Emission
from newage.domain.forwarded import ForwardedRequest
from newage.domain.history import Behind
from newage.domain.model import Caller, ConnectionPolicy, Message, Peer, RequestMode, Role, Room, Session, Term
from newage.domain.open_request import Answered, Notice, OpenRequest
from newage.domain.open_text import OpenText
from newage.domain.request import Ask
from newage.domain.shown import ShownOutput
from newage.domain.status import HubStatus
from newage.domain.webhooks import Delivery
from newage.errors import ClientMissing, NewAgeError, PeerGone, TimedOut
from newage.ports import (
    IChannel,
    IExtensionLink,
    IMarkStore,
    IMessageStore,
    IOpenOutputStore,
    IOutbox,
    IPoster,
    IRequestStore,
    IRoomStore,
    ISocket,
    Said,
)
from newage.services.sessions.names import Names
from newage.services.sessions.sessions import SessionService
from newage.services.world import World
from newage.settings import Live
from newage.storage.memory import (
    MemoryKeyStore,
    MemoryMarkStore,
    MemoryOpenOutputStore,
    MemoryRequestStore,
    MemoryResidentStore,
    MemorySpentStore,
    MemoryStateStore,
)
from newage.storage.memory_rooms import MemoryMessageStore, MemoryRoomStore
from newage.storage.memory_webhooks import MemoryWebhookStore
from newage.storage.state import NamedValues
from newage.storage.stores import Stores

EPOCH = 1_700_000_000.0  # the wall time at the start of every test: 2023-11-14T22:13:20Z


def ours() -> bool:
    """A loopback socket that belongs to the hub's own system user."""
    return True


HOME = Peer("127.0.0.1", local=True, near=True, owned=ours)
OPERATOR = Caller(  # an administrator, for tests that are not about rights
    sid="operator",
    namespace="/rooms",
    session=Session(client_id="operator", identity="operator", client_type="monitor"),
    peer=HOME,
    sensitive=True,
)


def result_of(d: Any) -> Any:
    """What an awaitable has fired with; it must have fired."""
    found: list[Any] = []
    pending = d if isinstance(d, Deferred) else Deferred.fromCoroutine(d)
    pending.addBoth(found.append)
    assert found, "has not fired yet"
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


def failure_of(d: Any) -> NewAgeError:
    """The known error an awaitable has failed with."""
    try:
        result = result_of(d)
    except NewAgeError as error:
        return error
    raise AssertionError(f"did not fail but gave {result!r}")


# ------------------------------------------------------------------------------------------------------------- outbox
STATUS = HubStatus(
    port=8000,
    address=None,
    network_safe=True,
    started="2026-01-02 03:04:05",
    uptime=61,
    version="1",
    clients=2,
    extensions=(),
    rooms=3,
    live_requests=4,
    open_outputs=5,
    policy=ConnectionPolicy.FREE,
    default_mode=RequestMode.DEFAULT,
    memory_bytes=6,
)


class Sent(NamedTuple):
    """One event as one socket got it."""

    sid: str
    event: str
    args: tuple[Any, ...]

    @property
    def body(self) -> Any:
        return self.args[0] if self.args else None


@define(eq=False)
class Call:
    """One event that wants an ack."""

    sid: str
    event: str
    args: tuple[Any, ...]
    answer: Deferred[list[Any]]


Draw = Callable[[], list[tuple[str, Any]]]


@define
class _Socket:
    namespace: str
    transport: str
    waiting: list[Sent | Draw] | None = None  # for a polling client that is away
    end: Callable[[], object] = lambda: None


@implementer(IChannel)
@define
class RecordingChannel:
    _outbox: RecordingOutbox
    _sids: tuple[str, ...]

    def emit(self, event: str, *args: Any) -> None:
        for sid in self._sids:
            self._outbox.emit(sid, event, *args)


@implementer(IOutbox)
class RecordingOutbox:
    """Keeps sockets and their audiences as ``gateway.hub.Hub`` does, and everything each socket was sent, in order.

    ``faults`` lists what could not have been written as JSON; a test that leaves one there has failed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._sockets: dict[str, _Socket] = {}
        self._audiences: defaultdict[tuple[str, Audience], dict[str, None]] = defaultdict(dict)
        self.sent: list[Sent] = []
        self.calls: list[Call] = []
        self.emissions: list[Emission] = []
        self.faults: list[str] = []
        self.refuse_calls: NewAgeError | None = None
        self.on_sent: Any = None

    # ---------------------------------------------------------------------------------------------------- for tests

    def open(
        self, sid: str, namespace: str, transport: str = "websocket", end: Callable[[], object] = lambda: None
    ) -> None:
        """:param end: called when the hub ends the socket."""
        self._sockets[sid] = _Socket(namespace, transport, end=end)

    def away(self, sid: str) -> None:
        """A polling client that is behind: what it is sent waits until ``fetch``, what is offered is drawn then."""
        self._sockets[sid].waiting = self._sockets[sid].waiting or []

    def fetch(self, sid: str) -> None:
        """It comes for what waits, and is not behind any more."""
        waiting, self._sockets[sid].waiting = self._sockets[sid].waiting, None
        for item in waiting or ():
            if isinstance(item, Sent):
                self._deliver(item)
            else:
                self.offer(sid, item)

    def close(self, sid: str) -> None:
        """The socket goes: it is in no audience any more, and who waits for its ack hears so."""
        del self._sockets[sid]
        for members in self._audiences.values():
            members.pop(sid, None)
        for call in [call for call in self.calls if call.sid == sid]:
            self.calls.remove(call)
            call.answer.errback(PeerGone("The client disconnected."))

    def got(self, sid: str, *events: str) -> list[Sent]:
        """What a socket was sent, in order; only these events, if any are named."""
        return [sent for sent in self.sent if sent.sid == sid and (not events or sent.event in events)]

    def bodies(self, sid: str, *events: str) -> list[Any]:
        return [sent.body for sent in self.got(sid, *events)]

    def names(self, sid: str) -> list[str]:
        return [sent.event for sent in self.got(sid)]

    def clear(self) -> None:
        self.sent.clear()
        self.emissions.clear()

    def audiences(self, sid: str) -> set[Audience]:
        namespace = self._sockets[sid].namespace
        return {audience for (where, audience), sids in self._audiences.items() if where == namespace and sid in sids}

    def acknowledge(self, *answer: Any, sid: str | None = None) -> None:
        """Answer the oldest open call, of this socket if it is named."""
        call = next(call for call in self.calls if sid is None or call.sid == sid)
        self.calls.remove(call)
        call.answer.callback(list(answer))

    # ----------------------------------------------------------------------------------------------------- IOutbox

    def disconnect(self, sid: str) -> None:
        if sid in self._sockets:
            self._sockets[sid].end()

    def publish(self, *emissions: Emission) -> None:
        for emission in emissions:
            self._publish(emission)

    def _publish(self, emission: Emission) -> None:
        self.emissions.append(emission)
        receivers: dict[str, None] = {}
        for audience in emission.to:
            receivers.update(dict.fromkeys(self._receivers(emission.namespace, audience)))
        for sid in receivers:
            self.emit(sid, emission.event, *emission.args)
        if not receivers:
            self._checked(emission.args)

    def _receivers(self, namespace: str, audience: Audience) -> Iterable[str]:
        if audience == EVERYBODY:
            return dict.fromkeys(sid for sid, socket in self._sockets.items() if socket.namespace == namespace)
        if audience.kind is AudienceKind.SOCKET:
            socket = self._sockets.get(audience.name)
            return {audience.name: None} if socket is not None and socket.namespace == namespace else {}
        return self._audiences.get((namespace, audience), {})

    def emit(self, sid: str, event: str, *args: Any) -> None:
        sent = Sent(sid, event, self._checked(args))
        socket = self._sockets.get(sid)
        if socket is None:
            return
        if socket.waiting is None:
            self._deliver(sent)
        else:
            socket.waiting.append(sent)

    def _deliver(self, sent: Sent) -> None:
        self.sent.append(sent)
        if self.on_sent is not None:
            self.on_sent(sent)

    def offer(self, sid: str, draw: Draw) -> None:
        socket = self._sockets.get(sid)
        if socket is None:
            return
        if socket.waiting is not None:
            socket.waiting.append(draw)
            return
        for event, body in draw():
            self.emit(sid, event, body)

    def call(self, sid: str, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        if sid not in self._sockets:
            return fail(PeerGone("The client is not connected."))
        if self.refuse_calls is not None:
            return fail(self.refuse_calls)
        answer: Deferred[list[Any]] = Deferred()
        call = Call(sid, event, tuple(args), answer)
        late = self._clock.callLater(timeout, self._late, call)
        answer.addBoth(_stop_waiting, late)
        self.calls.append(call)
        self.emit(sid, event, *args)
        return answer

    def _late(self, call: Call) -> None:
        self.calls.remove(call)
        call.answer.errback(TimedOut("No answer in time."))

    def subscribe(self, sid: str, audience: Audience) -> None:
        if sid in self._sockets:
            self._audiences[self._sockets[sid].namespace, audience][sid] = None

    def unsubscribe(self, sid: str, audience: Audience) -> None:
        if sid in self._sockets:
            self._audiences[self._sockets[sid].namespace, audience].pop(sid, None)

    def channel(self, sids: Iterable[str]) -> IChannel:
        return RecordingChannel(self, tuple(dict.fromkeys(sids)))

    def transport(self, sid: str) -> str:
        return self._sockets[sid].transport if sid in self._sockets else ""

    def drained(self, sid: str) -> bool:
        return sid in self._sockets and self._sockets[sid].waiting is None

    def _checked(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """A copy as the wire would carry it: later changes of the original do not reach it."""
        try:
            return tuple(arg if isinstance(arg, bytes) else orjson.loads(orjson.dumps(arg)) for arg in args)
        except TypeError as error:
            self.faults.append(f"{error}: {args!r}")
            return args


def _stop_waiting(result: Any, late: Any) -> Any:
    if late.active():
        late.cancel()
    return result


# -------------------------------------------------------------------------------------------------------------- stores


@define(eq=False)
class Gate:
    """Between a service and its store: writes wait in line while it is shut, and fail while ``broken``."""

    shut: bool = False
    broken: bool = False
    waiting: list[Deferred[None]] = field(factory=list)

    def passed(self, work: Any, *args: Any) -> Deferred[Any]:
        if self.broken:
            return fail(NewAgeError("The disk is full."))
        if not self.shut:
            d: Deferred[Any] = work(*args)
            return d
        turn: Deferred[None] = Deferred()
        self.waiting.append(turn)
        return turn.addCallback(lambda _: work(*args))

    def step(self) -> None:
        """Let the first one through."""
        self.waiting.pop(0).callback(None)

    def open(self) -> None:
        self.shut = False
        while self.waiting:
            self.step()


@implementer(IRoomStore)
class GatedRoomStore:
    def __init__(self, store: MemoryRoomStore, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    def load_rooms(self) -> Deferred[tuple[Room, ...]]:
        return self._store.load_rooms()

    def save_room(self, room: Room) -> Deferred[None]:
        return self._gate.passed(self._store.save_room, room)

    def delete_room(self, room_id: str) -> Deferred[None]:
        return self._gate.passed(self._store.delete_room, room_id)


@implementer(IMessageStore)
class GatedMessageStore:
    def __init__(self, store: MemoryMessageStore, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    def add_message(
        self,
        message: Message,
        keep: int,
        beside: Sequence[str] = (),
        opens: OpenRequest | None = None,
        closes: Sequence[int] = (),
        *,
        keep_bytes: int | None = None,
        tells: Sequence[Delivery] = (),
    ) -> Deferred[tuple[str, ...]]:
        work = partial(self._store.add_message, keep_bytes=keep_bytes, tells=tells)
        return self._gate.passed(work, message, keep, beside, opens, closes)

    def update_message(
        self, message: Message, seq: int, was: Message | None = None, *, keep_bytes: int | None = None
    ) -> Deferred[bool]:
        return self._gate.passed(partial(self._store.update_message, keep_bytes=keep_bytes), message, seq, was)

    def delete_messages(self, room_id: str, message_ids: Sequence[str], seq: int) -> Deferred[tuple[str, ...]]:
        return self._gate.passed(self._store.delete_messages, room_id, message_ids, seq)

    def clear_messages(self, room_id: str, requests: bool, responses: bool, seq: int) -> Deferred[int]:
        return self._gate.passed(self._store.clear_messages, room_id, requests, responses, seq)

    def find_message(self, room_id: str, any_id: str) -> Deferred[Message | None]:
        return self._gate.passed(self._store.find_message, room_id, any_id)

    def find_messages(self, room_id: str, message_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        return self._gate.passed(self._store.find_messages, room_id, message_ids)

    def find_outputs(self, room_ids: Sequence[str], output_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        return self._gate.passed(self._store.find_outputs, room_ids, output_ids)

    def find_answers(self, room_id: str, question_id: str) -> Deferred[tuple[Message, ...]]:
        return self._gate.passed(self._store.find_answers, room_id, question_id)

    def select_answer(self, room_id: str, message_id: str, seq: int) -> Deferred[tuple[str, ...]]:
        return self._gate.passed(self._store.select_answer, room_id, message_id, seq)

    def find_question(
        self, room_id: str, identity: str, request_id: str, text: str, limit: int
    ) -> Deferred[Message | None]:
        return self._gate.passed(self._store.find_question, room_id, identity, request_id, text, limit)

    def last_messages(
        self, room_id: str, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[Message, ...]]:
        return self._gate.passed(partial(self._store.last_messages, selected=selected), room_id, limit, max_bytes)

    def messages_before(
        self, room_id: str, seq: int | None, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        work = partial(self._store.messages_before, selected=selected)
        return self._gate.passed(work, room_id, seq, limit, max_bytes)

    def messages_after(
        self, room_id: str, seq: int, limit: int, max_bytes: int | None = None
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        return self._gate.passed(self._store.messages_after, room_id, seq, limit, max_bytes)

    def message_weights(self, room_id: str) -> Deferred[tuple[int, ...]]:
        return self._gate.passed(self._store.message_weights, room_id)

    def behind(self, room_id: str, seq: int) -> Deferred[Behind]:
        return self._gate.passed(self._store.behind, room_id, seq)

    def last_seq(self, room_id: str, timestamp: str) -> Deferred[int]:
        return self._gate.passed(self._store.last_seq, room_id, timestamp)


@implementer(IOpenOutputStore)
class GatedOpenOutputStore:
    def __init__(self, store: MemoryOpenOutputStore, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    def append_texts(self, texts: Sequence[OpenText]) -> Deferred[None]:
        return self._gate.passed(self._store.append_texts, texts)

    def forget_texts(self, output_id: str) -> Deferred[None]:
        return self._gate.passed(self._store.forget_texts, output_id)

    def load_texts(self) -> Deferred[tuple[Message, ...]]:
        return self._store.load_texts()


@implementer(IMarkStore)
class GatedMarkStore:
    def __init__(self, store: MemoryMarkStore, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    def load_marks(self) -> Deferred[dict[str, dict[str, int]]]:
        return self._store.load_marks()

    def save_marks(self, identity: str, marks: Mapping[str, int]) -> Deferred[None]:
        return self._gate.passed(self._store.save_marks, identity, marks)


@implementer(IRequestStore)
class GatedRequestStore:
    def __init__(self, store: MemoryRequestStore, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    def load_requests(self) -> Deferred[tuple[OpenRequest, ...]]:
        return self._store.load_requests()

    def add_request(self, request: OpenRequest) -> Deferred[None]:
        return self._gate.passed(self._store.add_request, request)

    def mark_requests(self, keys: Sequence[int], state: str) -> Deferred[None]:
        return self._gate.passed(self._store.mark_requests, keys, state)

    def close_requests(self, keys: Sequence[int]) -> Deferred[None]:
        return self._gate.passed(self._store.close_requests, keys)

    def load_answered(self, limit: int) -> Deferred[tuple[Answered, ...]]:
        return self._store.load_answered(limit)

    def load_notices(self) -> Deferred[tuple[Notice, ...]]:
        return self._store.load_notices()

    def add_notice(self, notice: Notice, closes: Sequence[int] = ()) -> Deferred[None]:
        return self._gate.passed(self._store.add_notice, notice, closes)

    def drop_notices(self, keys: Sequence[int]) -> Deferred[None]:
        return self._gate.passed(self._store.drop_notices, keys)


class GatedStateStore(NamedValues):
    def __init__(self, store: MemoryStateStore, gate: Gate) -> None:
        self._store = store
        self._gate = gate

    def load_values(self) -> Deferred[dict[str, Any]]:
        return self._store.load_values()

    def save_value(self, name: str, value: object) -> Deferred[None]:
        return self._gate.passed(self._store.save_value, name, value)


# ----------------------------------------------------------------------------------------------------------- extension


@implementer(IExtensionLink)
@define(eq=False)
class Link:
    """A connected extension's way down; keeps what was forwarded, as it would be on the wire."""

    forwarded: list[dict[str, Any]] = field(factory=list)
    stops: list[tuple[str, list[str], str]] = field(factory=list)
    stopping: list[Deferred[None]] = field(factory=list)  # of these, in order

    def forward(self, request: ForwardedRequest) -> None:
        self.forwarded.append(orjson.loads(orjson.dumps(requests.forwarded(request).body)))

    def stop(self, request_id: str, output_ids: Sequence[str], reason: str) -> Deferred[None]:
        self.stops.append((request_id, list(output_ids), reason))
        self.stopping.append(stopped := Deferred[None]())
        return stopped


# ----------------------------------------------------------------------------------------------------------------- kit


class Kit:
    """One hub. ``with_stores_of`` gives it what an earlier one left: a restart."""

    mark_store: MemoryMarkStore

    def __init__(
        self,
        *,
        with_stores_of: Kit | None = None,
        load: bool = True,
        make_desk: Callable[[], Desk] = Desk,
        poster: IPoster | None = None,
        **settings: Any,
    ) -> None:
        self.settings = at = Config(**settings)
        self.live = live = LiveTables.of(at)
        self.clock = Clock()
        self._numbers: count[int] = count(1) if with_stores_of is None else with_stores_of._numbers  # ids are used once
        self.world = World(clock=self.clock, wall=self.wall, new_id=self.new_id)
        self.outbox = RecordingOutbox(self.clock)
        self.gate = Gate()  # before rooms and messages
        self.mark_gate = Gate()
        self.state_gate = Gate()
        self.open_gate = Gate()
        self.request_gate = Gate()
        self.room_store: MemoryRoomStore = MemoryRoomStore() if with_stores_of is None else with_stores_of.room_store
        self.message_store = MemoryMessageStore(self.room_store)
        self.state_store: MemoryStateStore = (
            MemoryStateStore() if with_stores_of is None else with_stores_of.state_store
        )
        self.mark_store = MemoryMarkStore(self.room_store) if with_stores_of is None else with_stores_of.mark_store
        self.open_output_store: MemoryOpenOutputStore = (
            MemoryOpenOutputStore() if with_stores_of is None else with_stores_of.open_output_store
        )
        self.resident_store: MemoryResidentStore = (
            MemoryResidentStore() if with_stores_of is None else with_stores_of.resident_store
        )
        self.request_store: MemoryRequestStore = (
            MemoryRequestStore(self.room_store) if with_stores_of is None else with_stores_of.request_store
        )
        self._born = EPOCH if with_stores_of is None else with_stores_of.wall()
        self.sessions = SessionService(self.world, self.outbox, live.sessions)
        self.key_holders: set[str] = set()
        self.bots: set[str] = set()  # clients whose keys are of scope webhook
        self.chances: list[float] = []  # drawn in order, then 0
        self.known_clients: set[str] = set()  # trusted ids, be they there or away
        self.names = Names(self.sessions, lambda name: name in self.known_clients)
        self.basis = basis = Basis(
            config=at,
            live=live,
            world=self.world,
            stores=Stores(
                MemoryKeyStore(),
                GatedRoomStore(self.room_store, self.gate),
                GatedMessageStore(self.message_store, self.gate),
                GatedStateStore(self.state_store, self.state_gate),
                GatedMarkStore(self.mark_store, self.mark_gate),
                self.resident_store,
                GatedOpenOutputStore(self.open_output_store, self.open_gate),
                GatedRequestStore(self.request_store, self.request_gate),
                MemorySpentStore(),
                MemoryWebhookStore(self.room_store),
            ),
            hash_workers=InlineWorkers(),
            file_workers=InlineWorkers(),
        )
        self.talk = talk = make_talk(
            basis,
            self.outbox,
            self.sessions,
            self.names,
            chance=lambda: self.chances.pop(0) if self.chances else 0.0,
            choose=lambda among: among[-1],
            has_key=self.key_holders.__contains__,
            is_bot=self.bots.__contains__,
            make_desk=make_desk,
            poster=poster,
        )
        self.rooms = talk.rooms
        self.room_service = talk.room_service
        self.residents = talk.residents
        self.retention = talk.retention
        self.default_mode = talk.default_mode
        self.mutes = talk.mutes
        self.notices = talk.notices
        self.assignments = talk.assignments
        self.history = talk.history
        self.pages = talk.pages
        self.snapshots = talk.snapshots
        self.pushing = talk.pushing
        self.earlier = talk.earlier
        self.selecting = talk.selecting
        self.activity = talk.activity
        self.desks = talk.desks
        self.pacer = talk.pacer
        self.ledger = talk.ledger
        self.requests = talk.requests
        self.downstream = talk.downstream
        self.streams = talk.streams
        self.cancelling = talk.cancelling
        self.thinking = talk.thinking  # is not started: its first round would never end
        self.moderation = talk.moderation
        self.missed = talk.missed
        self.editing = talk.editing
        if load:
            result_of(load_talk(talk))
            self.requests.start()

    def change(self, table: str, **settings: Any) -> None:
        """A reload: these keys of that table are other ones from now on."""
        cell: Live[Any] = getattr(self.live, table)
        cell.replace(evolve(cell.value, **settings))

    def step(self, seconds: float) -> None:
        """Somebody sets the machine's clock: no time passes."""
        self._born += seconds

    def wall(self) -> float:
        return self._born + self.clock.seconds()

    def new_id(self) -> str:
        return str(UUID(int=next(self._numbers), version=4))

    def close(self) -> None:
        """Stop as the daemon does; nothing may be left behind."""
        close_talk(self.talk)
        self.sessions.close()
        for call in list(self.outbox.calls):
            self.outbox.calls.remove(call)
            call.answer.errback(PeerGone("The client disconnected."))
        assert self.clock.getDelayedCalls() == []
        assert self.outbox.faults == []

    def settle(self) -> None:
        """One reactor turn: what was put off to the next one happens."""
        self.clock.advance(0)

    # ------------------------------------------------------------------------------------------------------- people

    def connect(
        self,
        client_id: str,
        namespace: str = "/llm",
        *,
        identity: str = "",
        client_type: str = "web-app",
        link: IExtensionLink | None = None,
        transport: str = "websocket",
        desc: str = "",
        html: str = "",
        name: str = "",
        **caller: Any,
    ) -> str:
        """One more socket; returns its sid."""
        sid = f"{client_id}{namespace}#{next(self._numbers)}"
        session = Session(
            client_id=client_id,
            identity=identity or client_id,
            client_type=client_type,
            desc=desc,
            html=html,
            name=name,
            connected_at=self.wall(),
        )
        self.outbox.open(sid, namespace, transport)
        caller.setdefault("sensitive", client_type == "monitor")
        self.sessions.attach(Caller(sid=sid, namespace=namespace, session=session, peer=HOME, **caller), link)
        return sid

    def extension(self, client_id: str = "SillyTavern-8000", **more: Any) -> Link:
        """A connected extension with one ``/llm`` socket."""
        link = Link()
        self.connect(client_id, client_type="SillyTavern", link=link, **more)
        return link

    def disconnect(self, sid: str) -> None:
        self.outbox.close(sid)
        self.sessions.detach(sid)

    def disconnect_all(self, identity: str) -> None:
        for caller in self.sessions.all_callers(identity):
            self.disconnect(caller.sid)

    def caller(self, sid: str) -> Caller:
        caller = self.sessions.caller(sid)
        assert caller is not None
        return caller

    def heard(self, *events: str) -> dict[str, list[Any]]:
        """What each socket heard of these events, by ``identity/namespace``; who heard nothing is not in it."""
        found: dict[str, list[Any]] = {}
        for sent in self.outbox.sent:
            if sent.event in events:
                caller = self.caller(sent.sid)
                found.setdefault(f"{caller.identity}{caller.namespace}", []).append(sent.body)
        return found

    # -------------------------------------------------------------------------------------------------------- rooms

    def group(self, name: str, master: str, mode: RequestMode = RequestMode.DEFAULT, **members: Role) -> Room:
        """A group room; ``members`` are identities with ``_`` for ``-``."""
        session = self.sessions.by_identity(master)
        assert session is not None
        result_of(self.rooms.create(name, session))
        for identity, role in members.items():
            result_of(self.rooms.add(name, identity.replace("_", "-"), role))
        if mode is not RequestMode.DEFAULT:
            self.set_mode(name, mode)
        return self.rooms.require(name)

    def make_again(self, name: str, master: str, meanwhile: Callable[[], None] = lambda: None) -> Room:
        """Delete a room and make another one of its name, as the store is slow; ``meanwhile`` begins before."""
        session = self.sessions.by_identity(master)
        assert session is not None
        self.gate.shut = True
        meanwhile()
        deleting = Deferred.fromCoroutine(self.rooms.delete(name))
        creating = Deferred.fromCoroutine(self.rooms.create(name, session))
        self.gate.open()
        result_of(deleting)
        room: Room = result_of(creating)
        return room

    def set_mode(self, name: str, mode: RequestMode) -> None:
        before = self.rooms.require(name)
        room = result_of(self.rooms.change(before, evolve(before, mode=mode)))
        self.requests.mode_changed(room, "somebody")

    def set_role(self, name: str, identity: str, role: Role) -> None:
        room = self.rooms.require(name)
        result_of(self.rooms.change(room, evolve(room, members={**room.members, identity: role})))

    def mute(self, name: str, identity: str, seconds: float) -> None:
        """Without a word to anybody, until it ends."""
        before = self.rooms.require(name)
        muted = {**before.muted, identity: Term.of(self.wall(), seconds)}
        room = result_of(self.rooms.change(before, evolve(before, muted=muted)))
        self.mutes.member_muted(room, identity, "somebody")
        self.requests.member_muted(room, identity, "somebody")

    # ----------------------------------------------------------------------------------------------------- requests

    def ask(self, sid: str, text: str = "hi", request_id: str | None = None, **ask: Any) -> Deferred[dict[str, Any]]:
        """LLM_REQUEST as parsed; fires with the members of its ack."""
        wanted = Ask(request_id=request_id or self.new_id(), text=text, **ask)
        return Deferred.fromCoroutine(self.requests.submit(self.caller(sid), wanted)).addCallback(requests.accepted)

    def submit(self, sid: str, text: str = "hi", request_id: str | None = None, **ask: Any) -> dict[str, Any]:
        """The same, done."""
        members: dict[str, Any] = result_of(self.ask(sid, text, request_id, **ask))
        return members

    def remark(self, sid: str, text: str, **ask: Any) -> None:
        """What is said whether somebody is there to answer or not."""
        result_of(self.ask(sid, text, **ask).addErrback(lambda failure: failure.trap(ClientMissing)))

    def statuses(self, sid: str, request_id: str | None = None) -> list[str]:
        return [
            body["status"]
            for body in self.outbox.bodies(sid, "REQUEST_STATUS_UPDATE")
            if request_id is None or body["requestId"] == request_id
        ]

    def stored(self, room: str) -> list[Message]:
        return list(result_of(self.message_store.last_messages(self.room_id(room), 10_000)))

    def room_id(self, name: str) -> str:
        """The id of a room, in memory or only stored; "" when there is none."""
        room = self.rooms.get(name)
        stored = (room.id for room in result_of(self.room_store.load_rooms()) if room.name == name)
        return next(stored, "") if room is None else room.id

    def responses(self, room: str) -> list[Message]:
        return [message for message in self.stored(room) if message.is_response]

    # ------------------------------------------------------------------------------------------------------ streams

    def token(
        self, text: str, output_id: str, *, extension: str = "SillyTavern-8000", request_id: str | None = None
    ) -> None:
        """One token as the real extension sends it: a stream of its own, five chunks, some of them empty."""
        stream_id = self.new_id()
        streams = self.streams
        said = Said(extension, stream_id, output_id, request_id)
        streams.stream_started(said)
        units = utf16_units(text)
        size = max(1, -(-len(units) // 5))
        for index in range(5):
            part = "".join(units[index * size : (index + 1) * size])
            streams.stream_data(said, index, part)
        streams.stream_ended(said, None)


def utf16_units(text: str) -> list[str]:
    """The text as JavaScript indexes it: one element per UTF-16 code unit."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return [chr(int.from_bytes(raw[i : i + 2], "little")) for i in range(0, len(raw), 2)]


@implementer(ISocket)
class HandSocket:
    """A socket as handlers see it, for a sid of a kit."""

    def __init__(self, kit: Kit, sid: str) -> None:
        self.sid = sid
        self.caller: Any = kit.caller(sid)
        self.namespace = self.caller.namespace
        self.peer = self.caller.peer
        self.connected = True
        self._outbox = kit.outbox

    def emit(self, event: str, *args: Any) -> None:
        self._outbox.emit(self.sid, event, *args)

    def call(self, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        return self._outbox.call(self.sid, event, args, timeout)

    def disconnect(self) -> None:
        self.connected = False


def handled(namespace: Any, socket: HandSocket, event: str, *args: Any, ack: bool = True) -> Any:
    """Run an event's handler as the gateway does; the ack's first argument, or None when there was none."""
    result = namespace.handlers[event](socket, list(args), ack)
    if isawaitable(result):
        result = result_of(result)
    if result is None:
        return None
    assert isinstance(result, list)
    return orjson.loads(orjson.dumps(result[0])) if result else ()


def faults(run: Callable[[], None]) -> list[Any]:
    """What was logged as an error while it ran."""
    with capturedLogs() as events:
        run()
    return [event for event in events if event.get("log_level") in (LogLevel.error, LogLevel.critical)]


def shown_output(kit: Kit, room: str = "web1", **more: Any) -> ShownOutput:
    """An output of the extension X, as those in the room are told of it."""
    names: dict[str, Any] = {
        "stream_id": "s1",
        "output_id": "o1",
        "request_id": "r1",
        "client_id": "X",
        "identity": "X",
    }
    return ShownOutput(room=room, **{"room_id": kit.room_id(room), **names, **more})
