"""Node, and suites of ``node --test`` run by pytest: one test for each file ``*.test.mjs``."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def node_program() -> str:
    node = shutil.which("node")
    assert node, "Node 20 is needed for the tests in JavaScript"
    return node


def suites(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.test.mjs"))


def name_of(suite: Path) -> str:
    """Of its test."""
    return suite.name


def as_package(modules: Path, home: Path) -> Path:
    """A copy beside a package.json, without which Node takes .js for CommonJS; a page needs none.

    :param modules: the folder of them.
    """
    shutil.copytree(modules, home)
    (home / "package.json").write_text('{"type": "module"}', "utf-8")
    return home


def run_suite(suite: Path, **environment: str) -> None:
    done = subprocess.run(
        [node_program(), "--test", str(suite)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0" not in done.stdout
