"""The queue of what is told to receivers outside, over SQLite: its rows go with their messages and rooms."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import orjson
from attrs import define
from twisted.internet.defer import Deferred
from zope.interface import implementer

from newage.domain.webhooks import Delivery, Due, Queue
from newage.ports import IWebhookStore
from newage.storage import sql
from newage.storage.database import Database, done

_LENGTH: Final = "SELECT count(*) FROM (SELECT 1 FROM webhook_delivery WHERE webhook = ? LIMIT ?)"
_MESSAGE: Final = "SELECT id FROM message WHERE room_id = ? AND message_id = ?"
_ADD: Final = """
    INSERT INTO webhook_delivery (delivery_id, webhook, event, at, since, room_id, message_id, data)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_FIRST: Final = """
    SELECT d.delivery_id, d.webhook, d.event, d.at, d.since, room.uuid, m.message_id, d.data, room.name
    FROM webhook_delivery d LEFT JOIN room ON room.id = d.room_id LEFT JOIN message m ON m.id = d.message_id
    WHERE d.webhook = ? ORDER BY d.id LIMIT 1
"""
_DROP: Final = "DELETE FROM webhook_delivery WHERE delivery_id = ?"
_DROP_OLDER: Final = "DELETE FROM webhook_delivery WHERE webhook = ? AND since < ?"
_KEEP: Final = "DELETE FROM webhook_delivery WHERE webhook NOT IN (SELECT value FROM json_each(?))"
_ALL: Final = -1


def add_deliveries(connection: sqlite3.Connection, deliveries: Iterable[Delivery]) -> tuple[str, ...]:
    """:return: the webhooks that had no place for one."""
    full: dict[str, None] = {}
    for each in deliveries:
        ((length,),) = connection.execute(_LENGTH, (each.webhook, each.most)).fetchall()
        if length >= each.most:
            full[each.webhook] = None
            continue
        room = connection.execute(sql.ROOM_ID, (each.room_id,)).fetchone() if each.room_id else (None,)
        if room is None:
            continue
        message = connection.execute(_MESSAGE, (*room, each.message_id)).fetchone()
        if message is None and each.data is None:
            continue
        data = None if each.data is None else sql.to_json(dict(each.data))
        place = (*room, None if message is None else message[0])
        connection.execute(_ADD, (each.id, each.webhook, each.event, each.at, each.since, *place, data))
    return tuple(full)


def _queue(connection: sqlite3.Connection, webhook: str) -> Queue:
    connection.execute("BEGIN")  # one state of the file for all of it
    try:
        ((length,),) = connection.execute(_LENGTH, (webhook, _ALL)).fetchall()
        row = connection.execute(_FIRST, (webhook,)).fetchone()
        if row is None:
            return Queue(0)
        delivery_id, name, event, at, since, room_id, message_id, data, room = row
        delivery = Delivery(
            id=delivery_id,
            webhook=name,
            event=event,
            at=at,
            since=since,
            room_id=room_id or "",
            message_id=message_id or "",
            data=sql.from_json(data),
        )
        said = None
        if data is None:
            said = sql.message_of(connection.execute(sql.FIND_MESSAGE, (room_id, message_id)).fetchone())
        return Queue(length, Due(delivery, room or "", said))
    finally:
        connection.execute("COMMIT")


@implementer(IWebhookStore)
@define(eq=False)
class SqlWebhookStore:
    _database: Database

    def add_deliveries(self, deliveries: Sequence[Delivery]) -> Deferred[tuple[str, ...]]:
        return self._database.write(lambda c: add_deliveries(c, deliveries))

    def queue_of(self, webhook: str) -> Deferred[Queue]:
        return self._database.read(lambda c: _queue(c, webhook))

    def drop_delivery(self, delivery_id: str) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(_DROP, (delivery_id,))))

    def drop_older(self, webhook: str, since: float) -> Deferred[int]:
        return self._database.write(lambda c: c.execute(_DROP_OLDER, (webhook, since)).rowcount)

    def keep_webhooks(self, names: Sequence[str]) -> Deferred[int]:
        kept = orjson.dumps(list(names)).decode()
        return self._database.write(lambda c: c.execute(_KEEP, (kept,)).rowcount)
