"""The examples of README.md, run as they stand against the hub they are written for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest
from harness import CHECKOUT, HERE, Daemon, daemon_environment

README = (CHECKOUT / "README.md").read_text("utf-8")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

LOOK_AT = """
const { chromium } = require('playwright-core');
(async () => {
  const args = ['--headless', '--no-sandbox'];
  const browser = await chromium.launch({ executablePath: process.argv[2], args, timeout: 120_000 });
  const page = await browser.newPage();
  page.setDefaultTimeout(30000);
  page.on('pageerror', (error) => console.error(String(error)));
  await page.goto(process.argv[3]);
  await page.waitForFunction(() => document.getElementById('answer').textContent.includes('demo'));
  await browser.close();
})().catch((error) => { console.error(error); process.exit(1); });
"""


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("demo") / "newage-home", "--demo").start()
    yield daemon
    daemon.stop()


def run(demo: Daemon, tmp_path: Path, name: str, source: str, *command: str) -> str:
    (tmp_path / name).write_text(source.replace("http://localhost:4000", demo.url), "utf-8")
    environment = {**os.environ, "NODE_PATH": str(HERE / "node_modules")}
    done = subprocess.run(
        [*command[:1], str(tmp_path / name), *command[1:]],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_node_script_prints_the_answer(demo: Daemon, tmp_path: Path) -> None:
    source = examples("js")[0]
    said = run(demo, tmp_path, "ask.js", source, "node")
    assert said.startswith("Request received.\n")
    assert "demo" in said


def test_the_python_script_prints_the_answer(demo: Daemon, tmp_path: Path) -> None:
    (source,) = examples("python")
    said = run(demo, tmp_path, "ask.py", source, sys.executable)
    assert said.startswith("Request received.\n")
    assert "demo" in said


def test_the_page_shows_the_answer(demo: Daemon, tmp_path: Path) -> None:
    (source,) = examples("html")
    (demo.home / "public" / "hello.html").write_text(source, "utf-8")
    browser = next(filter(None, map(which, BROWSERS)))
    run(demo, tmp_path, "look.js", LOOK_AT, "node", browser, f"{demo.url}/public/hello.html")


def test_the_key_that_the_command_prints_opens_the_hub_in_strict_mode(tmp_path: Path) -> None:
    """The recipe of "Let other machines in": a key from here, the key in the handshake."""
    home = tmp_path / "newage-home"
    (tmp_path / "strict.toml").write_text("[auth]\nnetwork_safe = false\n", "utf-8")
    daemon = Daemon(home, "--config", str(tmp_path / "strict.toml")).start()
    try:
        (line,) = re.findall(r"^~/newage/bin/newage (keys new .*)$", README, re.MULTILINE)
        made = subprocess.run(
            [sys.executable, "-m", "newage.cli", *line.split()],  # the home is the default one
            cwd=tmp_path,
            env=daemon_environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        key = made.stdout.strip()
        assert re.fullmatch(r"sk-newage-[0-9a-z]{8}-[0-9a-z]{26}", key)
        auth = {"clientType": "web-app", "clientId": "phone", "key": key}
        knock = """
        const { io } = require('socket.io-client');
        const hub = io('http://localhost:4000/llm', { auth: AUTH });
        hub.on('ERROR', ({ message }) => { console.log(message); hub.disconnect(); });
        hub.on('connect', () => hub.emit('LLM_REQUEST', { requestId: '1', message: 'x' }));
        """
        assert "No connected SillyTavern extensions." in run(
            daemon, tmp_path, "in.js", knock.replace("AUTH", json.dumps(auth)), "node"
        )
        wrong = json.dumps({**auth, "key": "0" * 36})
        assert "Invalid key." in run(daemon, tmp_path, "out.js", knock.replace("AUTH", wrong), "node")
        warned = (home / "logs" / "warn.log").read_text("utf-8")
        assert "'phone' at 127.0.0.1 was refused on /llm: Invalid key." in warned
        assert key not in warned + daemon.output()
    finally:
        daemon.end()
