"""The services that know who is there, on a Clock, a temporary home and hashes that cost nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from zope.interface import implementer

from deferreds import SteppedWorkers, value
from hubkit import EPOCH, HOME, RecordingOutbox
from newage.daemon.workers import InlineWorkers
from newage.domain.model import Caller, Peer, Session
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.auth import AuthEvents
from newage.namespaces.clients import ClientEvents
from newage.namespaces.door import Door
from newage.namespaces.sillytavern import ExtensionSettings, SillyTavernEvents
from newage.ports import ISocket
from newage.services.accounts.attempts import AttemptLimiter
from newage.services.accounts.auth import EXTENSIONS, AuthService
from newage.services.accounts.hashing import HashService
from newage.services.accounts.key_admin import KeyAdministration
from newage.services.accounts.keys import Grant, KeyService
from newage.services.accounts.limits import AuthSettings
from newage.services.accounts.trust import TrustService
from newage.services.calls.calls import CallService, CallSettings
from newage.services.calls.file_functions import FileFunctions
from newage.services.home.files import FileSettings, HomeFiles
from newage.services.home.server_file import ServerFile
from newage.services.home.static_routes import StaticRoutes, StaticSettings
from newage.services.sessions.client_list import ClientListService, ClientListSettings
from newage.services.sessions.names import Names
from newage.services.sessions.sessions import SessionService, SessionSettings
from newage.services.world import World
from newage.settings import Live
from newage.storage.memory import MemoryKeyStore, MemoryStateStore

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
        store: MemoryKeyStore | None = None,
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
        self.store = MemoryKeyStore() if store is None else store
        self.state = MemoryStateStore()
        self.compared: list[tuple[bytes, str]] = []
        self.hash_workers = SteppedWorkers() if stepped else InlineWorkers()
        self.hashes = HashService(self.hash_workers, self.settings, quick_hash, self._compare)
        self.keys = KeyService(self.store, self.hashes, self.world, self.settings, b"secret of the process")
        self.files = HomeFiles(home, files or FileSettings())
        self.file_workers = InlineWorkers()
        self.trust = TrustService(self.files, self.store, self.file_workers, quick_hash, self.world, self.settings)
        self.sessions = SessionService(self.world, self.outbox, Live(sessions or SessionSettings()))
        self.limiter = AttemptLimiter(self.clock.seconds, self.settings)
        self.names = Names(self.sessions, lambda name: self.trust.knows(name, network_safe=True))
        self.auth = AuthService(
            keys=self.keys,
            trust=self.trust,
            limiter=self.limiter,
            hashes=self.hashes,
            world=self.world,
            settings=self.settings,
            network_safe=lambda: self.network_safe,
            names=self.names,
        )
        self.administration = KeyAdministration(self.keys, self.trust, self.sessions)
        self.client_list = ClientListService(
            self.world, self.outbox, self.sessions.online_sessions, ClientListSettings()
        )
        self.sessions.add_listener(self.client_list)
        self.server_file = ServerFile(self.files)
        self.static = StaticRoutes(self.files, self.file_workers, static or StaticSettings())
        self.functions = FileFunctions(
            self.files,
            self.file_workers,
            self.server_file,
            self.trust,
            quick_hash,
            lambda: self.network_safe,
            self.administration.rank_of,
        )
        self.extensions: dict[str, tuple[str, ...]] = {}
        self.calls = CallService(
            self.sessions, self.outbox, lambda who: self.extensions.get(who, ()), Live(calls or CallSettings())
        )

        self.door = Door(self.auth, self.sessions)

    def auth_namespace(self) -> Namespace:
        events = AuthEvents(auth=self.auth, keys=self.keys, administration=self.administration, sessions=self.sessions)
        return self.door.open("/auth", events.handlers(), entered=events.entered)

    def clients_namespace(self) -> Namespace:
        events = ClientEvents(keys=self.keys, administration=self.administration, clients=self.client_list)
        return self.door.open("/clients", events.handlers())

    def sillytavern_namespace(self, kept: ExtensionSettings) -> Namespace:
        events = SillyTavernEvents(
            auth=self.auth, administration=self.administration, trust=self.trust, sessions=self.sessions, kept=kept
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

    def issue(self, client_id: str) -> str:
        """A key of the rank that the id has now."""
        grant = Grant(rank=self.trust.rank(client_id, network_safe=True))
        key: str = value(self.keys.generate(client_id, local=True, grant=grant))
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
        house.outbox.open(self.sid, namespace.path)

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
