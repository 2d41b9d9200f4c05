"""The released versions of newage's extension for SillyTavern: package data, ``assets/extension/`` (B14).

``releases.json`` names each version with its commit and tree, oldest first; ``releases.pack`` holds all their objects.
What lies in ``static/sillytavern-extension`` and was not released is served to nobody.

``python -m newage.web.releases FOLDER`` (``make extension-release``) makes one more version of that folder.
"""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from newage.web.git_objects import GitObject, commit_of, files_of, read_pack, tree_of, write_pack
from newage.web.modules import ASSETS

RELEASES: Final = ASSETS / "extension"
NAME: Final = "newage-extension"
_LIST: Final = "releases.json"
_PACK: Final = "releases.pack"
_FIRST_DATE: Final = (
    1_790_000_000  # the date of the first version; each later one is a day younger, whenever it is made
)
_DAY: Final = 86_400
_ZIP_DATE: Final = (2026, 1, 1, 0, 0, 0)


class ReleaseError(Exception):
    """This folder cannot be released, in words."""


@frozen
class Release:
    """One version: commit and tree are git's ids."""

    version: str
    commit: str
    tree: str


@frozen
class Releases:
    """All versions, oldest first."""

    versions: tuple[Release, ...] = ()
    pack: bytes = field(default=b"", repr=False)

    @property
    def newest(self) -> Release | None:
        return self.versions[-1] if self.versions else None

    def files(self, release: Release) -> dict[str, bytes]:
        """Content by path, of one version."""
        return files_of(read_pack(self.pack), release.tree)

    def archive(self, release: Release) -> bytes:
        """A zip of one version, in a folder of the extension's name; always the same bytes."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as into:
            for path, body in sorted(self.files(release).items()):
                member = zipfile.ZipInfo(f"{NAME}/{path}", _ZIP_DATE)
                member.external_attr = 0o644 << 16
                member.create_system = 3
                into.writestr(member, body, zipfile.ZIP_DEFLATED, 9)
        return archive.getvalue()

    def with_one_more(self, files: Mapping[str, bytes]) -> Releases:
        """The folder's version on top of the others; the same if it is the newest already.

        :raises ReleaseError: its version was released with other content, or it says none.
        """
        version = _version(files)
        objects = tree_of(files)
        tree = objects[-1].id
        for known in self.versions:
            if known.version == version:
                if known.tree == tree and known is self.newest:
                    return self
                raise ReleaseError(f"version {version} was released with other content: give manifest.json a new one")
        newest = self.newest
        date = _FIRST_DATE + _DAY * len(self.versions)
        commit = commit_of(tree, newest.commit if newest else None, f"newage extension {version}", date)
        before: list[GitObject] = list(read_pack(self.pack).values()) if self.pack else []
        return Releases(
            (*self.versions, Release(version, commit.id, tree)),
            write_pack([*before, *objects, commit]),
        )


def _version(files: Mapping[str, bytes]) -> str:
    try:
        version = json.loads(files["manifest.json"])["version"]
    except (KeyError, TypeError, ValueError):
        version = None
    if not isinstance(version, str) or not version:
        raise ReleaseError("manifest.json says no version")
    return version


def folder_of(folder: Path) -> dict[str, bytes]:
    """Content by path, of a folder on disk."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def read_releases(folder: Path = RELEASES) -> Releases:
    """What was released; nothing, if nothing was yet."""
    if not (folder / _LIST).is_file():
        return Releases()
    listed = json.loads((folder / _LIST).read_text("utf-8"))
    return Releases(tuple(Release(**each) for each in listed), (folder / _PACK).read_bytes())


def write_releases(releases: Releases, folder: Path = RELEASES) -> None:
    """Into files, to be committed."""
    folder.mkdir(parents=True, exist_ok=True)
    listed = [{"version": each.version, "commit": each.commit, "tree": each.tree} for each in releases.versions]
    (folder / _PACK).write_bytes(releases.pack)
    (folder / _LIST).write_text(json.dumps(listed, indent=2) + "\n", "utf-8")


def main(arguments: list[str], folder: Path = RELEASES) -> int:
    """:return: the exit code."""
    try:
        releases = read_releases(folder).with_one_more(folder_of(Path(arguments[0])))
    except ReleaseError as error:
        sys.stderr.write(f"not released: {error}\n")
        return 1
    write_releases(releases, folder)
    newest = releases.versions[-1]
    sys.stdout.write(f"{newest.version} {newest.commit}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
