"""``newage extension install``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from newage.web.install import InstallError, install_extension
from newage.web.releases import Releases

RELEASES = Releases().with_one_more({"manifest.json": json.dumps({"version": "1"}).encode(), "lib/a.js": b"one"})


def test_it_lies_where_the_dialog_would_put_it_and_replaces_what_was_there(tmp_path: Path) -> None:
    old = tmp_path / "data" / "ann" / "extensions" / "newage-extension"
    old.mkdir(parents=True)
    (old / "gone.js").write_text("old")
    release, folder = install_extension(tmp_path, "ann", RELEASES)
    assert (release.version, folder) == ("1", old)
    assert sorted(path.name for path in old.rglob("*") if path.is_file()) == ["a.js", "manifest.json"]
    assert [path.name for path in old.parent.iterdir()] == ["newage-extension"]


@pytest.mark.parametrize("user", ["nobody", "../ann", ".", ""])
def test_there_is_no_such_user(tmp_path: Path, user: str) -> None:
    (tmp_path / "data" / "ann").mkdir(parents=True)
    with pytest.raises(InstallError):
        install_extension(tmp_path, user, RELEASES)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data" / "ann" / "extensions").mkdir(parents=True)
    (tmp_path / "data" / "ann" / "extensions" / "newage-extension").symlink_to(tmp_path)
    with pytest.raises(InstallError):
        install_extension(tmp_path, "ann", RELEASES)


def test_nothing_was_released(tmp_path: Path) -> None:
    with pytest.raises(InstallError):
        install_extension(tmp_path, "ann", Releases())
