"""SQL statements, and how rows become values; ``sql_open`` has those of what is open.

SQLite's dialect; named so that another could stand beside it.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from newage.domain.character import Character
from newage.domain.model import KeyRecord, Message, Rank, Scope

# ---------------------------------------------------------------------------------------------------- keys and trust

LOAD_KEYS: Final = """
    SELECT client_id, hash, created_at, local, key_id, name, rank, scope, made_by, expires, last_used, last_address,
        digest, digest_secret
    FROM client_key ORDER BY position
"""
ADD_KEY: Final = """
    INSERT OR REPLACE INTO client_key
        (client_id, hash, created_at, local, key_id, name, rank, scope, made_by, expires, last_used, last_address,
            digest, digest_secret)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
UPDATE_KEY: Final = """
    UPDATE client_key SET key_id = ?, rank = ?, last_used = ?, last_address = ?, digest = ?, digest_secret = ?
    WHERE client_id = ? AND hash = ?
"""
REMOVE_KEY: Final = "DELETE FROM client_key WHERE client_id = ? AND hash = ?"
REMOVE_KEYS: Final = "DELETE FROM client_key WHERE client_id = ?"

LOAD_TRUSTED: Final = "SELECT client_id FROM trusted ORDER BY position"
ADD_TRUSTED: Final = "INSERT OR IGNORE INTO trusted (client_id, at) VALUES (?, ?)"
REMOVE_TRUSTED: Final = "DELETE FROM trusted WHERE client_id = ?"

# ------------------------------------------------------------------------------------------------------------- state

LOAD_STATE: Final = "SELECT name, value FROM state ORDER BY name"
SAVE_STATE: Final = (
    "INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
)

# ------------------------------------------------------------------------------------------------------------- rooms

LOAD_ROOMS: Final = """
    SELECT id, name, uuid, kind, mode, access, seq, created_at, said, heir, vacant_since FROM room ORDER BY id
"""
LOAD_MEMBERS: Final = "SELECT room_id, identity, role, client_id FROM member ORDER BY room_id, position"
LOAD_MUTES: Final = "SELECT room_id, identity, until, seconds, client_id FROM mute ORDER BY room_id, identity"
DELETE_NAMESAKES: Final = "DELETE FROM room WHERE name = ? AND uuid <> ?"
SAVE_ROOM: Final = """
    INSERT INTO room (name, uuid, kind, mode, access, seq, created_at, said, heir, vacant_since)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (uuid) DO UPDATE SET kind = excluded.kind, mode = excluded.mode, access = excluded.access,
        seq = max(seq, excluded.seq), created_at = excluded.created_at, said = max(said, excluded.said),
        heir = excluded.heir, vacant_since = excluded.vacant_since
    RETURNING id
"""
CLEAR_MEMBERS: Final = "DELETE FROM member WHERE room_id = ?"
ADD_MEMBER: Final = "INSERT INTO member (room_id, position, identity, role, client_id) VALUES (?, ?, ?, ?, ?)"
CLEAR_MUTES: Final = "DELETE FROM mute WHERE room_id = ?"
ADD_MUTE: Final = "INSERT INTO mute (room_id, identity, until, seconds, client_id) VALUES (?, ?, ?, ?, ?)"
LOAD_BARS: Final = (
    'SELECT room_id, client_id, until, seconds, identity, "by", reason FROM bar ORDER BY room_id, client_id'
)
CLEAR_BARS: Final = "DELETE FROM bar WHERE room_id = ?"
ADD_BAR: Final = """
    INSERT INTO bar (room_id, client_id, until, seconds, identity, "by", reason) VALUES (?, ?, ?, ?, ?, ?, ?)
"""
DELETE_ROOM: Final = "DELETE FROM room WHERE uuid = ?"
ROOM_ID: Final = "SELECT id FROM room WHERE uuid = ?"

LOAD_RESIDENTS: Final = "SELECT identity, client_id, since FROM resident"
SAVE_RESIDENT: Final = "INSERT OR REPLACE INTO resident (identity, client_id, since) VALUES (?, ?, ?)"
REMOVE_RESIDENT: Final = "DELETE FROM resident WHERE identity = ?"

