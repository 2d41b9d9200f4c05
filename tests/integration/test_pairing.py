"""A SillyTavern that nobody knows comes in by the code of `newage pair`, with real clients (B13)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from harness import Daemon, Driver, Hub, daemon_environment

NEW = "SillyTavern-9999"


def test_code_of_the_command_lets_an_unknown_extension_in_when_the_operator_says_yes(
    make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "strict.toml").write_text("[auth]\nnetwork_safe = false\n", "utf-8")
    daemon = make_daemon("--config", str(tmp_path / "strict.toml"))
    hub = Hub(daemon, driver)
    who = {"clientId": NEW, "clientType": "SillyTavern", "key": "getKey", "name": "Ann's desk"}
    assert hub.open("/sillytavern", who).refusal()["message"] == "Client is not trusted."
    command = subprocess.Popen(
        [sys.executable, "-u", "-m", "newage.cli", "--home", str(daemon.home), "pair"],
        env=daemon_environment(),
        cwd="/",
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert command.stdout is not None
        code = command.stdout.readline().strip()
        wrong = {**who, "pair": f"{(int(code) + 1) % 10**6:06}"}
        refusal = hub.open("/sillytavern", wrong).refusal()
        assert (refusal["message"], refusal["errorCode"]) == ("Invalid pairing code", 5)
        door = hub.open("/sillytavern", {**who, "pair": code}).connected()
        pending = door.post_call("IDENTIFY_SILLYTAVERN", {"clientId": NEW}, timeout=40)
        _, said = command.communicate("y\n", timeout=30)
    finally:
        command.kill()
        command.wait()
    assert command.returncode == 0, said
    assert f'{NEW} ("Ann\'s desk") at 127.0.0.1 wants to answer' in said
    (given,) = driver.result(pending, 30)
    assert (given["clientId"], given["scope"]) == (NEW, "extension")
    ours = {"clientId": NEW, "clientType": "SillyTavern", "key": given["key"]}
    hub.open("/llm", ours).connected().fence()
    assert hub.open("/rooms", ours).refusal()["message"] == "Unauthorized", "it opens what an extension needs alone"
    assert hub.open("/sillytavern", {**who, "pair": code}).refusal()["message"] == "Invalid pairing code"
