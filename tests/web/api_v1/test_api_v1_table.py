"""What is common to all endpoints: who may ask, and what is said to what is asked wrongly."""

from __future__ import annotations

from typing import Any

import pytest

from apikit import CHAT, ApiHouse, Houses, question
from logkit import Logged
from newage.domain.model import Rank, Role, Scope
from newage.services.accounts.api_limits import ApiSettings
from newage.services.sessions.rates import RateSettings

FORM = "application/x-www-form-urlencoded"


def test_55_api_v1_never_keyless(hub: ApiHouse) -> None:
    for path in ("/api/v1/status", "/api/v1/openapi.json", "/api/v1/rooms"):
        for key in (None, ""):
            told = hub.ask(path, key=key)
            assert (told.status, told.code) == (401, "invalid_api_key")
            assert told.response.headers["www-authenticate"] == "Bearer"


def test_56_key_in_query_refused(hub: ApiHouse) -> None:
    key = hub.key(scope=Scope.ALL)
    for query in (f"key={key}", f"x={key}", f"access_token={key}"):
        assert hub.ask(f"/api/v1/status?{query}", key=key).status == 400
        assert hub.ask(f"/api/v1/status?{query}").status == 400


def test_keys_of_other_scopes_open_nothing(hub: ApiHouse) -> None:
    api = hub.key("web", Scope.API)
    assert hub.ask("/api/v1/me", key=api).json["scope"] == "api"
    for path in ("/api/v1/status", "/api/v1/openapi.json", "/api/v1/rooms"):
        assert hub.ask(path, key=api).status == 403
    assert hub.ask("/api/v1/status", key="sk-newage-wrong").status == 401


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/api/v1/status", "GET, HEAD, OPTIONS"),
        ("PATCH", "/api/v1/rooms", "GET, POST, HEAD, OPTIONS"),
        ("POST", "/api/v1/policy", "GET, PUT, HEAD, OPTIONS"),
        ("GET", "/api/v1/requests/r/cancel", "POST, OPTIONS"),
    ],
)
def test_a_path_says_which_methods_it_takes(hub: ApiHouse, method: str, path: str, allow: str) -> None:
    told = hub.ask(path, {} if method == "POST" else None, hub.key(scope=Scope.ALL), method=method)
    assert (told.status, told.response.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("path", ["/api", "/api/v1", "/api/v1/", "/api/v2/status", "/api/v1/status/x", "/api/v1/none"])
def test_nothing_else_is_there(hub: ApiHouse, path: str) -> None:
    told = hub.ask(path, key=hub.key(scope=Scope.ALL))
    assert (told.status, told.code) == (404, "not_found")


def test_a_page_has_to_say_json(hub: ApiHouse) -> None:
    headers = {"Origin": "http://127.0.0.1:4000", "Content-Type": "text/plain"}
    assert hub.ask("/api/v1/rooms", {"name": "den"}, hub.key(scope=Scope.ALL), **headers).status == 415
    assert (
        hub.ask(
            "/api/v1/rooms", {"name": "den"}, hub.key(scope=Scope.ALL), Content_Type="application/x-www-form-urlencoded"
        ).status
        == 201
    )


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/api/v1/status?x=1", None, "'x' is no member of the query"),
        ("/api/v1/rooms", {"name": "den", "mode": "Immediate"}, "'mode' is no member of this body"),
        ("/api/v1/rooms", {}, "name is missing"),
        ("/api/v1/rooms", [], "has to be a JSON object"),
        ("/api/v1/rooms", b"{", "no JSON"),
    ],
)
def test_queries_and_bodies_are_read_strictly(hub: ApiHouse, path: str, body: Any, words: str) -> None:
    told = hub.ask(path, body, hub.key(scope=Scope.ALL))
    assert (told.status, told.code) == (400, "bad_request")
    assert words in told.json["error"]["message"]


