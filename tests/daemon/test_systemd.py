"""The notify protocol on a Clock, against a datagram socket that stands in for systemd's; and the unit file."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from configparser import RawConfigParser
from pathlib import Path
from time import CLOCK_MONOTONIC, clock_gettime_ns
from typing import Any

import pytest
from twisted.internet.task import Clock

from newage.daemon.systemd import Systemd

UNIT = Path(__file__).parent.parent.parent / "conf" / "newage.service"


class Reactor(Clock):
    """A Clock that runs when told."""

    def __init__(self) -> None:
        super().__init__()
        self._when_running: list[tuple[Callable[..., object], tuple[object, ...]]] = []

    def callWhenRunning(self, call: Callable[..., object], *args: object) -> None:
        self._when_running.append((call, args))

    def run(self) -> None:
        for call, args in self._when_running:
            call(*args)


class Manager:
    """systemd's end."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[list[str]]:
        """The datagrams since the last look, each as its lines."""
        found = []
        while True:
            try:
                found.append(self.socket.recv(4096).decode().split("\n"))
            except BlockingIOError:
                return found


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(str(tmp_path / "notify"))
    yield manager
    manager.socket.close()


def service(reactor: Any, path: object, **more: str) -> Systemd:
    return Systemd(reactor, {"NOTIFY_SOCKET": str(path), **more})


def test_ready_when_the_reactor_runs_and_stopping_at_the_end(
    reactor: Reactor, manager: Manager, tmp_path: Path
) -> None:
    notify = service(reactor, tmp_path / "notify")
    notify.startService()
    assert manager.heard() == []
    reactor.run()
    assert manager.heard() == [["READY=1", f"MAINPID={os.getpid()}", "STATUS=serving"]]
    notify.stopService()
    assert manager.heard() == [["STOPPING=1", "STATUS=stopping"]]
    assert reactor.getDelayedCalls() == []


def test_the_watchdog_is_fed_twice_as_often_as_asked(reactor: Reactor, manager: Manager, tmp_path: Path) -> None:
    notify = service(reactor, tmp_path / "notify", WATCHDOG_USEC="10000000", WATCHDOG_PID=str(os.getpid()))
    notify.startService()
    reactor.run()
    manager.heard()
    reactor.advance(4.9)
    assert manager.heard() == []
    reactor.advance(0.2)
    reactor.advance(5)
    assert manager.heard() == [["WATCHDOG=1"]] * 2
    notify.stopService()
    manager.heard()
    reactor.advance(60)
    assert manager.heard() == []


def test_it_stops_before_the_reactor_ever_ran(reactor: Reactor, manager: Manager, tmp_path: Path) -> None:
    notify = service(reactor, tmp_path / "notify", WATCHDOG_USEC="10000000")
    notify.startService()
    notify.stopService()
    manager.heard()
    reactor.run()
    assert manager.heard() == []
    assert reactor.getDelayedCalls() == []


@pytest.mark.parametrize("environ", [{}, {"WATCHDOG_USEC": "often"}, {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "1"}])
def test_no_watchdog_that_is_not_ours(
    reactor: Reactor, manager: Manager, tmp_path: Path, environ: dict[str, str]
) -> None:
    notify = service(reactor, tmp_path / "notify", **environ)
    notify.startService()
    reactor.run()
    assert reactor.getDelayedCalls() == []


def test_reloading_tells_the_time_as_systemd_counts_it(reactor: Reactor, manager: Manager, tmp_path: Path) -> None:
    notify = service(reactor, tmp_path / "notify")
    notify.startService()
    before = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
    notify.reloading()
    after = clock_gettime_ns(CLOCK_MONOTONIC) // 1000
    [[first, when, status]] = manager.heard()
    assert (first, status) == ("RELOADING=1", "STATUS=reloading")
    name, _, number = when.partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(number) <= after


def test_an_abstract_socket(reactor: Reactor) -> None:
    name = f"newage-test-{os.getpid()}"
    manager = Manager(f"\0{name}")
    notify = service(reactor, f"@{name}")
    notify.startService()
    reactor.run()
    assert manager.heard()[0][0] == "READY=1"
    manager.socket.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_without_a_socket_of_ours_nothing_is_said(reactor: Reactor, address: str) -> None:
    notify = service(reactor, address)
    notify.startService()
    reactor.run()
    notify.reloading()
    notify.stopService()
    assert reactor.getDelayedCalls() == []


def test_a_manager_that_does_not_listen_is_named_once(reactor: Reactor, tmp_path: Path, logged: Any) -> None:
    notify = service(reactor, tmp_path / "absent")
    notify.startService()
    reactor.run()
    notify.reloading()
    notify.stopService()
    assert logged() == ["systemd does not listen: No such file or directory"]


def test_a_manager_whose_queue_is_full_does_not_hold_up_the_hub(
    reactor: Reactor, manager: Manager, tmp_path: Path, logged: Any
) -> None:
    notify = service(reactor, tmp_path / "notify")
    notify.startService()
    for _ in range(2000):
        notify.ready()
    assert logged() == ["systemd does not listen: Resource temporarily unavailable"]


class TestUnitFile:
    @pytest.fixture
    def unit(self) -> RawConfigParser:
        parser = RawConfigParser(strict=False)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser.read(UNIT, "utf-8")
        return parser

    def test_it_speaks_the_protocol_and_is_restarted(self, unit: RawConfigParser) -> None:
        service = dict(unit["Service"])
        wanted = {
            "Type": "notify",
            "NotifyAccess": "main",
            "Restart": "on-failure",
            "ExecReload": "/bin/kill -HUP $MAINPID",
            "ProtectSystem": "strict",
            "NoNewPrivileges": "yes",
            "PrivateTmp": "yes",
            "StateDirectory": "newage",
        }
        assert {name: service.get(name) for name in wanted} == wanted
        assert int(service["WatchdogSec"]) > 0
        assert int(service["TimeoutStopSec"]) > 10
        assert service["ExecStart"].endswith(f"newage --home /var/lib/{service['StateDirectory']}")

    def test_systemd_accepts_it(self, tmp_path: Path) -> None:
        """Where systemd is not installed, the test above is all there is."""
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            return
        copy = tmp_path / "newage.service"
        copy.write_text(UNIT.read_text("utf-8").replace("/opt/newage/bin/twistd", "/bin/true"), "utf-8")
        done = subprocess.run([analyze, "verify", str(copy)], capture_output=True, text=True, timeout=60, check=False)
        complaints = [line for line in done.stderr.splitlines() if "newage.service" in line]
        assert (done.returncode, complaints) == (0, []), done.stderr
