"""What the staff of a room does: the same as by Socket.IO, with the same rights."""

from __future__ import annotations

from typing import Any

import pytest

from apikit import EXTENSION, ApiHouse, Model, say
from logkit import Logged
from newage.domain.model import Rank, Role, Scope

LOBBY = "/api/v1/rooms/lobby"


@pytest.fixture
def key(hub: ApiHouse) -> str:
    """Of the master of the room, whose guest bob is; ann is a manager."""
    key = hub.key(scope=Scope.ALL)
    hub.person("ann")
    hub.person("bob")
    hub.person("bot")
    hub.room("lobby", "bot", ann=Role.MANAGER, bob=Role.GUEST)
    return key


def members(hub: ApiHouse, key: str) -> dict[str, tuple[str, bool]]:
    found = hub.ask(f"{LOBBY}/members", key=key).json["members"]
    return {each["identity"]: (each["role"], each["muted"]) for each in found}


class TestMembers:
    def test_coming_going_and_roles(self, hub: ApiHouse, key: str) -> None:
        hub.person("eve")
        assert hub.ask(f"{LOBBY}/members", {"identity": "eve", "role": "special"}, key).status == 204
        assert members(hub, key)["eve"] == ("special", False)
        assert hub.ask(f"{LOBBY}/members/bob/role", {"role": "manager"}, key, method="PUT").status == 204
        assert members(hub, key)["bob"] == ("manager", False)
        assert hub.ask(f"{LOBBY}/members/bob/role", {"role": "king"}, key, method="PUT").status == 400
        assert hub.ask(f"{LOBBY}/members/eve", key=key, method="DELETE").status == 204
        assert "eve" not in members(hub, key)

    def test_silence(self, hub: ApiHouse, key: str) -> None:
        told = hub.ask(f"{LOBBY}/members/bob/mute", {"seconds": 60}, key, method="PUT").json
        assert (told["permanent"], "until" in told) == (False, True)
        assert members(hub, key)["bob"] == ("guest", True)
        assert hub.ask(f"{LOBBY}/members/bob/mute", key=key, method="DELETE").status == 204
        assert members(hub, key)["bob"] == ("guest", False)
        assert hub.ask(f"{LOBBY}/members/bob/mute", {}, key, method="PUT").json == {"permanent": True}

    def test_a_kick_bars_until_it_is_lifted(self, hub: ApiHouse, key: str) -> None:
        told = hub.ask(f"{LOBBY}/members/bob/kick", {"seconds": -1, "reason": "noise"}, key)
        assert (told.status, told.json) == (200, {"permanent": True})
        assert "bob" not in members(hub, key)
        (bar,) = hub.ask(f"{LOBBY}/bars", key=key).json["bars"]
        assert (bar["clientId"], bar["by"], bar["reason"]) == ("bob", "bot", "noise")
        assert hub.ask(f"{LOBBY}/bars/bob", key=key, method="DELETE").json == {"clients": ["bob"]}
        assert hub.ask(f"{LOBBY}/bars", key=key).json == {"bars": []}

    def test_the_room_and_whom_it_lets_in(self, hub: ApiHouse, key: str) -> None:
        assert hub.ask(f"{LOBBY}/access", {"access": "invited"}, key, method="PUT").json["access"] == "invited"
        assert hub.ask(LOBBY, key=hub.key("other", Scope.ALL)).status == 404

    def test_a_guest_does_none_of_it(self, hub: ApiHouse, key: str) -> None:
        guest = hub.key("bob", Scope.ALL)
        for method, path, body in (
            ("POST", "/members", {"identity": "ann"}),
            ("DELETE", "/members/ann", None),
            ("PUT", "/members/ann/role", {"role": "guest"}),
            ("POST", "/members/ann/kick", {}),
            ("PUT", "/members/ann/mute", {}),
            ("DELETE", "/members/ann/mute", None),
            ("GET", "/bars", None),
            ("DELETE", "/bars/ann", None),
            ("PUT", "/access", {"access": "invited"}),
            ("PUT", "/extensions", {"extensions": []}),
            ("DELETE", "/messages", None),
            ("POST", "/queue/submit", {}),
        ):
            told = hub.ask(LOBBY + path, body, guest, method=method)
            assert told.status == 403, (method, path, told.response.body)
        assert members(hub, key) == {"bot": ("master", False), "ann": ("manager", False), "bob": ("guest", False)}


class TestHub:
    def test_the_mode_of_all_is_an_administrators(self, hub: ApiHouse, key: str) -> None:
        assert hub.ask("/api/v1/mode", {"mode": "Immediate"}, key, method="PUT").status == 403
        admin = hub.key("boss", Scope.ALL, Rank.ADMIN)
        assert hub.ask("/api/v1/mode", {"mode": "Immediate"}, admin, method="PUT").json == {"mode": "Immediate"}
        assert hub.ask(LOBBY, key=key).json["mode"] == "Immediate"

    def test_which_extensions_serve_whom(self, hub: ApiHouse, key: str) -> None:
        hub.model()
        admin = hub.key("boss", Scope.ALL, Rank.ADMIN)
        assert hub.ask(f"{LOBBY}/extensions", key=key).json == {"extensions": [EXTENSION]}
        assert hub.ask("/api/v1/policy", {"policy": "Manual"}, admin, method="PUT").status == 200
        assert hub.ask(f"{LOBBY}/extensions", key=key).json == {"extensions": []}
        told = hub.ask(f"{LOBBY}/extensions", {"extensions": [EXTENSION]}, admin, method="PUT")
        assert told.json == {"extensions": [EXTENSION]}
        assert hub.ask("/api/v1/rooms/none/extensions", key=key).status == 404


