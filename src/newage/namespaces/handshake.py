"""What a peer says of itself when it joins a namespace (contract 1.8)."""

from __future__ import annotations

from typing import Any

from newage.domain.ids import is_valid_id
from newage.domain.names import is_clear
from newage.errors import AuthenticationFailed, InvalidRequest
from newage.namespaces import wire
from newage.protocol.socket_packet import UNREAD_AUTH
from newage.services.accounts.auth import HandshakeRequest
from newage.services.accounts.limits import AuthSettings

STREAM_MODES = frozenset({"ss", "plain", "output", "token"})
MAX_CLIENT_TYPE_CHARS = 64
MAX_CAPACITY = 16
MAX_NAME_CHARS = 64
MAX_PAIR_CHARS = 32
MAX_FEATURES, MAX_FEATURE_CHARS = 32, 32
MAX_INSTANCE_CHARS = 64


def parse_handshake(payload: Any, settings: AuthSettings) -> HandshakeRequest:
    """The auth payload with its aliases (contract 1.8).

    :raises InvalidRequest: it is too large to be read (contract A30).
    :raises AuthenticationFailed: it is no object, or its clientId cannot be one (step 1).
    """
    if payload is UNREAD_AUTH:
        raise InvalidRequest(wire.INVALID)
    if not isinstance(payload, dict):
        raise AuthenticationFailed("Invalid client id.")
    client_id = payload.get("clientId")
    if not isinstance(client_id, str) or not is_valid_id(client_id):
        raise AuthenticationFailed("Invalid client id.")
    identity = payload.get("identity", client_id)
    if identity is None:
        identity = client_id
    client_type = payload.get("clientType")
    if not isinstance(client_type, str) or not 0 < len(client_type) <= MAX_CLIENT_TYPE_CHARS:
        client_type = "client"
    stream_mode = payload.get("streamMode")
    return HandshakeRequest(
        client_id=client_id,
        identity=identity if isinstance(identity, str) else "",  # an impossible one: step 2 refuses it
        client_type=client_type,
        key=payload.get("key"),
        password=wire.text(payload.get("password"), 1024),
        pair=_pair(payload.get("pair")),
        desc=wire.text(wire.first(payload, "desc", "Desc", "description"), settings.max_desc_chars),
        html=wire.text(wire.first(payload, "clientHTML", "clienthtml", "html"), settings.max_html_chars),
        stream_mode=stream_mode if isinstance(stream_mode, str) and stream_mode in STREAM_MODES else "",
        incremental=payload.get("sync") == "incremental",
        outputs=payload.get("outputs") is True,
        capacity=_capacity(payload.get("capacity")),
        features=_features(payload.get("features")),
        exclusive=payload.get("exclusive") is True,
        instance=wire.text(payload.get("instance"), MAX_INSTANCE_CHARS),
        name=_name(payload.get("name")),
    )


def _name(value: object) -> str:
    """What a person is called (A40); "" where that cannot be a name: nobody is kept out by it."""
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME_CHARS and is_clear(value) else ""


def _pair(value: object) -> str | None:
    """A pairing code (B13); what cannot be one is a wrong one."""
    if value is None or value == "":
        return None
    return value[:MAX_PAIR_CHARS] if isinstance(value, str) else "-"


def _capacity(value: object) -> int:
    """How many requests an extension takes at once; 0 when it says nothing sensible."""
    return value if type(value) is int and 1 <= value <= MAX_CAPACITY else 0


def _features(value: object) -> frozenset[str]:
    """What an extension says it can do; names that are too long or too many are not kept."""
    if not isinstance(value, list):
        return frozenset()
    return frozenset(name for name in value[:MAX_FEATURES] if isinstance(name, str) and len(name) <= MAX_FEATURE_CHARS)
