"""Who an extension answers as: a character of its SillyTavern (contract 4.6, 5.6)."""

from __future__ import annotations

from typing import NamedTuple


class Character(NamedTuple):
    """``id`` as its extension names it, ``name`` to be shown, ``avatar`` the hash of its picture, "" for none."""

    id: str
    name: str
    avatar: str = ""
