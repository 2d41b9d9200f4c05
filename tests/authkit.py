"""The services that know who is there, on a Clock, a temporary home and hashes that cost nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from deferreds import SteppedWorkers, value
from hubkit import EPOCH, HOME, Link, RecordingOutbox
from newage.assembly.accounts import Basis, make_accounts
from newage.assembly.calls import make_calls
from newage.assembly.people import make_people
from newage.config import Config, ServerSettings
from newage.config.live import LiveTables
from newage.daemon.workers import InlineWorkers
from newage.domain.model import Caller, KeyRecord, Peer, Session
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.auth import AuthEvents
from newage.namespaces.clients import ClientEvents
from newage.namespaces.door import Door
from newage.namespaces.sillytavern import ExtensionSettings, SillyTavernEvents
from newage.ports import IKeyStore, ISocket
from newage.services.accounts.auth import EXTENSIONS
from newage.services.accounts.keys import Grant
from newage.services.accounts.limits import AuthSettings
from newage.services.accounts.pair_admin import PairingAdministration
from newage.services.calls.calls import CallSettings
from newage.services.home.files import FileSettings
from newage.services.home.static_routes import StaticSettings
from newage.services.sessions.rates import EventRates
from newage.services.sessions.sessions import SessionSettings
from newage.services.world import World
from newage.storage.memory import MemoryKeyStore, MemoryStateStore
from newage.storage.stores import memory_stores

LOCAL = HOME  # a program of the hub's own system user on this machine
REMOTE = Peer("203.0.113.9")


def quick_hash(raw: bytes, rounds: int = 10) -> str:
    """Looks like bcrypt's, costs nothing."""
    return f"$2b${rounds:02}$" + sha256(raw).hexdigest()[:53]


