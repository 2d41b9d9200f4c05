"""The package of ``clients/js`` as npm makes and installs it, without the network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness import CHECKOUT, HERE, PATIENCE

CLIENT = CHECKOUT / "clients" / "js"
MODULES = HERE / "node_modules"
NAME = json.loads((CLIENT / "package.json").read_text("utf-8"))["name"]


def pack(folder: Path) -> Path:
    """The tarball that would be published, made in `folder`."""
    said = _npm(CLIENT, folder, "pack", "--pack-destination", str(folder))
    return folder / said.strip().splitlines()[-1]


def install(tarball: Path, folder: Path) -> Path:
    """`folder` as ``npm install TARBALL`` leaves it where what the package depends on is there already."""
    (folder / "node_modules").mkdir()
    for name in _needed("socket.io-client"):
        shutil.copytree(MODULES / name, folder / "node_modules" / name)
    (folder / "package.json").write_text('{"private": true, "type": "module"}', "utf-8")
    _npm(folder, folder, "install", "--no-package-lock", str(tarball))
    return folder


def _needed(name: str) -> Iterator[str]:
    """What a package depends on, itself included, as far as it lies beside it."""
    waiting, seen = [name], set()
    while waiting:
        each = waiting.pop()
        if each in seen or not (MODULES / each).exists():
            continue
        seen.add(each)
        yield each
        waiting += json.loads((MODULES / each / "package.json").read_text("utf-8")).get("dependencies", {})


def _npm(cwd: Path, scratch: Path, *arguments: str) -> str:
    npm = shutil.which("npm")
    assert npm, "npm comes with Node 20"
    settings = {"cache": str(scratch / "npm-cache"), "offline": "true", "update_notifier": "false", "audit": "false"}
    done = subprocess.run(
        [npm, "--loglevel=error", "--fund=false", *arguments],
        cwd=cwd,
        env={**os.environ, **{f"npm_config_{name}": value for name, value in settings.items()}},
        capture_output=True,
        encoding="utf-8",
        timeout=4 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
