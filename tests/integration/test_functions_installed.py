"""Functions of the operator's own: the example package installed, and packages that are broken."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness import CHECKOUT, Daemon, Driver, Hub

EXAMPLE = CHECKOUT / "examples" / "functions"


def install(folder: Path, target: Path) -> None:
    """As an operator would, but without a network and into a folder of its own."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run(
        [*command, "--target", str(target), str(folder)], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr


def package(folder: Path, name: str, code: str, entries: dict[str, str]) -> None:
    """A package as it lies after its installation."""
    (folder / f"{name}.py").write_text(code, "utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", "utf-8")
    lines = "".join(f"{function} = {value}\n" for function, value in entries.items())
    (info / "entry_points.txt").write_text(f"[newage.functions]\n{lines}", "utf-8")


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
    source = tmp_path / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    install(source, site)
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
    driver.reset()
    daemon.stop()
    assert "[FUNCTION_REGISTER]: function roll of dice:roll" in (tmp_path / "home/logs/combined.log").read_text("utf-8")
    audit = (tmp_path / "home" / "logs" / "audit.jsonl").read_text("utf-8")
    assert '"function": "roll"' in audit


def test_a_broken_package_is_named_and_does_no_harm(tmp_path: Path, site: Path, driver: Driver) -> None:
    working = "from newage.functions import Function\nhello = Function(lambda args: None, lambda caller, _: 'hello')\n"
    package(site, "fails", "raise RuntimeError('cannot be imported')\n", {"broken": "fails:x"})
    package(site, "leaves", "raise SystemExit(1)\n", {"leaving": "leaves:x"})
    package(site, "lacks", "", {"lacking": "lacks:not_there"})
    package(site, "other", "thing = 5\n", {"other": "other:thing"})
    package(site, "takes", working, {"add": "takes:hello"})
    package(site, "works", working, {"hello": "works:hello"})
    crash = "from newage.functions import Function\nboom = Function(lambda a: a, lambda c, a: 1 / 0)\n"
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
