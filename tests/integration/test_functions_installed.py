"""Functions of the operator's own: the example package installed, and packages that are broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import CHECKOUT, Daemon, Driver, Hub, until

EXAMPLES = CHECKOUT / "examples"
GAME_MASTER = "plugin/game-master"


def install(folder: Path, target: Path) -> None:
    """As an operator would, but without a network and into a folder of its own."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--target", str(target), str(folder)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr


def package(folder: Path, name: str, code: str, entries: dict[str, str], plugins: dict[str, str] | None = None) -> None:
    """A package as it lies after its installation."""
    (folder / f"{name}.py").write_text(code, "utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    text = ""
    for group, named in (("newage.functions", entries), ("newage.plugins", plugins or {})):
        text += f"[{group}]\n" + "".join(f"{function} = {value}\n" for function, value in named.items())
    (info / "entry_points.txt").write_text(text, "utf-8")


def install_example(name: str, tmp_path: Path, site: Path) -> None:
    source = tmp_path / name
    shutil.copytree(EXAMPLES / name, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    install(source, site)


def call(hub: Hub, name: str, *args: object) -> dict[str, object]:
    answer: dict[str, object] = hub.client("web1", "/function_call").call(
        "FUNCTION_CALL", {"functionName": name, "args": list(args), "target": "server", "requestId": "c1"}
    )
    return answer


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that the daemon sees."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(site))
    return site


def test_the_example_is_installed_and_called(tmp_path: Path, site: Path, driver: Driver) -> None:
    install_example("functions", tmp_path, site)
    daemon = Daemon(tmp_path / "home").start()
    hub = Hub(daemon, driver)
    answer = call(hub, "roll", 3, 20)
    assert answer["success"] is True
    result = answer["result"]
    assert isinstance(result, dict)
    assert (result["for"], len(result["thrown"])) == ("web1", 3)
    assert result["total"] == sum(result["thrown"])
    refused = call(hub, "roll", 1000)
    assert (refused["success"], refused["errorCode"]) == (False, 503)
    assert "1 to 100 dice" in str(refused["message"])
    wrong = call(hub, "roll", "three")
    assert (wrong["success"], wrong["errorCode"]) == (False, 503)
    assert str(wrong["message"]).startswith(
        "roll wants a whole number as dice, not text: roll(dice: a whole number = 1,"
    )
    driver.reset()
    daemon.stop()
    assert "[FUNCTION_REGISTER]: function roll of dice:roll" in (tmp_path / "home/logs/combined.log").read_text("utf-8")
    audit = (tmp_path / "home" / "logs" / "audit.jsonl").read_text("utf-8")
    assert '"function": "roll"' in audit


def test_a_broken_package_is_named_and_does_no_harm(tmp_path: Path, site: Path, driver: Driver) -> None:
    working = "from newage.functions import function\n@function\ndef hello() -> str:\n    return 'hello'\n"
    package(site, "fails", "raise RuntimeError('cannot be imported')\n", {"broken": "fails:x"})
    package(site, "leaves", "raise SystemExit(1)\n", {"leaving": "leaves:x"})
    package(site, "lacks", "", {"lacking": "lacks:not_there"})
    package(site, "other", "thing = 5\n", {"other": "other:thing"})
    package(site, "takes", working, {"add": "takes:hello"})
    package(site, "works", working, {"hello": "works:hello"})
    crash = "from newage.functions import function\n@function\ndef boom():\n    return 1 / 0\n"
    package(site, "crash", crash, {"crash": "crash:boom"})
    daemon = Daemon(tmp_path / "home").start()
    hub = Hub(daemon, driver)
    assert call(hub, "hello")["result"] == "hello"
    assert call(hub, "add", 1, 2)["result"] == 3, "the hub's own function was replaced"
    for name in ("broken", "leaving", "lacking", "other"):
        assert call(hub, name)["errorCode"] == 501
    crashed = call(hub, "crash")
    assert (crashed["success"], crashed["errorCode"]) == (False, 502)
    assert "division" not in str(crashed)
    driver.reset()
    error_log = (tmp_path / "home" / "logs" / "error.log").read_text("utf-8")
    for name in ("broken of fails:x", "leaving of leaves:x", "lacking of lacks:not_there"):
        assert f"function {name} cannot be loaded" in error_log
    assert "other:thing is no newage Function, so other is left out" in error_log
    assert "there is another function add, so takes:hello is left out" in error_log
    assert daemon.process is not None
    daemon.process.terminate()
    assert daemon.process.wait(10) == 0


def test_packages_of_the_old_door_go_on_working(tmp_path: Path, site: Path, driver: Driver) -> None:
    code = """
from newage.functions import BadArguments, Caller, Function, Kind
def parse(args):
    if len(args) != 1:
        raise BadArguments("One argument.")
    return args[0]
def run(caller: Caller, x):
    return [caller.identity, caller.kind is Kind.CLIENT, x]
old = Function(parse, run)
"""
    package(site, "old", code, {"old": "old:old"})
    daemon = Daemon(tmp_path / "home").start()
    hub = Hub(daemon, driver)
    assert call(hub, "old", 5)["result"] == ["web1", True, 5]
    assert call(hub, "old")["message"] == "One argument."
    driver.reset()
    daemon.stop()
    log = (tmp_path / "home" / "logs" / "warn.log").read_text("utf-8")
    assert log.count("function old of old:old comes by the old door") == 1


def test_what_blocks_or_never_ends_hurts_nobody(tmp_path: Path, site: Path, driver: Driver) -> None:
    """A thread that cannot be stopped, a coroutine that never ends, and the hub stops in time nevertheless."""
    code = """
import threading
from twisted.internet.defer import Deferred
from newage.functions import function
@function
def block():
    threading.Event().wait()
@function
async def hang():
    await Deferred()
async def setup(hub):
    await hub.pause(1e9)
"""
    package(site, "bad", code, {"block": "bad:block", "hang": "bad:hang"}, {"bad": "bad:setup"})
    config = tmp_path / "newage.toml"
    config.write_text("[calls]\nfunction_call_timeout_ms = 300\n[plugins]\nmax_thread_queue = 2\n", "utf-8")
    daemon = Daemon(tmp_path / "home", "--config", str(config)).start()
    hub = Hub(daemon, driver)
    socket = hub.client("web1", "/function_call")
    slow = [
        socket.post_call("FUNCTION_CALL", {"functionName": name, "args": [], "target": "server"})
        for name in ("block", "hang", "block", "block")
    ]
    quick = socket.call("FUNCTION_CALL", {"functionName": "add", "args": [1, 2], "target": "server"})
    assert quick["result"] == 3
    codes = [driver.result(each)[0]["errorCode"] for each in slow]
    assert codes == [8, 8, 8, 9]
    driver.reset()
    daemon.stop()


def test_a_plugin_for_a_newer_hub_is_named_with_the_cure(tmp_path: Path, site: Path) -> None:
    package(site, "newer", "API = 99\ndef setup(hub): raise RuntimeError\n", {}, {"newer": "newer:setup"})
    package(site, "fails", "def setup(hub): raise RuntimeError('no')\n", {}, {"fails": "fails:setup"})
    daemon = Daemon(tmp_path / "home").start()
    assert daemon.get("/").status == 200
    assert daemon.process is not None
    daemon.process.terminate()
    assert daemon.process.wait(10) == 0
    error_log = (tmp_path / "home" / "logs" / "error.log").read_text("utf-8")
    assert "plug-in newer of newer:setup cannot be loaded: it is written for API 99 of newage.functions" in error_log
    assert "install a newer newage, or an older newer" in error_log
    assert "plug-in fails of fails:setup broke in its setup, and is left out" in error_log


def test_the_game_master_listens_rolls_and_speaks(tmp_path: Path, site: Path, driver: Driver) -> None:
    """In a room that somebody makes after the hub's start; people see it as one more member."""
    install_example("game-master", tmp_path, site)
    config = tmp_path / "newage.toml"
    config.write_text("[demo]\ntoken_interval_ms = 2\nfirst_token_ms = 2\n", "utf-8")
    home = tmp_path / "home"
    daemon = Daemon(home, "--demo", "--config", str(config)).start()
    hub = Hub(daemon, driver)
    boss = hub.monitor("/rooms")
    assert boss.call("CREATE_ROOM", {"roomName": "table"})["success"] is True
    player = hub.client("web1", "/llm", auth={"streamMode": "plain"})
    hub.client("web1", "/rooms").call("JOIN_ROOM", {"roomName": "table"})
    boss.call("SET_MESSAGE_REQUEST_MODE", {"roomName": "table", "mode": "Conversational"})
    members = boss.call("GET_CLIENTS_IN_ROOM", {"roomName": "table"})["clients"]
    assert GAME_MASTER in [member["identity"] for member in members]

    def say(text: str) -> None:
        player.call("LLM_REQUEST", {"requestId": text, "message": text, "targetRoom": "table"})

    def told(*texts: str) -> list[dict[str, object]]:
        return [
            player.payload("NEW_MESSAGE", lambda body, t=text: body["identity"] == GAME_MASTER and t in body["text"])
            for text in texts
        ]

    say("hello")
    say("!roll 2d6")
    (rolled,) = told("web1 rolls 2d6:")
    assert (rolled["clientId"], rolled["role"], rolled["fromClient"]) == (GAME_MASTER, "guest", True)
    say("!dare jump over the brook")
    dared, asked = told("web1 dares to jump over the brook", "Tell in two sentences")
    assert dared["seq"] < asked["seq"]  # type: ignore[operator]
    answer = player.payload("LLM_RESPONSE", lambda body: body["roomName"] == "table")
    assert "no model is involved" in answer["message"]
    assert len([p for p in player.payloads("NEW_MESSAGE") if p["identity"] == GAME_MASTER]) == 3
    driver.reset()
    daemon.stop()
    again = Daemon(home).start()  # it is a member still
    hub = Hub(again, driver)
    boss = hub.monitor("/rooms")

    def online() -> bool:
        members = boss.call("GET_CLIENTS_IN_ROOM", {"roomName": "table"})["clients"]
        return {GAME_MASTER: True}.items() <= {member["identity"]: member["online"] for member in members}.items()

    until(online, "it has come back to its room")
    driver.reset()
    again.stop()
