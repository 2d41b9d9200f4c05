"""The examples do what their README says, against a started daemon with the demo extension."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from client_package import CLIENT, NAME
from harness import CHECKOUT, HERE, Daemon

from nodekit import node_program

pytestmark = pytest.mark.integration

EXAMPLES = CHECKOUT / "examples"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CONFESSION = "no model is involved"
LONGEST = 200  # seconds; a browser may be slow to start


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("examples")
    config = folder / "newage.toml"
    config.write_text("[demo]\ntoken_interval_ms = 5\nfirst_token_ms = 10\n", "utf-8")
    daemon = Daemon(folder / "home", "--demo", "--config", str(config)).start()
    yield daemon
    daemon.stop()
    daemon.check_log()


def run(command: list[str], hub: str, folder: Path, words: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HUB": hub.rstrip("/")}
    return subprocess.run(
        command, cwd=folder, env=environment, input=words, capture_output=True, text=True, timeout=LONGEST, check=False
    )


@pytest.fixture
def node_folder(client_package: Path) -> Path:
    """The example with its dependencies, as ``npm install`` would leave it."""
    return shutil.copytree(EXAMPLES / "node", client_package / "node", dirs_exist_ok=True)


@pytest.mark.parametrize("program", ["chat.mjs", "raw.mjs"])
def test_the_node_client_prints_the_answer(demo: Daemon, node_folder: Path, program: str) -> None:
    done = run(["node", program, "What", "is", "a", "token?"], demo.url, node_folder)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "What is a token?" in done.stdout
    assert CONFESSION in done.stdout


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Nobody answers here."""
    home = tmp_path_factory.mktemp("lonely") / "home"
    shutil.copytree(EXAMPLES / "browser", home / "public" / "chat")
    daemon = Daemon(home).start()
    yield daemon
    daemon.stop()


@pytest.mark.parametrize("program", ["chat.mjs", "raw.mjs"])
def test_the_node_client_says_why_not(lonely: Daemon, node_folder: Path, program: str) -> None:
    done = run(["node", program, "Hello?"], lonely.url, node_folder)
    assert done.returncode == 1
    assert "No connected SillyTavern extensions." in done.stderr


def test_the_node_client_stops_the_answer_when_it_is_interrupted(lonely: Daemon, node_folder: Path) -> None:
    program = [node_program(), str(HERE / "interrupted.mjs"), lonely.url, str(node_folder / "chat.mjs")]
    done = run(program, lonely.url, node_folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Once\n cancelled 0\n"


def test_the_node_example_needs_what_is_published() -> None:
    package = json.loads((EXAMPLES / "node" / "package.json").read_text("utf-8"))["dependencies"]
    assert (EXAMPLES / "node" / package[NAME].removeprefix("file:")).resolve() == CLIENT
    assert "install-links=true" in (EXAMPLES / "node" / ".npmrc").read_text("utf-8")


@pytest.fixture
def python_folder(python_client: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example where the client is installed."""
    monkeypatch.setenv("PYTHONPATH", str(python_client))
    return EXAMPLES / "python"


def test_the_python_client_prints_the_answer(demo: Daemon, python_folder: Path) -> None:
    done = run([sys.executable, "chat.py", "What", "is", "a", "token?"], demo.url, python_folder)
    assert (done.returncode, done.stderr.strip()) == (0, "")
    assert "What is a token?" in done.stdout
    assert CONFESSION in done.stdout


def test_the_python_client_says_why_not(lonely: Daemon, python_folder: Path) -> None:
    done = run([sys.executable, "chat.py", "Hello?"], lonely.url, python_folder)
    assert done.returncode == 1
    assert "No connected SillyTavern extensions." in done.stderr


def test_the_bot_answers_each_line(demo: Daemon) -> None:
    done = run([sys.executable, "bot.py"], demo.url, EXAMPLES / "python", "Tell me a story\n\nAnd a joke\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(CONFESSION) == 2
    assert "Tell me a story" in done.stdout


def test_the_page_shows_answers_as_text_goes_on_after_a_reload_and_stops_them(lonely: Daemon) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, f"none of {', '.join(BROWSERS)} is installed; .ci/packages installs one"
    url = lonely.url.rstrip("/")
    page = run(["node", "example_page.js", browser, f"{url}/public/chat/", url], lonely.url, HERE)
    assert page.returncode == 0, page.stderr
    seen = json.loads(page.stdout)
    assert seen["asked"] == "Hello from the <b>example</b>"
    assert seen["answer"] == "<i>Hello</i>"
    story = "Once upon a time"
    assert seen["reloaded"] == {"asked": [seen["asked"], "a story"], "answers": [seen["answer"], story]}
    assert (seen["stopped"], seen["last"]) == ("cancelled", "Once")
    assert (seen["errors"], seen["problems"]) == ([], [])
