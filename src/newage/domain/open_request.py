"""What is kept of requests beyond a restart: those that are open, and what is to be told of others (A35)."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from newage.domain.model import Role, Term
from newage.domain.request import Ask


@frozen(kw_only=True)
class OpenRequest:
    """A request that is not over. ``key`` counts them in the order of arrival.

    ``state`` is ``queued``, ``forwarded`` from before the first extension is told of it, or ``cut`` by a stop. What
    was said is the message ``message_id``, so of ``ask`` the wishes are kept; ``thread`` is the identity that asked it
    first, "" if this request did. ``created_at`` is in seconds since the epoch. The other members are those of
    ``Request``.
    """

    key: int
    room_id: str
    identity: str
    client_id: str
    request_id: str
    message_id: str
    role: Role
    state: str
    created_at: float
    ask: Ask
    thread: str = ""
    grows: str = ""
    author: str = ""


@frozen
class Answered:
    """A stored answer, by the ids that its ``extension`` may know it by."""

    extension: str
    request_id: str | None
    output_id: str | None


@frozen(kw_only=True)
class Notice:
    """What somebody is told at his return: events with their bodies, in order."""

    key: int
    identity: str
    client_id: str
    events: tuple[tuple[str, Any], ...]
    term: Term
