"""``/debug``: the debug mode, the status and the logs, for staff alone (contract 3.8, 10; scenarios 66, 67)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hubkit import HandSocket, Kit, faults, handled
from newage.daemon.workers import InlineWorkers
from newage.dialect import server
from newage.domain.model import ConnectionPolicy, RequestMode
from newage.domain.status import HubStatus
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.debug import DebugEvents
from newage.services.home.diagnostics import Diagnostics
from newage.services.home.log_reader import LogReader, LogReaderSettings
from newage.settings import Live

STATUS = HubStatus(
    port=8000,
    address=None,
    network_safe=True,
    started="2026-01-02 03:04:05",
    uptime=61,
    version="1",
    clients=2,
    extensions=("X",),
    rooms=3,
    live_requests=4,
    open_outputs=5,
    policy=ConnectionPolicy.FREE,
    default_mode=RequestMode.DEFAULT,
    memory_bytes=6,
)
OK = {"status": "ok", "success": True}
LOG = """2026-01-02 03:04:05 [info] [llm-server] [CONFIG_LOADED]: loaded
2026-01-02 03:04:06 [warn] [llm-server]: careful
  {"more": 1}
2026-01-02 03:04:07 [error] [llm-server] [2]: broken
2026-01-02 03:04:08 [debug] [llm-server]: detail
"""
LINES = [
    "2026-01-02 03:04:05 [info]",
    "2026-01-02 03:04:06 [warn]",
    "2026-01-02 03:04:07 [error]",
    "2026-01-02 03:04:08 [debug]",
]


def refuse(*args: Any) -> None:
    raise AssertionError("nobody connects here")


@pytest.fixture
def levels() -> list[bool]:
    """What the level of the logs was switched to."""
    return []


@pytest.fixture
def diagnostics(kit: Kit, tmp_path: Path, levels: list[bool]) -> Diagnostics:
    (tmp_path / "combined.log").write_text(LOG)
    reader = LogReader(tmp_path, InlineWorkers(), Live(LogReaderSettings()))
    return Diagnostics(outbox=kit.outbox, status=lambda actor: STATUS, logs=reader, set_debug=levels.append)


@pytest.fixture
def debug(diagnostics: Diagnostics) -> Namespace:
    namespace = Namespace("/debug", connect=refuse, disconnected=refuse)
    namespace.add(DebugEvents(diagnostics=diagnostics).handlers())
    return namespace


@pytest.fixture
def connect(kit: Kit) -> Callable[..., HandSocket]:
    def make(who: str = "monitor", client_type: str = "monitor", **more: Any) -> HandSocket:
        return HandSocket(kit, kit.connect(who, "/debug", client_type=client_type, **more))

    return make


def test_everybody_there_hears_of_the_switch_before_the_ack(
    kit: Kit, debug: Namespace, connect: Callable[..., HandSocket], levels: list[bool]
) -> None:
    first, second = connect(), connect("SillyTavern-1", "SillyTavern", sensitive=True)
    elsewhere = kit.connect("monitor", "/rooms", client_type="monitor")
    heard: list[int] = []
    kit.outbox.on_sent = lambda sent: heard.append(len(levels))
    for on in (True, False):
        assert handled(debug, first, "TOGGLE_DEBUG_MODE") == {**OK, "debugMode": on}
        status = handled(debug, second, "SERVER_STATUS")
        assert status == {**OK, "serverStatus": server.status(STATUS, debug_mode=on)}
    for socket in (first, second):
        assert kit.outbox.got(socket.sid) == [
            (socket.sid, "DEBUG_MODE_CHANGED", ({"debugMode": True},)),
            (socket.sid, "DEBUG_MODE_CHANGED", ({"debugMode": False},)),
        ]
    assert kit.outbox.got(elsewhere) == []
    assert levels == [True, False]
    assert heard == [1, 1, 2, 2], "the level is raised before anybody hears of it"


def test_the_operator_switches_it_too(kit: Kit, diagnostics: Diagnostics, connect: Callable[..., HandSocket]) -> None:
    socket = connect()
    diagnostics.operator_switches(True)
    assert diagnostics.debug_mode
    assert kit.outbox.bodies(socket.sid, "DEBUG_MODE_CHANGED") == [{"debugMode": True}]


@pytest.mark.parametrize("event", ["TOGGLE_DEBUG_MODE", "SERVER_STATUS", "READ_LOG"])
@pytest.mark.parametrize(
    ("client_type", "sensitive"), [("monitor", False), ("SillyTavern", False), ("web-app", False), ("web-app", True)]
)
def test_who_may_not_hears_so(
    kit: Kit,
    debug: Namespace,
    connect: Callable[..., HandSocket],
    levels: list[bool],
    event: str,
    client_type: str,
    sensitive: bool,
) -> None:
    ack = handled(debug, connect("somebody", client_type, sensitive=sensitive), event, {"filename": "combined.log"})
    assert (ack["status"], ack["message"], ack["errorCode"]) == ("error", "Unauthorized", 6)
    assert levels == []
    assert kit.outbox.sent == []


# ---------------------------------------------------------------------------------------------------------------- logs


@pytest.mark.parametrize(
    ("level", "shown"),
    [
        (None, [0, 1, 2, 3]),
        ("all", [0, 1, 2, 3]),
        ("debug", [0, 1, 2, 3]),
        ("info", [0, 1, 2]),
        ("warn", [1, 2]),
        ("error", [2]),
    ],
)
def test_a_level_and_what_is_more_severe(
    debug: Namespace, connect: Callable[..., HandSocket], level: str | None, shown: list[int]
) -> None:
    ack = handled(debug, connect(), "READ_LOG", {"filename": "combined.log", "level": level})
    assert [line[: len(LINES[n])] for line, n in zip(ack["lines"], shown, strict=True)] == [LINES[n] for n in shown]
    assert (ack["total"], ack["page"], ack["pageSize"], ack["level"]) == (len(shown), 1, 10, level or "all")


def test_an_entry_keeps_its_further_lines(debug: Namespace, connect: Callable[..., HandSocket]) -> None:
    ack = handled(debug, connect(), "READ_LOG", {"filename": "combined.log", "level": "warn"})
    assert ack["lines"][0].endswith('careful\n  {"more": 1}')


def test_pages_in_either_order(debug: Namespace, connect: Callable[..., HandSocket]) -> None:
    monitor = connect()
    query = {"filename": "combined.log", "pageSize": 3}
    pages = [handled(debug, monitor, "READ_LOG", {**query, "page": n}) for n in (1, 2, 3)]
    assert [len(page["lines"]) for page in pages] == [3, 1, 0]
    assert {page["total"] for page in pages} == {4}
    down = handled(debug, monitor, "READ_LOG", {**query, "order": "desc"})["lines"]
    up = [*pages[0]["lines"], *pages[1]["lines"]]
    assert down == up[::-1][:3]


def test_a_log_that_is_not_there_is_empty(debug: Namespace, connect: Callable[..., HandSocket]) -> None:
    ack = handled(debug, connect(), "READ_LOG", {"filename": "warn.log"})
    assert (ack["status"], ack["lines"], ack["total"]) == ("ok", [], 0)


NAMED = {"filename": "combined.log"}


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (None, "Invalid filename"),
        ({}, "Invalid filename"),
        ({"filename": "../settings/server_settings.json"}, "Invalid filename"),
        ({"filename": ["combined.log"]}, "Invalid filename"),
        ({"filename": "audit.jsonl"}, "Invalid filename"),
        ({**NAMED, "level": "loud"}, "Invalid level Options"),
        ({**NAMED, "level": ["warn"]}, "Invalid level Options"),
        ({**NAMED, "page": 0}, "Invalid page number"),
        ({**NAMED, "page": "1"}, "Invalid page number"),
        ({**NAMED, "page": True}, "Invalid page number"),
        ({**NAMED, "page": 1.5}, "Invalid page number"),
        ({**NAMED, "pageSize": 0}, "Invalid page size (must be between 1 and 100)"),
        ({**NAMED, "pageSize": 101}, "Invalid page size (must be between 1 and 100)"),
        ({**NAMED, "pageSize": {}}, "Invalid page size (must be between 1 and 100)"),
        ("combined.log", "Invalid request data."),
        ([], "Invalid request data."),
        (7, "Invalid request data."),
    ],
)
def test_what_cannot_be_read(debug: Namespace, connect: Callable[..., HandSocket], payload: Any, words: str) -> None:
    monitor = connect()
    found: list[Any] = []
    assert faults(lambda: found.append(handled(debug, monitor, "READ_LOG", payload))) == []
    assert (found[0]["status"], found[0]["success"], found[0]["message"]) == ("error", False, words)


def test_the_end_of_the_last_page_is_a_hundred(debug: Namespace, connect: Callable[..., HandSocket]) -> None:
    assert handled(debug, connect(), "READ_LOG", {**NAMED, "pageSize": 100})["pageSize"] == 100


def test_without_an_ack_only_the_switch_does_something(
    kit: Kit, debug: Namespace, connect: Callable[..., HandSocket], levels: list[bool]
) -> None:
    monitor = connect()
    for event in ("SERVER_STATUS", "READ_LOG"):
        assert handled(debug, monitor, event, None, ack=False) is None
    assert kit.outbox.sent == []
    payloads: list[Any] = [None, {}, "x", [1]]
    for odd in payloads:
        assert handled(debug, monitor, "TOGGLE_DEBUG_MODE", odd, ack=False) is None
    assert levels == [True, False, True, False]
