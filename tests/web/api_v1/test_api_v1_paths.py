"""The table as a whole."""

from __future__ import annotations

from apikit import ApiHouse
from newage.domain.model import Scope


def test_what_changes_something(hub: ApiHouse) -> None:
    """No listener, no key of the configuration, no network: those are no business of the API (B20)."""
    document = hub.ask("/api/v1/openapi.json", key=hub.key(scope=Scope.ALL)).json
    changes = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods if method != "get"
    }
    assert changes == {
        ("PUT", "/policy"),
        ("POST", "/rooms"),
        ("DELETE", "/rooms/{room}"),
        ("PUT", "/rooms/{room}/members/me"),
        ("DELETE", "/rooms/{room}/members/me"),
        ("PUT", "/rooms/{room}/mode"),
        ("POST", "/rooms/{room}/messages"),
        ("POST", "/rooms/{room}/messages/events"),
        ("POST", "/requests/{request}/cancel"),
    }
