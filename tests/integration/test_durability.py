"""Kill the daemon with SIGKILL at random moments under load: nothing that it acknowledged may be lost.

Real Socket.IO clients keep everything going at once: questions, keys, rooms, roles, mutes, modes, the policy, edits and
deletions. Each round kills after a random number of acks, starts the daemon on the same home, and compares what it says
with what was acknowledged. What was sent and never acknowledged may have happened or not; nothing in between.

20 rounds, or as many as NEWAGE_NIGHTLY says (``make nightly``: 200).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from harness import Daemon, Driver, DriverError, Hub, Socket
from homes import write_settings
from twisted.internet.defer import Deferred

from deferreds import SteppedWorkers, value
from newage.daemon.workers import InlineWorkers
from newage.domain.model import Message, Role, Room, RoomKind
from newage.storage.database import Database, StorageSettings
from newage.storage.stores import sql_stores

NIGHTLY = os.environ.get("NEWAGE_NIGHTLY", "")
ROUNDS = int(NIGHTLY) if NIGHTLY.isdigit() and int(NIGHTLY) > 1 else 200 if NIGHTLY else 20
SEED = int(os.environ.get("NEWAGE_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)

EXTENSION = "SillyTavern-8000"
WRITERS = ("writer-1", "writer-2")
OWNER = "owner"
ROLES = ("guest", "special", "manager")
MODES = ("Default", "Immediate", "MasterOnly", "Separate")
POLICIES = ("Free", "Manual", "Balanced", "Broadcast", "Random")
CONFIG = """
[auth]
bcrypt_rounds = 4
[requests]
request_rate = 100000
max_live_requests = 1000000
max_live_requests_per_identity = 1000000
llm_request_timeout_seconds = 5
[rooms]
clients_may_create_rooms = true
max_group_rooms = 100000
[rates]
event_rate = 100000
event_burst = 100000
edit_rate = 100000
told_bytes_rate = 1000000000
[history]
max_messages_per_room = 100000
"""


def strict_home(home: Path) -> None:
    trusted: dict[str, object] = {name: {"clientId": name, "isTrust": True} for name in (*WRITERS, OWNER)}
    trusted["server_settings"] = {"networkSafe": False}
    trusted["monitor"] = {"clientId": "monitor", "isTrust": True, "isAdmin": True}
    trusted[EXTENSION] = {"clientId": EXTENSION, "isTrust": True}
    write_settings(home, trusted)


class Register:
    """One value that changes by requests sent one after the other: the last acknowledged one, or a later one, holds."""

    def __init__(self, value: Any) -> None:
        self.possible: list[Any] = [value]

    def sent(self, value: Any) -> None:
        self.possible.append(value)

    def acked(self, value: Any) -> None:
        """Answers come in the order of the requests."""
        if any(each is value for each in self.possible):
            while self.possible[0] is not value:
                self.possible.pop(0)

    def refused(self, value: Any) -> None:
        """It has not happened."""
        self.possible = [each for each in self.possible if each is not value]

    def seen(self, value: Any, what: str) -> None:
        assert value in self.possible, f"{what} is {value!r}, acknowledged or sent were {self.possible!r}"
        self.possible = [value]


class Value:
    """A value that is nothing but itself: the same role may be sent twice."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and bool(self.value == other.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        return repr(self.value)


GONE = "(gone)"
Acked: TypeAlias = Callable[[dict[str, Any]], None]


