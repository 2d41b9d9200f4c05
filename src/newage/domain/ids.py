"""What may be a clientId and what an identity (contract 2.4 steps 1-2, 2.9)."""

from __future__ import annotations

import re

from newage.domain.model import EXTENSION_PREFIX, RESERVED_IDS
from newage.domain.names import is_clear, is_readable

MAX_ID_CHARS = 128
MODEL_PREFIX = "llm:"
UPSTREAM_PREFIX = "llm-"
_UPSTREAM_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?\Z")
_SELF_TRUSTING = re.compile(r"SillyTavern-[0-9]{0,5}\Z")


def is_valid_id(value: object) -> bool:
    """A string of 1-128 printable characters in NFC, without ``/`` and ``\\``, not reserved.

    NFC keeps two ids that look the same from being different. A new one is clear as well: see ``is_new_id``.
    """
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_ID_CHARS
        and not value.isspace()
        and "/" not in value
        and "\\" not in value
        and value not in RESERVED_IDS
        and is_readable(value)
    )


def is_new_id(value: object) -> bool:
    """May somebody be called so who was not called so before (A27)?"""
    return is_valid_id(value) and isinstance(value, str) and is_clear(value)


def is_new_identity(identity: str, client_id: str) -> bool:
    """The same of an identity of this client, whose own id may be one of before."""
    if identity == client_id:
        return True
    start = client_id if is_clear(client_id) else "x"
    return is_clear(start + identity.removeprefix(client_id))


def is_extension_id(client_id: str) -> bool:
    """Whether trust in this id is trust in an extension (contract 2.7)."""
    return client_id.startswith(EXTENSION_PREFIX)


def may_trust_itself(client_id: str) -> bool:
    """``SillyTavern-<up to five digits>``: trusted when it identifies itself to a networkSafe hub (contract 2.7)."""
    return _SELF_TRUSTING.match(client_id) is not None


def is_valid_identity(identity: object, client_id: str) -> bool:
    """The rules that need no knowledge of who is connected."""
    return is_valid_id(identity) and isinstance(identity, str) and identity.startswith(client_id)


def is_upstream_name(name: object) -> bool:
    """What a configured model server may be called: 1-32 small letters, digits and hyphens, no hyphen at an end."""
    return isinstance(name, str) and _UPSTREAM_NAME.match(name) is not None


def upstream_identity(model: str) -> str | None:
    """``llm-<name>``, the extension that the model ``llm:<name>`` means; None: it is no model of that kind."""
    name = model.removeprefix(MODEL_PREFIX)
    return UPSTREAM_PREFIX + name if name != model and is_upstream_name(name) else None


def upstream_model(identity: str) -> str | None:
    """The other way round: by which name that extension is asked for as a model."""
    name = identity.removeprefix(UPSTREAM_PREFIX)
    return MODEL_PREFIX + name if name != identity and is_upstream_name(name) else None
