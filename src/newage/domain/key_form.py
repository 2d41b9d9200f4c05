"""What keys look like that a hub makes (contract 2.8.1, B7): random enough that nobody guesses one.

Two forms: ``sk-newage-<the key's id>-<26 characters, 130 bits>``, and the reference server's, a UUIDv4.
"""

from __future__ import annotations

import re
from base64 import b32encode

RANDOM_BYTES = 17  # of which 130 bits are used
KEY_ID_CHARS = 8

_CHARS = 26
_LABELLED = re.compile(rf"sk-newage-([0-9a-z]{{{KEY_ID_CHARS}}})-[a-z2-7]{{{_CHARS}}}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def labelled_key(key_id: str, random: bytes) -> str:
    """A key that shows its id.

    :param random: ``RANDOM_BYTES`` of them.
    """
    return f"sk-newage-{key_id}-{b32encode(random).decode().lower()[:_CHARS]}"


def has_hub_form(key: str) -> bool:
    """Whether a hub may have made it: what has this form cannot be guessed."""
    return _UUID.fullmatch(key) is not None or _LABELLED.fullmatch(key) is not None


def shown_key_id(key: str) -> str | None:
    """The id that the key shows; None for one of another form."""
    found = _LABELLED.fullmatch(key)
    return None if found is None else found[1]
