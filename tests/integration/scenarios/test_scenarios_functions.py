"""Contract 13, scenarios 12, 62, 64 and 65: calls to the server and to an extension, files, resources."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answering import of_its_socket
from harness import Daemon, Driver, Hub, Socket
from homes import write_settings

pytestmark = of_its_socket("functions that it calls, and its own")
OUTSIDE = "Access denied: Path is outside the server directory."
RESTRICTED = "Access denied: File is restricted."


def called(socket: Socket, function: str, *args: Any, **more: Any) -> dict[str, Any]:
    payload = {"requestId": "c1", "target": "server", "functionName": function, "args": list(args), **more}
    reply: dict[str, Any] = socket.call("FUNCTION_CALL", payload)
    assert reply["requestId"] == "c1"
    return reply


def result(socket: Socket, function: str, *args: Any) -> dict[str, Any]:
    """The ``result`` of a call to the server; the call itself succeeds, whatever became of the file (contract 7.4)."""
    reply = called(socket, function, *args)
    assert (reply["success"], reply["status"]) == (True, "ok")
    found: dict[str, Any] = reply["result"]
    return found


@pytest.fixture
def furnished(make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path) -> Hub:
    """A hub whose home has files of every sort, links among them, and a secret beside it."""
    home = tmp_path / "home"
    write_settings(home, {"server_settings": {"networkSafe": True, "timeout": 1234, "ours": "kept"}})
    (tmp_path / "outside.json").write_text('{"secret": 1}', "utf-8")
    (home / "keys").mkdir()
    (home / "keys" / "clients.json").write_text("{}", "utf-8")
    (home / "settings" / "link.json").symlink_to(tmp_path / "outside.json")
    (home / "settings" / "inner.json").symlink_to(home / "keys" / "clients.json")
    (home / "settings" / "up").symlink_to(tmp_path)
    (home / "exampleClient" / "shop").mkdir(parents=True)
    (home / "exampleClient" / "shop" / "index.html").write_text("<title>shop</title>", "utf-8")
    (home / "exampleClient" / "shop" / "keys").symlink_to(home / "keys")
    return Hub(make_daemon(home=home), driver)


def test_scenario_12_the_extension_saves_the_server_settings(furnished: Hub) -> None:
    extension = furnished.extension()
    extension.start()
    path = "./settings/server_settings.json"
    form = {
        "serverPort": "4000",
        "serverAddress": "http://localhost",
        "networkSafe": True,
        "reconnectAttempts": 10,
        "reconnectDelay": 1000,
        "autoConnect": True,
        "extensionRooms": {},
    }
    reply = called(extension.function_call, "saveJsonToFile", path, form, requestId="c1")
    assert (reply["success"], reply["result"]) == (True, {"success": True})
    folder = furnished.daemon.home / "settings"
    stored = json.loads((folder / "server_settings.json").read_text("utf-8"))
    assert int(stored["serverPort"]) == 4000
    assert {name: stored[name] for name in form if name != "serverPort"} == {
        name: value for name, value in form.items() if name != "serverPort"
    }
    assert (stored["timeout"], stored["ours"]) == (1234, "kept"), "merged, not replaced"
    assert sorted(p.name for p in folder.iterdir()) == ["inner.json", "link.json", "server_settings.json", "up"]
    read = result(extension.function_call, "readJsonFromFile", path)
    assert (int(read["serverPort"]), read["result"]["reconnectAttempts"]) == (4000, 10)
    before = (folder / "server_settings.json").read_bytes()
    for wrong in ({"serverPort": "none"}, {"serverPort": 70000}, {"networkSafe": "perhaps"}):
        refused = result(extension.function_call, "saveJsonToFile", path, wrong)
        assert refused["success"] is False
        assert isinstance(refused["error"], str)
        assert refused["error"]
    web = furnished.client(furnished.new_id(), "/function_call")
    assert result(web, "saveJsonToFile", path, {"networkSafe": False}) == {"success": False, "error": RESTRICTED}
    assert (folder / "server_settings.json").read_bytes() == before


def test_scenario_62_a_client_calls_the_extension(hub: Hub) -> None:
    extension = hub.extension()
    extension.start()
    me = hub.new_id()
    web = hub.client(me, "/function_call", auth={"identity": f"{me}-tab"})
    reply = web.call(
        "FUNCTION_CALL",
        {"requestId": "call-1", "functionName": "myFunction1", "args": [1, 2], "target": extension.client_id},
    )
    assert (reply["requestId"], reply["success"], reply["status"]) == ("call-1", True, "ok")
    assert reply["result"] == {"result": "Hello from myFunction1"}
    received = extension.function_call.payload("FUNCTION_CALL")
    assert received == {
        "requestId": "call-1",
        "functionName": "myFunction1",
        "args": [1, 2],
        "target": extension.client_id,
        "sourceClientId": me,
        "sourceIdentity": f"{me}-tab",
    }
    unknown = called(web, "myFunction9", target=extension.client_id)
    assert (unknown["success"], unknown["status"], unknown["error"]["message"]) == (
        False,
        "error",
        'Function "myFunction9" not found.',
    )
    nobody = called(web, "myFunction1", target="nobody")
    assert (nobody["success"], nobody["error"]) == (False, {"message": 'Target "nobody" not found.', "code": 401})
    assert len(extension.function_call.all("FUNCTION_CALL")) == 2


def test_scenario_62_the_extension_calls_a_client_and_clients_do_not_call_each_other(hub: Hub) -> None:
    extension = hub.extension()
    extension.start()
    me = hub.new_id()
    answer = {"success": True, "result": [me, {"deep": None}]}
    web = hub.client(me, "/function_call", replies={"FUNCTION_CALL": [answer]})
    reply = called(extension.function_call, "show", {"a": 1}, target=me)
    assert (reply["success"], reply["result"]) == (True, [me, {"deep": None}])
    assert web.payload("FUNCTION_CALL")["sourceClientId"] == extension.client_id
    other = hub.client(hub.new_id(), "/function_call")
    refused = called(other, "show", target=me)
    assert (refused["success"], refused["error"]) == (False, {"message": "Unauthorized", "code": 6})
    web.call("FUNCTION_CALL", {"functionName": "add", "args": [1, 1]})
    assert len(web.all("FUNCTION_CALL")) == 1


def test_scenario_64_what_can_be_read(furnished: Hub) -> None:
    web = furnished.client(furnished.new_id(), "/function_call")
    allowed = result(web, "readJsonFromFile", "/settings/server_settings.json")
    assert (allowed["success"], allowed["timeout"], allowed["result"]["timeout"]) == (True, 1234, 1234)
    for path, words, code in (
        ("keys/clients.json", RESTRICTED, 202),
        ("./keys/clients.json", RESTRICTED, 202),
        ("/keys/clients.json", RESTRICTED, 202),
        ("settings/../keys/clients.json", RESTRICTED, 202),
        ("logs/combined.log", RESTRICTED, 202),
        ("settings/server_settings.txt", RESTRICTED, 202),
        ("../outside.json", OUTSIDE, 201),
        ("settings/../../outside.json", OUTSIDE, 201),
        ("settings/link.json", OUTSIDE, 201),
        ("settings/up/outside.json", None, None),
        ("settings/inner.json", None, None),
    ):
        refused = result(web, "readJsonFromFile", path)
        assert (refused["success"], refused["result"]) == (False, {}), path
        if words is not None:
            assert refused["error"] == {"message": words, "code": code}, path
        assert "secret" not in json.dumps(refused)
        assert str(furnished.daemon.home) not in json.dumps(refused), "no absolute path is told"
    odd: Any
    for odd in ("settings/a\x00.json", "C:\\settings\\server_settings.json", 7, None, {}, ["settings"], "", "/"):
        reply = called(web, "readJsonFromFile", odd)
        assert reply["success"] is False or reply["result"]["success"] is False, odd
    missing = result(web, "readJsonFromFile", "settings/not-there.json")
    assert missing["error"] == {"message": "ENOENT: no such file or directory", "code": "ENOENT"}


def test_scenario_65_static_resources(furnished: Hub) -> None:
    web = furnished.client(furnished.new_id(), "/function_call")
    daemon = furnished.daemon
    assert daemon.get("/shop/").status == 404
    payload = {"requestId": "s1", "functionName": "addStaticResources", "args": {"/shop": "exampleClient/shop"}}
    reply = web.call("FUNCTION_CALL", payload)
    assert reply["result"] == {"success": True, "results": [{"urlPath": "/shop", "status": "success"}]}
    answer = daemon.get("/shop/index.html")
    assert (answer.status, answer.body) == (200, b"<title>shop</title>")
    assert daemon.get("/shop/").status == 200
    mixed = {
        "/again": "exampleClient/shop",
        "/k": "keys",
        "/s": "settings",
        "/lib": "exampleClient/shop",
        "x": "public",
    }
    results = result(web, "addStaticResources", "app", mixed)
    assert results["success"] is False
    outcome = {entry["urlPath"]: entry["status"] for entry in results["results"]}
    assert outcome == {"/again": "success", "/k": "error", "/s": "error", "/lib": "error", "x": "error"}
    messages = {entry["urlPath"]: entry.get("message") for entry in results["results"]}
    assert messages["/k"] == RESTRICTED
    assert daemon.get("/again/index.html").status == 200
    for path in ("/k/clients.json", "/s/server_settings.json", "/shop/keys/clients.json", "/shop/../keys/clients.json"):
        assert daemon.get(path).status == 404, path
    assert result(web, "addStaticResources", {"/up": "exampleClient/../keys"})["success"] is False
    assert result(web, "addStaticResources", {"/out": "../"})["success"] is False