LOAD_SPENT: Final = "SELECT scope, who, since, requests, tokens FROM spent ORDER BY since, scope, who"
SAVE_SPENT: Final = "INSERT OR REPLACE INTO spent (scope, who, since, requests, tokens) VALUES (?, ?, ?, ?, ?)"
FORGET_SPENT: Final = "DELETE FROM spent WHERE since <= ?"
BOUND_SPENT: Final = """DELETE FROM spent WHERE (scope, who) IN (
    SELECT scope, who FROM spent ORDER BY since DESC, scope DESC, who DESC LIMIT -1 OFFSET ?)"""

LOAD_MARKS: Final = "SELECT identity, room.uuid, mark.seq FROM mark JOIN room ON room.id = mark.room_id"
CLEAR_MARKS: Final = "DELETE FROM mark WHERE identity = ?"
ADD_MARK: Final = "INSERT INTO mark (identity, room_id, seq) SELECT ?, id, ? FROM room WHERE uuid = ?"

# ---------------------------------------------------------------------------------------------------------- messages

BEYOND_ALL: Final = 2**63 - 1  # greater than any seq

ADD_MESSAGE: Final = """
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, data, timestamp, request_id,
        response_id, output_id, asker, question_id, target, request_type, streamed, failed, last_edited, extra,
        reasoning, partial, character, origin, weight, selected, name)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    RETURNING weight
"""
COUNT_IN: Final = """
    UPDATE room SET seq = max(seq, ?), said = max(said, ?), messages = messages + 1, bytes = bytes + ? WHERE id = ?
    RETURNING messages, bytes
"""
COUNT_CHANGE: Final = "UPDATE room SET seq = max(seq, ?), bytes = bytes + ? WHERE id = ? RETURNING messages, bytes"
COUNT_OUT: Final = "UPDATE room SET seq = max(seq, ?), messages = messages - ?, bytes = bytes - ? WHERE id = ?"
OLDEST: Final = "SELECT id, seq, weight FROM message WHERE room_id = ? AND seq <> ? ORDER BY seq"
EVICT: Final = "DELETE FROM message WHERE id = ?"
COUNT_EVICTED: Final = """
    UPDATE room SET messages = messages - ?, bytes = bytes - ?, evicted = max(evicted, ?) WHERE id = ?
"""
ADD_CHANGE: Final = "INSERT OR REPLACE INTO change (room_id, seq, touched) VALUES (?, ?, ?)"
OLD_CHANGE: Final = "SELECT seq FROM change WHERE room_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?"
FORGET_CHANGES: Final = "DELETE FROM change WHERE room_id = ? AND seq <= ?"
COUNT_FORGOTTEN: Final = "UPDATE room SET forgotten = max(forgotten, ?) WHERE id = ?"
WEIGHT_OF: Final = "SELECT seq, weight FROM message WHERE room_id = ? AND message_id = ?"
UPDATE_MESSAGE: Final = """
    UPDATE message SET identity = ?, client_id = ?, role = ?, text = ?, data = ?, timestamp = ?, request_id = ?,
        response_id = ?, output_id = ?, asker = ?, question_id = ?, target = ?, request_type = ?, streamed = ?,
        failed = ?, last_edited = ?, extra = ?, reasoning = ?, partial = ?, character = ?, origin = ?, weight = ?
    WHERE room_id = ? AND message_id = ?
"""
UPDATE_UNCHANGED_MESSAGE: Final = UPDATE_MESSAGE + " AND text IS ? AND data IS ? AND extra IS ? AND last_edited IS ?"
DELETE_MESSAGE: Final = """
    DELETE FROM message WHERE room_id = ? AND message_id = ? RETURNING selected, question_id, seq, weight
"""
DESELECT: Final = """
    UPDATE message SET selected = 0 WHERE room_id = ? AND question_id = ? AND role = 'assistant' AND message_id <> ?
        AND coalesce(response_id, '') NOT IN (SELECT value FROM json_each(?))
"""
SELECT_ANSWER: Final = """
    UPDATE message SET selected = 1
    WHERE room_id = ? AND message_id = ? AND role = 'assistant' AND question_id IS NOT NULL
    RETURNING question_id
"""
ANSWERS: Final = """
    SELECT message_id, seq FROM message WHERE room_id = ? AND question_id = ? AND role = 'assistant' ORDER BY +seq
"""
RESELECT: Final = """
    UPDATE message SET selected = 1 WHERE id = (
        SELECT id FROM message WHERE room_id = ?1 AND question_id = ?2 AND role = 'assistant'
        ORDER BY failed, seq DESC LIMIT 1
    ) AND NOT EXISTS (SELECT 1 FROM message WHERE room_id = ?1 AND question_id = ?2 AND selected = 1)
"""
CLEAR_MESSAGES: Final = """
    DELETE FROM message WHERE room_id = ? AND ((role = 'assistant' AND ?) OR (role <> 'assistant' AND ?))
    RETURNING seq, weight
"""
_SELECT: Final = """
    SELECT room.name, room.uuid, m.seq, m.message_id, m.identity, m.client_id, m.role, m.text, m.data, m.timestamp,
        m.request_id, m.response_id, m.output_id, m.asker, m.question_id, m.target, m.request_type, m.streamed,
        m.failed, m.last_edited, m.extra, m.selected, m.name, m.reasoning, m.partial, m.character, m.origin
    FROM message m JOIN room ON room.id = m.room_id WHERE room.uuid = ? AND
"""
# ``+`` and CROSS JOIN: an index of the order, or of the room, would read the whole room for the few that are meant.
FIND_MESSAGE: Final = _SELECT + "m.message_id = ?"
FIND_RESPONSE: Final = _SELECT + "m.response_id = ? ORDER BY +m.seq LIMIT 1"
FIND_MESSAGES: Final = _SELECT + "m.message_id IN (SELECT value FROM json_each(?)) ORDER BY +m.seq"  # noqa: S608
FIND_OUTPUTS: Final = """
    SELECT room.name, room.uuid, m.seq, m.message_id, m.identity, m.client_id, m.role, '', NULL, m.timestamp,
        m.request_id, m.response_id, m.output_id, m.asker, m.question_id, NULL, m.request_type, m.streamed,
        m.failed, m.last_edited, NULL, m.selected, m.name, NULL, m.partial, m.character, m.origin
    FROM message m CROSS JOIN room ON room.id = m.room_id
    WHERE m.output_id IN (SELECT value FROM json_each(?)) AND room.uuid IN (SELECT value FROM json_each(?))
    ORDER BY m.id DESC
"""
FIND_QUESTION: Final = (
    _SELECT  # noqa: S608
    + """m.seq >= coalesce((
        SELECT n.seq FROM message n JOIN room r ON r.id = n.room_id WHERE r.uuid = ?
        ORDER BY n.seq DESC LIMIT 1 OFFSET ?
    ), 0) AND m.identity = ? AND m.role NOT IN ('assistant', 'system') AND (m.request_id = ? OR m.text = ?)
    ORDER BY m.request_id IS ? DESC, m.seq DESC LIMIT 1"""
)
FIND_ANSWERS: Final = _SELECT + "m.question_id = ? AND m.role = 'assistant' ORDER BY +m.seq"
MESSAGES_BEFORE: Final = _SELECT + "m.seq < ? ORDER BY m.seq DESC LIMIT ?"
BEFORE_SELECTED: Final = _SELECT + "m.seq < ? AND m.selected IS NOT 0 ORDER BY m.seq DESC LIMIT ?"
MESSAGES_AFTER: Final = _SELECT + "m.seq > ? ORDER BY m.seq LIMIT ?"
WEIGHTS: Final = """
    SELECT m.weight FROM message m JOIN room ON room.id = m.room_id WHERE room.uuid = ? ORDER BY m.seq
"""
BEHIND: Final = """
    SELECT (SELECT count(*) FROM message m WHERE m.room_id = room.id AND m.seq > ?2),
        ?2 > 0 AND (forgotten > ?2 OR EXISTS (
            SELECT 1 FROM change c WHERE c.room_id = room.id AND c.seq > ?2 AND c.touched <= ?2
        )),
        evicted > ?2
    FROM room WHERE uuid = ?1
"""
LAST_SEQ: Final = """
    SELECT coalesce(max(m.seq), 0) FROM message m JOIN room ON room.id = m.room_id
    WHERE room.uuid = ? AND m.timestamp <= ?
"""


