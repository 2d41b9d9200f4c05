"""Hubs that serve versions of the extension which a test chose, as of earlier and later packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from harness import CHECKOUT, Daemon, daemon_environment

from newage.web.releases import Releases, read_releases, write_releases


def releases_before(version: str) -> Releases:
    """What was released before that version."""
    whole = read_releases()
    known = Releases()
    for each in whole.versions:
        if each.version == version:
            break
        known = known.with_one_more(whole.files(each))
    return known


class Copy:
    """The package with versions of the test's own among its data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "src"
        shutil.copytree(CHECKOUT / "src" / "newage", self.folder / "newage")
        for name in ("static", "clients"):  # where a checkout has the files of the page and of its client
            (folder / name).symlink_to(CHECKOUT / name)

    def release(self, releases: Releases) -> None:
        write_releases(releases, self.folder / "newage" / "web" / "assets" / "extension")

    def environment(self) -> dict[str, str]:
        found = daemon_environment()
        return {**found, "PYTHONPATH": os.pathsep.join([str(self.folder), found["PYTHONPATH"]])}

    def command(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """What `newage extension` says on stdout and stderr."""
        done = subprocess.run(
            [sys.executable, "-m", "newage.cli", *arguments],
            env=self.environment(),
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout, done.stderr


class ReleasingDaemon(Daemon):
    """A hub of that copy."""

    def __init__(self, copy: Copy, home: Path, port: int = 0) -> None:
        super().__init__(home, "--ephemeral", port=port)
        self.copy = copy

    def environment(self) -> dict[str, str]:
        return self.copy.environment()