class World:
    """What clients were told."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}  # client -> a key that must open
        self.messages: dict[str, dict[str, Register]] = {name: {} for name in WRITERS}  # room -> messageId -> text
        self.requests: dict[str, str] = {}  # messageId -> requestId
        self.rooms: dict[str, Register] = {}  # name -> exists
        self.role = Register(Value("guest"))
        self.muted = Register(Value(False))
        self.joined = Register(Value(False))
        self.mode = Register(Value("Default"))
        self.policy = Register(Value("Free"))
        self.acks = 0


class Round:
    """One life of the daemon: connect, load, kill."""

    def __init__(self, hub: Hub, world: World, chance: random.Random, number: int) -> None:
        self.hub = hub
        self.driver = hub.driver
        self.world = world
        self.chance = chance
        self.number = number
        self.pending: list[tuple[int, Acked]] = []
        self.sequence = 0

    # ------------------------------------------------------------------------------------------------------ connecting

    def connect(self, client_id: str, nsp: str, client_type: str = "web-app") -> Socket:
        auth = {"clientType": client_type, "clientId": client_id, "key": self.key(client_id), "streamMode": "plain"}
        return self.hub.open(nsp, auth).connected()

    def key(self, client_id: str) -> str:
        known = self.world.keys.get(client_id)
        if known is None:
            auth = {"clientId": client_id, "key": "getKey"}
            if client_id == "monitor":
                auth["clientType"] = "monitor"
            if client_id == EXTENSION:
                auth["clientType"] = "SillyTavern"
            first = self.hub.open("/auth", auth).connected()
            known = self.world.keys[client_id] = first.payload("CLIENT_KEY_ASSIGNED")["key"]
        return known

    def open(self) -> None:
        self.extension = self.connect(EXTENSION, "/llm", "SillyTavern")
        self.writers = [self.connect(name, "/llm") for name in WRITERS]
        self.owner = self.connect(OWNER, "/rooms")
        self.joiner = self.connect(WRITERS[1], "/rooms")
        self.monitor = self.connect("monitor", "/rooms", "monitor")
        self.clients = self.connect("monitor", "/clients", "monitor")

    # --------------------------------------------------------------------------------------------------------- checking

    def check(self) -> None:
        """All that was acknowledged in earlier lives is there, and nothing in between."""
        for room in WRITERS:
            self._check_messages(room)
        answer = self.monitor.call("GET_ROOMS", {})
        details = {room["name"]: room for room in answer["roomDetails"]}
        for name, exists in self.world.rooms.items():
            exists.seen(Value(name in details), f"existence of {name}")
        if self.number == 0:
            return
        self.world.mode.seen(Value(details["shared"]["mode"]), "mode of shared")
        members = self.monitor.call("GET_CLIENTS_IN_ROOM", {"roomName": "shared"})["clients"]
        present = {member["identity"]: member for member in members}
        self.world.joined.seen(Value(WRITERS[1] in present), "membership")
        self.world.role.seen(Value(present[WRITERS[0]]["role"]), "role")
        self.world.muted.seen(Value(present[WRITERS[0]]["muted"]), "mute")
        assert present[OWNER]["role"] == "master"
        self.world.policy.seen(Value(self.monitor.call("GET_CONNECTION_POLICY", {})["policy"]), "policy")

    def _check_messages(self, room: str) -> None:
        found: dict[str, str] = {}
        since, more, numbers = 0, True, []
        socket = self.writers[WRITERS.index(room)]
        while more:
            page = socket.call("GET_OFFLINE_MESSAGES", {"roomName": room, "since": since, "limit": 500})
            assert page["status"] == "ok", page
            for message in page["messages"]:
                found[message["messageId"]] = message["message"]
                numbers.append(message["seq"])
            since, more = page["nextSince"], page["hasMore"]
        assert numbers == sorted(set(numbers)), f"numbers of {room} repeat or are out of order"
        for message_id, text in self.world.messages[room].items():
            text.seen(Value(found.get(message_id, GONE)), f"message {message_id} of {room}")
        # Once checked and gone, it stays gone; keep the books small.
        settled = self.world.messages[room]
        self.world.messages[room] = {mid: text for mid, text in settled.items() if text.possible != [Value(GONE)]}

    # ---------------------------------------------------------------------------------------------------------- loading

    def found(self) -> None:
        """The room that all is done to."""
        assert self.owner.call("CREATE_ROOM", {"roomName": "shared"})["status"] == "ok"
        subject = {"roomName": "shared", "identity": WRITERS[0]}
        assert self.owner.call("ADD_CLIENT_TO_ROOM", subject)["status"] == "ok"

    def post(self, socket: Socket, event: str, payload: dict[str, Any], acked: Acked) -> None:
        self.pending.append((socket.post_call(event, payload, timeout=30), acked))

    def change(self, socket: Socket, event: str, payload: dict[str, Any], register: Register, value: Any) -> None:
        told = Value(value)
        register.sent(told)

        def acked(answer: dict[str, Any]) -> None:
            if answer["status"] in ("ok", "warning"):
                register.acked(told)
            else:
                register.refused(told)

        self.post(socket, event, payload, acked)

    def load(self) -> None:
        """Everything at once; the order within one register is that of sending."""
        for step in range(30):
            for room, socket in zip(WRITERS, self.writers, strict=True):
                self._ask(room, socket)
                if step % 3 == 0:
                    self._edit_or_delete(room, socket)
            self._moderate(step)
            if step % 4 == 0:
                self._make_room(step)
            if step % 5 == 0:
                self._make_key(step)

    def _ask(self, room: str, socket: Socket) -> None:
        self.sequence += 1
        request_id = f"{self.number}-{self.sequence}"
        text = Value(f"text {request_id}")

        def acked(answer: dict[str, Any]) -> None:
            """Stored is stored, even when the policy lets no extension take it now (A12)."""
            self.world.messages[room][answer["messageId"]] = Register(text)

        self.post(socket, "LLM_REQUEST", {"requestId": request_id, "message": text.value, "target": EXTENSION}, acked)

    def _edit_or_delete(self, room: str, socket: Socket) -> None:
        known = self.world.messages[room]
        if not known:
            return
        message_id = self.chance.choice(list(known))
        register = known[message_id]
        if self.chance.random() < 0.5:
            text = f"edited {self.number}-{self.sequence}"
            payload = {"roomName": room, "messageId": message_id, "updatedFields": {"message": text}}
            self.change(socket, "EDIT_MESSAGE", payload, register, text)
        else:
            payload = {"roomName": room, "messageIds": [message_id]}
            told = Value(GONE)
            register.sent(told)

            def acked(answer: dict[str, Any]) -> None:
                if answer.get("deleted"):
                    register.acked(told)
                    register.possible = [told]

            self.post(socket, "DELETE_MESSAGE", payload, acked)

    def _moderate(self, step: int) -> None:
        subject = {"roomName": "shared", "identity": WRITERS[0]}
        world, owner = self.world, self.owner
        which = step % 7
        if which == 0:
            role = self.chance.choice(ROLES)
            self.change(owner, "SET_MEMBER_ROLE", {**subject, "role": role}, world.role, role)
        elif which == 1:
            self.change(owner, "MUTE_MEMBER", subject, world.muted, True)
        elif which == 2:
            self.change(owner, "UNMUTE_MEMBER", subject, world.muted, False)
        elif which == 3:
            mode = self.chance.choice(MODES)
            self.change(owner, "SET_ROOM_MESSAGE_REQUEST_MODE", {"roomName": "shared", "mode": mode}, world.mode, mode)
        elif which == 4:
            self.change(self.joiner, "JOIN_ROOM", {"roomName": "shared"}, world.joined, True)
        elif which == 5:
            self.change(self.joiner, "LEAVE_ROOM", {"roomName": "shared"}, world.joined, False)
        else:
            policy = self.chance.choice(POLICIES)
            self.change(self.monitor, "SET_CONNECTION_POLICY", {"policy": policy}, world.policy, policy)

    def _make_room(self, step: int) -> None:
        name = f"room-{self.number}-{step}"
        exists = self.world.rooms[name] = Register(Value(False))
        self.change(self.owner, "CREATE_ROOM", {"roomName": name}, exists, True)
        if step % 8 == 0:
            self.change(self.owner, "DELETE_ROOM", {"roomName": name}, exists, False)

    def _make_key(self, step: int) -> None:
        client_id = f"made-{self.number}-{step}"

        def acked(answer: dict[str, Any]) -> None:
            assert answer["status"] == "ok", answer
            self.world.keys[client_id] = answer["key"]

        self.post(self.clients, "GENERATE_CLIENT_KEY", {"targetClientId": client_id}, acked)

    def kill_after(self, acks: int, daemon: Daemon) -> int:
        """Kill when so many answers have come; then take in all that came before the end.

        An open call ends with an error when the connection breaks.
        """
        taken = sum(self._take(number, acked) for number, acked in self.pending[:acks])
        daemon.kill()
        return taken + sum(self._take(number, acked) for number, acked in self.pending[acks:])

    def _take(self, number: int, acked: Acked) -> bool:
        try:
            reply = self.driver.result(number, 30)
        except DriverError:
            return False
        acked(reply[0])
        return True


def check_keys(hub: Hub, world: World, chance: random.Random) -> int:
    """Some of the keys that were handed out open the door, in strict mode; those of this round all do in the end."""
    made = [name for name in world.keys if name.startswith("made-")]
    for name in chance.sample(made, min(4, len(made))):
        auth = {"clientType": "web-app", "clientId": name, "key": world.keys.pop(name)}
        hub.open("/llm", auth).connected().fence()
    return len(made)


@pytest.mark.timeout(60 + 15 * ROUNDS)
def test_nothing_acknowledged_is_lost(tmp_path: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    for ours in ("NEWAGE_NIGHTLY", "NEWAGE_SEED"):
        monkeypatch.delenv(ours, raising=False)  # else the daemon warns of keys that it does not know
    home, config = tmp_path / "home", tmp_path / "newage.toml"
    config.write_text(CONFIG, "utf-8")
    strict_home(home)
    chance, world = random.Random(SEED), World()
    starts: list[float] = []
    try:
        for number in range(ROUNDS):
            daemon = Daemon(home, "--config", str(config))
            begun = time.monotonic()
            daemon.start()
            starts.append(time.monotonic() - begun)
            hub = Hub(daemon, driver)
            this = Round(hub, world, chance, number)
            this.open()
            this.check()
            check_keys(hub, world, chance)
            if number == 0:
                this.found()
            this.load()
            world.acks += this.kill_after(chance.randrange(len(this.pending)), daemon)
            daemon.check_log()
            driver.reset()
        daemon = Daemon(home, "--config", str(config)).start()
        last = Round(Hub(daemon, driver), world, chance, ROUNDS)
        last.open()
        last.check()
        while check_keys(last.hub, world, chance):
            pass
        driver.reset()
        daemon.stop()
    except BaseException:
        print(f"NEWAGE_SEED={SEED}; {len(starts)} rounds, {world.acks} acks")
        raise
    assert world.acks > 10 * ROUNDS
    kept = sum(len(room) for room in world.messages.values())
    print(
        f"seed {SEED}: {ROUNDS} kills, {world.acks} acks kept, {kept} messages at the end, "
        f"start {min(starts):.2f}-{max(starts):.2f} s"
    )


# ------------------------------------------------------------------------------------------------------ a large store

MANY = 100_000
ROOMS = 100


def fill(path: Path) -> None:
    """A hundred rooms with a thousand messages each, through the store's own code, 500 writes a commit."""
    writer = SteppedWorkers()
    database = Database(path, StorageSettings(), writer, InlineWorkers())
    database.open()
    stores = sql_stores(database)
    done: list[Deferred[Any]] = []
    for number in range(ROOMS):
        name = f"room-{number}"
        done.append(
            stores.rooms.save_room(Room(name=name, id=name, kind=RoomKind.GROUP, members={"web1": Role.MASTER}))
        )
        for seq in range(1, MANY // ROOMS + 1):
            text = f"message {seq} of {name}, about as long as what people say in one line"
            said: dict[str, Any] = {"identity": "web1", "role": "master", "text": text}
            message = Message(message_id=f"{number}-{seq}", room=name, room_id=name, seq=seq, **said)
            done.append(stores.messages.add_message(message, MANY))
        while writer.waiting:
            writer.step()
    assert not any(value(each) for each in done)
    database.close()
    while writer.waiting:
        writer.step()


def cpu_seconds(pid: int) -> float:
    """What a process has used so far, its threads included: how much it did, however busy the machine is."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_hundred_thousand_messages_cost_a_start_no_second(tmp_path: Path, driver: Driver) -> None:
    """After SIGKILL, beside what reading its modules costs any start. CPU time; of some starts the fastest counts."""
    home = tmp_path / "home"
    (home / "data").mkdir(parents=True)
    fill(home / "data" / "newage.sqlite3")
    taken: list[float] = []
    while len(taken) < 5 and min(taken, default=9) > 1:
        daemon = Daemon(home).start()
        assert daemon.process is not None
        taken.append(cpu_seconds(daemon.process.pid))
        web = Hub(daemon, driver).client("web1")
        page = web.call("GET_OFFLINE_MESSAGES", {"roomName": f"room-{ROOMS - 1}", "since": MANY // ROOMS - 1})
        assert [message["messageId"] for message in page["messages"]] == [f"{ROOMS - 1}-{MANY // ROOMS}"]
        daemon.kill()
        driver.reset()
    print(f"started in {min(taken):.2f} s with {MANY} messages")
    assert min(taken) < 1, taken
