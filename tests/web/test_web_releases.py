"""Released versions of the extension: B14."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest

from newage.web.releases import RELEASES, ReleaseError, Releases, folder_of, main, read_releases

EXTENSION = Path(__file__).parent.parent.parent / "static" / "sillytavern-extension"


def folder(version: str, text: str = "x") -> dict[str, bytes]:
    return {"manifest.json": json.dumps({"version": version}).encode(), "lib/index.js": text.encode()}


def test_versions_stand_on_each_other_and_are_always_the_same_bytes() -> None:
    one = Releases().with_one_more(folder("1.0.0"))
    two = one.with_one_more(folder("1.1.0", "y"))
    assert [each.version for each in two.versions] == ["1.0.0", "1.1.0"]
    assert two == Releases().with_one_more(folder("1.0.0")).with_one_more(folder("1.1.0", "y"))
    assert two.files(two.versions[0]) == folder("1.0.0")
    assert two.files(two.versions[1]) == folder("1.1.0", "y")
    assert two.with_one_more(folder("1.1.0", "y")) is two


@pytest.mark.parametrize("files", [folder("1.0.0", "other"), {}, {"manifest.json": b"["}, {"manifest.json": b"{}"}])
def test_what_cannot_be_released(files: dict[str, bytes]) -> None:
    with pytest.raises(ReleaseError):
        Releases().with_one_more(folder("1.0.0")).with_one_more(files)


def test_a_version_of_before_is_not_released_again() -> None:
    releases = Releases().with_one_more(folder("1.0.0")).with_one_more(folder("1.1.0"))
    with pytest.raises(ReleaseError):
        releases.with_one_more(folder("1.0.0"))


def test_the_changelog_names_the_commit_of_every_version() -> None:
    changes = (EXTENSION.parent.parent / "CHANGELOG.md").read_text("utf-8")
    assert [each.version for each in read_releases().versions if f"{each.version} {each.commit}" not in changes] == []


def test_the_zip_is_always_the_same_bytes() -> None:
    releases = Releases().with_one_more(folder("1.0.0"))
    archive = releases.archive(releases.versions[0])
    assert archive == releases.archive(releases.versions[0])
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.namelist() == ["newage-extension/lib/index.js", "newage-extension/manifest.json"]
        assert opened.read("newage-extension/lib/index.js") == b"x"


def test_a_release_is_made_of_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, kept = tmp_path / "extension", tmp_path / "kept"
    for path, body in folder("1.0.0").items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(body)
    assert read_releases(kept) == Releases()
    assert main([str(source)], kept) == 0
    released = read_releases(kept)
    assert capsys.readouterr().out == f"1.0.0 {released.versions[0].commit}\n"
    assert released == Releases().with_one_more(folder("1.0.0"))
    (source / "lib" / "index.js").write_text("changed")
    assert main([str(source)], kept) == 1
    assert "give manifest.json a new one" in capsys.readouterr().err
    assert read_releases(kept) == released


def test_the_released_version_is_the_folder_if_it_has_its_number() -> None:
    """Unreleased changes have another version; nothing was released yet while there is no list."""
    for release in read_releases(RELEASES).versions:
        files = folder_of(EXTENSION)
        if json.loads(files["manifest.json"])["version"] == release.version:
            assert read_releases(RELEASES).files(release) == files
