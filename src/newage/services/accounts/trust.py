"""Whom the hub trusts: ``settings/*.json``, ids trusted at run time, who identified itself (contract 2.7, 8.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from newage.dialect import files
from newage.domain.client_file import ClientFile
from newage.domain.ids import is_extension_id, may_trust_itself
from newage.domain.model import Kind, Rank
from newage.errors import NewAgeError, Unavailable
from newage.ports import IKeyStore, IWorkers
from newage.services.accounts.hashing import encoded
from newage.services.accounts.limits import AuthSettings
from newage.services.events import AccountEvents
from newage.services.home.files import HomeFiles, Json
from newage.services.world import World
from newage.telemetry.trouble import Trouble, trouble

SERVER_FILE = "server_settings.json"
MONITOR_ID = "monitor"


def tidied(content: Json, hash_password: Callable[[bytes], str]) -> Json:
    """A settings file as it should be on disk: the password hashed, no master key (contract 2.8.8, 8.2).

    A password that bcrypt cannot take stays as it is and never matches.
    """
    tidy = files.without_master_key(content)
    raw = encoded(files.clear_password(tidy))
    return tidy if raw is None else files.with_password_hash(tidy, hash_password(raw))


@define(eq=False)
class TrustService:
    """Answers from memory; the folder is read again at most every few seconds, in a thread.

    :param workers: threads for files.
    :param hash_password: makes a bcrypt hash; blocks, called in those threads.
    """

    _log: ClassVar[Logger] = Logger()

    _files: HomeFiles
    _store: IKeyStore
    _workers: IWorkers
    _hash_password: Callable[[bytes], str]
    _world: World
    _settings: AuthSettings
    _events: AccountEvents
    _trouble: Trouble = trouble()
    _clients: dict[str, ClientFile] = field(factory=dict, init=False)
    _runtime: dict[str, None] = field(factory=dict, init=False)  # durable
    _self_trusted: dict[str, None] = field(factory=dict, init=False)  # in memory, networkSafe only
    _seen: dict[str, tuple[tuple[int, int, int], ClientFile | None]] = field(factory=dict, init=False)
    _scanned_at: float = field(default=float("-inf"), init=False)
    _scanning: list[Deferred[None]] | None = field(default=None, init=False)

    async def load(self) -> None:
        """Read the folder and what was trusted at run time; once, at the start."""
        for client_id in await self._store.load_trusted():
            self._runtime[client_id] = None
        await self.rescan()

    # --------------------------------------------------------------------------------------------------------- asking

    async def is_trusted(self, client_id: str, *, network_safe: bool) -> bool:
        """Whether an id is on one of the lists; an unknown one is looked for in the folder again."""
        known = self.knows(client_id, network_safe=network_safe)
        age = self._world.clock.seconds() - self._scanned_at
        if age >= (self._settings.trust_refresh_seconds if known else self._settings.trust_rescan_seconds):
            await self.rescan()
        return self.knows(client_id, network_safe=network_safe)

    def knows(self, client_id: str, *, network_safe: bool) -> bool:
        """As ``is_trusted``, from memory alone."""
        client = self._clients.get(client_id)
        return (
            (client is not None and client.trusted)
            or client_id in self._runtime
            or (network_safe and client_id in self._self_trusted)
        )

    def belongs_to_another(self, identity: str, client_id: str) -> bool:
        """Whether a trusted client with a longer id has the better claim to an identity that begins with both ids.

        Else a client ``a`` could take the identity ``alice-1`` while ``alice`` is away, with its rooms and its history.
        """
        longer = range(len(client_id) + 1, len(identity) + 1)
        return any(self.knows(identity[:length], network_safe=True) for length in longer)

    def permits(self, client_id: str, kind: Kind, *, network_safe: bool) -> bool:
        """Whether trust in this id covers what it says it is (contract 2.7, kind rule)."""
        if kind is Kind.CLIENT:
            return True
        if not self.knows(client_id, network_safe=network_safe):
            return False
        if kind is Kind.EXTENSION:
            return is_extension_id(client_id)
        client = self._clients.get(client_id)
        return client_id == MONITOR_ID or (client is not None and client.trusted and client.admin)

    def rank(self, client_id: str, *, network_safe: bool) -> Rank:
        """What trust in this id covers (B6): the rank of a key that is made for it now."""
        if self.permits(client_id, Kind.ADMIN, network_safe=network_safe):
            return Rank.ADMIN
        return Rank.EXTENSION if is_extension_id(client_id) else Rank.CLIENT

    def guarded_rank(self, client_id: str) -> Rank:
        """What this id may come to be, trusted or not: nobody below takes hold of it in advance (B6)."""
        client = self._clients.get(client_id)
        if client_id == MONITOR_ID or (client is not None and client.admin):
            return Rank.ADMIN
        return Rank.EXTENSION if is_extension_id(client_id) else Rank.CLIENT

    def password_hash(self, client_id: str) -> str | None:
        """The hash of the extension password, if one is set for this id."""
        client = self._clients.get(client_id)
        return None if client is None else client.password_hash

    def is_runtime_trusted(self, client_id: str) -> bool:
        return client_id in self._runtime

    # ------------------------------------------------------------------------------------------------------- changing

    async def trust(self, client_id: str) -> None:
        """Trust an id durably.

        :raises Unavailable: too many ids.
        """
        if client_id in self._runtime:
            return
        if len(self._runtime) >= self._settings.max_runtime_trusted:
            raise Unavailable("Too many trusted clients.")
        self._runtime[client_id] = None  # counted before the commit, so that the limit holds
        try:
            await self._store.add_trusted(client_id, self._world.wall())
        except BaseException:
            self._runtime.pop(client_id, None)
            raise

    async def distrust(self, client_id: str) -> None:
        """Take back what ``trust`` and ``trust_itself`` granted; settings files are the operator's."""
        self._self_trusted.pop(client_id, None)
        if self._runtime.pop(client_id, "absent") is None:
            await self._store.remove_trusted(client_id)

    def trust_itself(self, client_id: str) -> bool:
        """A ``SillyTavern-<port>`` identified itself to a networkSafe hub: trust it while both lasts."""
        if client_id in self._self_trusted:
            return True
        if not may_trust_itself(client_id) or len(self._self_trusted) >= self._settings.max_self_trusted:
            return False
        self._self_trusted[client_id] = None
        return True

    # ------------------------------------------------------------------------------------------------------- scanning

    def rescan(self) -> Deferred[None]:
        """Read the folder now; who asks while it is read waits for that reading. Never fails."""
        waiting: Deferred[None] = Deferred()
        if self._scanning is not None:
            self._scanning.append(waiting)
            return waiting
        self._scanning = [waiting]
        self._workers.run(self._scan, dict(self._seen)).addCallbacks(self._scanned, self._scan_failed)
        return waiting

    def _scan(self, seen: dict[str, Any]) -> dict[str, Any]:
        """In a thread: name -> (stamp, client), files that did not change taken from ``seen``."""
        found: dict[str, Any] = {}
        for name, stamp in self._files.list_json(("settings",), self._settings.max_client_files).items():
            if name == SERVER_FILE:
                continue
            if name in seen and seen[name][0] == stamp:
                found[name] = seen[name]
                continue
            try:
                found[name] = (stamp, self._client_in(name))
            except NewAgeError as error:
                self._log.error("settings/{name} is ignored: {reason}", name=name, reason=str(error))
                found[name] = (stamp, None)
        return found

    def _client_in(self, name: str) -> ClientFile | None:
        content = self._files.read(("settings", name))
        client = files.client(content)
        if client is None or tidied(content, lambda raw: "") == content:
            return client
        try:
            content = self._files.update(("settings", name), lambda now: tidied(now or {}, self._hash_password))
        except NewAgeError as error:
            self._log.error("settings/{name} keeps a clear password: {reason}", name=name, reason=str(error))
            content = tidied(content, self._hash_password)
        return files.client(content)

    def _scanned(self, found: dict[str, tuple[tuple[int, int, int], ClientFile | None]]) -> None:
        self._seen = found
        clients: dict[str, ClientFile] = {}
        for _, client in found.values():
            if client is not None:
                clients[client.client_id] = client.joined(clients.get(client.client_id))
        changed, self._clients = clients != self._clients, clients
        if changed:
            self._events.trust_changed()
        self._scan_done()

    def _scan_failed(self, failure: Any) -> None:
        self._trouble.say("settings/ could not be read", failure)
        self._scan_done()

    def _scan_done(self) -> None:
        self._scanned_at = self._world.clock.seconds()
        waiting, self._scanning = self._scanning or [], None
        for waiter in waiting:
            if not waiter.called:
                waiter.callback(None)
