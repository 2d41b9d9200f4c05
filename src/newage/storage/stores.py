"""The store ports, and all but rooms and messages over SQLite: each method is one operation of ``Database``."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import astuple, define, frozen
from twisted.internet.defer import Deferred
from zope.interface import implementer

from newage.domain.model import KeyRecord, Message
from newage.domain.open_request import Answered, Notice, OpenRequest
from newage.domain.open_text import OpenText
from newage.domain.resident import Resident
from newage.domain.spent import Spent
from newage.ports import (
    IKeyStore,
    IMarkStore,
    IMessageStore,
    IOpenOutputStore,
    IRequestStore,
    IResidentStore,
    IRoomStore,
    ISpentStore,
    IStateStore,
    IWebhookStore,
)
from newage.storage import memory, sql, sql_open
from newage.storage.database import Database, done
from newage.storage.memory_rooms import MemoryMessageStore, MemoryRoomStore
from newage.storage.memory_webhooks import MemoryWebhookStore
from newage.storage.sql_rooms import SqlMessageStore, SqlRoomStore, row_of
from newage.storage.sql_webhooks import SqlWebhookStore
from newage.storage.state import NamedValues


@frozen
class Stores:
    """The ports, whatever is behind them."""

    keys: IKeyStore
    rooms: IRoomStore
    messages: IMessageStore
    state: IStateStore
    marks: IMarkStore
    residents: IResidentStore
    open_outputs: IOpenOutputStore
    requests: IRequestStore
    spent: ISpentStore
    webhooks: IWebhookStore


def sql_stores(database: Database) -> Stores:
    """Durable stores; open the database before use."""
    return Stores(
        SqlKeyStore(database),
        SqlRoomStore(database),
        SqlMessageStore(database),
        SqlStateStore(database),
        SqlMarkStore(database),
        SqlResidentStore(database),
        SqlOpenOutputStore(database),
        SqlRequestStore(database),
        SqlSpentStore(database),
        SqlWebhookStore(database),
    )


def memory_stores() -> Stores:
    """Stores that forget at the end (``--ephemeral``)."""
    rooms = MemoryRoomStore()
    return Stores(
        memory.MemoryKeyStore(),
        rooms,
        MemoryMessageStore(rooms),
        memory.MemoryStateStore(),
        memory.MemoryMarkStore(rooms),
        memory.MemoryResidentStore(),
        memory.MemoryOpenOutputStore(),
        memory.MemoryRequestStore(rooms),
        memory.MemorySpentStore(),
        MemoryWebhookStore(rooms),
    )


@implementer(IKeyStore)
@define(eq=False)
class SqlKeyStore:
    _database: Database

    def load_keys(self) -> Deferred[tuple[KeyRecord, ...]]:
        return self._database.read(lambda c: tuple(sql.key_of(row) for row in c.execute(sql.LOAD_KEYS)))

    def add_key(self, record: KeyRecord) -> Deferred[None]:
        values = sql.key_values(record)
        return self._database.write(lambda c: done(c.execute(sql.ADD_KEY, values)))

    def update_key(self, record: KeyRecord) -> Deferred[None]:
        changed = sql.key_changes(record)
        return self._database.write(lambda c: done(c.execute(sql.UPDATE_KEY, changed)))

    def remove_key(self, client_id: str, key_hash: str) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(sql.REMOVE_KEY, (client_id, key_hash))))

    def remove_keys(self, client_id: str) -> Deferred[int]:
        return self._database.write(lambda c: c.execute(sql.REMOVE_KEYS, (client_id,)).rowcount)

    def load_trusted(self) -> Deferred[tuple[str, ...]]:
        return self._database.read(lambda c: tuple(client_id for (client_id,) in c.execute(sql.LOAD_TRUSTED)))

    def add_trusted(self, client_id: str, at: float) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(sql.ADD_TRUSTED, (client_id, at))))

    def remove_trusted(self, client_id: str) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(sql.REMOVE_TRUSTED, (client_id,))))


@define(eq=False)
class SqlStateStore(NamedValues):
    _database: Database

    def load_values(self) -> Deferred[dict[str, Any]]:
        return self._database.read(lambda c: {name: sql.from_json(value) for name, value in c.execute(sql.LOAD_STATE)})

    def save_value(self, name: str, value: object) -> Deferred[None]:
        encoded = sql.to_json(value)
        return self._database.write(lambda c: done(c.execute(sql.SAVE_STATE, (name, encoded))))


@implementer(IMarkStore)
@define(eq=False)
class SqlMarkStore:
    _database: Database

    def load_marks(self) -> Deferred[dict[str, dict[str, int]]]:
        def load(connection: sqlite3.Connection) -> dict[str, dict[str, int]]:
            marks: dict[str, dict[str, int]] = {}
            for identity, room_id, seq in connection.execute(sql.LOAD_MARKS):
                marks.setdefault(identity, {})[room_id] = seq
            return marks

        return self._database.read(load)

    def save_marks(self, identity: str, marks: Mapping[str, int]) -> Deferred[None]:
        rows = [(identity, seq, room_id) for room_id, seq in marks.items()]

        def save(connection: sqlite3.Connection) -> None:
            connection.execute(sql.CLEAR_MARKS, (identity,))
            connection.executemany(sql.ADD_MARK, rows)

        return self._database.write(save)


@implementer(IResidentStore)
@define(eq=False)
class SqlResidentStore:
    _database: Database

    def load_residents(self) -> Deferred[dict[str, Resident]]:
        return self._database.read(
            lambda c: {identity: Resident(*known) for identity, *known in c.execute(sql.LOAD_RESIDENTS)}
        )

    def save_resident(self, identity: str, resident: Resident) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(sql.SAVE_RESIDENT, (identity, *resident))))

    def remove_resident(self, identity: str) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(sql.REMOVE_RESIDENT, (identity,))))


@implementer(ISpentStore)
@define(eq=False)
class SqlSpentStore:
    _database: Database

    def load_spent(self) -> Deferred[tuple[Spent, ...]]:
        return self._database.read(lambda c: tuple(Spent(*row) for row in c.execute(sql.LOAD_SPENT)))

    def save_spent(self, spent: Sequence[Spent], after: float, keep: int) -> Deferred[None]:
        rows = [astuple(each) for each in spent]

        def save(connection: sqlite3.Connection) -> None:
            connection.executemany(sql.SAVE_SPENT, rows)
            connection.execute(sql.FORGET_SPENT, (after,))
            connection.execute(sql.BOUND_SPENT, (keep,))

        return self._database.write(save)


@implementer(IOpenOutputStore)
@define(eq=False)
class SqlOpenOutputStore:
    _database: Database

    def append_texts(self, texts: Sequence[OpenText]) -> Deferred[None]:
        rows = [
            (
                each.output_id,
                "reasoning" if each.reasoning else "text",
                each.part,
                sql_open.open_answer_value(each.answer),
                each.text,
            )
            for each in texts
        ]
        begin = [(each.output_id,) for each in texts if each.answer is not None]

        def append(connection: sqlite3.Connection) -> None:
            connection.executemany(sql_open.FORGET_OPEN, begin)
            connection.executemany(sql_open.APPEND_OPEN, rows)

        return self._database.write(append)

    def forget_texts(self, output_id: str) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(sql_open.FORGET_OPEN, (output_id,))))

    def load_texts(self) -> Deferred[tuple[Message, ...]]:
        return self._database.read(
            lambda c: tuple(sql_open.open_answer_of(*row) for row in c.execute(sql_open.LOAD_OPEN))
        )


@implementer(IRequestStore)
@define(eq=False)
class SqlRequestStore:
    _database: Database

    def load_requests(self) -> Deferred[tuple[OpenRequest, ...]]:
        return self._database.read(
            lambda c: tuple(sql_open.request_of(row) for row in c.execute(sql_open.LOAD_REQUESTS))
        )

    def add_request(self, request: OpenRequest) -> Deferred[None]:
        return self._database.write(
            lambda c: done(
                c.execute(sql_open.ADD_REQUEST, sql_open.request_values(request, row_of(c, request.room_id)))
            )
        )

    def mark_requests(self, keys: Sequence[int], state: str) -> Deferred[None]:
        rows = [(state, key) for key in keys]
        return self._database.write(lambda c: done(c.executemany(sql_open.MARK_REQUEST, rows)))

    def close_requests(self, keys: Sequence[int]) -> Deferred[None]:
        rows = [(key,) for key in keys]
        return self._database.write(lambda c: done(c.executemany(sql_open.CLOSE_REQUEST, rows)))

    def load_answered(self, limit: int) -> Deferred[tuple[Answered, ...]]:
        return self._database.read(
            lambda c: tuple(Answered(*row) for row in c.execute(sql_open.LOAD_ANSWERED, (limit,)))
        )

    def load_notices(self) -> Deferred[tuple[Notice, ...]]:
        return self._database.read(lambda c: tuple(sql_open.notice_of(row) for row in c.execute(sql_open.LOAD_NOTICES)))

    def add_notice(self, notice: Notice, closes: Sequence[int] = ()) -> Deferred[None]:
        values, rows = sql_open.notice_values(notice), [(key,) for key in closes]

        def add(connection: sqlite3.Connection) -> None:
            connection.execute(sql_open.ADD_NOTICE, values)
            connection.executemany(sql_open.CLOSE_REQUEST, rows)

        return self._database.write(add)

    def drop_notices(self, keys: Sequence[int]) -> Deferred[None]:
        rows = [(key,) for key in keys]
        return self._database.write(lambda c: done(c.executemany(sql_open.DROP_NOTICE, rows)))
