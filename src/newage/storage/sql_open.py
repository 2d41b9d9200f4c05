"""SQL of what is not over: growing answers, requests, and notices of how they ended, as ``sql`` has the rest (A35)."""

from __future__ import annotations

from typing import Any, Final

import orjson

from newage.domain.character import Character
from newage.domain.model import Message, Role, Term
from newage.domain.open_request import Notice, OpenRequest
from newage.domain.request import Ask
from newage.storage.sql import from_json, to_json

# ------------------------------------------------------------------------------------------------------ open outputs

FORGET_OPEN: Final = "DELETE FROM open_output WHERE output_id = ?"
APPEND_OPEN: Final = "INSERT INTO open_output (output_id, kind, part, request, text) VALUES (?, ?, ?, ?, ?)"
LOAD_OPEN: Final = """
    SELECT first.request, coalesce((
        SELECT group_concat(text, '') FROM (
            SELECT text FROM open_output WHERE output_id = first.output_id AND kind = 'text' ORDER BY part
        )
    ), ''), coalesce((
        SELECT group_concat(text, '') FROM (
            SELECT text FROM open_output WHERE output_id = first.output_id AND kind = 'reasoning' ORDER BY part
        )
    ), '') FROM open_output first WHERE first.part = 0 AND first.request IS NOT NULL ORDER BY first.rowid
"""

OPEN_MEMBERS: Final = (
    "message_id",
    "response_id",
    "room",
    "room_id",
    "identity",
    "client_id",
    "request_id",
    "output_id",
    "asker",
    "question_id",
    "selected",
    "request_type",
)


def open_answer_value(answer: Message | None) -> bytes | None:
    """The column ``request``."""
    if answer is None:
        return None
    members = {name: getattr(answer, name) for name in OPEN_MEMBERS}
    if answer.character is not None:
        members["character"] = answer.character._asdict()
    return orjson.dumps(members)


def open_answer_of(value: bytes, text: str, reasoning: str) -> Message:
    """What was cut off."""
    members = orjson.loads(value)
    character = members.pop("character", None)
    return Message(
        seq=0,
        role="assistant",
        text=text,
        data=text,
        streamed=True,
        failed=True,
        partial=True,
        reasoning=reasoning,
        character=None if character is None else Character(**character),
        **members,
    )


# ---------------------------------------------------------------------------------------------------------- requests

LOAD_REQUESTS: Final = """
    SELECT r.id, room.uuid, r.identity, r.client_id, r.request_id, r.message_id, r.role, r.state, r.created_at,
        r.targets, r.wishes
    FROM request r JOIN room ON room.id = r.room_id ORDER BY r.id
"""
ADD_REQUEST: Final = """
    INSERT INTO request (id, room_id, identity, client_id, request_id, message_id, role, state, created_at, targets,
        wishes)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
MARK_REQUEST: Final = "UPDATE request SET state = ? WHERE id = ?"
CLOSE_REQUEST: Final = "DELETE FROM request WHERE id = ?"
LOAD_ANSWERED: Final = """
    SELECT identity, request_id, output_id FROM message
    WHERE id > (SELECT max(id) FROM message) - ? AND role = 'assistant' ORDER BY id
"""
LOAD_NOTICES: Final = "SELECT id, identity, client_id, events, until, seconds FROM notice ORDER BY id"
ADD_NOTICE: Final = "INSERT INTO notice (id, identity, client_id, events, until, seconds) VALUES (?, ?, ?, ?, ?, ?)"
DROP_NOTICE: Final = "DELETE FROM notice WHERE id = ?"


def request_values(request: OpenRequest, room: int) -> tuple[Any, ...]:
    """All columns of ``ADD_REQUEST``. :param room: the row of its room."""
    ask = request.ask
    wishes = {
        "requestType": ask.request_type,
        "action": ask.action,
        "streaming": ask.streaming,
        "character": ask.character,
        "failover": ask.failover,
        "submits": ask.submits,
        "messageId": ask.message_id,
        "thread": request.thread,
        "grows": request.grows,
        "author": request.author,
    }
    return (
        request.key,
        room,
        request.identity,
        request.client_id,
        request.request_id,
        request.message_id,
        int(request.role),
        request.state,
        request.created_at,
        to_json(ask.targets),
        to_json(wishes),
    )


def request_of(row: tuple[Any, ...]) -> OpenRequest:
    """A row of ``LOAD_REQUESTS``."""
    key, room_id, identity, client_id, request_id, message_id, role, state, created_at, targets, wishes = row
    wished = from_json(wishes)
    return OpenRequest(
        key=key,
        room_id=room_id,
        identity=identity,
        client_id=client_id,
        request_id=request_id,
        message_id=message_id,
        role=Role(role),
        state=state,
        created_at=created_at,
        ask=Ask(
            request_id=request_id,
            text="",
            targets=None if targets is None else tuple(from_json(targets)),
            request_type=wished["requestType"],
            action=wished["action"],
            streaming=wished["streaming"],
            character=wished.get("character", ""),
            failover=wished.get("failover", False),
            submits=wished.get("submits", False),
            message_id=wished.get("messageId"),
        ),
        thread=wished["thread"],
        grows=wished.get("grows", ""),
        author=wished.get("author", ""),
    )


def notice_values(notice: Notice) -> tuple[Any, ...]:
    """All columns of ``ADD_NOTICE``."""
    return (notice.key, notice.identity, notice.client_id, to_json(notice.events), *notice.term)


def notice_of(row: tuple[Any, ...]) -> Notice:
    """A row of ``LOAD_NOTICES``."""
    key, identity, client_id, events, until, seconds = row
    told = tuple((name, body) for name, body in from_json(events))
    return Notice(key=key, identity=identity, client_id=client_id, events=told, term=Term(until, seconds))
