"""The socket in the home: who may speak on it, what it answers, its bounds, how it comes and goes."""

from __future__ import annotations

import json
import os
import socket
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from deferreds import value
from logkit import Logged
from newage.daemon.control import (
    FOLDER,
    MAX_PATH_BYTES,
    SOCKET,
    Address,
    Control,
    ControlFactory,
    ControlSettings,
    user_of,
)
from newage.errors import BadParameter, ConfigError

ME = 1000


class Desk:
    """A factory whose connections end in memory, and what it was asked."""

    def __init__(self, user: int | None = ME, **settings: Any) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.clock = Clock()
        self.slow: Deferred[dict[str, Any]] | None = None
        self.user = user
        settings = {"max_line_bytes": 256, "idle_seconds": 10, **settings}
        self.factory = ControlFactory(
            self.handle,
            ControlSettings(**settings),
            self.clock,
            lambda: frozenset({0, ME}),
            lambda transport: self.user,
        )

    async def handle(self, command: Mapping[str, Any]) -> dict[str, Any]:
        self.asked.append(command)
        if command.get("do") == "refuse":
            raise BadParameter("no; do this instead")
        if command.get("do") == "break":
            raise ZeroDivisionError
        if self.slow is not None:
            return await self.slow
        return {"done": command.get("do")}

    def connect(self) -> tuple[Any, StringTransport]:
        protocol, transport = self.factory.buildProtocol(None), StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport


def said(transport: StringTransport) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in transport.value().splitlines()]
    transport.clear()
    return lines


def test_a_command_a_line_an_answer_a_line() -> None:
    desk = Desk()
    protocol, transport = desk.connect()
    for chunk in (b'{"do": "on', b'e"}\n', b'{"do": "two"}\n'):
        protocol.dataReceived(chunk)
    assert said(transport) == [{"done": "one"}, {"done": "two"}]
    assert not transport.disconnecting


def test_failures_are_answered_in_their_own_words(logged: Logged) -> None:
    desk = Desk()
    protocol, transport = desk.connect()
    protocol.dataReceived(b'{"do": "refuse"}\n')
    protocol.dataReceived(b'{"do": "break"}\n')
    assert said(transport) == [
        {"error": "no; do this instead"},
        {"error": "the hub failed at it; its log has the details"},
    ]
    assert logged() == ["the operator's command broke"]


@pytest.mark.parametrize("line", [b"hello\n", b"[1]\n", b"\xff\n", b"\n", b"NaN\n", b'{"do":"one"}\n{"do":"two"}\n'])
def test_what_is_no_command_ends_the_connection(line: bytes) -> None:
    desk = Desk()
    desk.slow = Deferred()
    protocol, transport = desk.connect()
    protocol.dataReceived(line)
    (answer,) = said(transport)
    assert "one JSON object on one line" in answer["error"]
    assert transport.disconnecting
    assert len(desk.asked) <= 1


def test_a_command_has_so_many_bytes() -> None:
    for chunk in (b"x" * 300, b"x" * 300 + b"\n"):
        desk = Desk()
        protocol, transport = desk.connect()
        protocol.dataReceived(chunk)
        assert said(transport) == [{"error": "a command has at most 256 bytes"}]
        assert transport.disconnecting
        assert desk.asked == []


def test_there_are_so_many_at_once() -> None:
    desk = Desk(max_connections=2)
    first, _ = desk.connect()
    desk.connect()
    assert desk.factory.buildProtocol(None) is None
    first.connectionLost()
    assert desk.factory.buildProtocol(None) is not None


def test_silence_ends_it_but_an_answer_may_take_its_time() -> None:
    desk = Desk()
    protocol, transport = desk.connect()
    desk.clock.advance(9)
    desk.slow = Deferred()
    protocol.dataReceived(b'{"do": "one"}\n')
    desk.clock.advance(100)
    assert not transport.disconnected
    desk.slow.callback({"done": True})
    assert said(transport) == [{"done": True}]
    desk.clock.advance(10)
    assert transport.disconnected
    protocol.connectionLost()
    assert desk.clock.getDelayedCalls() == []


