"""Contract 13, scenarios 66 and 67: logs by entry, debug mode, live status."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from answering import of_its_socket
from harness import Daemon, Driver, Hub, Socket

FIRST_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] \[llm-server\]")
SECRET = "a-key-that-nobody-may-read"


def monitor(hub: Hub) -> Socket:
    return hub.monitor("/debug")


@pytest.fixture
def chatty(make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path) -> Hub:
    """A hub with errors, warnings and information in its log: a broken settings file, some refusals, some clients."""
    home = tmp_path / "home"
    (home / "settings").mkdir(parents=True)
    (home / "settings" / "server_settings.json").write_text("{ this is not JSON", "utf-8")
    hub = Hub(make_daemon(home=home), driver)
    for n in range(3):
        hub.open("/llm", {"clientId": f"bad/{n}\nforged [error] [llm-server]: line", "key": SECRET}).refusal()
    hub.client(hub.new_id()).fence()
    return hub


def test_scenario_66_warnings_and_errors_only(chatty: Hub) -> None:
    debug = monitor(chatty)

    def read(**query: Any) -> dict[str, Any]:
        reply: dict[str, Any] = debug.call("READ_LOG", {"filename": "combined.log", **query})
        assert (reply["status"], reply["success"]) == ("ok", True), reply
        return reply

    page = read(level="warn", pageSize=100)
    levels = [FIRST_LINE.match(entry) for entry in page["lines"]]
    assert all(levels), "every entry begins with its first line"
    found = [match.group(1) for match in levels if match]
    assert set(found) == {"warn", "error"}
    assert (page["total"], page["page"], page["pageSize"], page["level"]) == (len(found), 1, 100, "warn")
    refusals = [entry for entry in page["lines"] if "Invalid client id." in entry]
    assert len(refusals) == 3
    everything = read(level="all", pageSize=100)
    assert everything["total"] > page["total"]
    assert [entry for entry in everything["lines"] if FIRST_LINE.match(entry)] == everything["lines"]
    severe = [entry for entry in everything["lines"] if re.search(r"^\S+ \S+ \[(warn|error)\]", entry)]
    assert severe[: len(page["lines"])] == page["lines"], "the same entries, whole, in the same order"
    assert {e.split()[2] for e in read(level="error", pageSize=100)["lines"]} == {"[error]"}
    assert SECRET not in json.dumps(everything)
    singles = [read(level="warn", page=n + 1, pageSize=1)["lines"] for n in range(page["total"])]
    assert [line for lines in singles for line in lines] == page["lines"]
    past = read(level="warn", page=page["total"] + 50, pageSize=1)
    assert (past["lines"], past["total"]) == ([], page["total"])
    assert read(level="warn", pageSize=100, order="desc")["lines"] == page["lines"][::-1]
    only = debug.call("READ_LOG", {"filename": "warn.log", "pageSize": 100})
    assert {entry.split()[2] for entry in only["lines"]} == {"[warn]"}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "Invalid filename"),
        ({"filename": "../keys/clients.json"}, "Invalid filename"),
        ({"filename": ["combined.log"]}, "Invalid filename"),
        ({"filename": {}}, "Invalid filename"),
        ({"filename": "audit.jsonl"}, "Invalid filename"),
        ({"filename": "combined.log", "level": "loud"}, "Invalid level Options"),
        ({"filename": "combined.log", "level": ["warn"]}, "Invalid level Options"),
        ({"filename": "combined.log", "page": 0}, "Invalid page number"),
        ({"filename": "combined.log", "page": "first"}, "Invalid page number"),
        ({"filename": "combined.log", "pageSize": 101}, "Invalid page size (must be between 1 and 100)"),
        ({"filename": "combined.log", "pageSize": True}, "Invalid page size (must be between 1 and 100)"),
        (None, "Invalid filename"),
        ("combined.log", "Invalid request data."),
    ],
    ids=str,
)
def test_scenario_66_what_cannot_be_read_is_answered(hub: Hub, query: Any, words: str) -> None:
    debug = monitor(hub)
    reply = debug.call("READ_LOG", query)
    assert (reply["status"], reply["success"], reply["message"]) == ("error", False, words)
    assert reply["error"]["message"] == words
    assert debug.call("SERVER_STATUS")["status"] == "ok"


def test_scenario_67_debug_mode_is_told_before_it_is_acked(hub: Hub) -> None:
    one, two = monitor(hub), hub.open("/debug", {"clientType": "SillyTavern", "clientId": "SillyTavern-77"}).connected()
    assert status(one)["debugMode"] is False
    for n, mode in enumerate((True, False)):
        actor, other = (one, two) if mode else (two, one)
        reply = actor.call("TOGGLE_DEBUG_MODE")
        assert (reply["status"], reply["debugMode"]) == ("ok", mode)
        told = actor.payloads("DEBUG_MODE_CHANGED")
        assert told[n:] == [{"debugMode": mode}], "it came before the ack"
        other.wait("DEBUG_MODE_CHANGED", lambda body, mode=mode: body == {"debugMode": mode})
        assert status(other)["debugMode"] is mode
    assert two.payloads("DEBUG_MODE_CHANGED") == [{"debugMode": True}, {"debugMode": False}]


def status(socket: Socket) -> dict[str, Any]:
    reply = socket.call("SERVER_STATUS", {})
    assert reply["status"] == "ok"
    found: dict[str, Any] = reply["serverStatus"]
    return found


@of_its_socket("the list of those that have connected")
def test_scenario_67_the_status_is_live(make_daemon: Callable[..., Daemon], driver: Driver) -> None:
    hub = Hub(make_daemon("--ephemeral"), driver)
    debug = monitor(hub)
    before = status(debug)
    assert (before["implementation"], before["networkSafe"], before["connectionPolicy"]) == ("newage", True, "Free")
    assert (before["serverPort"], before["messageRequestMode"]) == (hub.daemon.port, "Default")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", before["startTime"])
    extension = hub.extension(kind="silent").start_quickly()
    web = hub.client(hub.new_id())
    asked = {"requestId": hub.new_id("q"), "message": "m", "target": extension.client_id}
    assert web.call("LLM_REQUEST", asked)["status"] == "ok"
    after = status(debug)
    assert extension.client_id in after["connectedExtensions"]
    assert (before["liveRequests"], after["liveRequests"]) == (0, 1)
    assert after["uptimeSeconds"] >= before["uptimeSeconds"]
    assert after["memoryRssBytes"] > 1_000_000
