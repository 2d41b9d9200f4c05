"""What is common to the bodies of ``/v1`` and ``/api/v1``."""

from __future__ import annotations

from newage.dialect import Body


def failure(message: str, kind: str, code: str) -> Body:
    """The one body of every failure, as OpenAI's clients read it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
