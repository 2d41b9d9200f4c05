"""JSON that somebody else made and that goes on to others."""

from __future__ import annotations

from typing import Any

from newage.domain.text import well_formed

HOSTILE_KEYS = frozenset({"__proto__", "constructor", "prototype"})


def without_hostile_keys(value: Any) -> Any:
    """A copy of JSON that is fit to be stored and passed on: well-formed texts (C10), and at any depth none of the keys
    that poison JavaScript objects (C8)."""
    if isinstance(value, str):
        return value if value.isascii() else well_formed(value)
    if isinstance(value, dict):
        return {without_hostile_keys(k): without_hostile_keys(v) for k, v in value.items() if k not in HOSTILE_KEYS}
    if isinstance(value, list):
        return [without_hostile_keys(item) for item in value]
    return value
