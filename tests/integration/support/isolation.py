"""A whole hub in one process on a clock that stands still, and peers of every kind and role on its gateway.

Everything is the daemon's own but the transport (a list), the clock, the stores (in memory) and the threads (none):
after each packet the hub has done all it will do, so what it did can be compared with what it was.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from hubkit import HOME
from newage.assembly.core import make_core
from newage.assembly.life import load
from newage.config import Config, ServerSettings
from newage.domain.model import Kind, Peer, Rank
from newage.ports import IFrameSink, IReceiver
from newage.protocol.engine_packet import SharedPacket
from newage.protocol.engine_session import EngineSettings
from newage.services.accounts.keys import Grant
from newage.services.accounts.limits import AuthSettings
from newage.services.sessions.rates import RateSettings
from newage.storage.stores import memory_stores

HERE = HOME
AWAY = Peer("203.0.113.9")
ROOM, EXTENSION = "club", "SillyTavern-8000"
OPEN_TO_ALL = ("/", "/auth", "/clients", "/llm", "/rooms", "/function_call")
BOOTSTRAP = ("/auth", "/function_call")

# who -> (clientType, clientId); in the room are only the first four
CLIENTS = {name: ("web-app", name) for name in ("master", "manager", "special", "guest", "outsider")}
STAFF = {"admin": ("monitor", "monitor"), "extension": ("SillyTavern", EXTENSION)}
FAR = {"remote": ("web-app", "remote"), "remote admin": ("monitor", "far-monitor")}
KEYLESS = {"keyless": ("web-app", "keyless"), "keyless extension": ("SillyTavern", "SillyTavern-9")}

_FRAME = re.compile(rb"4(\d)(?:\d+-)?(?:(/[a-z_]*),)?(\d+)?(.*)", re.DOTALL)


class Packet(NamedTuple):
    """One Socket.IO packet as a peer got it: '2' event, '3' ack, '1' disconnect, '0' connect."""

    kind: str
    namespace: str
    data: list[Any]


@implementer(IFrameSink)
class ListSink:
    name = "websocket"

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def send_text(self, packet: bytes) -> None:
        self.frames.append(packet)

    send_binary = send_text

    def send_shared(self, packet: SharedPacket) -> None:
        self.frames.append(packet.packet)

    def pending_bytes(self) -> int:
        return 0

    def drained(self) -> bool:
        return True

    def arriving_bytes(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Nothing is ever read ahead."""

    resume_reading = pause_reading

    def bind(self, receiver: IReceiver) -> None:
        """Packets are given to the connection directly."""

    def close(self, reason: str) -> None:
        self.frames.append(b"closed: " + reason.encode())

    abort = close


class StillClock(Clock):
    def callFromThread(self, function: Callable[..., Any], *args: Any) -> None:
        raise AssertionError("there are no threads here")


def done(pending: Any) -> Any:
    """The result of what must not have to wait."""
    outcome: list[Any] = []
    Deferred.fromCoroutine(pending).addCallback(outcome.append).addErrback(lambda failure: failure.raiseException())
    assert outcome, "something waits"
    return outcome[0]


@define
class Somebody:
    """One peer: a connection with a socket in each of its namespaces."""

    name: str
    sink: ListSink
    connection: Any
    namespaces: tuple[str, ...]

    def join(self, namespace: str, auth: Mapping[str, Any]) -> None:
        self.connection.text_received(f"40{_prefix(namespace)}{json.dumps(auth)}".encode())

    def send(self, namespace: str, args: Sequence[Any], ack: bool) -> None:
        self.connection.text_received(f"42{_prefix(namespace)}{'7' if ack else ''}{json.dumps(args)}".encode())

    def take(self) -> list[Packet]:
        """What has come since the last time."""
        frames, self.sink.frames = self.sink.frames, []
        return [_packet(frame) for frame in frames]


def _prefix(namespace: str) -> str:
    return "" if namespace == "/" else namespace + ","


