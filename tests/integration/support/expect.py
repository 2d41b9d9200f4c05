"""What tests look for among the events of a client on ``/llm``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness import Socket


def is_response(payload: dict[str, Any]) -> bool:
    return bool(payload["message"].get("isResponse"))


def of_request(request_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda payload: payload.get("requestId") == request_id


def statuses(client: Socket, request_id: str) -> list[str]:
    return [update["status"] for update in client.payloads("REQUEST_STATUS_UPDATE", of_request(request_id))]


def wait_status(client: Socket, request_id: str, status: str) -> dict[str, Any]:
    """The update that gives this status to this request."""
    update: dict[str, Any] = client.payload(
        "REQUEST_STATUS_UPDATE", lambda update: update["requestId"] == request_id and update["status"] == status
    )
    return update
