"""All stores but those of rooms and messages in dicts, for ``--ephemeral`` and for tests: as SQLite, at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from attrs import define, evolve, field
from twisted.internet.defer import Deferred, fail, succeed
from zope.interface import implementer

from newage.domain.model import KeyRecord, Message
from newage.domain.open_request import Answered, Notice, OpenRequest
from newage.domain.open_text import OpenText
from newage.domain.resident import Resident
from newage.domain.spent import Spent
from newage.errors import RoomMissing
from newage.ports import IKeyStore, IMarkStore, IOpenOutputStore, IRequestStore, IResidentStore, ISpentStore
from newage.storage.memory_rooms import MemoryRoomStore
from newage.storage.state import NamedValues


@implementer(IKeyStore)
@define(eq=False)
class MemoryKeyStore:
    _keys: dict[tuple[str, str], KeyRecord] = field(factory=dict, init=False)
    _trusted: dict[str, float] = field(factory=dict, init=False)

    def load_keys(self) -> Deferred[tuple[KeyRecord, ...]]:
        return succeed(tuple(self._keys.values()))

    def add_key(self, record: KeyRecord) -> Deferred[None]:
        self._keys.pop((record.client_id, record.hash), None)
        self._keys[record.client_id, record.hash] = record
        return succeed(None)

    def update_key(self, record: KeyRecord) -> Deferred[None]:
        stored = self._keys.get((record.client_id, record.hash))
        if stored is not None:
            self._keys[record.client_id, record.hash] = evolve(
                stored,
                key_id=record.key_id,
                rank=record.rank,
                last_used=record.last_used,
                last_address=record.last_address,
                digest=record.digest,
                digest_secret=record.digest_secret,
            )
        return succeed(None)

    def remove_key(self, client_id: str, key_hash: str) -> Deferred[None]:
        self._keys.pop((client_id, key_hash), None)
        return succeed(None)

    def remove_keys(self, client_id: str) -> Deferred[int]:
        mine = [place for place in self._keys if place[0] == client_id]
        for place in mine:
            del self._keys[place]
        return succeed(len(mine))

    def load_trusted(self) -> Deferred[tuple[str, ...]]:
        return succeed(tuple(self._trusted))

    def add_trusted(self, client_id: str, at: float) -> Deferred[None]:
        self._trusted.setdefault(client_id, at)
        return succeed(None)

    def remove_trusted(self, client_id: str) -> Deferred[None]:
        self._trusted.pop(client_id, None)
        return succeed(None)


@implementer(IRequestStore)
@define(eq=False)
class MemoryRequestStore:
    _store: MemoryRoomStore
    _notices: dict[int, Notice] = field(factory=dict, init=False)

    def load_requests(self) -> Deferred[tuple[OpenRequest, ...]]:
        there = [each for each in self._store.requests.values() if each.room_id in self._store.rooms]
        return succeed(tuple(sorted(there, key=lambda each: each.key)))

    def add_request(self, request: OpenRequest) -> Deferred[None]:
        if request.room_id not in self._store.rooms:
            return fail(RoomMissing("Room not found"))
        self._store.requests[request.key] = request
        return succeed(None)

    def mark_requests(self, keys: Sequence[int], state: str) -> Deferred[None]:
        for key in keys:
            if key in self._store.requests:
                self._store.requests[key] = evolve(self._store.requests[key], state=state)
        return succeed(None)

    def close_requests(self, keys: Sequence[int]) -> Deferred[None]:
        for key in keys:
            self._store.requests.pop(key, None)
        return succeed(None)

    def load_answered(self, limit: int) -> Deferred[tuple[Answered, ...]]:
        messages = [m for stored in self._store.rooms.values() for m in stored.messages.values()]
        newest = sorted(messages, key=lambda m: m.timestamp)[-limit:]
        return succeed(tuple(Answered(m.identity, m.request_id, m.output_id) for m in newest if m.is_response))

    def load_notices(self) -> Deferred[tuple[Notice, ...]]:
        return succeed(tuple(self._notices[key] for key in sorted(self._notices)))

    def add_notice(self, notice: Notice, closes: Sequence[int] = ()) -> Deferred[None]:
        self._notices[notice.key] = notice
        return self.close_requests(closes)

    def drop_notices(self, keys: Sequence[int]) -> Deferred[None]:
        for key in keys:
            self._notices.pop(key, None)
        return succeed(None)


@implementer(IMarkStore)
@define(eq=False)
class MemoryMarkStore:
    """A room's marks go with it: they are kept, but no longer shown."""

    _store: MemoryRoomStore
    _marks: dict[str, dict[str, int]] = field(factory=dict, init=False)

    def load_marks(self) -> Deferred[dict[str, dict[str, int]]]:
        known = {who: self._existing(marks) for who, marks in self._marks.items()}
        return succeed({who: marks for who, marks in known.items() if marks})

    def save_marks(self, identity: str, marks: Mapping[str, int]) -> Deferred[None]:
        self._marks[identity] = self._existing(marks)
        if not self._marks[identity]:
            del self._marks[identity]
        return succeed(None)

    def _existing(self, marks: Mapping[str, int]) -> dict[str, int]:
        return {room_id: seq for room_id, seq in marks.items() if room_id in self._store.rooms}


