"""The limits and times of what goes down to readers of streams."""

from __future__ import annotations

from attrs import frozen

from newage.settings import limit, switch


@frozen(kw_only=True)
class DownstreamSettings:
    stream_probe_ms: int = limit(400, "how long text waits for a first $stream-read (A13)")
    stream_buffer_bytes: int = limit(1_048_576, "unread $stream text of one socket")
    stream_drain_seconds: int = limit(120, "how long an ended $stream waits for its reader")
    stream_ack_seconds: int = limit(30, "deadline of the ack of a $stream-write")
    alias_events: bool = switch(True, "compat.aliasEvents: also send the names of contract 1.8")
