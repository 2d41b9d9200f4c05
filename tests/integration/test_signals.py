"""SIGHUP to the daemon: all of a new configuration or nothing of it, and the files of whom it trusts."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import LISTENING, Daemon, Driver, Hub, Lines, daemon_environment, request, twistd_command
from homes import write_settings

PATIENCE = 20


class Operator:
    """A daemon with a configuration file, and the hand that edits and signals."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "newage.toml"
        self.home = folder / "home"
        self.write("[requests]\nrequest_rate = 100\n")
        self.daemon = Daemon(self.home, "--config", str(self.config))
        self.seen = 0  # lines of its output

    def write(self, text: str) -> None:
        self.config.write_text(text, "utf-8")

    def hangup(self, told: str) -> str:
        """SIGHUP; the line of the audit log entry it leads to, and all lines since the last one."""
        assert self.daemon.process is not None
        assert self.daemon.log is not None
        os.kill(self.daemon.process.pid, signal.SIGHUP)
        assert self.daemon.log.wait_for(re.compile(told), PATIENCE, self.seen), self.daemon.output()
        lines = self.daemon.log.lines[self.seen :]
        self.seen = len(self.daemon.log.lines)
        return "\n".join(lines)

    def audit(self) -> list[dict[str, object]]:
        self.daemon.get("/")  # answered in a later turn than what was just logged: that is in the file then
        lines = map(json.loads, (self.home / "logs" / "audit.jsonl").read_text("utf-8").splitlines())
        return [line for line in lines if line["action"] == "config.reload"]


@pytest.fixture
def operator(tmp_path: Path) -> Iterator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    operator.daemon.end()


def rate_is_exceeded(hub: Hub) -> bool:
    """Whether three questions are too many."""
    web = hub.client(hub.new_id())
    answers = [web.call("LLM_REQUEST", request(hub.new_id("r"))) for _ in range(3)]
    return any(answer["message"] == "Too many requests." for answer in answers)


def test_a_right_configuration_is_taken_over(operator: Operator, driver: Driver) -> None:
    hub = Hub(operator.daemon.start(), driver)
    assert not rate_is_exceeded(hub)
    operator.write("[requests]\nrequest_rate = 2\n[web]\nmax_connections_per_address = 77\n")
    said = operator.hangup(r"config\.reload changed=requests\.request_rate")
    assert "These take effect with the next start: web.max_connections_per_address" in said
    assert rate_is_exceeded(hub)
    operator.hangup(r"config\.reload changed=nothing restart=web\.max_connections_per_address")
    driver.reset()
    assert [line["outcome"] for line in operator.audit()] == ["ok", "ok"]


WRONG = {
    "no toml": "[requests]\nrequest_rate = 2\nnonsense",
    "unknown key": "[requests]\nrequest_rate = 2\nrequest_rat = 3\n",
    "out of range": "[requests]\nrequest_rate = 2\n[web]\ntrusted_networks = ['no network']\n",
    "wrong type": "[requests]\nrequest_rate = 2\n[sessions]\nsession_grace_ms = 'long'\n",
}


def test_a_wrong_configuration_changes_nothing(operator: Operator, driver: Driver) -> None:
    hub = Hub(operator.daemon.start(), driver)
    for text in WRONG.values():
        operator.write(text)
        said = operator.hangup("config.reload - failed: ")
        assert "changed=" not in said
        assert not rate_is_exceeded(hub)
    operator.config.unlink()
    operator.hangup("config.reload - failed: .*cannot be read")
    assert not rate_is_exceeded(hub)
    driver.reset()
    assert {line["outcome"] for line in operator.audit()} == {"failed"}
    assert operator.daemon.get("/").status == 200


def test_whom_the_hub_trusts_is_read_again(operator: Operator, driver: Driver) -> None:
    """Neither the watch nor a look for an unknown name has come before."""
    write_settings(operator.home, {"server_settings": {"networkSafe": False}})
    operator.write("[watch]\nsettings_watch_seconds = 0\n[auth]\ntrust_rescan_seconds = 3600\n")
    hub = Hub(operator.daemon.start(), driver)
    auth = {"clientType": "web-app", "clientId": "phone", "key": "getKey"}
    hub.open("/auth", auth).refusal()
    write_settings(operator.home, {"phone": {"clientId": "phone", "isTrust": True}})
    hub.open("/auth", auth).refusal()
    operator.hangup("config.reload changed=nothing")
    assert hub.open("/auth", auth).connected().payload("CLIENT_KEY_ASSIGNED")["key"]
    driver.reset()


def test_network_safe_is_live_and_what_the_file_pins_the_page_cannot_change(operator: Operator, driver: Driver) -> None:
    operator.write("[watch]\nsettings_watch_seconds = 0.1\n[auth]\nnetwork_safe = true\n")
    hub = Hub(operator.daemon.start(), driver)
    write_settings(operator.home, {"server_settings": {"networkSafe": False}})
    assert operator.daemon.log is not None
    assert operator.daemon.log.wait_for(re.compile("server_settings.json was changed"), PATIENCE)
    hub.client("web1").fence()
    operator.write("[watch]\nsettings_watch_seconds = 0.1\n")
    operator.hangup("config.reload changed=auth.network_safe")
    hub.open("/llm", {"clientType": "web-app", "clientId": "web2"}).refusal()
    driver.reset()


def test_many_signals_at_once(operator: Operator) -> None:
    operator.daemon.start()
    assert operator.daemon.process is not None
    for _ in range(50):
        os.kill(operator.daemon.process.pid, signal.SIGHUP)
    operator.hangup("config.reload")
    assert operator.daemon.get("/").status == 200


def test_it_ends_with_the_terminal_it_runs_in(tmp_path: Path) -> None:
    """Closing the window sends SIGHUP, too; a hub that lived on would hold the port and the home, unseen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*twistd_command(), "-n", "--pidfile=", "newage", "--home", str(tmp_path / "home"), "--port", "0"],
        cwd=tmp_path,
        env=daemon_environment(),
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: take_terminal(theirs),
    )
    os.close(theirs)
    assert process.stdout is not None
    lines = Lines(process.stdout)
    try:
        assert lines.wait_for(LISTENING, PATIENCE), lines.lines
        os.close(ours)  # the window is closed
        assert process.wait(PATIENCE) == 0, lines.lines
        assert lines.wait_for(re.compile("Received SIGHUP, stopping"), PATIENCE), lines.lines
    finally:
        process.kill()
        process.wait()


def take_terminal(descriptor: int) -> None:
    """Make it the new session's own, with SIGHUP as in a shell: who runs these tests under nohup passes that on."""
    import fcntl
    import termios

    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)
