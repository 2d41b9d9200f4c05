"""Requests to test with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from newage.domain.model import RequestMode, Role
from newage.domain.request import Ask, Request


def make(
    request_id: str = "r", identity: str = "web", at: float = 0.0, role: Role = Role.GUEST, **over: Any
) -> Request:
    return Request(
        request_id=request_id,
        identity=identity,
        client_id=identity,
        room="room",
        role=role,
        mode=RequestMode.DEFAULT,
        message_id=f"m-{request_id}",
        ask=Ask(request_id=request_id, text=request_id),
        created_at=at,
        active_at=at,
        **over,
    )


def ids(requests: Iterable[Request]) -> list[str]:
    return [request.request_id for request in requests]
