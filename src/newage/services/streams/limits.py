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
    kept_output_seconds: int = limit(600, "how long an output that is over can be resumed (A21)")
    kept_output_bytes: int = limit(1_048_576, "of one that is kept so")
    kept_outputs_bytes: int = limit(67_108_864, "of all of them; the oldest go")
    resume_outputs: int = limit(64, "outputs in one RESUME_OUTPUTS")
    resume_output_bytes: int = limit(262_144, "text of one output in the answer to it; then it says that there is more")
    resume_bytes: int = limit(524_288, "text of all outputs in one such answer")
    alias_events: bool = switch(True, "compat.aliasEvents: also send the names of contract 1.8")
