"""Keys, logs and functions by ``/api/v1``."""

from __future__ import annotations

from typing import Any

import pytest

from apikit import ApiHouse, Flow, events
from logkit import Logged
from newage.domain.model import Rank, Scope
from newage.services.calls.calls import Function
from newage.web.api_v1.admin_handlers import NO_JSON


@pytest.fixture
def admin(hub: ApiHouse) -> str:
    return hub.key("boss", Scope.ALL, Rank.ADMIN)


@pytest.fixture
def key(hub: ApiHouse) -> str:
    return hub.key(scope=Scope.ALL)


class TestKeys:
    def make(self, hub: ApiHouse, admin: str, client_id: str = "new-bot", **more: Any) -> Any:
        told = hub.ask("/api/v1/keys", {"clientId": client_id, **more}, admin)
        assert told.status == 201, told.response.body
        return told.json

    def test_one_is_made_used_listed_and_revoked(self, hub: ApiHouse, admin: str) -> None:
        made = self.make(hub, admin, scope="all", name="mine", days=1)
        record = made["record"]
        assert made["key"].startswith(f"sk-newage-{record['id']}-")
        assert (record["clientId"], record["name"], record["madeBy"]) == ("new-bot", "mine", "boss")
        assert "expires" in record
        assert hub.ask("/api/v1/me", key=made["key"]).json["identity"] == "new-bot"
        listed = hub.ask("/api/v1/keys", key=admin)
        assert [each["clientId"] for each in listed.json["keys"]] == ["boss", "new-bot"]
        assert b"sk-newage" not in listed.response.body
        gone = hub.ask(f"/api/v1/keys/{record['id']}", key=admin, method="DELETE").json
        assert gone == {"clientId": "new-bot", "revoked": [record["id"]], "made": []}
        assert hub.ask("/api/v1/me", key=made["key"]).status == 401
        assert hub.ask(f"/api/v1/keys/{record['id']}", key=admin, method="DELETE").status == 404

    def test_the_list_comes_in_pages(self, hub: ApiHouse, admin: str) -> None:
        self.make(hub, admin)
        first = hub.ask("/api/v1/keys?limit=1", key=admin).json
        second = hub.ask("/api/v1/keys?limit=1&offset=1", key=admin).json
        assert [each["clientId"] for each in first["keys"] + second["keys"]] == ["boss", "new-bot"]
        assert (first["hasMore"], second["hasMore"]) == (True, False)

    def test_all_keys_of_a_client_go_at_once(self, hub: ApiHouse, admin: str) -> None:
        ids = [self.make(hub, admin)["record"]["id"] for _ in range(2)]
        gone = hub.ask("/api/v1/clients/new-bot/keys", key=admin, method="DELETE").json
        assert (gone["clientId"], sorted(gone["revoked"])) == ("new-bot", sorted(ids))

    def test_what_a_key_had_made_is_offered(self, hub: ApiHouse, admin: str) -> None:
        boss = hub.core.accounts.keys.records("boss")[0]
        made = self.make(hub, admin)
        other = hub.key("chief", Scope.ALL, Rank.ADMIN)
        gone = hub.ask(f"/api/v1/keys/{boss.key_id}", key=admin, method="DELETE").json
        assert gone["made"] == [made["record"]["id"]]
        assert hub.ask("/api/v1/keys", key=admin).status == 401
        assert hub.ask("/api/v1/keys", key=other).status == 200

    def test_a_key_that_is_revoked_ends_its_streams(self, hub: ApiHouse, admin: str) -> None:
        made, model = self.make(hub, admin, scope="all"), hub.model()
        hub.ask("/api/v1/rooms", {"name": "den"}, made["key"])
        flow = Flow(hub, hub.send("/api/v1/rooms/den/messages/events", {"text": "who?"}, made["key"]))
        assert len(model.asked) == 1
        assert hub.ask(f"/api/v1/keys/{made['record']['id']}", key=admin, method="DELETE").status == 200
        assert ([name for name, _ in events(flow)][-1], flow.ended) == ("gone", True)

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("GET", "/keys", None),
            ("POST", "/keys", {"clientId": "x"}),
            ("DELETE", "/keys/none", None),
            ("DELETE", "/clients/ann/keys", None),
            ("POST", "/clients/ann/disconnect", {}),
            ("GET", "/logs", None),
        ],
    )
    def test_it_is_an_administrators(self, hub: ApiHouse, key: str, method: str, path: str, body: Any) -> None:
        less = hub.key("boss", Scope.CLIENT, Rank.ADMIN)
        for shown in (key, less):
            assert hub.ask(f"/api/v1{path}", body, shown, method=method).status == 403

    def test_who_makes_what_is_audited_without_the_key(self, hub: ApiHouse, admin: str) -> None:
        with Logged() as logged:
            made = self.make(hub, admin, scope="api")
            hub.ask(f"/api/v1/keys/{made['record']['id']}", key=admin, method="DELETE")
        facts = [event["log_audit"] for event in logged.events if "log_audit" in event]
        kept = [each for each in facts if each["action"].startswith("key.")]
        assert [(each["action"], each["clientId"], each["outcome"]) for each in kept] == [
            ("key.generate", "boss", "ok"),
            ("key.remove", "boss", "ok"),
        ]
        assert (kept[0]["client"], kept[0]["scope"]) == ("new-bot", "api")
        assert made["key"] not in str(facts)


