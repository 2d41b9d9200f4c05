"""The examples of clients/python/README.md, run as they stand with the installed package."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Daemon
from python_package import PATIENCE, SOURCE, environment
from snippets import HUB

pytestmark = pytest.mark.integration

(PROGRAM,) = re.findall(r"^```python\n(.*?)^```", (SOURCE / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("python_readme")
    (folder / "newage.toml").write_text("[demo]\ntoken_interval_ms = 5\nfirst_token_ms = 10\n", "utf-8")
    daemon = Daemon(folder / "home", "--demo", "--config", str(folder / "newage.toml")).start()
    yield daemon
    daemon.stop()


def run(daemon: Daemon, site: Path, folder: Path, source: str) -> str:
    (folder / "program.py").write_text(source.replace(HUB, daemon.url), "utf-8")
    command = [sys.executable, "-W", "error", "program.py"]
    done = subprocess.run(
        command, cwd=folder, env=environment(site), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_the_example_prints_the_answer(demo: Daemon, python_client: Path, tmp_path: Path) -> None:
    assert "no model is involved" in run(demo, python_client, tmp_path, PROGRAM)
