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
from harness import CHECKOUT, HERE, Daemon

pytestmark = pytest.mark.integration

EXAMPLES = CHECKOUT / "examples"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CONFESSION = "no model is involved"
LONGEST = 60  # seconds


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("examples")
    config = folder / "newage.toml"
    config.write_text("[demo]\ntoken_interval_ms = 5\nfirst_token_ms = 10\n", "utf-8")
    shutil.copytree(EXAMPLES / "browser", folder / "home" / "public" / "chat")
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
def node_folder(tmp_path: Path) -> Path:
    """The example with its dependency, as ``npm install`` would leave it."""
    shutil.copy(EXAMPLES / "node" / "chat.mjs", tmp_path)
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    return tmp_path


def test_the_node_client_prints_the_answer(demo: Daemon, node_folder: Path) -> None:
    done = run(["node", "chat.mjs", "What", "is", "a", "token?"], demo.url, node_folder)
    assert done.returncode == 0, done.stderr
    assert "What is a token?" in done.stdout
    assert CONFESSION in done.stdout


def test_the_node_client_says_why_not(tmp_path: Path, node_folder: Path) -> None:
    lonely = Daemon(tmp_path / "home", "--ephemeral").start()
    try:
        done = run(["node", "chat.mjs", "Hello?"], lonely.url, node_folder)
    finally:
        lonely.stop()
    assert done.returncode == 1
    assert "No connected SillyTavern extensions." in done.stderr


def test_the_bot_answers_each_line(demo: Daemon) -> None:
    done = run([sys.executable, "bot.py"], demo.url, EXAMPLES / "python", "Tell me a story\n\nAnd a joke\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(CONFESSION) == 2
    assert "Tell me a story" in done.stdout


def test_the_page_shows_the_answer_as_text(demo: Daemon) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, f"none of {', '.join(BROWSERS)} is installed; .ci/packages installs one"
    page = run(["node", "example_page.js", browser, f"{demo.url.rstrip('/')}/public/chat/"], demo.url, HERE)
    assert page.returncode == 0, page.stderr
    seen = json.loads(page.stdout)
    assert seen["asked"] == "Hello from the <b>example</b>"
    assert CONFESSION in seen["answer"]
    assert seen["problems"] == []
