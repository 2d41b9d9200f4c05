"""Limits and times of what is asked of an extension's desk, and of what it shows (contract 5.9)."""

from __future__ import annotations

from attrs import frozen

from newage.settings import limit


@frozen(kw_only=True)
class ChatSettings:
    desk_call_timeout_ms: int = limit(5000, "milliseconds an extension may take to answer a call about its desk")
    desk_calls_per_session: int = limit(8, "such calls that one session may have open")
    characters_kept_seconds: int = limit(30, "how long an extension's characters and their pictures are kept")
    max_characters: int = limit(500, "characters in one list")
    max_characters_bytes: int = limit(131_072, "bytes of one list as JSON")
    kept_lists: int = limit(64, "lists that are kept; the oldest go")
    max_picture_bytes: int = limit(65_536, "bytes of a character's picture")
    kept_pictures_bytes: int = limit(4_194_304, "bytes of all pictures that are kept; the oldest go")
    max_snapshot_bytes: int = limit(262_144, "bytes of a chat's newest messages as JSON, as they are shown to staff")
    mirrored_bytes: int = limit(262_144, "bytes of one message of an extension's chat; a larger one is dropped")
    mirror_backlog: int = limit(100, "events of one extension's chat that wait to be stored; further ones are dropped")