@implementer(IResidentStore)
@define(eq=False)
class MemoryResidentStore:
    _residents: dict[str, Resident] = field(factory=dict, init=False)

    def load_residents(self) -> Deferred[dict[str, Resident]]:
        return succeed(dict(self._residents))

    def save_resident(self, identity: str, resident: Resident) -> Deferred[None]:
        self._residents[identity] = resident
        return succeed(None)

    def remove_resident(self, identity: str) -> Deferred[None]:
        self._residents.pop(identity, None)
        return succeed(None)


@implementer(ISpentStore)
@define(eq=False)
class MemorySpentStore:
    _spent: dict[tuple[str, str], Spent] = field(factory=dict, init=False)

    def load_spent(self) -> Deferred[tuple[Spent, ...]]:
        return succeed(tuple(sorted(self._spent.values(), key=_by_age)))

    def save_spent(self, spent: Sequence[Spent], after: float, keep: int) -> Deferred[None]:
        self._spent.update({(each.scope, each.who): each for each in spent})
        left = sorted((each for each in self._spent.values() if each.since > after), key=_by_age)
        self._spent = {(each.scope, each.who): each for each in left[max(0, len(left) - keep) :]}
        return succeed(None)


def _by_age(spent: Spent) -> tuple[float, str, str]:
    return spent.since, spent.scope, spent.who


@define(eq=False)
class MemoryStateStore(NamedValues):
    """Keeps encoded values, so that nobody can change them from outside and only JSON gets in."""

    _values: dict[str, bytes] = field(factory=dict, init=False)

    def load_values(self) -> Deferred[dict[str, Any]]:
        return succeed({name: orjson.loads(value) for name, value in sorted(self._values.items())})

    def save_value(self, name: str, value: object) -> Deferred[None]:
        self._values[name] = orjson.dumps(value)
        return succeed(None)


@implementer(IOpenOutputStore)
@define(eq=False)
class MemoryOpenOutputStore:
    _kept: dict[str, Message] = field(factory=dict, init=False)

    def append_texts(self, texts: Sequence[OpenText]) -> Deferred[None]:
        for each in texts:
            if each.answer is not None:
                self._kept.pop(each.output_id, None)
                begun = evolve(each.answer, role="assistant", streamed=True, failed=True, partial=True)
                self._kept[each.output_id] = evolve(begun, text="", data="", reasoning="")
            kept = self._kept[each.output_id]
            if each.reasoning:
                self._kept[each.output_id] = evolve(kept, reasoning=kept.reasoning + each.text)
            else:
                text = kept.text + each.text
                self._kept[each.output_id] = evolve(kept, text=text, data=text)
        return succeed(None)

    def forget_texts(self, output_id: str) -> Deferred[None]:
        self._kept.pop(output_id, None)
        return succeed(None)

    def load_texts(self) -> Deferred[tuple[Message, ...]]:
        return succeed(tuple(self._kept.values()))
