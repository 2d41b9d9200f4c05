"""What receivers outside are told: the bodies of webhooks, and what the document says of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve

from newage.domain.model import Session
from newage.domain.request import Request
from newage.domain.webhooks import (
    MESSAGE_CREATED,
    REQUEST_FAILED,
    RESPONSE_COMPLETED,
    SESSION_CONNECTED,
    SESSION_DISCONNECTED,
    Due,
)
from newage.protocol.json_text import dumps
from newage.web.api_v1 import bodies, typed

TOLD: Final = {
    MESSAGE_CREATED: (bodies.SaidInRoom, "Somebody has said something in a room"),
    RESPONSE_COMPLETED: (bodies.SaidInRoom, "An answer stands in a room's history"),
    REQUEST_FAILED: (bodies.RequestFailed, "A question in a room has not been answered"),
    SESSION_CONNECTED: (bodies.Session, "Somebody, or an extension, has come"),
    SESSION_DISCONNECTED: (bodies.Session, "Somebody, or an extension, has gone"),
}
_HEADERS: Final = {
    "webhook-id": ("of this event; it comes again with the same one until it is taken", "string"),
    "webhook-timestamp": ("of this try, in seconds since the epoch", "integer"),
    "webhook-signature": ("v1, and base64 of the HMAC-SHA256 of id.timestamp.body", "string"),
}


def of_session(session: Session) -> Mapping[str, Any]:
    found: Mapping[str, Any] = typed.write(bodies.Session.of(session))
    return found


def of_request(request: Request, words: str) -> Mapping[str, Any]:
    """:param words: why it failed."""
    found: Mapping[str, Any] = typed.write(bodies.RequestFailed.of(request, words))
    return found


def body(due: Due, with_texts: bool) -> bytes:
    """All of it, as it is sent now."""
    delivery, data = due.delivery, due.delivery.data
    if due.message is not None:
        said = due.message if with_texts else evolve(due.message, text="", reasoning="")
        data = typed.write(bodies.SaidInRoom.of(said))
    return dumps({"type": delivery.event, "timestamp": delivery.at, "data": data})


def described(defined: dict[str, typed.Schema]) -> dict[str, Any]:
    """The part ``webhooks`` of the document.

    :param defined: as of ``typed.schema``.
    """
    return {event: {"post": _operation(event, cls, words, defined)} for event, (cls, words) in TOLD.items()}


def _operation(event: str, cls: type, words: str, defined: dict[str, typed.Schema]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "type": {"const": event},
            "timestamp": {"type": "string", "description": "of the event: ISO 8601, UTC"},
            "data": typed.schema(cls, defined),
        },
        "required": ["type", "timestamp", "data"],
    }
    return {
        "operationId": event.replace(".", "_"),
        "summary": words,
        "security": [],
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": doc, "schema": {"type": kind}}
            for name, (doc, kind) in _HEADERS.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {
            "2XX": {"description": "It is taken."},
            "410": {"description": "No more, until the hub starts again."},
            "default": {"description": "It comes again later."},
        },
    }
