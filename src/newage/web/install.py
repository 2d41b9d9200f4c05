"""``newage extension install``: the newest released version into a SillyTavern on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path

from newage.errors import NewAgeError
from newage.web.releases import NAME, Release, Releases, read_releases


class InstallError(NewAgeError):
    """It cannot be installed there, in words."""


def install_extension(sillytavern: Path, user: str, releases: Releases | None = None) -> tuple[Release, Path]:
    """Copy it to where SillyTavern's own dialog would put it, so that there are never two; what was there gives way.

    :return: the version and its folder.
    :raises InstallError: nothing was released, or that is no SillyTavern with such a user.
    """
    known = read_releases() if releases is None else releases
    release = known.newest
    if release is None:
        raise InstallError("No version of the extension was released yet.")
    if not user or "/" in user or "\\" in user or user.startswith("."):
        raise InstallError(f"{user} is no user of SillyTavern.")
    home = sillytavern / "data" / user
    if not home.is_dir():
        raise InstallError(f"There is no {home}: start SillyTavern once, and give the folder that holds its data.")
    target = home / "extensions" / NAME
    if target.is_symlink():
        raise InstallError(f"{target} is a link; remove it first.")
    arriving = target.with_name(f".{NAME}.new")
    shutil.rmtree(arriving, ignore_errors=True)
    for path, body in known.files(release).items():
        (arriving / path).parent.mkdir(parents=True, exist_ok=True)
        (arriving / path).write_bytes(body)
    shutil.rmtree(target, ignore_errors=True)
    arriving.rename(target)
    return release, target
