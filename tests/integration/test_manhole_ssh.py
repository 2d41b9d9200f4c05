"""The console over SSH, by Debian's own client: who gets in, what it shows, what it changes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from harness import Daemon, Driver, Hub, Lines, daemon_environment, request, twistd_command

OPEN = re.compile(r"The manhole is open: ssh -p (\d+) newage@127\.0\.0\.1")
PATIENCE = 20


class Operator:
    """Somebody with a key, a configuration with the console switched on, and Debian's ssh."""

    def __init__(self, folder: Path, kind: str = "ed25519") -> None:
        assert shutil.which("ssh"), "install openssh-client"
        self.folder = folder
        self.home = folder / "home"
        (self.home / "keys").mkdir(parents=True)
        self.host_key = self.home / "keys" / "manhole_host_key"
        self.authorized = self.home / "keys" / "manhole_authorized_keys"
        self.identity = folder / "id"
        self.config = folder / "newage.toml"
        self.config.write_text("[manhole]\nenabled = true\nmanhole_port = 0\n", "utf-8")
        self.make_key(self.host_key, kind)
        self.make_key(self.identity, "ed25519")
        self.authorized.write_bytes(self.identity.with_suffix(".pub").read_bytes())

    @staticmethod
    def make_key(path: Path, kind: str) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(path)], check=True, timeout=60)

    def command(self, port: int, *options: str) -> list[str]:
        known = self.folder / "known_hosts"
        words = self.host_key.with_suffix(".pub").read_text("ascii").split()
        known.write_text(f"[127.0.0.1]:{port} {words[0]} {words[1]}\n", "ascii")
        fixed = {
            "UserKnownHostsFile": str(known),
            "StrictHostKeyChecking": "yes",
            "IdentityFile": str(self.identity),
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
        }
        said = [word for name, value in fixed.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", "-F", "none", "-p", str(port), *options, *said]

    def ssh(self, port: int, *options: str, user: str = "newage", typed: str = "") -> subprocess.CompletedProcess[str]:
        command = [*self.command(port, *options), f"{user}@127.0.0.1"]
        return subprocess.run(
            command,
            input=typed,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "SSH_AUTH_SOCK": "", "TERM": "vt100"},
        )

    def start(self) -> Daemon:
        return Daemon(self.home, "--config", str(self.config)).start()

    def audit(self) -> list[dict[str, object]]:
        lines = (self.home / "logs" / "audit.jsonl").read_text("utf-8").splitlines()
        return [line for line in map(json.loads, lines) if str(line["action"]).startswith("manhole")]


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


@pytest.fixture
def open_daemon(operator: Operator) -> Iterator[tuple[Daemon, int]]:
    daemon = operator.start()
    yield daemon, console_port(daemon)
    daemon.end()


def console_port(daemon: Daemon) -> int:
    assert daemon.log is not None
    found = daemon.log.wait_for(OPEN, PATIENCE)
    assert found is not None, daemon.output()
    return int(found.group(1))


def plain(output: str) -> str:
    """Without the colours and cursor movements of a terminal."""
    return re.sub(r"\x1b(\[[0-9;?]*[A-Za-z]|[A-Z78=>])", "", output).replace("\r", "")


class TestInside:
    def test_live_state_is_read_and_changed(
        self, operator: Operator, open_daemon: tuple[Daemon, int], driver: Driver
    ) -> None:
        daemon, port = open_daemon
        hub = Hub(daemon, driver)
        hub.extension("8000", kind="silent").start_quickly()
        web = hub.client("web1")
        monitor = hub.monitor("/rooms")
        assert monitor.call("CREATE_ROOM", {"roomName": "lobby"})["status"] == "ok"
        assert web.call("LLM_REQUEST", request("first", "SillyTavern-8000"))["status"] == "ok"
        typed = [
            "who()",
            "sorted(room.name for room in rooms.all())",
            "requests.live_count",
            "status()['connectedClients']",
            "streams.open_outputs, len(sessions.online_sessions()), type(hub).__name__",
            "change(requests, request_rate=1).request_rate",
            "core.diagnostics.debug_mode",
        ]
        done = operator.ssh(port, "-T", typed="\n".join(typed) + "\n")
        said = plain(done.stdout)
        assert done.returncode == 0, done.stderr
        for name in ("hub", "rooms", "sessions", "streams", "requests", "trace(id)"):
            assert name in said.split("^D leaves.")[0]
        assert "web1 [client] of web1: /llm; rooms: web1" in said
        assert "SillyTavern-8000 [extension] of SillyTavern-8000: /llm" in said
        assert "'lobby'" in said
        assert "(0, 3, 'Hub')" in said
        assert re.search(r"^3$", said, re.MULTILINE), "status()"
        assert re.search(r"^False$", said, re.MULTILINE), "debug_mode"
        for name in ("second", "third"):  # one in ten seconds, of which ssh may have taken some
            refused = web.call("LLM_REQUEST", request(name, "SillyTavern-8000"))
        assert (refused["status"], refused["message"]) == ("error", "Too many requests.")
        driver.reset()
        actions = [(line["action"], line["outcome"]) for line in operator.audit()]
        assert actions == [("manhole.login", "ok"), ("manhole.change", "ok")]

    def test_a_session_is_traced_on_a_terminal(
        self, operator: Operator, open_daemon: tuple[Daemon, int], driver: Driver
    ) -> None:
        daemon, port = open_daemon
        hub = Hub(daemon, driver)
        web = hub.client("web1")
        console = subprocess.Popen(
            [*operator.command(port, "-tt"), "newage@127.0.0.1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env={**os.environ, "TERM": "vt100"},
        )
        try:
            assert console.stdin is not None
            assert console.stdout is not None
            lines = Lines(console.stdout)
            assert lines.wait_for(re.compile(r"\^D leaves"), PATIENCE), lines.lines
            console.stdin.write("trace('web1')\r1 + 1\r")
            console.stdin.flush()
            assert lines.wait_for(re.compile(r"tracing 1 connections of web1"), PATIENCE), lines.lines
            web.fence()
            assert lines.wait_for(re.compile(r"web1#0 <- 42/llm,.*Connection active\?"), PATIENCE), lines.lines
            assert lines.wait_for(re.compile(r"web1#0 -> 42/llm,.*connection is fine"), PATIENCE), lines.lines
            console.stdin.write("\x04")
            console.stdin.flush()
            assert console.wait(PATIENCE) == 0
        finally:
            console.kill()
            console.wait()
        web.fence()  # its transport is its own again
        driver.reset()

    def test_several_consoles_and_no_more_than_allowed(
        self, operator: Operator, open_daemon: tuple[Daemon, int]
    ) -> None:
        _, port = open_daemon
        command = [*operator.command(port, "-T"), "newage@127.0.0.1"]
        held: list[subprocess.Popen[str]] = []
        try:
            for _ in range(8):
                held.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
                stream = held[-1].stdout
                assert stream is not None
                assert Lines(stream).wait_for(re.compile("D leaves"), PATIENCE)
            assert operator.ssh(port, "-T", typed="1\n").returncode == 255
        finally:
            for each in held:
                each.kill()
                each.communicate()

    def test_a_command_is_refused_without_noise(self, operator: Operator, open_daemon: tuple[Daemon, int]) -> None:
        daemon, port = open_daemon
        command = [*operator.command(port, "-T"), "newage@127.0.0.1", "status()"]
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)
        assert done.returncode != 0
        daemon.check_log()

    def test_the_daemon_stops_with_a_console_open(self, operator: Operator, open_daemon: tuple[Daemon, int]) -> None:
        daemon, port = open_daemon
        command = [*operator.command(port, "-T"), "newage@127.0.0.1"]
        console = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert console.stdout is not None
        assert Lines(console.stdout).wait_for(re.compile("D leaves"), PATIENCE)
        assert daemon.stop() < 8, "it waited for the console, as long as it waits for anything"
        assert console.wait(PATIENCE) is not None
        assert console.stdin is not None
        console.stdin.close()