def test_a_key_of_scope_client_gives_no_more_than_that(hub: ApiHouse) -> None:
    all_of_it = hub.ask("/api/v1/me", key=hub.key("boss", Scope.ALL, Rank.ADMIN)).json
    assert (all_of_it["kind"], all_of_it["sensitive"]) == ("admin", True)
    less = hub.ask("/api/v1/me", key=hub.key("boss", Scope.CLIENT, Rank.ADMIN)).json
    assert (less["kind"], less["sensitive"]) == ("client", False)


def test_who_asks_is_there_for_as_long(hub: ApiHouse) -> None:
    key = hub.key(scope=Scope.ALL)
    assert [each["identity"] for each in hub.ask("/api/v1/sessions", key=key).json["sessions"]] == ["bot"]
    hub.clock.advance(3)
    assert not hub.core.people.sessions.is_online("bot")
    assert hub.core.people.presence.of("bot") == 0


def test_what_is_changed_is_audited_and_what_is_refused_too(hub: ApiHouse) -> None:
    hub.person("ann")
    hub.room("lobby", "ann", bot=Role.GUEST)
    key = hub.key(scope=Scope.ALL)
    with Logged() as logged:
        assert hub.ask("/api/v1/rooms", {"name": "den"}, key).status == 201
        assert hub.ask("/api/v1/rooms/lobby", key=key, method="DELETE").status == 403
    told = [event["log_audit"] for event in logged.events if "log_audit" in event]
    facts = [each for each in told if each["action"].startswith("room.")]
    assert [(each["action"], each["outcome"]) for each in facts] == [("room.create", "ok"), ("room.delete", "refused")]
    assert (facts[0]["name"], facts[1]["room"]) == ("den", "lobby")


def test_who_asks_too_often_is_told_when_to_come_back(houses: Houses) -> None:
    hub = houses(api=ApiSettings(visits_per_minute=3))
    key = hub.key(scope=Scope.ALL)
    for _ in range(3):
        assert hub.ask("/api/v1/status", key=key).status == 200
    told = hub.ask("/api/v1/status", key=key)
    assert (told.status, told.code, told.response.headers["retry-after"]) == (429, "rate_limit_exceeded", "60")
    assert "3 in a minute" in told.json["error"]["message"]
    assert hub.ask("/api/v1/status", key=hub.key("other", Scope.ALL)).status == 200


def test_what_others_hear_of_has_the_rate_that_it_has_by_socket_io(houses: Houses) -> None:
    hub = houses(rates=RateSettings(event_rate=1, event_burst=1))
    hub.person("ann")
    hub.room("lobby", "ann", bot=Role.GUEST)
    key = hub.key(scope=Scope.ALL)
    assert hub.ask("/api/v1/rooms/lobby/members/me", key=key, method="DELETE").status == 204
    told = hub.ask("/api/v1/rooms/lobby/members/me", key=key, method="PUT")
    assert (told.status, told.json["error"]["message"]) == (429, "Too many events.")
    assert hub.ask("/api/v1/rooms", key=key).status == 200


def test_a_question_spends_the_budget_that_it_spends_by_v1(houses: Houses) -> None:
    hub = houses(api=ApiSettings(requests_per_minute=2))
    hub.model()
    key = hub.key(scope=Scope.ALL)
    hub.ask("/api/v1/rooms", {"name": "den"}, key)
    assert hub.ask("/api/v1/rooms/den/messages", {"text": "hi"}, key).status == 202
    hub.send(CHAT, question(), key)
    for told in (hub.ask("/api/v1/rooms/den/messages", {"text": "hi"}, key), hub.ask(CHAT, question(), key)):
        assert (told.status, told.code) == (429, "rate_limit_exceeded")
        assert "2 in a minute" in told.json["error"]["message"]
        assert int(told.response.headers["retry-after"]) == 60
    assert hub.ask("/api/v1/rooms/den/messages", key=key).status == 200