def to_json(value: Any) -> bytes | None:
    """None stays NULL; anything else must be JSON."""
    return None if value is None else orjson.dumps(value)


def from_json(value: bytes | None) -> Any:
    return None if value is None else orjson.loads(value)


def message_values(message: Message) -> tuple[Any, ...]:
    """The columns after ``room_id, seq, message_id``, but for ``selected`` and ``name``."""
    data, extra = to_json(message.data), to_json(dict(message.extra)) if message.extra else None
    return (
        message.identity,
        message.client_id,
        message.role,
        message.text,
        data,
        message.timestamp,
        message.request_id,
        message.response_id,
        message.output_id,
        message.asker,
        message.question_id,
        to_json(message.target),
        message.request_type,
        message.streamed,
        message.failed,
        message.last_edited,
        extra,
        message.reasoning or None,
        message.partial or None,
        character_value(message.character),
        message.origin or None,
        len(message.text.encode()) + len(data or b"") + len(extra or b"") + len(message.reasoning.encode()),
    )


def character_value(character: Character | None) -> bytes | None:
    return None if character is None else orjson.dumps(character._asdict())


def character_of(value: bytes | None) -> Character | None:
    return None if value is None else Character(**orjson.loads(value))


def content_values(message: Message) -> tuple[Any, ...]:
    """What ``UPDATE_UNCHANGED_MESSAGE`` compares."""
    extra = to_json(dict(message.extra)) if message.extra else None
    return message.text, to_json(message.data), extra, message.last_edited


