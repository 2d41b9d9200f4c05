"""The daemon as a system service: what it tells systemd, through a socket that stands in for systemd's."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Daemon

PATIENCE = 20


class Manager:
    """systemd's end of the notify socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.settimeout(PATIENCE)

    def wait_for(self, first: str) -> list[str]:
        """The next datagram that begins with this line; watchdogs may come between."""
        while True:
            lines = self.socket.recv(4096).decode().split("\n")
            if lines[0] == first:
                return lines
            assert lines == ["WATCHDOG=1"], lines


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setenv("WATCHDOG_USEC", "200000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    yield manager
    manager.socket.close()


def test_a_life_under_systemd(tmp_path: Path, manager: Manager) -> None:
    daemon = Daemon(tmp_path / "home").start()
    assert daemon.process is not None
    try:
        ready = manager.wait_for("READY=1")
        assert f"MAINPID={daemon.process.pid}" in ready
        assert daemon.get("/").status == 200
        for _ in range(3):
            assert manager.wait_for("WATCHDOG=1") == ["WATCHDOG=1"]
        os.kill(daemon.process.pid, signal.SIGHUP)
        assert manager.wait_for("RELOADING=1")[1].startswith("MONOTONIC_USEC=")
        manager.wait_for("READY=1")
        daemon.process.send_signal(signal.SIGTERM)
        assert manager.wait_for("STOPPING=1") == ["STOPPING=1", "STATUS=stopping"]
    finally:
        daemon.stop()


def test_a_stuck_reactor_stops_feeding_the_watchdog(tmp_path: Path, manager: Manager) -> None:
    daemon = Daemon(tmp_path / "home").start()
    assert daemon.process is not None
    try:
        manager.wait_for("READY=1")
        manager.wait_for("WATCHDOG=1")
        os.kill(daemon.process.pid, signal.SIGSTOP)
        manager.socket.settimeout(1)  # ten times the interval
        with pytest.raises(TimeoutError):
            while True:  # what was sent before the stop
                manager.wait_for("WATCHDOG=1")
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
        daemon.stop()