def test_somebody_is_put_out(hub: ApiHouse, admin: str) -> None:
    hub.core.people.admissions.entered(hub.person("ann"))
    assert hub.ask("/api/v1/clients/ann/disconnect", {"reason": "Come back."}, admin).json == {"connections": 1}
    assert hub.ask("/api/v1/clients/nobody/disconnect", {}, admin).status == 404


def test_70_reading_the_logs_is_audited(hub: ApiHouse, admin: str) -> None:
    with Logged() as logged:
        told = hub.ask("/api/v1/logs?file=error.log", key=admin)
        assert hub.ask("/api/v1/logs?file=../x", key=admin).status == 400
        assert hub.ask("/api/v1/logs?limit=101", key=admin).status == 400
    assert told.status in (200, 404, 500, 503)
    facts = [event["log_audit"] for event in logged.events if "log_audit" in event]
    read = [each for each in facts if each["action"] == "log.read"]
    assert [(each["file"], each["clientId"]) for each in read] == [("error.log", "boss"), ("../x", "boss")]


class TestFunctions:
    def test_the_hubs_own(self, hub: ApiHouse, key: str) -> None:
        assert "add" in hub.ask("/api/v1/functions", key=key).json["functions"]
        assert hub.ask("/api/v1/functions/add", {"arguments": [1, 2]}, key).json == {"result": 3}
        assert hub.ask("/api/v1/functions/add", {"arguments": ["x", 2]}, key).status == 400
        assert hub.ask("/api/v1/functions/add", {"arguments": [1] * 33}, key).status == 400
        assert hub.ask("/api/v1/functions/none", {}, key).status == 404

    def test_what_it_says_may_be_nothing(self, hub: ApiHouse, key: str) -> None:
        hub.core.calls.calls.register("quiet", Function(list, lambda caller, args: None))
        assert hub.ask("/api/v1/functions/quiet", {}, key).json == {"result": None}

    def test_files_are_for_who_may_by_socket_io(self, hub: ApiHouse, key: str) -> None:
        told = hub.ask("/api/v1/functions/saveJsonToFile", {"arguments": ["x.json", {}]}, key)
        assert told.status in (200, 403)
        if told.status == 200:
            assert told.json["result"]["success"] is False

    @pytest.mark.parametrize("said", [b"bytes", {"a": [b"bytes"]}, {1, 2}, object()])
    def test_what_is_no_json_has_failed(self, hub: ApiHouse, key: str, said: object) -> None:
        hub.core.calls.calls.register("odd", Function(list, lambda caller, args: said))
        told = hub.ask("/api/v1/functions/odd", {}, key)
        assert told.status >= 500
        assert told.json["error"]["message"] == NO_JSON

    def test_a_failure_that_is_its_result_is_recorded_as_one(self, hub: ApiHouse, key: str) -> None:
        hub.core.calls.calls.register("sad", Function(list, lambda caller, args: {"success": False}))
        with Logged() as logged:
            hub.ask("/api/v1/functions/sad", {}, key)
        facts = [event["log_audit"] for event in logged.events if "log_audit" in event]
        (fact,) = [each for each in facts if each.get("function") == "sad"]
        assert fact["outcome"] == "failed"

    def test_somebody_elses(self, hub: ApiHouse, key: str) -> None:
        assert hub.ask("/api/v1/sessions/nobody/functions/f", {}, key).status == 404

    def test_a_call_is_audited(self, hub: ApiHouse, key: str) -> None:
        with Logged() as logged:
            hub.ask("/api/v1/functions/add", {"arguments": [1, 2]}, key)
            hub.ask("/api/v1/sessions/nobody/functions/f", {}, key)
        facts = [event["log_audit"] for event in logged.events if "log_audit" in event]
        made = [each for each in facts if each["action"] == "function.call"]
        assert [(each["function"], each["target"], each["outcome"] == "ok") for each in made] == [
            ("add", "server", True),
            ("f", "nobody", False),
        ]
