"""What each endpoint does: the same as by Socket.IO, with the same rights."""

from __future__ import annotations

from typing import Any

import pytest

from apikit import EXTENSION, ApiHouse
from newage import __version__
from newage.domain.model import Rank, Role, Scope


@pytest.fixture
def key(hub: ApiHouse) -> str:
    return hub.key(scope=Scope.ALL)


def names(hub: ApiHouse, key: str) -> list[str]:
    return [each["name"] for each in hub.ask("/api/v1/rooms", key=key).json["rooms"]]


class TestHub:
    def test_status(self, hub: ApiHouse, key: str) -> None:
        hub.model()
        told = hub.ask("/api/v1/status", key=key).json
        assert (told["version"], told["extensions"], told["requestsInProgress"]) == (__version__, 1, 0)

    def test_extensions_and_whether_they_are_for_you(self, hub: ApiHouse, key: str) -> None:
        hub.model()
        assert hub.ask("/api/v1/extensions", key=key).json == {
            "extensions": [{"identity": EXTENSION, "clientId": EXTENSION, "description": "", "servesYou": True}]
        }

    def test_who_has_no_characters_says_so(self, hub: ApiHouse, key: str) -> None:
        hub.model()
        assert hub.ask(f"/api/v1/extensions/{EXTENSION}/characters", key=key).status == 404
        assert hub.ask("/api/v1/extensions/Nobody/characters", key=key).status == 404

    def test_the_policy_is_an_administrators(self, hub: ApiHouse, key: str) -> None:
        assert hub.ask("/api/v1/policy", key=key).json == {"policy": "Free"}
        assert hub.ask("/api/v1/policy", {"policy": "Manual"}, key, method="PUT").status == 403
        assert hub.ask("/api/v1/policy", {"policy": "None"}, key, method="PUT").status == 400
        admin = hub.key("boss", Scope.ALL, Rank.ADMIN)
        assert hub.ask("/api/v1/policy", {"policy": "Manual"}, admin, method="PUT").json == {"policy": "Manual"}
        assert hub.ask("/api/v1/policy", key=key).json == {"policy": "Manual"}


class TestRooms:
    def test_one_is_made_seen_and_deleted(self, hub: ApiHouse, key: str) -> None:
        made = hub.ask("/api/v1/rooms", {"name": "my den/1", "access": "invited"}, key)
        assert (made.status, made.json["role"], made.json["members"]) == (201, "master", 1)
        assert "my den/1" in names(hub, key)
        assert "my den/1" not in names(hub, hub.key("other", Scope.ALL))
        assert hub.ask("/api/v1/rooms/my%20den%2F1", key=hub.key("other", Scope.ALL)).status == 404
        assert hub.ask("/api/v1/rooms/my%20den%2F1", key=key).json["id"] == made.json["id"]
        assert hub.ask("/api/v1/rooms", {"name": "my den/1"}, key).status == 409
        assert hub.ask("/api/v1/rooms/my%20den%2F1", key=key, method="DELETE").response.summary == (204, b"")
        assert hub.ask("/api/v1/rooms/my%20den%2F1", key=key).status == 404

    def test_coming_and_going(self, hub: ApiHouse, key: str) -> None:
        hub.person("ann")
        hub.room("lobby", "ann")
        assert "role" not in hub.ask("/api/v1/rooms/lobby", key=key).json
        assert hub.ask("/api/v1/rooms/lobby/members/me", key=key, method="PUT").json["role"] == "guest"
        assert hub.ask("/api/v1/rooms/lobby/members/me", key=key, method="PUT").status == 409
        members = hub.ask("/api/v1/rooms/lobby/members", key=key).json["members"]
        assert [(each["identity"], each["role"], each["online"]) for each in members] == [
            ("ann", "master", True),
            ("bot", "guest", True),
        ]
        assert hub.ask("/api/v1/rooms/lobby/members/me", key=key, method="DELETE").status == 204
        assert hub.ask("/api/v1/rooms/lobby/members/me", key=key, method="DELETE").status == 404
        assert hub.ask("/api/v1/rooms/none/members/me", key=key, method="DELETE").status == 404

    def test_the_mode_is_the_staffs(self, hub: ApiHouse, key: str) -> None:
        hub.person("ann")
        hub.room("lobby", "ann", bot=Role.GUEST)
        hub.room("den", "ann", bot=Role.MANAGER)
        assert hub.ask("/api/v1/rooms/lobby/mode", {"mode": "Immediate"}, key, method="PUT").status == 403
        assert hub.ask("/api/v1/rooms/den/mode", {"mode": "Immediate"}, key, method="PUT").json["mode"] == "Immediate"


