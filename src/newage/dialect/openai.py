"""What ``/v1`` says: the bodies of OpenAI's API, as far as chat programs read them."""

from __future__ import annotations

from collections.abc import Iterable

from newage.dialect import Body


def model(name: str, created: int) -> Body:
    """:param created: seconds since the epoch."""
    return {"id": name, "object": "model", "created": created, "owned_by": "newage"}


def models(names: Iterable[str], created: int) -> Body:
    return {"object": "list", "data": [model(name, created) for name in names]}