def _packet(frame: bytes) -> Packet:
    match = _FRAME.fullmatch(frame)
    assert match, frame
    kind, namespace, _, data = match.groups()
    found = json.loads(data) if data else []
    return Packet(kind.decode(), (namespace or b"/").decode(), found if isinstance(found, list) else [found])


class Hub:
    """A hub with everybody on it, a room with something said in it, a request that is queued and one that is live.

    :param strict: networkSafe off: everybody has a key, except the keyless.
    """

    def __init__(self, home: Path, *, strict: bool) -> None:
        self.home = home
        self.strict = strict
        self._furnish()
        config = Config(
            server=ServerSettings(home=str(home)),
            auth=AuthSettings(network_safe=not strict, bcrypt_rounds=4),
            engine=EngineSettings(ping_interval_seconds=10_000_000),
            rates=RateSettings(
                event_rate=10**6, event_burst=10**6, edit_rate=10**6, resume_rate=10**6
            ),  # the clock stands still
        )
        self.clock = StillClock()
        self.core = make_core(
            config,
            self.clock,  # which has no threads: workers do everything at once, as they do while the daemon starts
            set_debug=lambda on: None,
            log_folder=None,
            port=lambda: 0,
            stores=memory_stores(),
        )
        done(load(self.core))
        self.last: dict[str, Any] | None = None  # the state, while nothing has changed it since
        self.people: dict[str, Somebody] = {}
        for name, (client_type, client_id) in self._everybody().items():
            self._connect(name, client_type, client_id)
        self.message_id = self.response_id = ""
        self._say_something()
        self.settle()

    def _everybody(self) -> dict[str, tuple[str, str]]:
        return {**CLIENTS, **STAFF, **(KEYLESS if self.strict else FAR)}

    def _furnish(self) -> None:
        (self.home / "settings").mkdir(parents=True, exist_ok=True)
        (self.home / "public").mkdir(exist_ok=True)
        for _, client_id in (*CLIENTS.values(), *STAFF.values(), *FAR.values(), *KEYLESS.values()):
            content = json.dumps({"clientId": client_id, "isTrust": True, "isAdmin": client_id == "far-monitor"})
            (self.home / "settings" / f"{client_id}.json").write_text(content, "utf-8")
        server = json.dumps({"networkSafe": not self.strict})
        (self.home / "settings" / "server_settings.json").write_text(server, "utf-8")

    def _connect(self, name: str, client_type: str, client_id: str) -> None:
        sink = ListSink()
        connection = self.core.engines.open(sink, AWAY if name in FAR else HERE)
        namespaces = BOOTSTRAP if name in KEYLESS else OPEN_TO_ALL
        if client_type == "SillyTavern":
            namespaces = (*namespaces, "/sillytavern")
        if name in STAFF:
            namespaces = (*namespaces, "/debug")
        auth = {"clientType": client_type, "clientId": client_id, "streamMode": "plain", "outputs": True}
        if name not in KEYLESS and (self.strict or name in FAR):
            rank = Rank.of(Kind.of(client_type))
            auth["key"] = done(self.core.accounts.keys.generate(client_id, local=True, grant=Grant(rank=rank)))
        sink.frames.clear()  # the OPEN packet
        somebody = self.people[name] = Somebody(name, sink, connection, namespaces)
        for namespace in namespaces:
            somebody.join(namespace, auth)
        packets = somebody.take()
        assert [p.namespace for p in packets if p.kind == "0"] == list(namespaces), (name, packets)
        assert not [p for p in packets if p.kind == "1" or p.data[:1] == ["ERROR"]], (name, packets)

    def client_id(self, who: str) -> str:
        return self._everybody()[who][1]

    def ask(self, who: str, namespace: str, event: str, payload: Any) -> dict[str, Any]:
        """Something that must succeed."""
        self.people[who].take()
        self.people[who].send(namespace, [event, payload], ack=True)
        (reply,) = (packet.data[0] for packet in self.people[who].take() if packet.kind == "3")
        assert reply["status"] == "ok", (event, payload, reply)
        found: dict[str, Any] = reply
        return found

    def _say_something(self) -> None:
        self.ask("admin", "/rooms", "CREATE_ROOM", {"roomName": ROOM})
        for who in ("master", "manager", "special", "guest"):
            role = who if who != "master" else "guest"
            self.ask("admin", "/rooms", "ADD_CLIENT_TO_ROOM", {"identity": who, "roomName": ROOM, "role": role})
        self.ask("admin", "/rooms", "SET_MEMBER_ROLE", {"identity": "master", "roomName": ROOM, "role": "master"})
        self.ask("admin", "/rooms", "LEAVE_ROOM", {"roomName": ROOM})
        asked = {"targetRoom": ROOM, "target": EXTENSION}
        first = self.ask("master", "/llm", "LLM_REQUEST", {"requestId": "r1", "message": "answered", **asked})
        answer = {"type": 0, "data": "an answer", "source": "client", "requestId": "r1", "outputId": "o1"}
        self.people["extension"].send("/llm", ["message", answer], ack=False)
        self.ask("guest", "/llm", "LLM_REQUEST", {"requestId": "r2", "message": "queued", **asked})
        own = {"targetRoom": "special", "target": EXTENSION}
        self.ask("special", "/llm", "LLM_REQUEST", {"requestId": "r3", "message": "live", **own})
        self.message_id = first["messageId"]
        stored = self.messages(ROOM)
        self.response_id = next(m.response_id for m in stored if m.response_id)

    def settle(self) -> None:
        """Let everything that was put off happen, and forget what was sent."""
        self.clock.advance(30)
        for somebody in self.people.values():
            somebody.sink.frames.clear()

    def messages(self, room: str) -> Sequence[Any]:
        present = self.core.talk.rooms.get(room)
        if present is None:
            return ()

        async def read() -> Any:
            return await self.core.basis.stores.messages.last_messages(present.id, 2000)

        found: Sequence[Any] = done(read())
        return found

    def state(self) -> dict[str, Any]:
        """All that a peer's packet could have changed, timers and files included."""
        core, requests = self.core, self.core.talk.requests
        rooms = {r.name: (r.kind, r.mode, dict(r.members), dict(r.muted), r.seq) for r in core.talk.rooms.all()}
        return {
            "rooms": rooms,
            "messages": {
                name: [(m.message_id, m.text, m.seq) for m in self.messages(name)] for name in (ROOM, "special")
            },
            "keys": {name: core.accounts.keys.newest_hash(name) for name in core.accounts.keys.client_ids()},
            "trusted": sorted(done(_wait(core.basis.stores.keys.load_trusted()))),
            "sessions": sorted(session.identity for session in core.people.sessions.online_sessions()),
            "requests": {
                r.request_id: (r.state, r.live)
                for r in core.talk.ledger._requests
                if r.request_id in ("r1", "r2", "r3")
            },
            "live": requests.live_count,
            "outputs": core.talk.streams.open_outputs,
            "policy": (core.talk.assignments.policy, dict(core.talk.assignments.all())),
            "stored": done(_wait(core.basis.stores.state.load_state())),
            "mode": core.talk.default_mode.mode,
            "debug": core.diagnostics.debug_mode,
            "resources": core.calls.static.lookup("/shop"),
            "files": _files(str(self.home)),
            "timers": len(self.clock.getDelayedCalls()),
        }

    def noticed(self, *but: Somebody) -> dict[str, list[Packet]]:
        """What anybody else was sent."""
        return {who.name: who.take() for who in self.people.values() if who.sink.frames and who not in but}

    def close(self) -> None:
        self.core.engines.close_all()


def _files(folder: str) -> dict[str, object]:
    """Names and times of change, at any depth; ``Path.rglob`` takes three times as long, thousands of times."""
    found: dict[str, object] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            found[entry.name] = _files(entry.path) if entry.is_dir() else entry.stat().st_mtime_ns
    return found


async def _wait(pending: Any) -> Any:
    return await pending