def test_an_answer_to_who_is_gone_goes_nowhere() -> None:
    desk = Desk()
    desk.slow = Deferred()
    protocol, transport = desk.connect()
    protocol.dataReceived(b'{"do": "one"}\n')
    protocol.connected = 0
    protocol.connectionLost()
    desk.slow.callback({"done": True})
    assert transport.value() == b""
    assert desk.clock.getDelayedCalls() == []


@pytest.mark.parametrize(("user", "heard"), [(ME, True), (0, True), (None, True), (ME + 1, False), (65_534, False)])
def test_other_users_of_the_system_are_not_heard(user: int | None, heard: bool, logged: Logged) -> None:
    desk = Desk(user)
    protocol, transport = desk.connect()
    protocol.dataReceived(b'{"do": "one"}\n')
    assert bool(desk.asked) is bool(said(transport)) is heard
    assert transport.disconnected is not heard
    assert logged() == ([] if heard else [f"user {user} of this system was refused on the control socket"])


def test_the_kernel_says_who_it_is() -> None:
    class Transport:
        def __init__(self, handle: socket.socket) -> None:
            self.getHandle = lambda: handle

    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert user_of(Transport(here)) == os.geteuid()


# ------------------------------------------------------------------------------------------------------------- service


async def answer(command: Mapping[str, Any]) -> dict[str, Any]:
    return dict(command)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / FOLDER).mkdir(mode=0o755)
    return tmp_path


def test_the_socket_is_the_hubs_users_alone(home: Path) -> None:
    before = os.umask(0)
    try:
        control = Control(reactor, ControlSettings(), home, answer)
        control.startService()
        path = home / FOLDER / SOCKET
        assert stat.S_ISSOCK(path.stat().st_mode)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert os.umask(0) == 0
        value_of_stop(control)
    finally:
        os.umask(before)


def value_of_stop(control: Control) -> None:
    """Stopping waits for a turn of the reactor, which does not run here: the port is closed by hand."""
    port = control._port
    stopping = control.stopService()
    port.connectionLost(None)
    stopping.addErrback(lambda failure: None)


def test_with_everything_in_memory_there_is_none() -> None:
    control = Control(reactor, ControlSettings(), None, answer)
    control.startService()
    assert value(control.stopService()) is None


def test_what_a_dead_hub_left_is_replaced(home: Path) -> None:
    path = home / FOLDER / SOCKET
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    control = Control(reactor, ControlSettings(), home, answer)
    control.startService()
    with socket.socket(socket.AF_UNIX) as operator:
        operator.connect(str(path))
    value_of_stop(control)
    assert not path.exists()


def test_a_home_with_a_long_name(tmp_path: Path) -> None:
    home = tmp_path / ("x" * 100) / ("y" * 100)
    (home / FOLDER).mkdir(parents=True)
    control = Control(reactor, ControlSettings(), home, answer)
    control.startService()
    path = home / FOLDER / SOCKET
    assert len(str(path)) > MAX_PATH_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    address = Address(home)
    with socket.socket(socket.AF_UNIX) as operator:
        operator.connect(address.path)
    address.close()
    value_of_stop(control)
    assert not path.exists()


def test_a_folder_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    control = Control(reactor, ControlSettings(), tmp_path, answer)
    with pytest.raises(ConfigError, match=rf"{FOLDER}/{SOCKET} cannot be made .*--home"):
        control.startService()


def test_a_folder_in_the_place_of_the_socket_is_named(home: Path) -> None:
    (home / FOLDER / SOCKET).mkdir()
    with pytest.raises(ConfigError, match=rf"{SOCKET} cannot be made"):
        Control(reactor, ControlSettings(), home, answer).startService()
