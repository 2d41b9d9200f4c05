"""What the console offers, on a hub of services without a network."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway_doubles import Site
from hubkit import STATUS, Kit
from logkit import Logged
from newage.assembly.core import make_core
from newage.assembly.inspection import BANNER, Inspection, Text
from newage.config import Config, ServerSettings
from newage.dialect import server
from newage.gateway.engineio.connection import Connection
from newage.services.requests.limits import RequestSettings


class Console:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.ends: list[Any] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def at_end(self, call: Any) -> None:
        self.ends.append(call)


@pytest.fixture
def kit() -> Any:
    kit = Kit()
    yield kit
    kit.close()


def names_of(kit: Kit, console: Console, **sockets: Connection) -> Any:
    """The names of a console on a kit; ``sockets`` by identity."""
    connections = {
        caller.sid: SimpleNamespace(connection=connection)
        for identity, connection in sockets.items()
        for caller in kit.sessions.all_callers(identity)
    }
    core: Any = SimpleNamespace(
        hub=SimpleNamespace(socket=connections.get),
        accounts=SimpleNamespace(),
        calls=SimpleNamespace(),
        people=SimpleNamespace(sessions=kit.sessions),
        talk=kit.talk,
        status=lambda: STATUS,
        diagnostics=SimpleNamespace(debug_mode=False),
    )
    return Inspection(core).namespace(console)  # type: ignore[arg-type]


def test_every_name_of_the_banner_is_there(kit: Kit) -> None:
    names = names_of(kit, Console())
    assert {"hub", "rooms", "sessions", "streams", "requests", "core"} <= names.keys()
    for name in names:
        assert name in BANNER
    assert names["status"]() == server.status(STATUS, debug_mode=False)


def test_a_real_core_has_all_that_is_offered(tmp_path: Path) -> None:
    config = Config(server=ServerSettings(home=str(tmp_path), ephemeral=True))
    reactor: Any = Clock()
    reactor.callFromThread = lambda call, *args: call(*args)
    core = make_core(config, reactor, set_debug=lambda on: None, log_folder=None, port=lambda: 0)
    names = Inspection(core).namespace(Console())  # type: ignore[arg-type]
    assert names["status"]()["implementation"] == "newage"
    assert repr(names["who"]()) == "nobody"
    core.counters.add("log_entries_lost", 3)
    assert names["counts"]() == {"log_entries_lost": 3}
    assert names["change"](names["requests"], request_rate=3).request_rate == 3
    assert core.basis.live.requests.value.request_rate == 3
    everything = names["core"]
    assert everything.assignments is core.talk.assignments
    assert everything.calls is core.calls.calls
    assert everything.diagnostics.debug_mode is False
    assert {"keys", "auth", "streams", "static", "engines"} <= set(dir(everything))
    with pytest.raises(AttributeError):
        _ = everything.nothing


class TestWho:
    def test_sessions_with_sockets_and_rooms(self, kit: Kit) -> None:
        kit.connect("web1")
        kit.connect("web1", "/rooms")
        kit.extension()
        kit.group("lobby", "web1")
        kit.disconnect_all("SillyTavern-8000")
        lines = repr(names_of(kit, Console())["who"]()).splitlines()
        assert lines == [
            "web1 [client] of web1: /llm /rooms; rooms: web1, lobby",
            "SillyTavern-8000 [extension] of SillyTavern-8000: (in its grace); rooms: SillyTavern-8000",
        ]

    def test_so_many(self, kit: Kit) -> None:
        for number in range(5):
            kit.connect(f"web{number}")
        lines = names_of(kit, Console())["who"](3).splitlines()
        assert len(lines) == 4
        assert lines[-1] == "... and 2 more; who(limit) shows them"


class TestTrace:
    def test_the_packets_of_a_session(self, kit: Kit) -> None:
        kit.connect("web1")
        console, (connection, sink) = Console(), Site().open()
        names = names_of(kit, console, web1=connection)
        assert repr(names["trace"]("web1")) == "tracing 1 connections of web1"
        connection.send_text(b"4a")
        assert console.lines == ["web1#0 -> 4a"]
        names["untrace"]()
        connection.send_text(b"4b")
        assert console.lines == ["web1#0 -> 4a"]
        assert sink.take() == [b"4a", b"4b"]

    def test_it_ends_with_the_console(self, kit: Kit) -> None:
        kit.connect("web1")
        console, (connection, _) = Console(), Site().open()
        names_of(kit, console, web1=connection)["trace"]("web1")
        for end in console.ends:
            end()
        connection.send_text(b"4a")
        assert console.lines == []

    def test_nobody(self, kit: Kit) -> None:
        assert "who() lists them" in names_of(kit, Console())["trace"]("web9")


class TestChange:
    def test_other_settings_checked_and_told(self, kit: Kit, logged: Logged) -> None:
        change = names_of(kit, Console())["change"]
        assert change(kit.requests, request_rate=3) == RequestSettings(request_rate=3)
        assert kit.live.requests.value.request_rate == 3
        [fact] = logged.audited()
        assert (fact["action"], fact["service"], fact["request_rate"]) == ("manhole.change", "RequestService", 3)

    def test_an_unknown_one_changes_nothing(self, kit: Kit) -> None:
        before = kit.live.requests.value
        with pytest.raises(TypeError):
            names_of(kit, Console())["change"](kit.requests, request_rat=3)
        assert kit.live.requests.value is before


def test_text_is_shown_as_it_is() -> None:
    assert repr([Text("a\nb")]) == "[a\nb]"
