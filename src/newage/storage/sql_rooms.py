"""Rooms and their messages over SQLite. Each method is one operation of ``Database``: atomic, durable when it fires."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

import orjson
from attrs import define
from twisted.internet.defer import Deferred
from zope.interface import implementer

from newage.domain.history import KEPT_CHANGES, Behind
from newage.domain.model import Access, Bar, Message, RequestMode, Role, Room, RoomKind, Term
from newage.domain.open_request import OpenRequest
from newage.domain.webhooks import Delivery
from newage.errors import BadParameter, NotFound, RoomMissing
from newage.ports import IMessageStore, IRoomStore
from newage.storage import sql, sql_open
from newage.storage.database import Database, done
from newage.storage.sql_webhooks import add_deliveries


@implementer(IRoomStore)
@define(eq=False)
class SqlRoomStore:
    _database: Database

    def load_rooms(self) -> Deferred[tuple[Room, ...]]:
        return self._database.read(_load_rooms)

    def save_room(self, room: Room) -> Deferred[None]:
        return self._database.write(lambda c: _save_room(c, room))

    def delete_room(self, room_id: str) -> Deferred[None]:
        return self._database.write(lambda c: done(c.execute(sql.DELETE_ROOM, (room_id,))))


@implementer(IMessageStore)
@define(eq=False)
class SqlMessageStore:
    _database: Database

    def add_message(
        self,
        message: Message,
        keep: int,
        beside: Sequence[str] = (),
        opens: OpenRequest | None = None,
        closes: Sequence[int] = (),
        *,
        keep_bytes: int | None = None,
        tells: Sequence[Delivery] = (),
    ) -> Deferred[tuple[str, ...]]:
        others, over = tuple(beside), [(key,) for key in closes]

        def add(connection: sqlite3.Connection) -> tuple[str, ...]:
            row = _add_message(connection, message, keep, keep_bytes, others)
            if opens is not None:
                connection.execute(sql_open.ADD_REQUEST, sql_open.request_values(opens, row))
            if over:
                connection.executemany(sql_open.CLOSE_REQUEST, over)
            return add_deliveries(connection, tells)

        return self._database.write(add)

    def update_message(
        self, message: Message, seq: int, was: Message | None = None, *, keep_bytes: int | None = None
    ) -> Deferred[bool]:
        return self._database.write(lambda c: _update_message(c, message, seq, was, keep_bytes))

    def delete_messages(self, room_id: str, message_ids: Sequence[str], seq: int) -> Deferred[tuple[str, ...]]:
        wanted = tuple(dict.fromkeys(message_ids))
        return self._database.write(lambda c: _delete_messages(c, room_id, wanted, seq))

    def clear_messages(self, room_id: str, requests: bool, responses: bool, seq: int) -> Deferred[int]:
        return self._database.write(lambda c: _clear_messages(c, room_id, requests, responses, seq))

    def find_message(self, room_id: str, any_id: str) -> Deferred[Message | None]:
        def find(connection: sqlite3.Connection) -> Message | None:
            for statement in (sql.FIND_MESSAGE, sql.FIND_RESPONSE):
                row = connection.execute(statement, (room_id, any_id)).fetchone()
                if row is not None:
                    return sql.message_of(row)
            return None

        return self._database.read(find)

    def find_outputs(self, room_ids: Sequence[str], output_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        values = (orjson.dumps(list(output_ids)).decode(), orjson.dumps(list(room_ids)).decode())
        return self._database.read(lambda c: tuple(sql.message_of(row) for row in c.execute(sql.FIND_OUTPUTS, values)))

    def find_answers(self, room_id: str, question_id: str) -> Deferred[tuple[Message, ...]]:
        values = (room_id, question_id)
        return self._database.read(lambda c: tuple(sql.message_of(row) for row in c.execute(sql.FIND_ANSWERS, values)))

    def select_answer(self, room_id: str, message_id: str, seq: int) -> Deferred[tuple[str, ...]]:
        return self._database.write(lambda c: _select_answer(c, room_id, message_id, seq))

    def find_question(
        self, room_id: str, identity: str, request_id: str, text: str, limit: int
    ) -> Deferred[Message | None]:
        values = (room_id, room_id, limit - 1, identity, request_id, text, request_id)

        def find(connection: sqlite3.Connection) -> Message | None:
            row = connection.execute(sql.FIND_QUESTION, values).fetchone()
            return None if row is None else sql.message_of(row)

        return self._database.read(find)

    def find_messages(self, room_id: str, message_ids: Sequence[str]) -> Deferred[tuple[Message, ...]]:
        values = (room_id, orjson.dumps(list(message_ids)).decode())
        return self._database.read(lambda c: tuple(sql.message_of(row) for row in c.execute(sql.FIND_MESSAGES, values)))

    def last_messages(
        self, room_id: str, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[Message, ...]]:
        statement = sql.BEFORE_SELECTED if selected else sql.MESSAGES_BEFORE
        values = (room_id, sql.BEYOND_ALL, limit)
        return self._database.read(lambda c: tuple(reversed(_within(c.execute(statement, values), max_bytes)[0])))

    def messages_before(
        self, room_id: str, seq: int | None, limit: int, max_bytes: int | None = None, *, selected: bool = False
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        statement = sql.BEFORE_SELECTED if selected else sql.MESSAGES_BEFORE
        values = (room_id, sql.BEYOND_ALL if seq is None else seq, limit + 1)

        def read(connection: sqlite3.Connection) -> tuple[tuple[Message, ...], bool]:
            found, more = _within(connection.execute(statement, values), max_bytes, limit)
            return tuple(reversed(found)), more

        return self._database.read(read)

    def messages_after(
        self, room_id: str, seq: int, limit: int, max_bytes: int | None = None
    ) -> Deferred[tuple[tuple[Message, ...], bool]]:
        def read(connection: sqlite3.Connection) -> tuple[tuple[Message, ...], bool]:
            rows = connection.execute(sql.MESSAGES_AFTER, (room_id, seq, limit + 1))
            found, more = _within(rows, max_bytes, limit)
            return tuple(found), more

        return self._database.read(read)

    def message_weights(self, room_id: str) -> Deferred[tuple[int, ...]]:
        return self._database.read(lambda c: tuple(weight for (weight,) in c.execute(sql.WEIGHTS, (room_id,))))

    def behind(self, room_id: str, seq: int) -> Deferred[Behind]:
        def read(connection: sqlite3.Connection) -> Behind:
            row = connection.execute(sql.BEHIND, (room_id, seq)).fetchone()
            return Behind(0, False, False) if row is None else Behind(row[0], bool(row[1]), bool(row[2]))

        return self._database.read(read)

    def last_seq(self, room_id: str, timestamp: str) -> Deferred[int]:
        return self._database.read(lambda c: int(c.execute(sql.LAST_SEQ, (room_id, timestamp)).fetchone()[0]))


def _within(rows: sqlite3.Cursor, max_bytes: int | None, limit: int | None = None) -> tuple[list[Message], bool]:
    """The first ones that fit, one always does, and whether there are more; what does not fit is not even read.

    :param limit: how many at most.
    """
    found: list[Message] = []
    weight = 0
    with closing(rows):
        for row in rows:
            weight += sql.weight_of(row)
            if len(found) == limit or (found and max_bytes is not None and weight > max_bytes):
                return found, True
            found.append(sql.message_of(row))
    return found, False


def _load_rooms(connection: sqlite3.Connection) -> tuple[Room, ...]:
    members: dict[int, dict[str, Role]] = {}
    mutes: dict[int, dict[str, Term]] = {}
    clients: dict[int, dict[str, str]] = {}
    bars: dict[int, dict[str, Bar]] = {}
    connection.execute("BEGIN")  # one snapshot for the four
    try:
        rooms = connection.execute(sql.LOAD_ROOMS).fetchall()
        for room_id, identity, role, client_id in connection.execute(sql.LOAD_MEMBERS):
            members.setdefault(room_id, {})[identity] = Role(role)
            if client_id is not None:
                clients.setdefault(room_id, {})[identity] = client_id
        for room_id, identity, until, seconds, client_id in connection.execute(sql.LOAD_MUTES):
            mutes.setdefault(room_id, {})[identity] = Term(until, seconds)
            if client_id is not None:
                clients.setdefault(room_id, {})[identity] = client_id
        for room_id, client_id, until, seconds, *told in connection.execute(sql.LOAD_BARS):
            bars.setdefault(room_id, {})[client_id] = Bar(Term(until, seconds), *told)
    finally:
        connection.execute("COMMIT")
    return tuple(
        Room(
            name=name,
            id=uuid,
            kind=RoomKind(kind),
            mode=RequestMode(mode),
            members=members.get(room_id, {}),
            muted=mutes.get(room_id, {}),
            clients=clients.get(room_id, {}),
            barred=bars.get(room_id, {}),
            access=Access(access),
            seq=seq,
            created_at=created_at,
            said=bool(said),
            heir=heir,
            vacant_since=vacant_since,
        )
        for room_id, name, uuid, kind, mode, access, seq, created_at, said, heir, vacant_since in rooms
    )


def _save_room(connection: sqlite3.Connection, room: Room) -> None:
    connection.execute(sql.DELETE_NAMESAKES, (room.name, room.id))  # one of before that could not be deleted
    lasting = (room.said, room.heir, room.vacant_since)
    kind = (room.kind.value, room.mode.value, room.access.value)
    values = (room.name, room.id, *kind, room.seq, room.created_at, *lasting)
    ((room_id,),) = connection.execute(sql.SAVE_ROOM, values).fetchall()
    connection.execute(sql.CLEAR_MEMBERS, (room_id,))
    connection.executemany(
        sql.ADD_MEMBER,
        [
            (room_id, position, who, int(role), room.clients.get(who))
            for position, (who, role) in enumerate(room.members.items())
        ],
    )
    connection.execute(sql.CLEAR_MUTES, (room_id,))
    connection.executemany(
        sql.ADD_MUTE, [(room_id, who, *term, room.clients.get(who)) for who, term in room.muted.items()]
    )
    connection.execute(sql.CLEAR_BARS, (room_id,))
    connection.executemany(
        sql.ADD_BAR, [(room_id, client_id, *bar.term, *bar[1:]) for client_id, bar in room.barred.items()]
    )


def row_of(connection: sqlite3.Connection, room_id: str) -> int:
    row = connection.execute(sql.ROOM_ID, (room_id,)).fetchone()
    if row is None:
        raise RoomMissing("Room not found")
    return int(row[0])


def _add_message(
    connection: sqlite3.Connection, message: Message, keep: int, keep_bytes: int | None, beside: tuple[str, ...]
) -> int:
    """:return: the row of its room."""
    row = row_of(connection, message.room_id)
    values = (*sql.message_values(message), message.selected, message.name)
    try:
        ((weight,),) = connection.execute(sql.ADD_MESSAGE, (row, message.seq, message.message_id, *values)).fetchall()
    except sqlite3.IntegrityError as error:
        raise BadParameter("A message of that id or seq exists.") from error
    if message.selected and message.question_id is not None:
        others = orjson.dumps(beside).decode()
        connection.execute(sql.DESELECT, (row, message.question_id, message.message_id, others))
    counted = (message.seq, not message.is_system, weight, row)
    ((count, size),) = connection.execute(sql.COUNT_IN, counted).fetchall()
    _evict(connection, row, message.seq, count - keep, 0 if keep_bytes is None else size - keep_bytes)
    return row


def _evict(connection: sqlite3.Connection, row: int, spared: int, messages: int, size: int) -> None:
    """The oldest go, but for the one with the seq ``spared``, until so many messages and so many bytes have gone."""
    gone: list[tuple[int]] = []
    freed = last = 0
    if messages > 0 or size > 0:
        with closing(connection.execute(sql.OLDEST, (row, spared))) as oldest:
            for message_id, seq, weight in oldest:
                gone.append((message_id,))
                freed, last = freed + weight, seq
                if len(gone) >= messages and freed >= size:
                    break
    if gone:
        connection.executemany(sql.EVICT, gone)
        connection.execute(sql.COUNT_EVICTED, (len(gone), freed, last, row))


def _note_change(connection: sqlite3.Connection, row: int, seq: int, touched: int) -> None:
    """:param touched: the least seq of a message that was edited or deleted."""
    connection.execute(sql.ADD_CHANGE, (row, seq, touched))
    old = connection.execute(sql.OLD_CHANGE, (row, KEPT_CHANGES)).fetchone()
    if old is not None:
        connection.execute(sql.FORGET_CHANGES, (row, old[0]))
        connection.execute(sql.COUNT_FORGOTTEN, (old[0], row))


def _update_message(
    connection: sqlite3.Connection, message: Message, seq: int, was: Message | None, keep_bytes: int | None
) -> bool:
    row = row_of(connection, message.room_id)
    before = connection.execute(sql.WEIGHT_OF, (row, message.message_id)).fetchone()
    values = (*sql.message_values(message), row, message.message_id)
    statement = sql.UPDATE_MESSAGE
    if was is not None:
        statement, values = sql.UPDATE_UNCHANGED_MESSAGE, (*values, *sql.content_values(was))
    if connection.execute(statement, values).rowcount == 0:
        if was is not None:
            return False
        raise NotFound("Message not found")
    ((place, weight),) = connection.execute(sql.WEIGHT_OF, (row, message.message_id)).fetchall()
    ((_, size),) = connection.execute(sql.COUNT_CHANGE, (seq, weight - before[1], row)).fetchall()
    _note_change(connection, row, seq, place)
    _evict(connection, row, place, 0, 0 if keep_bytes is None else size - keep_bytes)
    return True


def _select_answer(connection: sqlite3.Connection, room_id: str, message_id: str, seq: int) -> tuple[str, ...]:
    row = row_of(connection, room_id)
    chosen = connection.execute(sql.SELECT_ANSWER, (row, message_id)).fetchall()
    if not chosen:
        return ()
    ((question_id,),) = chosen
    connection.execute(sql.DESELECT, (row, question_id, message_id, "[]"))
    connection.execute(sql.COUNT_CHANGE, (seq, 0, row)).fetchall()
    answers = connection.execute(sql.ANSWERS, (row, question_id)).fetchall()
    _note_change(connection, row, seq, answers[0][1])
    return tuple(each for each, _ in answers)


def _delete_messages(
    connection: sqlite3.Connection, room_id: str, wanted: tuple[str, ...], seq: int
) -> tuple[str, ...]:
    row = row_of(connection, room_id)
    deleted: dict[str, int] = {}  # id -> seq
    freed = 0
    for message_id in wanted:
        gone = connection.execute(sql.DELETE_MESSAGE, (row, message_id)).fetchall()
        for selected, question_id, place, weight in gone:
            deleted[message_id] = place
            freed += weight
            if selected:
                connection.execute(sql.RESELECT, (row, question_id))
    connection.execute(sql.COUNT_OUT, (seq, len(deleted), freed, row))
    if deleted:
        _note_change(connection, row, seq, min(deleted.values()))
    return tuple(deleted)


def _clear_messages(connection: sqlite3.Connection, room_id: str, requests: bool, responses: bool, seq: int) -> int:
    row = row_of(connection, room_id)
    cleared = connection.execute(sql.CLEAR_MESSAGES, (row, responses, requests)).fetchall()
    connection.execute(sql.COUNT_OUT, (seq, len(cleared), sum(weight for _, weight in cleared), row))
    if cleared:
        _note_change(connection, row, seq, min(place for place, _ in cleared))
    return len(cleared)
