"""The package of ``clients/python`` as pip makes and installs it, without the network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from harness import CHECKOUT

SOURCE = CHECKOUT / "clients" / "python"
MODULE = "newage_client"
PATIENCE = 100.0  # seconds


def wheel(folder: Path) -> Path:
    """What would be published, made in ``folder``."""
    copy = folder / "source"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip(folder, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder), str(copy))
    (made,) = folder.glob("*.whl")
    return made


def install(made: Path, folder: Path) -> Path:
    """Where it lies after its installation, alone: what it depends on is in the environment of the tests."""
    site = folder / "site"
    pip(folder, "install", "--no-deps", "--no-index", "--target", str(site), str(made))
    return site


def pip(cwd: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def heed_interrupts() -> None:
    """Who was started in the background of a shell is deaf to them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def extension(command: list[str], folder: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A program that answers, once it is connected, as it says itself."""
    with subprocess.Popen(
        command, cwd=folder, env=variables, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts
    ) as program:
        try:
            assert program.stderr is not None
            assert program.stderr.readline().startswith("connected")
            yield program
        finally:
            program.kill()


def environment(site: Path) -> dict[str, str]:
    """In which programs import the installed package, and nothing of the checkout."""
    return {**os.environ, "PYTHONPATH": str(site), "PYTHONUNBUFFERED": "1"}
