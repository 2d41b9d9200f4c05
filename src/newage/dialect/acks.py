"""What the hub answers: acks in both of their dialects at once (contract C2), and ``ERROR`` (contract 3.0)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from newage.dialect import Body, Event
from newage.errors import NewAgeError


def success(members: Mapping[str, Any] | None = None) -> Body:
    """What was asked for is done; ``members`` are the event's own."""
    return {"status": "ok", "success": True, **(members or {})}


def warning(message: str, members: Mapping[str, Any]) -> Body:
    """It is done, but not as one might think."""
    return {"status": "warning", "success": True, "message": message, **members}


def failure(error: NewAgeError) -> Body:
    """It is not done; the error's own members say more."""
    message = str(error)
    return {
        "status": "error",
        "success": False,
        "message": message,
        "error": {"message": message, "code": error.code},
        "errorCode": error.error_code,
        **error.members,
    }


def failed(error: NewAgeError, request_id: str | float | None = None) -> Event:
    """``ERROR``, for one socket; ``request_id`` as its request named itself."""
    body = {"type": "ERROR", "message": str(error), "code": error.code, "errorCode": error.error_code, **error.members}
    return Event("ERROR", body if request_id is None else {**body, "requestId": request_id})
