"""FUNCTION_CALL: its shapes and failures (contract 7.1-7.4; scenarios 7, 24, 63-65)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import FakeSocket, Gatehouse
from deferreds import outcome, value
from newage.dialect.calls import relayed
from newage.domain.foreign_json import without_hostile_keys
from newage.gateway.socketio.dispatch import Later, Namespace
from newage.namespaces.function_call import (
    BUILTINS,
    CallEvents,
    parse_call,
)
from newage.services.calls.calls import Function, one_argument

EXTENSION = "SillyTavern-8000"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path, network_safe=True)
    house.server_file.load(write_missing=True)
    house.write("public/app/index.html", "hello")
    return house


@pytest.fixture
def path(house: Gatehouse) -> Namespace:
    return house.door.open("/function_call", CallEvents(calls=house.calls).handlers())


@pytest.fixture
def web(house: Gatehouse, path: Namespace) -> FakeSocket:
    return FakeSocket(house, path).connect({"clientId": "web1"})


def failure(body: dict[str, Any]) -> tuple[str, Any]:
    assert (body["success"], body["status"]) == (False, "error")
    assert body["message"] == body["error"]["message"]
    return body["message"], body["error"]["code"]


def test_the_hubs_own_names_are_listed(house: Gatehouse) -> None:
    assert set(house.calls._functions) == set(BUILTINS)


def test_what_somebody_else_takes_his_time_for_holds_up_nothing(house: Gatehouse, web: FakeSocket) -> None:
    house.calls.register("slow", Function(one_argument, lambda caller, x: x, ordered=False))
    answered = web.handle("FUNCTION_CALL", {"functionName": "slow", "args": [5]})
    assert isinstance(answered, Later)
    assert value(answered.result)[0]["result"] == 5
    for name in ("add", "unknown", {"no": "name"}, None):
        ordered = web.handle("FUNCTION_CALL", {"functionName": name, "args": [1, 2]})
        assert not isinstance(ordered, Later)
        value(ordered)


class TestParsing:
    def test_forms_of_args(self) -> None:
        for given, taken in (
            (None, []),
            ([], []),
            ([1, {"a": 2}], [1, {"a": 2}]),
            ({"/x": "public"}, [{"/x": "public"}]),
            ([{"__proto__": 1, "b": {"constructor": 2}}], [{"b": {}}]),
        ):
            assert parse_call({"functionName": "f", "args": given}, 9).args == taken
        assert parse_call({"functionName": "f"}, 9).args == []

    def test_targets(self) -> None:
        for given, taken in ((None, "server"), ("", "server"), ("server", "server"), ("web1", "web1")):
            assert parse_call({"functionName": "f", "target": given}, 9).target == taken

    @pytest.mark.parametrize("request_id", [None, True, {}, [], "x" * 129])
    def test_what_is_no_request_id_stays_absent(self, request_id: object) -> None:
        assert parse_call({"functionName": "f", "requestId": request_id}, 9).request_id is None


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "text",
        [],
        7,
        {},
        {"functionName": None},
        {"functionName": 7},
        {"functionName": ""},
        {"functionName": "x" * 129},
        {"functionName": "add", "args": "text"},
        {"functionName": "add", "args": 7},
        {"functionName": "add", "args": [1] * 33},
        {"functionName": "add", "target": 7},
        {"functionName": "add", "target": "x" * 129},
    ],
)
def test_bad_payloads(web: FakeSocket, payload: object) -> None:
    """Scenario 63."""
    assert failure(web.ask("FUNCTION_CALL", payload)) == ("Invalid request data.", 503)
    assert failure(web.ask("FUNCTION_CALL")) == ("Invalid request data.", 503)
    assert web.connected


@pytest.mark.parametrize("name", ["__defineGetter__", "toString", "constructor", "nope"])
def test_unknown_functions(web: FakeSocket, name: str) -> None:
    body = web.ask("FUNCTION_CALL", {"requestId": "r1", "functionName": name, "target": "server"})
    assert failure(body) == (f'Function "{name}" not found.', 501)
    assert body["requestId"] == "r1"


def test_success(web: FakeSocket) -> None:
    body = web.ask("FUNCTION_CALL", {"requestId": "r1", "functionName": "add", "args": [1, 2.5], "target": "server"})
    assert body == {"requestId": "r1", "success": True, "status": "ok", "result": 3.5}
    assert "requestId" not in web.ask("FUNCTION_CALL", {"functionName": "add", "args": [1, 2]})
    assert failure(web.ask("FUNCTION_CALL", {"functionName": "add", "args": [1]})) == ("An argument is missing.", 503)


def test_a_function_that_breaks(house: Gatehouse, web: FakeSocket) -> None:
    def broken(caller: object, x: object) -> None:
        raise KeyError("inner details")

    house.calls.register("broken", Function(one_argument, broken))
    body = web.ask("FUNCTION_CALL", {"functionName": "broken", "args": [1]})
    assert failure(body) == ("An unknown error occurred.", 502)


def test_without_an_ack(web: FakeSocket) -> None:
    call = {"requestId": "r1", "functionName": "saveJsonToFile", "args": ["data/web1/x.json", {"a": 1}]}
    assert value(web.handle("FUNCTION_CALL", call, ack=False)) is None
    assert web.emitted == []
    assert value(web.handle("FUNCTION_CALL", {**call, "functionName": "nope"}, ack=False)) is None
    ((event, body),) = web.emitted
    assert (event, body["message"], body["requestId"]) == ("ERROR", 'Function "nope" not found.', "r1")


class TestFiles:
    def test_reading_a_missing_file_succeeds_outside(self, house: Gatehouse, path: Namespace) -> None:
        """[X] reads ``response.result.result.Remember_me`` without a check (contract 2.3)."""
        socket = FakeSocket(house, path).connect({"clientId": EXTENSION, "clientType": "SillyTavern"})
        body = socket.ask(
            "FUNCTION_CALL",
            {
                "requestId": "checkRememberMe",
                "target": "server",
                "functionName": "readJsonFromFile",
                "args": [f"./settings/{EXTENSION}-settings.json"],
            },
        )
        assert body["success"] is True
        assert body["result"]["success"] is False
        assert body["result"]["result"] == {}

    def test_server_settings_are_flat_and_nested(self, web: FakeSocket) -> None:
        """Scenario 7."""
        body = web.ask(
            "FUNCTION_CALL", {"functionName": "readJsonFromFile", "args": ["./settings/server_settings.json"]}
        )
        assert body["result"]["networkSafe"] is True
        assert body["result"]["result"]["networkSafe"] is True

    def test_saving(self, house: Gatehouse, web: FakeSocket) -> None:
        call = {"functionName": "saveJsonToFile", "args": ["data/web1/x.json", {"a": {"__proto__": 1, "b": 2}}]}
        assert web.ask("FUNCTION_CALL", call)["result"] == {"success": True}
        assert house.read("data/web1/x.json") == {"a": {"b": 2}}

    def test_without_a_key_everything_else_is_unauthorised(self, house: Gatehouse, path: Namespace) -> None:
        """Scenario 24."""
        house.trusts(EXTENSION)
        house.network_safe = False
        socket = FakeSocket(house, path).connect({"clientId": EXTENSION, "clientType": "SillyTavern"})
        own = {"functionName": "readJsonFromFile", "args": [f"settings/{EXTENSION}.json"]}
        assert socket.ask("FUNCTION_CALL", own)["result"]["isTrust"] is True
        for call in (
            {"functionName": "readJsonFromFile", "args": ["settings/web1.json"]},
            {"functionName": "saveJsonToFile", "args": [f"data/{EXTENSION}/x.json", {}]},
            {"functionName": "addStaticResources", "args": [{"/a": "public/app"}]},
            {"functionName": "add", "args": [1, 2]},
            {"functionName": "nope"},
            {"functionName": "f", "target": "web1"},
        ):
            assert failure(socket.ask("FUNCTION_CALL", call)) == ("Unauthorized", 6)


@pytest.mark.parametrize("args", [{"/app": "public/app"}, [{"/app": "public/app"}], ["app", {"/app": "public/app"}]])
def test_static_resources_in_every_documented_form(house: Gatehouse, web: FakeSocket, args: object) -> None:
    """Scenario 65."""
    body = web.ask("FUNCTION_CALL", {"functionName": "addStaticResources", "args": args})
    assert body["result"] == {"success": True, "results": [{"urlPath": "/app", "status": "success"}]}
    assert house.static.lookup("/app/index.html") == (house.home, "public/app/index.html")


class TestForwarding:
    @pytest.fixture
    def monitor(self, house: Gatehouse, path: Namespace) -> FakeSocket:
        return FakeSocket(house, path).connect({"clientId": "monitor", "clientType": "monitor"})

    def test_does_not_hold_up_the_next_event(self, house: Gatehouse, web: FakeSocket, monitor: FakeSocket) -> None:
        pending = monitor.handle("FUNCTION_CALL", {"requestId": "r1", "functionName": "f", "target": "web1"})
        assert isinstance(pending, Later)
        done = outcome(pending.result)
        assert monitor.ask("FUNCTION_CALL", {"functionName": "add", "args": [1, 2]})["result"] == 3
        assert not done
        house.outbox.acknowledge({"requestId": "theirs", "success": True, "result": {"result": "Hello"}})
        assert done == [[{"requestId": "r1", "success": True, "status": "ok", "result": {"result": "Hello"}}]]

    @pytest.mark.parametrize(
        ("target", "seconds", "expected"),
        [("nobody", 0, ('Target "nobody" not found.', 401)), ("web1", 30, ("Function call timed out.", 8))],
    )
    def test_failures(
        self,
        house: Gatehouse,
        web: FakeSocket,
        monitor: FakeSocket,
        target: str,
        seconds: int,
        expected: tuple[str, int],
    ) -> None:
        done = outcome(monitor.handle("FUNCTION_CALL", {"functionName": "f", "target": target}).result)
        house.clock.advance(seconds)
        assert failure(done[0][0]) == expected

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            ({"success": True, "result": 1}, {"success": True, "status": "ok", "result": 1}),
            ({"success": True}, {"success": True, "status": "ok", "result": None}),
            ({"status": "ok", "result": 1}, {"success": True, "status": "ok", "result": 1}),
            (
                {"success": True, "result": {"__proto__": 1}, "more": 2},
                {"result": {}, "more": 2, "success": True, "status": "ok"},
            ),
        ],
    )
    def test_a_callees_success(self, answer: object, expected: dict[str, Any]) -> None:
        assert relayed("r1", without_hostile_keys(answer)) == {"requestId": "r1", **expected}

    @pytest.mark.parametrize(
        ("answer", "message", "code"),
        [
            ({"success": False, "error": {"message": 'Function "nope" not found.'}}, 'Function "nope" not found.', 502),
            ({"success": False, "error": {"message": "m", "code": 501}}, "m", 501),
            ({"success": False, "error": "text"}, "text", 502),
            ({"success": False, "message": "text"}, "text", 502),
            ({"success": False, "error": {"message": {}}}, "An unknown error occurred.", 502),
            ({"success": "yes"}, "An unknown error occurred.", 502),
            ({}, "An unknown error occurred.", 502),
            (None, "An unknown error occurred.", 502),
            ([], "An unknown error occurred.", 502),
            ("ok", "An unknown error occurred.", 502),
        ],
    )
    def test_a_callees_failure(self, answer: object, message: str, code: int) -> None:
        body = relayed("r1", answer)
        assert failure(body) == (message, code)
        assert body["requestId"] == "r1"
