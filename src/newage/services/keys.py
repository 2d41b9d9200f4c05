"""Keys of clients: issued once in clear, kept as bcrypt hashes, several live at once (contract 2.8, A5, A7)."""

from __future__ import annotations

import hmac
from collections import OrderedDict
from typing import ClassVar

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from newage.domain.model import KeyRecord
from newage.errors import Unavailable
from newage.ports import IKeyStore
from newage.services.auth_settings import AuthSettings
from newage.services.clock import World
from newage.services.hashing import HashService, encoded


@define(eq=False)
class KeyService:
    """All keys, in memory as in the store.

    :param secret: random bytes of this process: what verified keys are remembered under.
    """

    _log: ClassVar[Logger] = Logger()

    _store: IKeyStore
    _hashes: HashService
    _world: World
    _settings: AuthSettings
    _secret: bytes = field(repr=False)
    _keys: dict[str, tuple[KeyRecord, ...]] = field(factory=dict, init=False)  # oldest first
    _verified: OrderedDict[bytes, tuple[KeyRecord, float]] = field(factory=OrderedDict, init=False)
    _flights: dict[bytes, list[Deferred[KeyRecord | None]]] = field(factory=dict, init=False)
    _coming: dict[str, set[object]] = field(factory=dict, init=False)  # keys being made; ``remove`` revokes them too

    async def load(self) -> None:
        """Read the store; once, before anybody asks."""
        for record in await self._store.load_keys():
            self._keys[record.client_id] = (*self.records(record.client_id), record)

    def records(self, client_id: str) -> tuple[KeyRecord, ...]:
        """The live keys of a client, oldest first."""
        return self._keys.get(client_id, ())

    def newest_hash(self, client_id: str) -> str | None:
        records = self.records(client_id)
        return records[-1].hash if records else None

    def client_ids(self) -> tuple[str, ...]:
        """Every id that has a key."""
        return tuple(self._keys)

    # -------------------------------------------------------------------------------------------------------- changes

    async def generate(self, client_id: str, *, local: bool) -> str:
        """Issue one more key; the oldest beyond the limit is dropped.

        :param local: issued to a local peer, or by an administrator.
        :return: the key, which nobody can read again, once it is durable.
        :raises Unavailable: too many ids have keys, or too many hashes are waiting.
        """
        if client_id not in self._keys and client_id not in self._coming:
            newcomers = sum(1 for coming in self._coming if coming not in self._keys)
            if len(self._keys) + newcomers >= self._settings.max_client_keys:
                raise Unavailable("Too many client keys.")
        token = self._announce(client_id)
        try:
            key = self._world.new_id()
            hashed = await self._hashes.hash(key.encode(), f"new key of {client_id}")
            record = KeyRecord(client_id=client_id, hash=hashed, created_at=self._world.wall(), local=local)
            self._insist(client_id, token)
            await self._store.add_key(record)
            self._insist(client_id, token)
        finally:
            self._conclude(client_id, token)
        await self._take(record)
        return key

    async def add(self, record: KeyRecord) -> None:
        """Take over a key whose hash is known; fires when it is durable."""
        token = self._announce(record.client_id)
        try:
            await self._store.add_key(record)
            self._insist(record.client_id, token)
        finally:
            self._conclude(record.client_id, token)
        await self._take(record)

    async def _take(self, record: KeyRecord) -> None:
        records = (*self.records(record.client_id), record)
        keep = self._settings.max_keys_per_client
        self._keys[record.client_id] = records[-keep:]
        for dropped in records[:-keep]:
            await self._store.remove_key(dropped.client_id, dropped.hash)

    def _announce(self, client_id: str) -> object:
        token = object()
        self._coming.setdefault(client_id, set()).add(token)
        return token

    def _insist(self, client_id: str, token: object) -> None:
        if token not in self._coming.get(client_id, ()):
            raise Unavailable("The keys of this client were removed meanwhile.")

    def _conclude(self, client_id: str, token: object) -> None:
        coming = self._coming.get(client_id)
        if coming is not None:
            coming.discard(token)
            if not coming:
                del self._coming[client_id]

    async def remove(self, client_id: str) -> int:
        """Drop all keys of a client; from now on none of them is accepted. Fires with how many there were."""
        dropped = len(self._keys.pop(client_id, ()))
        self._coming.pop(client_id, None)
        await self._store.remove_keys(client_id)
        return dropped

    # --------------------------------------------------------------------------------------------------- verification

    def verified(self, client_id: str, key: object) -> KeyRecord | None:
        """The key's record if this key was verified lately and is still live; takes microseconds."""
        raw = encoded(key)
        return None if raw is None else self._remembered(self._tag(client_id, raw))

    def is_checking(self, client_id: str, key: object) -> bool:
        """Whether this very key is being verified now, so that one more ``verify`` costs nothing."""
        raw = encoded(key)
        return raw is not None and self._tag(client_id, raw) in self._flights

    def verify(self, client_id: str, key: object, lane: str) -> Deferred[KeyRecord | None]:
        """Check a key against every live hash of the client, newest first; same keys at the same time share one check.

        :param lane: whose turn it takes, see ``HashService``.
        :return: fires with the record, or None: wrong, unknown id, not a key at all. Fails with Unavailable when too
            many hashes are waiting.
        """
        raw = encoded(key)
        tag = self._tag(client_id, raw or b"")
        remembered = self._remembered(tag)
        if remembered is not None:
            return succeed(remembered)
        waiting: Deferred[KeyRecord | None] = Deferred()
        if tag in self._flights:
            self._flights[tag].append(waiting)
            return waiting
        self._flights[tag] = [waiting]
        Deferred.fromCoroutine(self._compare(client_id, raw, tag, lane)).addBoth(self._land, tag)
        return waiting

    async def _compare(self, client_id: str, raw: bytes | None, tag: bytes, lane: str) -> KeyRecord | None:
        records = self.records(client_id)
        if raw is None or not records:
            await self._hashes.waste(raw or b"nothing", lane)
            return None
        for record in reversed(records):
            if await self._hashes.compare(raw, record.hash, lane):
                # It may have been removed while the hash was computed.
                if record not in self.records(client_id):
                    return None
                self._remember(tag, record)
                return record
        return None

    def _land(self, result: KeyRecord | None, tag: bytes) -> None:
        for waiting in self._flights.pop(tag):
            if not waiting.called:
                waiting.callback(result)  # a Failure makes it fail

    # -------------------------------------------------------------------------------------------------- verified keys

    def _tag(self, client_id: str, raw: bytes) -> bytes:
        return hmac.digest(self._secret, client_id.encode() + b"\0" + raw, "sha256")

    def _remember(self, tag: bytes, record: KeyRecord) -> None:
        self._verified[tag] = (record, self._world.clock.seconds() + self._settings.key_cache_seconds)
        self._verified.move_to_end(tag)
        while len(self._verified) > self._settings.key_cache_entries:
            self._verified.popitem(last=False)

    def _remembered(self, tag: bytes) -> KeyRecord | None:
        entry = self._verified.get(tag)
        if entry is None:
            return None
        record, until = entry
        if until <= self._world.clock.seconds() or record not in self.records(record.client_id):
            del self._verified[tag]
            return None
        return record
