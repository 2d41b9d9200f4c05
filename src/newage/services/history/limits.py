"""Limits of what is kept of a room's history, and of what is sent of it at once."""

from __future__ import annotations

from attrs import frozen

from newage.settings import limit


@frozen(kw_only=True)
class HistorySettings:
    context_page_size: int = limit(50, "messages in one UPDATE_CONTEXT_PAGE")
    context_send_delay: int = limit(100, "milliseconds between pages", zero="none")
    context_snapshot_max: int = limit(200, "messages in one UPDATE_CONTEXT snapshot")
    context_snapshot_delay_ms: int = limit(150, "a room's changes within it share a snapshot")
    context_push_bytes: int = limit(
        65_536, "bytes of JSON in one UPDATE_CONTEXT, and about so many in a page: nothing that is sent must wait long"
    )
    context_push_poll_bytes: int = limit(16_384, "the same for a client that polls, or reads slowly")
    context_push_interval_ms: int = limit(1000, "milliseconds between two UPDATE_CONTEXT for one socket")
    context_push_poll_seconds: float = limit(30.0, "seconds between them for a client that polls, or reads slowly")
    update_coalesce_ms: int = limit(500, "changes of one message within it share a MESSAGE_UPDATED, after the first")
    context_forward_limit: int = limit(50, "messages of context given to an extension")
    max_messages_per_room: int = limit(20_000, "stored messages of a room; older ones go")
    max_room_bytes: int = limit(
        67_108_864, "bytes of text, data and further members of a room's messages; older messages go"
    )
    context_max_bytes: int = limit(
        524_288, "bytes of text and data in a page, an answer or a forwarded context; one message always fits"
    )
    max_page_pushes: int = limit(1000, "histories being sent page by page at once")