class TestTalk:
    @pytest.fixture
    def den(self, hub: ApiHouse, key: str) -> str:
        assert hub.ask("/api/v1/rooms", {"name": "den"}, key).status == 201
        return "/api/v1/rooms/den/messages"

    def texts(self, hub: ApiHouse, path: str, key: str) -> list[str]:
        return [each["text"] for each in hub.ask(path, key=key).json["messages"] if each["role"] != "system"]

    def test_what_is_said_is_in_the_history_page_by_page(self, hub: ApiHouse, key: str, den: str) -> None:
        hub.model()
        for text in ("one", "two", "three"):
            assert hub.ask(den, {"text": text}, key).status == 202
        page = hub.ask(f"{den}?limit=2", key=key).json
        assert ([each["text"] for each in page["messages"]], page["hasMore"]) == (["two", "three"], True)
        first = page["messages"][0]
        assert (first["identity"], first["clientId"], first["role"]) == ("bot", "bot", "master")
        assert self.texts(hub, f"{den}?before={first['seq']}", key) == ["one"]

    def test_an_answer_is_there_when_it_is_over(self, hub: ApiHouse, key: str, den: str) -> None:
        model = hub.model()
        hub.ask("/api/v1/policy", {"policy": "Free"}, hub.key("boss", Scope.ALL, Rank.ADMIN), method="PUT")
        taken = hub.ask(den, {"text": "who?", "requestId": "r1", "targets": [EXTENSION]}, key).json
        assert (taken["requestId"], taken["room"]) == ("r1", "den")
        assert [each.text for each in model.asked] == ["who?"]
        hub.core.talk.streams.answered(model.said(), "me")
        answer = hub.ask(den, key=key).json["messages"][-1]
        assert (answer["role"], answer["text"], answer["requestId"]) == ("assistant", "me", "r1")
        assert answer["questionId"] == taken["messageId"]

    @pytest.mark.parametrize("body", [{"text": ""}, {"text": " \n"}, {"text": 1}, {"text": "x", "targets": "X"}, {}])
    def test_what_says_nothing_is_refused(self, hub: ApiHouse, key: str, den: str, body: Any) -> None:
        assert hub.ask(den, body, key).status == 400

    def test_only_members_speak_and_read(self, hub: ApiHouse, key: str, den: str) -> None:
        other = hub.key("other", Scope.ALL)
        assert hub.ask(den, {"text": "hi"}, other).status == 403
        assert hub.ask(den, key=other).status == 403
        assert hub.ask("/api/v1/rooms/none/messages", {"text": "hi"}, key).status == 403
        assert hub.ask("/api/v1/rooms/none/messages", key=key).status == 404

    def test_a_question_is_taken_back_by_who_asked(self, hub: ApiHouse, key: str, den: str) -> None:
        model = hub.model()
        assert hub.ask(den, {"text": "who?", "requestId": "r/1", "targets": [EXTENSION]}, key).status == 202
        assert hub.ask("/api/v1/requests/r%2F1/cancel", {}, hub.key("other", Scope.ALL)).status == 404
        told = hub.ask("/api/v1/requests/r%2F1/cancel", {}, key).json
        assert told == {"requestId": "r/1", "state": "cancelled", "outputs": []}
        assert model.stopped == ["r/1"]
        assert hub.ask("/api/v1/requests/r%2F1/cancel", {}, key).json["state"] == "cancelled"
        assert hub.ask(f"/api/v1/requests/{'x' * 300}/cancel", {}, key).status == 404
