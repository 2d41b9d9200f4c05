"""The command `newage` against a real hub: running, killed, stopped; for its own user and nobody else."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from harness import Daemon, Driver, Hub, Socket, daemon_environment
from homes import write_settings

# As nobody, once what is run is read: it may lie where others may not look (a checkout with umask 077).
AS_NOBODY = "import os; os.setgroups([]); os.setgid(65534); os.setuid(65534)"
COMMAND = ("-m", "newage.cli")
NOBODYS_COMMAND = ("-c", f"import sys; from newage.cli import main; {AS_NOBODY}; sys.exit(main())")


def newage(daemon: Daemon, *arguments: str, code: int = 0, run: Sequence[str] = COMMAND) -> tuple[str, str]:
    """What the command said on stdout and stderr; it must end with this code."""
    command = [sys.executable, *run, "--home", str(daemon.home), *arguments]
    done = subprocess.run(
        command, env=daemon_environment(), cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.fixture
def strict(make_daemon: Callable[..., Daemon], tmp_path: Path) -> Daemon:
    (tmp_path / "strict.toml").write_text("[auth]\nnetwork_safe = false\n", "utf-8")
    return make_daemon("--config", str(tmp_path / "strict.toml"))


def opens(hub: Hub, client_id: str, key: str, client_type: str = "web-app") -> Socket:
    """Its key opens the hub."""
    socket = hub.open("/clients", {"clientId": client_id, "clientType": client_type, "key": key}).connected()
    socket.fence()
    return socket


def refusal(hub: Hub, client_id: str, key: str) -> str:
    message: str = hub.open("/clients", {"clientId": client_id, "key": key}).refusal()["message"]
    return message


def test_a_running_hub_knows_at_once(strict: Daemon, driver: Driver) -> None:
    hub = Hub(strict, driver)
    key = newage(strict, "keys", "new", "phone")[0].strip()
    other = newage(strict, "keys", "new", "phone", "--name", "spare")[0].strip()
    opens(hub, "phone", key)
    keys = json.loads(newage(strict, "--json", "keys", "list")[0])["keys"]
    assert [(each["clientId"], each["name"], each["lastUsed"] is not None) for each in keys] == [
        ("phone", "", True),
        ("phone", "spare", False),
    ]
    newage(strict, "keys", "revoke", keys[0]["keyId"])
    assert refusal(hub, "phone", key) == "Invalid key.", "what was verified a moment ago must not be remembered"
    opens(hub, "phone", other)
    newage(strict, "keys", "revoke", "phone")
    assert refusal(hub, "phone", other) == "Client is not trusted."


def test_an_administrators_key(strict: Daemon, driver: Driver) -> None:
    hub = Hub(strict, driver)
    key = newage(strict, "keys", "new", "anna", "--admin")[0].strip()
    anna = opens(hub, "anna", key, "monitor")
    assert anna.call("GENERATE_CLIENT_KEY", {"targetClientId": "tablet"})["status"] == "ok"
    second = newage(strict, "keys", "new", "bert", "--admin")[0].strip()
    refused = anna.call("REMOVE_CLIENT_KEY", {"targetClientId": "bert"})
    assert (refused["status"], refused["message"], refused["errorCode"]) == ("error", "Unauthorized", 6)
    shown = anna.call("GET_ALL_CLIENT_KEYS", {})["keys"]
    assert shown["bert"]["key"] == "***"
    assert shown["anna"]["key"].startswith("$2b$")
    newage(strict, "keys", "revoke", "anna")
    opens(hub, "bert", second, "monitor")


def test_a_lock_is_lifted(strict: Daemon, driver: Driver) -> None:
    hub = Hub(strict, driver)
    key = newage(strict, "keys", "new", "phone")[0].strip()
    for _ in range(10):
        assert refusal(hub, "phone", "wrong") == "Invalid key."
    assert refusal(hub, "phone", "wrong") == "Too many attempts."
    assert newage(strict, "unlock", "phone")[0] == "unlocked phone from 127.0.0.1\n"
    opens(hub, "phone", key)
    assert newage(strict, "unlock")[1] == "nobody was locked out\n"


def test_the_socket_comes_and_goes_with_the_hub(make_daemon: Callable[..., Daemon], driver: Driver) -> None:
    daemon = make_daemon()
    path = daemon.home / "run" / "control.sock"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    newage(daemon, "keys", "new", "running")
    daemon.kill()
    assert path.exists(), "nobody was there to remove it"
    newage(daemon, "keys", "new", "killed")
    daemon.start()
    newage(daemon, "keys", "new", "again")
    daemon.stop()
    assert not path.exists()
    assert "not running" in newage(daemon, "unlock")[1]
    newage(daemon, "keys", "new", "stopped")
    daemon.start()
    clients = [key["clientId"] for key in json.loads(newage(daemon, "--json", "keys", "list")[0])["keys"]]
    assert clients == ["running", "killed", "again", "stopped"]
    owner = daemon.home.stat().st_uid
    assert {each.stat().st_uid for each in (daemon.home / "data").iterdir()} == {owner}


def test_a_key_made_on_a_stopped_hub_opens_it(strict: Daemon, driver: Driver) -> None:
    strict.stop()
    key = newage(strict, "keys", "new", "phone")[0].strip()
    strict.start()
    opens(Hub(strict, driver), "phone", key)
    text = strict.output() + "".join(path.read_text("utf-8") for path in (strict.home / "logs").iterdir())
    assert key not in text
    facts = [json.loads(line) for line in (strict.home / "logs" / "audit.jsonl").read_text("utf-8").splitlines()]
    assert [fact["action"] for fact in facts if fact["action"].startswith("key.")] == ["key.generate"]


def test_another_user_of_the_machine_gets_nothing(make_daemon: Callable[..., Daemon]) -> None:
    assert os.geteuid() == 0, "only root can run a command as another user: run this test as root"
    daemon = make_daemon()
    for each in (daemon.home, *daemon.home.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o011)  # everybody may go through as far as the home
    for running in (True, False):
        for arguments in (("keys", "list"), ("keys", "new", "eve", "--admin"), ("unlock",)):
            out, err = newage(daemon, *arguments, code=1, run=NOBODYS_COMMAND)
            assert out == ""
            assert "run this as the hub's user" in err
        if running:
            program = f"import socket, sys; {AS_NOBODY}; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
            knock = [sys.executable, "-c", program, str(daemon.home / "run" / "control.sock")]
            done = subprocess.run(knock, capture_output=True, text=True, timeout=60, check=False)
            assert "PermissionError" in done.stderr
            daemon.stop()


def test_a_remote_extension_and_the_monitors_key(strict: Daemon, driver: Driver) -> None:
    """As it was seen on a running hub: strict mode, an extension with its own key."""
    hub = Hub(strict, driver)
    monitor_key = newage(strict, "keys", "new", "monitor", "--admin")[0].strip()
    own = newage(strict, "keys", "new", "SillyTavern-8000")[0].strip()
    auth = {"clientId": "SillyTavern-8000", "clientType": "SillyTavern", "key": own}
    tavern = hub.open("/clients", auth, extraHeaders={"X-Forwarded-For": "203.0.113.9"}).connected()
    for event in ("GENERATE_CLIENT_KEY", "REMOVE_CLIENT_KEY"):
        for payload in ({"targetClientId": "monitor"}, {"clientId": "monitor"}):
            refused = tavern.call(event, payload)
            assert (refused["status"], refused["message"], refused["errorCode"]) == ("error", "Unauthorized", 6)
            assert "key" not in refused
    assert tavern.call("GET_CLIENT_KEY", {"clientId": "monitor"})["status"] == "error"
    assert list(tavern.call("GET_ALL_CLIENT_KEYS", {})["keys"]) == ["SillyTavern-8000"]
    monitor = opens(hub, "monitor", monitor_key, "monitor")
    assert monitor.call("GET_ALL_CLIENT_KEYS", {})["keys"]["SillyTavern-8000"]["key"].startswith("$2b$")


def test_get_key_and_the_administrator(make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path) -> None:
    """Strict mode, this machine: none once one exists, and the password that is set is asked for."""
    home = tmp_path / "home"
    monitor = {"clientId": "monitor", "isTrust": True, "sillyTavernPassWord": "correct horse"}
    write_settings(home, {"server_settings": {"networkSafe": False}, "monitor": monitor})
    strict = make_daemon(home=home)
    hub = Hub(strict, driver)
    auth = {"clientId": "monitor", "clientType": "monitor", "key": "getKey"}
    refused = hub.open("/auth", auth).connected().payload("CLIENT_KEY_ASSIGNED")
    assert (refused["status"], refused["message"], refused["errorCode"]) == ("error", "Unauthorized", 6)
    assert "password" in refused["hint"]
    given = hub.open("/auth", {**auth, "password": "correct horse"}).connected().payload("CLIENT_KEY_ASSIGNED")
    assert given["success"]
    for more in ({}, {"password": "correct horse"}, {"clientType": "web-app", "password": "correct horse"}):
        late = hub.open("/auth", {**auth, **more}).connected().payload("CLIENT_KEY_ASSIGNED")
        assert late["success"] is False
        assert "key" not in late
    assert newage(strict, "keys", "new", "monitor")[0]