class TestMessages:
    @pytest.fixture
    def model(self, hub: ApiHouse, key: str) -> Model:
        return hub.model()

    def ask(self, hub: ApiHouse, key: str) -> Any:
        return hub.ask(f"{LOBBY}/messages", {"text": "who?"}, key).json

    def texts(self, hub: ApiHouse, key: str) -> list[str]:
        return [each["text"] for each in self.said(hub, key)]

    def said(self, hub: ApiHouse, key: str) -> list[Any]:
        found = hub.ask(f"{LOBBY}/messages", key=key).json["messages"]
        return [each for each in found if each["role"] != "system"]

    def test_what_was_said_is_changed_and_deleted(self, hub: ApiHouse, key: str, model: Model) -> None:
        said = self.ask(hub, key)["messageId"]
        told = hub.ask(f"{LOBBY}/messages/{said}", {"text": "What?"}, key, method="PATCH").json
        assert (told["text"], "lastEdited" in told) == ("What?", True)
        guest = hub.key("bob", Scope.ALL)
        assert hub.ask(f"{LOBBY}/messages/{said}", {"text": "x"}, guest, method="PATCH").status == 403
        assert hub.ask(f"{LOBBY}/messages/{said}", key=guest, method="DELETE").status == 403
        assert hub.ask(f"{LOBBY}/messages/{said}", key=key, method="DELETE").status == 204
        assert hub.ask(f"{LOBBY}/messages/{said}", key=key, method="DELETE").status == 404

    def test_a_room_is_cleared(self, hub: ApiHouse, key: str, model: Model) -> None:
        self.ask(hub, key)
        say(hub, model, "Me.")
        assert hub.ask(f"{LOBBY}/messages?questions=false", key=key, method="DELETE").json == {"messages": 1}
        assert self.texts(hub, key) == ["who?"]
        assert hub.ask(f"{LOBBY}/messages", key=key, method="DELETE").json["messages"] >= 1
        assert self.texts(hub, key) == []

    def test_one_more_answer_and_which_counts(self, hub: ApiHouse, key: str, model: Model) -> None:
        said = self.ask(hub, key)["messageId"]
        say(hub, model, "One.")
        again = hub.ask(f"{LOBBY}/messages/{said}/again", {"requestId": "r2"}, key)
        assert (again.status, again.json["requestId"]) == (202, "r2")
        say(hub, model, "Two.")
        first = self.said(hub, key)[1]
        assert (first["text"], first["selected"]) == ("One.", False)
        chosen = hub.ask(f"{LOBBY}/messages/{first['messageId']}/selected", key=key, method="PUT").json
        assert (chosen["messageId"], chosen["index"], chosen["count"]) == (first["messageId"], 0, 2)
        assert hub.ask(f"{LOBBY}/messages/none/again", {}, key).status == 404

    def test_an_answer_goes_on(self, hub: ApiHouse, key: str, model: Model) -> None:
        self.ask(hub, key)
        say(hub, model, "One")
        answer = self.said(hub, key)[1]["messageId"]
        assert hub.ask(f"{LOBBY}/messages/{answer}/continue", {}, key).status == 202
        say(hub, model, " two")
        assert self.texts(hub, key) == ["who?", "One two"]

    def test_what_waits_for_its_host_is_submitted(self, hub: ApiHouse, key: str, model: Model) -> None:
        guest = hub.key("bob", Scope.ALL)
        assert hub.ask(f"{LOBBY}/messages", {"text": "May I?", "requestId": "r1"}, guest).json["state"] == "queued"
        (waits,) = hub.ask(f"{LOBBY}/queue", key=key).json["queue"]
        assert (waits["requestId"], waits["waitsFor"], waits["position"]) == ("r1", "host", 1)
        assert hub.ask(f"{LOBBY}/queue/submit", {}, key).json["state"] == "forwarded"
        assert len(model.asked) == 1
        assert hub.ask(f"{LOBBY}/queue", key=key).json == {"queue": []}
        assert hub.ask(f"{LOBBY}/queue/submit", {}, key).status == 404


def test_what_is_done_to_a_member_names_him_in_the_log(hub: ApiHouse, key: str) -> None:
    with Logged() as logged:
        hub.person("eve")
        hub.ask(f"{LOBBY}/members", {"identity": "eve", "role": "special"}, key)
        hub.ask(f"{LOBBY}/members/bob/kick", {}, key)
    told = [event["log_audit"] for event in logged.events if "log_audit" in event]
    facts = [each for each in told if each["action"].startswith("member.")]
    assert [(each["action"], each["identity"], each["member"], each["room"]) for each in facts] == [
        ("member.add", "bot", "eve", "lobby"),
        ("member.kick", "bot", "bob", "lobby"),
    ]
    assert (facts[0]["role"], "seconds" in facts[1]) == ("special", False)
