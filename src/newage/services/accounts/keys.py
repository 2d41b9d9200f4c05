"""Keys of clients: issued once in clear, kept as bcrypt hashes and keyed digests, several live at once (contract 2.8,
A5, A7, B6, B7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from typing import ClassVar

from attrs import define, evolve, field, frozen
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger

from newage.domain.ids import is_extension_id
from newage.domain.key_form import KEY_ID_CHARS, RANDOM_BYTES, has_hub_form, labelled_key, shown_key_id
from newage.domain.model import KeyRecord, Rank, Scope
from newage.domain.rank import outdoes
from newage.errors import Unavailable
from newage.ports import IKeyStore
from newage.services.accounts.digests import KeyDigests
from newage.services.accounts.hashing import HashService, Turn, encoded
from newage.services.accounts.limits import AuthSettings
from newage.services.world import World

_ROUNDING = 1.0  # seconds by which ends may differ that are the same
NEW_KEYS = "new keys"  # in place of an address: logins go before keys that are made


@frozen(kw_only=True)
class Grant:
    """What a key is issued as; ``KeyRecord`` says what the members mean."""

    rank: Rank = Rank.CLIENT
    scope: Scope = Scope.ALL
    name: str = ""
    made_by: str = ""
    seconds: float | None = None  # how long it is good for; None: until it is revoked
    until: float = inf  # when it ends at the latest, by the monotonic clock: with what its maker came in with
    key_id: str = ""  # one of ``new_key_id``, for a maker who wants to know it
    labelled: bool = False  # the key shows its id; else it has the reference server's form (B7)


def _is_extensions(record: KeyRecord) -> bool:
    proves_one = record.scope is Scope.EXTENSION and (record.rank or Rank.CLIENT) >= Rank.EXTENSION
    return proves_one and is_extension_id(record.client_id)


@define(eq=False)
class _Making:
    """A key that is being made; ``void``: whom it is for, or who makes it, has lost his meanwhile."""

    client_id: str
    made_by: str
    void: bool = False


@define(eq=False)
class KeyService:
    """All keys, in memory as in the store.

    :param random: so many random bytes, which nobody can foretell.
    """

    _log: ClassVar[Logger] = Logger()

    _store: IKeyStore
    _hashes: HashService
    _world: World
    _settings: AuthSettings
    _digests: KeyDigests
    _random: Callable[[int], bytes]
    _keys: dict[str, tuple[KeyRecord, ...]] = field(factory=dict, init=False)  # oldest first
    _clients: dict[str, str] = field(factory=dict, init=False)  # key id -> whose it is
    _ends: dict[tuple[str, str], float] = field(factory=dict, init=False)  # (client, hash) -> by the monotonic clock
    _noted: dict[tuple[str, str], float] = field(factory=dict, init=False)  # when its last use was
    _checks: dict[bytes, list[Deferred[KeyRecord | None]]] = field(factory=dict, init=False)  # who waits for each
    _making: dict[_Making, None] = field(factory=dict, init=False)

    async def load(self) -> None:
        """Read the store, and the home's secret, which blocks; once, before anybody asks."""
        self._digests.load()
        for record in await self._store.load_keys():
            self._keys[record.client_id] = (*self._keys.get(record.client_id, ()), record)
            self._clients[record.key_id] = record.client_id
            self._note_end(record)

    async def give_ranks(self, rank_of: Callable[[str], Rank]) -> None:
        """Give keys that were made before keys had ranks the rank that their client has now, for good (B6)."""
        for client_id, records in list(self._keys.items()):
            for record in records:
                if record.rank is None:
                    await self._replace(evolve(record, rank=rank_of(client_id)))

    def records(self, client_id: str) -> tuple[KeyRecord, ...]:
        """The live keys of a client, oldest first."""
        records = self._keys.get(client_id, ())
        return tuple(filter(self.is_live, records)) if self._ends else records

    def client_of(self, key: str) -> str | None:
        """Whose key this claims to be, by the id that it shows: None for one of another form, or of no client.

        It says nothing about whether the key is right, and costs no more where it is not.
        """
        key_id = shown_key_id(key)
        return None if key_id is None else self._clients.get(key_id)

    def all_records(self) -> tuple[KeyRecord, ...]:
        """Every key, those that are over included."""
        return tuple(record for records in self._keys.values() for record in records)

    def newest_hash(self, client_id: str) -> str | None:
        records = self.records(client_id)
        return records[-1].hash if records else None

    def client_ids(self) -> tuple[str, ...]:
        """Every id that has a key."""
        return tuple(self._keys)

    def rank(self, client_id: str) -> Rank:
        """The highest rank that a live key of this client has."""
        return max((record.rank or Rank.CLIENT for record in self.records(client_id)), default=Rank.CLIENT)

    def of_extension(self, client_id: str) -> bool:
        """Whether this client has a key that proves an extension and was issued for nothing else (scope extension)."""
        return any(_is_extensions(record) for record in self.records(client_id))

    def is_bot(self, client_id: str) -> bool:
        """Whether all live keys of this client, and it has one, are for saying something as a bot (scope webhook)."""
        records = self.records(client_id)
        return bool(records) and all(record.scope is Scope.WEBHOOK for record in records)

    def is_pinned(self, client_id: str) -> bool:
        """Whether one of those was used: from then on the id needs one of them from everywhere (B3)."""
        return any(_is_extensions(record) and record.last_used is not None for record in self.records(client_id))

    def has_administrator(self) -> bool:
        """Whether any live key is an administrator's."""
        return any(record.rank is Rank.ADMIN and self.is_live(record) for record in self.all_records())

    def is_live(self, record: KeyRecord) -> bool:
        """Whether it is not over yet."""
        return not self.is_over(self.end_of(record))

    def end_of(self, record: KeyRecord) -> float:
        """When it ends, by the monotonic clock; infinity for never."""
        return self._ends.get((record.client_id, record.hash), inf)

    def is_over(self, end: float) -> bool:
        """Whether that moment, by the monotonic clock, is past."""
        return self._world.clock.seconds() >= end

    def _note_end(self, record: KeyRecord) -> None:
        """The stored end is wall time; within a run what is left of it is monotonic, and never more than all (A29)."""
        if record.expires is not None:
            left = min(record.expires - self._world.wall(), record.expires - record.created_at)
            self._ends[record.client_id, record.hash] = self._world.clock.seconds() + left

    # -------------------------------------------------------------------------------------------------------- changes

    def new_key_id(self) -> str:
        """One that no key has."""
        taken = {record.key_id for record in self.all_records()}
        while True:
            key_id = self._world.new_id()[-KEY_ID_CHARS:]
            if key_id not in taken:
                return key_id

    async def generate(self, client_id: str, *, local: bool, grant: Grant | None = None) -> str:
        """Issue one more key; the oldest beyond the limit is dropped, but none of a higher rank.

        :param local: issued to a local peer, or by an administrator.
        :param grant: by default a plain client's.
        :return: the key, which nobody can read again, once it is durable.
        :raises Unavailable: too many ids have keys, too many hashes are waiting, or only keys of a higher rank are left
            to drop.
        """
        grant = grant or Grant()
        newcomers = {each.client_id for each in self._making} - self._keys.keys()
        known = client_id in self._keys or client_id in newcomers
        if not known and len(self._keys) + len(newcomers) >= self._settings.max_client_keys:
            raise Unavailable("Too many client keys.")
        with self._one_more(client_id, grant.made_by) as check:
            key_id = grant.key_id or self.new_key_id()
            key = labelled_key(key_id, self._random(RANDOM_BYTES)) if grant.labelled else self._world.new_id()
            hashed = await self._hashes.hash(key.encode(), Turn(client_id, NEW_KEYS))
            record = self._record(client_id, hashed, evolve(grant, key_id=key_id), local=local)
            record = self._digests.noted(record, key.encode())
            check()
            self._superfluous(record, grant.until)
            await self._store.add_key(record)
            check()
        await self._take(record, grant.until)
        return key

    def _record(self, client_id: str, hashed: str, grant: Grant, *, local: bool) -> KeyRecord:
        now, left = self._world.wall(), grant.until - self._world.clock.seconds()
        seconds = min(inf if grant.seconds is None else grant.seconds, left)
        return KeyRecord(
            client_id=client_id,
            hash=hashed,
            created_at=now,
            local=local,
            key_id=grant.key_id,
            name=grant.name,
            rank=grant.rank,
            scope=grant.scope,
            made_by=grant.made_by,
            expires=None if seconds == inf else now + seconds,
        )

    async def add(self, record: KeyRecord) -> None:
        """Take over a key whose hash is known; fires when it is durable."""
        with self._one_more(record.client_id, record.made_by) as check:
            await self._store.add_key(record)
            check()
        await self._take(record)

    async def _take(self, record: KeyRecord, until: float = inf) -> None:
        dropped = self._superfluous(record, until)
        kept = tuple(each for each in self._keys.get(record.client_id, ()) if each not in dropped)
        self._keys[record.client_id] = (*kept, record)
        self._clients[record.key_id] = record.client_id
        self._note_end(record)
        for each in dropped:
            self._forget(each)
            await self._store.remove_key(each.client_id, each.hash)

    def _superfluous(self, newcomer: KeyRecord, until: float = inf) -> tuple[KeyRecord, ...]:
        """What goes for one more key: the oldest that is worth no more; else lesser keys would wash out a greater one.

        :raises Unavailable: only greater ones are there: of a higher rank, a wider scope, or that last longer than who
            made this one may make them.
        """
        records = self._keys.get(newcomer.client_id, ())
        excess = len(records) + 1 - self._settings.max_keys_per_client
        if excess <= 0:
            return ()
        lesser = [each for each in records if not outdoes(each, newcomer) and self.end_of(each) <= until + _ROUNDING]
        if len(lesser) < excess:
            raise Unavailable("Too many keys of this client.")
        return tuple(lesser[:excess])

    def _forget(self, record: KeyRecord) -> None:
        self._clients.pop(record.key_id, None)
        self._ends.pop((record.client_id, record.hash), None)
        self._noted.pop((record.client_id, record.hash), None)

    async def _replace(self, record: KeyRecord) -> None:
        """Another version of a live key, by its hash; keeps its place."""
        records = self._keys.get(record.client_id, ())
        if any(each.hash == record.hash for each in records):
            changed = (record if each.hash == record.hash else each for each in records)
            self._keys[record.client_id] = tuple(changed)
            await self._store.update_key(record)

    @contextmanager
    def _one_more(self, client_id: str, made_by: str) -> Iterator[Callable[[], None]]:
        """Around the making of a key.

        :return: a check that raises Unavailable when keys of its client, or of its maker, have been revoked since.
        """
        making = _Making(client_id, made_by)
        self._making[making] = None

        def check() -> None:
            if making.void:
                raise Unavailable("The keys of this client were removed meanwhile.")

        try:
            yield check
        finally:
            del self._making[making]

    def stop_making(self, client_id: str) -> None:
        """What is being made for this client, or by it, becomes no key."""
        for making in self._making:
            making.void = making.void or client_id in (making.client_id, making.made_by)

    async def remove(self, client_id: str) -> tuple[KeyRecord, ...]:
        """Drop all keys of a client; from now on none of them is accepted. Fires with those that went."""
        dropped = self._keys.pop(client_id, ())
        self.stop_making(client_id)
        for record in dropped:
            self._forget(record)
        await self._store.remove_keys(client_id)
        return dropped

    async def remove_one(self, record: KeyRecord) -> None:
        """Drop one key; idempotent."""
        self.stop_making(record.client_id)
        left = tuple(each for each in self._keys.get(record.client_id, ()) if each.hash != record.hash)
        if left:
            self._keys[record.client_id] = left
        else:
            self._keys.pop(record.client_id, None)
        self._forget(record)
        await self._store.remove_key(record.client_id, record.hash)

    # --------------------------------------------------------------------------------------------------- verification

    def verified(self, client_id: str, key: object, address: str = "") -> KeyRecord | None:
        """The key's record if its digest tells that it is right; takes microseconds.

        :param address: where it was shown, for the record.
        """
        raw = encoded(key)
        record = None if raw is None else self._recognised(client_id, raw)
        if record is not None:
            self._note_use(record, address)
        return record

    def digest(self, client_id: str, secret: object) -> bytes:
        """Tells one secret of a client from another; it says nothing about them."""
        return self._digests.of(b"guess", client_id.encode(), encoded(secret) or b"")

    def verify(self, client_id: str, key: object, turn: Turn) -> Deferred[KeyRecord | None]:
        """Check a key: by its digest, or against every live hash that has none, newest first; same keys at the same
        time share one check. What has the form of the hub's keys costs a hash only where a key without a digest is left
        that it could be.

        :param turn: whose turn it takes, see ``HashService``.
        :return: fires with the record, or None: wrong, unknown id, not a key at all. Fails with Unavailable when too
            many hashes are waiting.
        """
        record = self.verified(client_id, key, turn.address)
        if record is not None:
            return succeed(record)
        raw = encoded(key)
        open_ones = self._undecided(client_id, raw)
        if not open_ones and raw is not None and has_hub_form(raw.decode()):
            return succeed(None)
        tag = self.digest(client_id, key)
        waiting: Deferred[KeyRecord | None] = Deferred()
        if tag in self._checks:
            self._checks[tag].append(waiting)
            return waiting
        self._checks[tag] = [waiting]
        Deferred.fromCoroutine(self._compare(open_ones, raw, turn)).addBoth(self._checked, tag)
        return waiting

    def _recognised(self, client_id: str, raw: bytes) -> KeyRecord | None:
        return next((each for each in self.records(client_id) if self._digests.fits(each, raw)), None)

    def _undecided(self, client_id: str, raw: bytes | None) -> tuple[KeyRecord, ...]:
        """The keys of the client of which only bcrypt can tell whether this is one."""
        if raw is None:
            return ()
        key_id = shown_key_id(raw.decode())
        return tuple(
            each
            for each in self.records(client_id)
            if key_id in (None, each.key_id) and not self._digests.decides(each)
        )

    async def _compare(self, records: tuple[KeyRecord, ...], raw: bytes | None, turn: Turn) -> KeyRecord | None:
        if raw is None or not records:
            await self._hashes.waste(raw or b"nothing", turn)
            return None
        for record in reversed(records):
            if await self._hashes.compare(raw, record.hash, turn):
                # It may have been removed while the hash was computed.
                live = self._live(record.client_id, record.hash)
                return None if live is None else self._proved(live, raw, turn.address)
        return None

    def _live(self, client_id: str, hashed: str) -> KeyRecord | None:
        return next((record for record in self.records(client_id) if record.hash == hashed), None)

    def _proved(self, record: KeyRecord, raw: bytes, address: str) -> KeyRecord:
        """bcrypt said that it is right: from now on its digest does."""
        record = self._digests.noted(record, raw)
        self._noted[record.client_id, record.hash] = self._world.clock.seconds()
        return self._keep(evolve(record, last_used=self._world.wall(), last_address=address))

    def _note_use(self, record: KeyRecord, address: str) -> None:
        """Not more often than somebody who reads it cares."""
        place, now = (record.client_id, record.hash), self._world.clock.seconds()
        if now - self._noted.get(place, -inf) >= self._settings.key_use_note_seconds:
            self._noted[place] = now
            self._keep(evolve(record, last_used=self._world.wall(), last_address=address))

    def _keep(self, record: KeyRecord) -> KeyRecord:
        """Beside the login, which does not wait for it."""
        noted = Deferred.fromCoroutine(self._replace(record))
        noted.addErrback(lambda failure: self._log.warn("a key's use was not noted: {why}", why=str(failure.value)))
        return record

    def _checked(self, result: KeyRecord | None, tag: bytes) -> None:
        for waiting in self._checks.pop(tag):
            if not waiting.called:
                waiting.callback(result)  # a Failure makes it fail