def weight_of(row: tuple[Any, ...]) -> int:
    """Bytes of text, data, further members and reasoning in a row of the ``SELECT``s above, as in ``WEIGHTS``."""
    text, data, extra, reasoning = row[7], row[8], row[20], row[23]
    return len(text.encode()) + len(data or b"") + len(extra or b"") + len((reasoning or "").encode())


def message_of(row: tuple[Any, ...]) -> Message:
    """A row of the ``SELECT``s above."""
    room, room_id, seq, message_id, identity, client_id, role, text, data, timestamp = row[:10]
    request_id, response_id, output_id, asker, question_id, target, request_type = row[10:17]
    streamed, failed, last_edited, extra, selected, name, reasoning, partial, character, origin = row[17:]
    return Message(
        message_id=message_id,
        room=room,
        room_id=room_id,
        seq=seq,
        identity=identity,
        client_id=client_id,
        role=role,
        text=text,
        data=from_json(data),
        timestamp=timestamp,
        request_id=request_id,
        response_id=response_id,
        output_id=output_id,
        asker=asker,
        question_id=question_id,
        selected=None if selected is None else bool(selected),
        target=from_json(target),
        request_type=request_type,
        streamed=bool(streamed),
        failed=bool(failed),
        last_edited=last_edited,
        extra=from_json(extra) or {},
        name=name,
        reasoning=reasoning or "",
        partial=bool(partial),
        character=character_of(character),
        origin=origin or "",
    )


def key_values(record: KeyRecord) -> tuple[Any, ...]:
    """All columns of ``ADD_KEY``."""
    return (
        record.client_id,
        record.hash,
        record.created_at,
        record.local,
        record.key_id,
        record.name,
        rank_value(record.rank),
        record.scope.value,
        record.made_by,
        record.expires,
        record.last_used,
        record.last_address,
        record.digest,
        record.digest_secret,
    )


def key_changes(record: KeyRecord) -> tuple[Any, ...]:
    """What ``UPDATE_KEY`` sets, and where."""
    return (
        record.key_id,
        rank_value(record.rank),
        record.last_used,
        record.last_address,
        record.digest,
        record.digest_secret,
        record.client_id,
        record.hash,
    )


def rank_value(rank: Rank | None) -> str | None:
    return None if rank is None else rank.wire


def key_of(row: tuple[Any, ...]) -> KeyRecord:
    """A row of ``LOAD_KEYS``."""
    client_id, key_hash, created_at, local, key_id, name, rank, scope, made_by, expires, last_used, *later = row
    last_address, digest, digest_secret = later
    return KeyRecord(
        client_id=client_id,
        hash=key_hash,
        created_at=created_at,
        local=bool(local),
        key_id=key_id,
        name=name,
        rank=None if rank is None else Rank[rank.upper()],
        scope=Scope(scope),
        made_by=made_by,
        expires=expires,
        last_used=last_used,
        last_address=last_address,
        digest=digest,
        digest_secret=digest_secret,
    )
