"""The table as a whole."""

from __future__ import annotations

import re

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
        # of a room's staff
        ("POST", "/rooms/{room}/members"),
        ("DELETE", "/rooms/{room}/members/{member}"),
        ("PUT", "/rooms/{room}/members/{member}/role"),
        ("POST", "/rooms/{room}/members/{member}/kick"),
        ("PUT", "/rooms/{room}/members/{member}/mute"),
        ("DELETE", "/rooms/{room}/members/{member}/mute"),
        ("DELETE", "/rooms/{room}/bars/{client}"),
        ("PUT", "/rooms/{room}/access"),
        ("PUT", "/rooms/{room}/extensions"),
        ("PATCH", "/rooms/{room}/messages/{message}"),
        ("DELETE", "/rooms/{room}/messages/{message}"),
        ("DELETE", "/rooms/{room}/messages"),
        ("PUT", "/rooms/{room}/messages/{message}/selected"),
        ("POST", "/rooms/{room}/messages/{message}/again"),
        ("POST", "/rooms/{room}/messages/{message}/continue"),
        ("POST", "/rooms/{room}/queue/submit"),
        # of administrators, and functions
        ("PUT", "/mode"),
        ("POST", "/keys"),
        ("DELETE", "/keys/{id}"),
        ("DELETE", "/clients/{client}/keys"),
        ("POST", "/clients/{client}/disconnect"),
        ("POST", "/functions/{function}"),
        ("POST", "/sessions/{session}/functions/{function}"),
    }


def test_a_key_of_scope_api_opens_one_row_alone(hub: ApiHouse) -> None:
    """Every row is asked with a body and a query that nobody reads: rights come first."""
    document = hub.ask("/api/v1/openapi.json", key=hub.key(scope=Scope.ALL)).json
    api = hub.key("web", Scope.API)
    opened = set()
    for template, methods in document["paths"].items():
        path = "/api/v1" + re.sub(r"\{\w+\}", "x", template)
        for method in methods:
            told = hub.ask(path, {}, api, method=method.upper())
            assert told.status in (200, 403), (method, template, told.response.body)
            if told.status == 200:
                opened.add((method, template))
    assert opened == {("get", "/me")}
    hub.clock.advance(3)
    assert not hub.core.people.sessions.is_online("web")