class TestOutside:
    def test_a_password_gets_nobody_in(self, operator: Operator, open_daemon: tuple[Daemon, int]) -> None:
        daemon, port = open_daemon
        secret = operator.folder / "askpass"
        secret.write_text("#!/bin/sh\necho let-me-in\n", "ascii")
        secret.chmod(0o700)
        options = ("-T", "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1")
        preferred = ("-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "BatchMode=no")
        done = subprocess.run(
            [*operator.command(port, *options, *preferred), "newage@127.0.0.1"],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE,
            check=False,
            env={**os.environ, "SSH_ASKPASS": str(secret), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"},
        )
        assert done.returncode == 255
        assert "Permission denied (publickey)" in done.stderr
        assert "manhole" not in done.stdout
        daemon.check_log()
        assert "let-me-in" not in daemon.output()

    def test_another_key_or_name_gets_nobody_in(self, operator: Operator, open_daemon: tuple[Daemon, int]) -> None:
        daemon, port = open_daemon
        refused = operator.ssh(port, "-T", user="root")
        assert (refused.returncode, "Permission denied" in refused.stderr) == (255, True)
        operator.identity.unlink()
        operator.make_key(operator.identity, "ed25519")
        refused = operator.ssh(port, "-T", typed="status()\n")
        assert (refused.returncode, refused.stdout) == (255, "")
        assert "Permission denied" in refused.stderr
        lines = operator.audit()
        assert {(line["action"], line["outcome"], line["address"]) for line in lines} == {
            ("manhole.login", "refused", "127.0.0.1")
        }
        assert {line["clientId"] for line in lines} == {"root", "newage"}
        daemon.check_log()

    def test_it_listens_on_loopback(self, operator: Operator, open_daemon: tuple[Daemon, int]) -> None:
        _, port = open_daemon
        listening = [
            line.split()[1] for line in Path("/proc/net/tcp").read_text("ascii").splitlines() if line.split()[3] == "0A"
        ]
        assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_it_is_off_by_default(make_daemon: Callable[..., Daemon]) -> None:
    assert "manhole" not in make_daemon().output()


def test_an_rsa_host_key_works_too(tmp_path: Path) -> None:
    operator = Operator(tmp_path, "rsa")
    daemon = operator.start()
    try:
        assert "42" in operator.ssh(console_port(daemon), "-T", typed="6 * 7\n").stdout
    finally:
        daemon.end()


def refused_start(operator: Operator) -> str:
    command = [*twistd_command(), "-n", "--pidfile=", "newage", "--home", str(operator.home), "--port", "0"]
    done = subprocess.run(
        [*command, "--config", str(operator.config)],
        cwd=operator.folder,
        env=daemon_environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    complaints = done.stderr.strip().splitlines()
    assert len(complaints) == 1, done.stderr
    return complaints[0]


class TestRefusesToStart:
    def test_without_a_host_key(self, operator: Operator) -> None:
        operator.host_key.unlink()
        assert f"ssh-keygen -t ed25519 -N '' -f {operator.host_key}" in refused_start(operator)

    def test_with_a_host_key_that_others_can_read(self, operator: Operator) -> None:
        operator.host_key.chmod(0o644)
        assert f"is open to others; chmod 600 {operator.host_key}" in refused_start(operator)

    def test_without_authorized_keys(self, operator: Operator) -> None:
        operator.authorized.unlink()
        assert f"authorized keys {operator.authorized} cannot be read" in refused_start(operator)
