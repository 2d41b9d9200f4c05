"""``/v1/models`` (B5)."""

from __future__ import annotations

from apikit import EXTENSION, ApiHouse
from newage.domain.model import Role, Scope

OPEN = ["newage", EXTENSION]


def names(hub: ApiHouse, key: str | None = None) -> list[str]:
    told = hub.ask("/v1/models", key=key)
    assert told.status == 200
    return [each["id"] for each in told.json["data"]]


def test_they_are_what_the_key_may_ask(hub: ApiHouse) -> None:
    assert names(hub) == ["newage"]
    hub.model()
    hub.model("llm-local")
    hub.person("ann")
    hub.room("lobby", "ann", bot=Role.GUEST)
    hub.room("other", "ann")
    assert names(hub) == OPEN
    assert names(hub, hub.key()) == [*OPEN, "llm:local", "room:lobby"]


def test_one_is_asked_for_by_name_however_that_is_encoded(hub: ApiHouse) -> None:
    hub.model()
    hub.person("ann")
    hub.room("lob/by", "ann", bot=Role.GUEST)
    hub.room("secret", "ann")
    key = hub.key()
    for path in ("newage", EXTENSION, "room:lob/by", "room%3Alob%2Fby"):
        told = hub.ask(f"/v1/models/{path}", key=key)
        assert (told.status, told.json["object"]) == (200, "model")
    assert told.json["id"] == "room:lob/by"
    for path, status in (("gpt-5", 404), ("room:none", 404), ("room:secret", 403), (f"{EXTENSION}/Nobody", 404)):
        assert hub.ask(f"/v1/models/{path}", key=key).status == status
    assert hub.ask("/v1/models/gpt-5", key=key).code == "model_not_found"
    away = hub.ask("/v1/models/SillyTavern-8001", key=key)
    assert (away.status, away.code) == (503, "no_extension")


def test_54_v1_keyless_cannot_room_or_upstream(hub: ApiHouse) -> None:
    hub.model("llm-local")
    hub.person("ann")
    hub.room("lobby", "ann", **{"api-local": Role.GUEST})
    assert names(hub) == ["newage"]
    for path in ("room:lobby", "llm:local", "newage"):
        assert hub.ask(f"/v1/models/{path}").status == 403
    hub.model()
    assert hub.ask("/v1/models/newage").status == 200


def test_a_key_is_asked_for_from_elsewhere(hub: ApiHouse) -> None:
    far = hub.ask("/v1/models", address="192.168.1.9", Host="192.168.1.5:4000")
    assert (far.status, far.code, far.response.headers["www-authenticate"]) == (401, "invalid_api_key", "Bearer")
    assert hub.ask("/v1/models", key=hub.key(), address="192.168.1.9", Host="192.168.1.5:4000").status == 200
    assert hub.ask("/v1/models", key=hub.key("web", Scope.CLIENT)).status == 403
    for empty in ("", "none", "sk-xxx"):  # as SillyTavern, OpenAI's clients and others do without a key
        assert hub.ask("/v1/models", key=empty).status == 200
    assert hub.ask("/v1/models", key="none", address="192.168.1.9", Host="192.168.1.5:4000").status == 401


def test_nobody_is_left_behind(hub: ApiHouse) -> None:
    assert hub.ask("/v1/models", key=hub.key()).status == 200
    hub.clock.advance(3)
    assert not hub.core.people.sessions.is_online("bot")
    assert hub.core.people.presence.of("bot") == 0
