"""The rows of administration."""

from __future__ import annotations

from apikit import ApiHouse
from newage.domain.model import Rank, Scope


def test_what_they_are(hub: ApiHouse) -> None:
    document = hub.ask("/api/v1/openapi.json", key=hub.key("boss", Scope.ALL, Rank.ADMIN)).json
    tags = {path: {each["tags"][0] for each in methods.values()} for path, methods in document["paths"].items()}
    assert {path for path, found in tags.items() if found == {"Administration"}} == {
        "/keys",
        "/keys/{id}",
        "/clients/{client}/keys",
        "/clients/{client}/disconnect",
        "/logs",
    }
    assert {path for path, found in tags.items() if found == {"Functions"}} == {
        "/functions",
        "/functions/{function}",
        "/sessions/{session}/functions/{function}",
    }