class Gatehouse:
    """One hub's people. ``network_safe`` and ``extensions`` (identity -> serving extensions) may be changed any time.

    :param stepped: hashes wait in ``hash_workers`` until stepped.
    """

    def __init__(
        self,
        home: Path,
        *,
        network_safe: bool = False,
        stepped: bool = False,
        store: IKeyStore | None = None,
        files: FileSettings | None = None,
        calls: CallSettings | None = None,
        static: StaticSettings | None = None,
        sessions: SessionSettings | None = None,
        **settings: Any,
    ) -> None:
        self.home = home
        self.network_safe = network_safe
        self.settings = AuthSettings(**settings)
        self.clock = Clock()
        self._numbers = count(1)
        self.wall_start = EPOCH  # what time it was when the clock showed 0
        self.world = World(clock=self.clock, wall=lambda: self.wall_start + self.clock.seconds(), new_id=self.new_id)
        self.outbox = RecordingOutbox(self.clock)
        self.store: IKeyStore = MemoryKeyStore() if store is None else store
        self.state = MemoryStateStore()
        self.compared: list[tuple[bytes, str]] = []
        self.hash_workers = SteppedWorkers() if stepped else InlineWorkers()
        self.file_workers = InlineWorkers()
        config = Config(
            server=ServerSettings(home=str(home)),
            auth=self.settings,
            files=files or FileSettings(),
            calls=calls or CallSettings(),
            static=static or StaticSettings(),
            sessions=sessions or SessionSettings(),
        )
        self.basis = basis = Basis(
            config=config,
            live=LiveTables.of(config),
            world=self.world,
            stores=evolve(memory_stores(), keys=self.store, state=self.state),
            hash_workers=self.hash_workers,
            file_workers=self.file_workers,
            make_hash=quick_hash,
            matches=self._compare,
        )
        accounts = make_accounts(basis, network_safe=lambda: self.network_safe)
        self.files = accounts.files
        self.server_file = accounts.server_file
        self.hashes = accounts.hashes
        self.keys = accounts.keys
        self.trust = accounts.trust
        self.accounts = accounts
        self.limiter = accounts.limiter
        self.revocation = accounts.revocation
        self.pairing = accounts.pairing
        self.operator = accounts.operator
        people = make_people(basis, self.outbox, accounts)
        self.sessions = people.sessions
        self.names = people.names
        self.auth = people.auth
        self.bearers = people.bearers
        self.administration = people.administration
        self.admissions = people.admissions
        self.expulsion = people.expulsion
        self.client_list = people.client_list
        self.extensions: dict[str, tuple[str, ...]] = {}
        made = make_calls(basis, self.outbox, accounts, people, lambda who: self.extensions.get(who, ()))
        self.calls = made.calls
        self.functions = made.file_functions
        self.static = made.static

        self.door = Door(self.auth, self.sessions, people.admissions, EventRates(basis.world, basis.live.rates))

    def auth_namespace(self) -> Namespace:
        events = AuthEvents(
            auth=self.auth,
            administration=self.administration,
            sessions=self.sessions,
            admissions=self.admissions,
        )
        return self.door.open("/auth", events.handlers(), entered=events.entered)

    def clients_namespace(self) -> Namespace:
        events = ClientEvents(
            administration=self.administration,
            expulsion=self.expulsion,
            clients=self.client_list,
            pairing=PairingAdministration(self.pairing),
        )
        return self.door.open("/clients", events.handlers())

    def sillytavern_namespace(self, kept: ExtensionSettings) -> Namespace:
        events = SillyTavernEvents(
            auth=self.auth,
            administration=self.administration,
            trust=self.trust,
            sessions=self.sessions,
            kept=kept,
            admissions=self.admissions,
            pairing=self.pairing,
        )
        return self.door.open("/sillytavern", events.handlers(), gate=EXTENSIONS)

    def _compare(self, raw: bytes, hashed: str) -> bool:
        self.compared.append((raw, hashed))
        return quick_hash(raw) == hashed

    def new_id(self) -> str:
        return str(UUID(int=next(self._numbers), version=4))

    def write(self, name: str, content: Any) -> Path:
        """A file of the home; JSON unless it is text or bytes."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def read(self, name: str) -> Any:
        return json.loads((self.home / name).read_text(encoding="utf-8"))

    def trusts(self, *client_ids: str, **members: Any) -> None:
        """Settings files that trust these ids."""
        for client_id in client_ids:
            self.write(f"settings/{client_id}.json", {"clientId": client_id, "isTrust": True, **members})
        value(self.trust.rescan())

    def flush_hashes(self) -> int:
        """Do what waits to be hashed, where the house is ``stepped``; how much that was."""
        assert isinstance(self.hash_workers, SteppedWorkers)
        return self.hash_workers.flush()

    def issue(self, client_id: str) -> str:
        """A key of the rank that the id has now."""
        grant = Grant(rank=self.trust.rank(client_id, network_safe=True))
        key: str = value(self.keys.generate(client_id, local=True, grant=grant))
        return key

    def imports(self, client_id: str, key: str) -> str:
        """A key that another hub has made: of any form, and without a digest."""
        rank = self.trust.rank(client_id, network_safe=True)
        hashed = quick_hash(key.encode())
        value(self.keys.add(KeyRecord(client_id=client_id, hash=hashed, created_at=1.0, key_id=hashed[-8:], rank=rank)))
        return key

    def caller(
        self,
        client_id: str,
        namespace: str = "/clients",
        *,
        client_type: str = "web-app",
        identity: str = "",
        peer: Peer = LOCAL,
        **caller: Any,
    ) -> Caller:
        """Somebody who was let in and is connected."""
        session = Session(client_id=client_id, identity=identity or client_id, client_type=client_type)
        sid = f"{client_id}{namespace}#{next(self._numbers)}"
        caller.setdefault("sensitive", client_type in ("monitor", "SillyTavern", "extension"))
        admitted = Caller(sid=sid, namespace=namespace, session=session, peer=peer, **caller)
        self.outbox.open(sid, namespace)
        if not admitted.bootstrap:
            self.sessions.attach(admitted)
        return admitted


@implementer(ISocket)
class FakeSocket:
    """A socket as handlers see it, of a namespace of a house."""

    def __init__(self, house: Gatehouse, namespace: Namespace, peer: Peer = LOCAL) -> None:
        self.sid = f"{namespace.path}#{next(house._numbers)}"
        self.namespace = namespace.path
        self.peer = peer
        self.caller: Any = None
        self.connected = True
        self.emitted: list[tuple[Any, ...]] = []
        self._house = house
        self._namespace = namespace
        house.outbox.open(self.sid, namespace.path, end=self.disconnect)

    def emit(self, event: str, *args: Any) -> None:
        self.emitted.append((event, *args))

    def call(self, event: str, args: Sequence[Any], timeout: float) -> Deferred[list[Any]]:
        return self._house.outbox.call(self.sid, event, args, timeout)

    def disconnect(self) -> None:
        self.connected = False
        if self.caller is not None:
            self._namespace.disconnected(self, "io server disconnect")

    def connect(self, auth: Any) -> FakeSocket:
        """CONNECT and what follows its reply."""
        follow = value(self.connecting(auth))
        if follow is not None:
            follow()
        return self

    def connecting(self, auth: Any) -> Deferred[Any]:
        joining = self._namespace.connect(self, auth)
        return joining if isinstance(joining, Deferred) else Deferred.fromCoroutine(joining)

    @property
    def refusal(self) -> str | None:
        """The message of the ERROR after which the socket was disconnected; None if it was let in."""
        if self.caller is not None:
            return None
        assert not self.connected
        ((event, body),) = self.emitted
        assert event == "ERROR"
        assert body["type"] == "ERROR"
        message: str = body["message"]
        return message

    def handle(self, event: str, *args: Any, ack: bool = True) -> Any:
        """What the handler returns: a list, None, an awaitable or a Later."""
        return self._namespace.handlers[event](self, list(args), ack)

    def ask(self, event: str, *args: Any) -> Any:
        """What the client gets when it sends this event: the single argument of the ack."""
        answer = self.handle(event, *args)
        answer = getattr(answer, "result", answer)
        (body,) = answer if isinstance(answer, list) else value(answer)
        return body


EXTENSION = "SillyTavern-8000"


def strict_house(home: Path) -> Gatehouse:
    """Keys and trust are asked for; an extension and three clients are trusted."""
    house = Gatehouse(home, network_safe=True)
    house.write(f"settings/{EXTENSION}.json", {"clientId": EXTENSION, "isTrust": True, "sillyTavernPassWord": "secret"})
    house.trusts("web1", "web2", "monitor")
    return house


def ok(body: dict[str, Any]) -> bool:
    return (body["status"], body["success"]) == ("ok", True)


def refused(body: dict[str, Any]) -> str:
    assert (body["status"], body["success"]) == ("error", False)
    assert body["error"]["message"] == body["message"]
    assert isinstance(body["errorCode"], int)
    message: str = body["message"]
    return message


def extension_appears(house: Gatehouse, identity: str = EXTENSION, desc: str = "") -> None:
    caller = house.caller(EXTENSION, "/llm", client_type="SillyTavern", identity=identity)
    house.sessions.detach(caller.sid)
    house.sessions.attach(caller, Link())
