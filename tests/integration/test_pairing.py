"""A SillyTavern that nobody knows comes in by the code of `newage pair`, with real clients (B13)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest
from harness import Daemon, Driver, Hub, operator
from stranger import Knock, Refused

NEW = "SillyTavern-9999"


def test_code_of_the_command_lets_an_unknown_extension_in_when_the_operator_says_yes(
    make_daemon: Callable[..., Daemon], driver: Driver, tmp_path: Path
) -> None:
    (tmp_path / "strict.toml").write_text("[auth]\nnetwork_safe = false\n", "utf-8")
    daemon = make_daemon("--config", str(tmp_path / "strict.toml"))
    hub = Hub(daemon, driver)
    who = {"clientId": NEW, "clientType": "SillyTavern", "key": "getKey", "name": "Ann's desk"}
    assert hub.open("/sillytavern", who).refusal()["message"] == "Client is not trusted."
    command = operator(daemon, "pair")
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
    lines = ["at 127.0.0.1 somebody wants to answer as an extension", f"  id    {NEW}", "  name  Ann's desk"]
    assert "\n".join(lines) in said
    (given,) = driver.result(pending, 30)
    assert (given["clientId"], given["scope"]) == (NEW, "extension")
    ours = {"clientId": NEW, "clientType": "SillyTavern", "key": given["key"]}
    hub.open("/llm", ours).connected().fence()
    assert hub.open("/rooms", ours).refusal()["message"] == "Unauthorized", "it opens what an extension needs alone"
    assert hub.open("/sillytavern", {**who, "pair": code}).refusal()["message"] == "Invalid pairing code"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon.strict(tmp_path_factory.mktemp("strict")) as daemon:
        yield daemon


@pytest.fixture
def command(strict: Daemon) -> Iterator[Popen[str]]:
    """``newage pair`` on its own terminal."""
    running = operator(strict, "pair")
    yield running
    running.kill()
    running.wait()


def code_of(command: Popen[str]) -> str:
    assert command.stdout is not None
    return command.stdout.readline().strip()


def shown(daemon: Daemon, code: str, source: str) -> str:
    """What somebody at that address hears who shows a code and asks for his key."""
    try:
        with Knock(daemon.url, {}, source) as knock:
            knock.join("/sillytavern", {"clientId": NEW, "clientType": "SillyTavern", "pair": code})
            knock.call("IDENTIFY_SILLYTAVERN", {"clientId": NEW})
    except Refused as refused:
        return str(refused)
    raise AssertionError("it got an answer")


def test_pair_five_wrong_from_500_addresses(strict: Daemon, command: Popen[str]) -> None:
    """Row 60, by real sockets of many addresses: five are looked at, and then the right one is none either."""
    code = code_of(command)
    heard = {shown(strict, f"{(int(code) + n) % 10**6:06}", f"127.0.1.{n}") for n in range(1, 12)}
    assert heard == {"Invalid pairing code"}
    assert shown(strict, code, "127.0.2.1") == "Invalid pairing code"
    _, said = command.communicate(timeout=30)
    assert command.returncode != 0
    assert "too many tried wrong ones" in said


def test_pair_gives_only_extension(strict: Daemon, command: Popen[str], driver: Driver) -> None:
    """Row 61, by real sockets: of two who show the code at once one gets a key, for what extensions may."""
    hub = Hub(strict, driver)
    who = {"clientId": NEW, "clientType": "SillyTavern", "key": "getKey", "scope": "admin"}
    early = {**who, "pair": "123456"}
    assert hub.open("/sillytavern", early).refusal()["message"] == "Invalid pairing code"
    code = code_of(command)
    assert (
        hub.open("/sillytavern", {**who, "pair": code, "clientType": "monitor"}).refusal()["message"] == "Unauthorized"
    )
    assert hub.open("/clients", {**who, "pair": code}).refusal()["message"] == "Client is not trusted."
    doors = [hub.open("/sillytavern", {**who, "pair": code}).connected() for _ in range(2)]
    said = {"clientId": NEW, "scope": "admin"}
    pending = [door.post_call("IDENTIFY_SILLYTAVERN", said, timeout=40) for door in doors]
    command.communicate("y\ny\n", timeout=30)
    given = [driver.result(each, 30)[0] for each in pending]
    assert sorted(each["status"] for each in given) == ["error", "ok"]
    [key] = [each["key"] for each in given if each["status"] == "ok"]
    assert [each["scope"] for each in given if each["status"] == "ok"] == ["extension"]
    hub.open("/llm", {**who, "key": key}).connected().fence()
    for namespace in ("/rooms", "/debug"):
        assert hub.open(namespace, {**who, "key": key}).refusal()["message"] == "Unauthorized"
    for kind in ("monitor", "web-app"):
        assert hub.open("/llm", {**who, "clientType": kind, "key": key}).refusal()["message"] == "Unauthorized"
    assert hub.open("/sillytavern", {**who, "pair": code}).refusal()["message"] == "Invalid pairing code"


def test_another_code_ends_the_one_before_and_a_no_is_heard(
    strict: Daemon, command: Popen[str], driver: Driver
) -> None:
    code = code_of(command)
    newer = operator(strict, "pair")
    try:
        latest = code_of(newer)
        _, said = command.communicate(timeout=30)
        assert (command.returncode, "the code is over" in said) == (1, True)
        assert shown(strict, code, "127.0.3.1") == "Invalid pairing code"
        who = {"clientId": NEW, "clientType": "SillyTavern", "key": "getKey", "pair": latest}
        door = Hub(strict, driver).open("/sillytavern", who).connected()
        pending = door.post_call("IDENTIFY_SILLYTAVERN", {"clientId": NEW}, timeout=40)
        _, said = newer.communicate("n\n", timeout=30)
    finally:
        newer.kill()
        newer.wait()
    assert (newer.returncode, "nobody got a key" in said) == (1, True)
    (answer,) = driver.result(pending, 30)
    assert (answer["status"], answer["message"]) == ("error", "Unauthorized")


def test_a_code_that_nobody_used_in_time_is_over(make_daemon: Callable[..., Daemon], tmp_path: Path) -> None:
    (tmp_path / "brief.toml").write_text("[auth]\nnetwork_safe = false\npairing_seconds = 1\n", "utf-8")
    daemon = make_daemon("--config", str(tmp_path / "brief.toml"))
    command = operator(daemon, "pair")
    code = code_of(command)
    _, said = command.communicate(timeout=30)
    assert (command.returncode, "time is up" in said) == (1, True)
    assert shown(daemon, code, "127.0.0.1") == "Invalid pairing code"
