"""What the daemon says to wrong options, files and places: one clear line, no traceback, an exit code that is not 0."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from harness import LISTENING, Daemon, Lines, daemon_environment, twistd_command


def fails(tmp_path: Path, *options: str, home: Path | None = None) -> str:
    """Run the daemon, which must give up by itself; returns what it printed."""
    command = [*twistd_command(), "-n", "--pidfile=", "newage", "--home", str(home or tmp_path / "home"), *options]
    done = subprocess.run(
        command, cwd=tmp_path, env=daemon_environment(), capture_output=True, text=True, timeout=30, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode != 0, output
    assert "Traceback" not in output, output
    assert not LISTENING.search(output), output
    return output


def one_line(output: str, *words: str) -> None:
    """Exactly one line has all these words."""
    lines = [line for line in output.splitlines() if all(word in line for word in words)]
    assert len(lines) == 1, output


def test_an_unknown_option(tmp_path: Path) -> None:
    one_line(fails(tmp_path, "--nonsense"), "nonsense")


@pytest.mark.parametrize("port", ["70000", "-1", "many"])
def test_a_port_that_is_none(tmp_path: Path, port: str) -> None:
    one_line(fails(tmp_path, "--port", port), "port")


@pytest.mark.parametrize("address", ["not an address", "256.1.1.1"])
def test_an_address_that_is_none(tmp_path: Path, address: str) -> None:
    one_line(fails(tmp_path, "--port", "0", "--bind", address), address)


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        one_line(fails(tmp_path, "--port", port), port, "use")


def test_a_missing_configuration(tmp_path: Path) -> None:
    one_line(fails(tmp_path, "--config", str(tmp_path / "absent.toml")), "absent.toml")


CONFIGURATIONS = {
    "no toml": "this is [not toml",
    "unknown key": "no_such_key = 1\n",
    "unknown table": "[no_such_table]\nx = 1\n",
}


@pytest.mark.parametrize("text", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_a_wrong_configuration(tmp_path: Path, text: str) -> None:
    config = tmp_path / "wrong.toml"
    config.write_text(text, "utf-8")
    output = fails(tmp_path, "--config", str(config))
    assert "wrong.toml" in output


def test_a_home_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    home = tmp_path / "file" / "home"
    one_line(fails(tmp_path, "--port", "0", home=home), str(home))


def test_a_home_on_a_file_system_that_takes_no_files(tmp_path: Path) -> None:
    one_line(fails(tmp_path, "--port", "0", home=Path("/proc/newage-home")), "/proc/newage-home")


def test_a_home_that_another_daemon_uses(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home").start()
    try:
        one_line(fails(tmp_path, "--port", "0", home=daemon.home), str(daemon.home), "in use")
        assert daemon.get("/").status == 200
    finally:
        daemon.end()


def test_bind_is_repeatable(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "home", "--bind", "127.0.0.1", "--bind", "127.0.0.2").start()
    try:
        for address in ("127.0.0.1", "127.0.0.2"):
            with socket.create_connection((address, daemon.port), 10):
                pass
    finally:
        daemon.end()


def test_an_unparsable_server_settings_file_is_kept(tmp_path: Path) -> None:
    """Contract 8.1: keep it, log it, start with defaults."""
    settings = tmp_path / "home" / "settings" / "server_settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"serverPort": ', "utf-8")
    daemon = Daemon(tmp_path / "home").start()
    try:
        assert daemon.get("/").status == 200
        assert settings.read_text("utf-8") == '{"serverPort": '
        assert "server_settings.json" in daemon.output()
    finally:
        daemon.end()


def test_in_the_background_with_pid_file_and_log(tmp_path: Path) -> None:
    """``twistd newage``: forks, writes its pid, logs the real port, ends by SIGTERM and takes the pid file away."""
    pid_file, log_file = tmp_path / "newage.pid", tmp_path / "twistd.log"
    command = [*twistd_command(), f"--pidfile={pid_file}", f"--logfile={log_file}", "newage"]
    subprocess.run(
        [*command, "--home", str(tmp_path / "home"), "--port", "0"],
        cwd=tmp_path,
        env=daemon_environment(),
        check=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    follow = subprocess.Popen(["tail", "-n", "+1", "-F", str(log_file)], stdout=subprocess.PIPE, text=True)
    try:
        assert follow.stdout is not None
        lines = Lines(follow.stdout)
        found = lines.wait_for(LISTENING, 30)
        assert found is not None, lines.lines
        pid = int(pid_file.read_text("ascii"))
        with socket.create_connection(("127.0.0.1", int(found.group(1))), 10):
            pass
        ended = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        assert select.select([ended], [], [], 10)[0], lines.lines
        os.close(ended)
    finally:
        follow.kill()
        follow.wait()
    assert not pid_file.exists()
