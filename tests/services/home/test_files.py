"""Files below the home: paths as text, links, atomic writes, limits (contract 7.5, 16.3.31)."""

from __future__ import annotations

import json
import os
import resource
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newage.errors import BadPath, FileMissing, FileReadFailed, FileWriteFailed, NewAgeError, PathOutside
from newage.services.home.files import FileSettings, HomeFiles


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    for folder in ("settings", "data/web1/deep", "keys"):
        (home / folder).mkdir(parents=True)
    (home / "settings/a.json").write_text('{"a": 1}')
    (tmp_path / "secret.json").write_text('{"secret": true}')
    return home


@pytest.fixture
def files(home: Path) -> HomeFiles:
    return HomeFiles(home, FileSettings())


GOOD_PATHS: list[tuple[str, tuple[str, ...]]] = [
    ("settings/a.json", ("settings", "a.json")),
    ("./settings/a.json", ("settings", "a.json")),
    ("/settings/a.json", ("settings", "a.json")),
    ("//settings///a.json", ("settings", "a.json")),
    ("settings/./a.json", ("settings", "a.json")),
    ("settings/../settings/a.json", ("settings", "a.json")),
    ("data/web1/../../keys/clients.json", ("keys", "clients.json")),
    ("settings/...json", ("settings", "...json")),
    ("settings/..a/b", ("settings", "..a", "b")),
    ("/etc/passwd", ("etc", "passwd")),
    ("~/x.json", ("~", "x.json")),
    ("settings/a b ä.json", ("settings", "a b ä.json")),
    ("%2e%2e/x.json", ("%2e%2e", "x.json")),
    ("C:/x.json", ("C:", "x.json")),
]

OUTSIDE_PATHS = [
    "..",
    "../x",
    "/..",
    "./../x",
    "settings/../../secret.json",
    "settings/../../home/settings/a.json",
    "data/web1/../../../secret.json",
    "/../../../../etc/passwd",
    "settings/a.json/../../../x",
]

BAD_PATHS: list[Any] = [
    None,
    7,
    True,
    {},
    ["settings/a.json"],
    b"settings/a.json",
    "",
    ".",
    "/",
    "settings/..",
    "\0",
    "settings/a.json\0.txt",
    "settings\\a.json",
    "C:\\Windows\\x.json",
    "..\\..\\x",
    "\\\\server\\share",
    "settings/a\n.json",
    "settings/\u202ea.json",
    "settings/\ud800.json",
    "x" * 1025,
    "/".join("x" * 17),
    "settings/" + "x" * 256,
    "settings/" + "ä" * 128,
]


@pytest.mark.parametrize(("path", "parts"), GOOD_PATHS)
def test_paths_that_stay_inside(files: HomeFiles, path: str, parts: tuple[str, ...]) -> None:
    assert files.parts(path) == parts


def test_an_absolute_path_inside_is_taken_as_such(files: HomeFiles, home: Path) -> None:
    assert files.parts(f"{home}/settings/a.json") == ("settings", "a.json")
    assert files.parts(f"{home}x/settings/a.json")[-3:] == ("homex", "settings", "a.json")


@pytest.mark.parametrize("path", OUTSIDE_PATHS)
def test_paths_that_climb_out(files: HomeFiles, path: str) -> None:
    with pytest.raises(PathOutside, match=r"^Access denied: Path is outside the server directory\.$"):
        files.parts(path)


@pytest.mark.parametrize("path", BAD_PATHS, ids=lambda p: repr(p)[:30])
def test_what_is_no_path(files: HomeFiles, path: object) -> None:
    with pytest.raises(BadPath):
        files.parts(path)


@given(st.text(alphabet=st.sampled_from("./\\ab\0~ä %\n"), max_size=40) | st.text(max_size=40))
@settings(max_examples=300, deadline=None)
def test_no_text_leads_out(path: str) -> None:
    files = HomeFiles(Path("/nowhere/home"), FileSettings())
    try:
        parts = files.parts(path)
    except NewAgeError:
        return
    assert parts
    assert not any(part in ("", ".", "..") or "/" in part or "\0" in part for part in parts)
    inside = os.path.normpath("/".join(("/nowhere/home", *parts)))
    assert inside.startswith("/nowhere/home/")


class TestReading:
    def test_an_object(self, files: HomeFiles) -> None:
        assert files.read(("settings", "a.json")) == {"a": 1}

    @pytest.mark.parametrize("parts", [("settings", "b.json"), ("nowhere", "a.json"), ("settings", "a.json", "x.json")])
    def test_nothing_there(self, files: HomeFiles, parts: tuple[str, ...]) -> None:
        with pytest.raises(FileMissing, match=r"^ENOENT: no such file or directory$") as caught:
            files.read(parts)
        assert caught.value.code == "ENOENT"

    @pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 5000])
    def test_no_object(self, files: HomeFiles, home: Path, content: bytes) -> None:
        (home / "settings/b.json").write_bytes(content)
        with pytest.raises(FileReadFailed):
            files.read(("settings", "b.json"))

    def test_too_large(self, home: Path) -> None:
        files = HomeFiles(home, FileSettings(max_file_bytes=20))
        (home / "settings/b.json").write_text(json.dumps({"x": "y" * 11}))
        assert files.read(("settings", "b.json"))
        (home / "settings/b.json").write_text(json.dumps({"x": "y" * 12}))
        with pytest.raises(FileReadFailed, match="too large"):
            files.read(("settings", "b.json"))

    def test_a_folder_a_fifo_and_a_device_are_no_files(self, files: HomeFiles, home: Path) -> None:
        os.mkfifo(home / "settings/fifo.json")
        (home / "settings/folder.json").mkdir()
        for name in ("fifo.json", "folder.json"):
            with pytest.raises(FileReadFailed, match="Not a file"):
                files.read(("settings", name))

    def test_no_error_names_an_absolute_path(self, files: HomeFiles, home: Path) -> None:
        (home / "settings/folder.json").mkdir()
        for parts in (("nowhere", "x.json"), ("settings", "folder.json"), ("settings", "missing.json")):
            with pytest.raises(NewAgeError) as caught:
                files.read(parts)
            assert str(home) not in str(caught.value)

    def test_lists_plain_json_files(self, files: HomeFiles, home: Path) -> None:
        for name in ("c.json", "b.json", ".hidden.json", "note.txt"):
            (home / "settings" / name).write_text("{}")
        (home / "settings/folder.json").mkdir()
        (home / "settings/link.json").symlink_to(home / "settings/a.json")
        assert list(files.list_json(("settings",), 99)) == ["a.json", "b.json", "c.json"]
        assert list(files.list_json(("settings",), 2)) == ["a.json", "b.json"]
        assert files.list_json(("nowhere",), 9) == {}


class TestLinks:
    """Whatever a link points to, it is not followed."""

    @pytest.fixture(params=["file out", "file in", "folder out", "folder in", "top folder", "dangling"])
    def linked(self, request: pytest.FixtureRequest, home: Path) -> tuple[str, ...]:
        match request.param:
            case "file out":
                (home / "settings/l.json").symlink_to(home.parent / "secret.json")
                return ("settings", "l.json")
            case "file in":
                (home / "settings/l.json").symlink_to("a.json")
                return ("settings", "l.json")
            case "folder out":
                (home / "data/web1/l").symlink_to(home.parent)
                return ("data", "web1", "l", "secret.json")
            case "folder in":
                (home / "data/web1/l").symlink_to(home / "keys")
                return ("data", "web1", "l", "clients.json")
            case "top folder":
                (home / "public").symlink_to(home / "settings")
                return ("public", "a.json")
            case _:
                (home / "settings/l.json").symlink_to(home.parent / "new.json")
                return ("settings", "l.json")

    def test_reading(self, files: HomeFiles, linked: tuple[str, ...]) -> None:
        with pytest.raises(PathOutside):
            files.read(linked)

    def test_looking(self, files: HomeFiles, linked: tuple[str, ...]) -> None:
        with pytest.raises(PathOutside):
            files.kind(linked)

    def test_writing(self, files: HomeFiles, home: Path, linked: tuple[str, ...]) -> None:
        with pytest.raises(PathOutside):
            files.update(linked, lambda present: {"owned": True}, create_folders=True)
        everything = [path for path in home.parent.rglob("*") if path.is_file()]
        assert not any("owned" in path.read_text() for path in everything)
        assert not (home.parent / "new.json").exists()

    def test_a_folder_exchanged_for_a_link_all_the_time_never_leads_out(self, files: HomeFiles, home: Path) -> None:
        """The race: between any two steps of ours the folder may become a link to somewhere else."""
        inside, outside = home / "data/web1/swap", home.parent / "outside"
        outside.mkdir()
        (outside / "x.json").write_text('{"secret": true}')
        real = home / "data/web1/real"
        real.mkdir()
        (real / "x.json").write_text('{"mine": true}')
        inside.symlink_to(outside)
        stop = threading.Event()

        def exchange() -> None:
            spare = home / "data/web1/spare"
            while not stop.is_set():
                real.rename(spare)
                inside.rename(home / "data/web1/link")
                spare.rename(inside)
                inside.rename(real)
                (home / "data/web1/link").rename(inside)

        thread = threading.Thread(target=exchange)
        thread.start()
        try:
            for _ in range(300):
                with suppress(FileMissing, PathOutside):
                    assert files.read(("data", "web1", "swap", "x.json")) == {"mine": True}
                with suppress(FileMissing, PathOutside, FileWriteFailed):
                    files.update(("data", "web1", "swap", "y.json"), lambda present: {"written": True})
        finally:
            stop.set()
            thread.join()
        assert [path.name for path in outside.iterdir()] == ["x.json"]


class TestWriting:
    def test_merges_what_change_makes(self, files: HomeFiles, home: Path) -> None:
        result = files.update(("settings", "a.json"), lambda present: {**(present or {}), "b": [1, {"c": "ä"}]})
        assert result == {"a": 1, "b": [1, {"c": "ä"}]}
        text = (home / "settings/a.json").read_text(encoding="utf-8")
        assert text == json.dumps(result, indent=2, ensure_ascii=False) + "\n"

    def test_creates_files_and_folders(self, files: HomeFiles, home: Path) -> None:
        parts = ("data", "web1", "x", "y", "z.json")
        assert files.update(parts, lambda present: {"was": present}, create_folders=True) == {"was": None}
        assert stat.S_IMODE((home / "data/web1/x/y/z.json").stat().st_mode) == 0o600
        assert stat.S_IMODE((home / "data/web1/x/y").stat().st_mode) == 0o700
        with pytest.raises(FileMissing):
            files.update(("data", "web2", "z.json"), lambda present: {})

    def test_replaces_the_file_at_once(self, files: HomeFiles, home: Path) -> None:
        """Who has the old file open keeps all of it; a reader never sees half a file."""
        path = home / "settings/a.json"
        with path.open() as reader:
            files.update(("settings", "a.json"), lambda present: {"new": "x" * 5000})
            assert reader.read() == '{"a": 1}'
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert sorted(entry.name for entry in path.parent.iterdir()) == ["a.json"]

    def test_a_folder_that_cannot_be_created(self, files: HomeFiles) -> None:
        with pytest.raises(FileWriteFailed, match="folder"):
            files.update(("data", "x" * 300, "z.json"), lambda present: {}, create_folders=True)

    def test_what_does_not_change_is_not_written(self, files: HomeFiles, home: Path) -> None:
        before = (home / "settings/a.json").stat()
        files.update(("settings", "a.json"), lambda present: {"a": 1})
        after = (home / "settings/a.json").stat()  # but for when it was read
        assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
            before.st_ino,
            before.st_mtime_ns,
            before.st_ctime_ns,
        )

    def test_a_refusal_leaves_everything_as_it_was(self, files: HomeFiles, home: Path) -> None:
        def refuse(present: object) -> dict[str, Any]:
            raise BadPath("no")

        with pytest.raises(BadPath):
            files.update(("settings", "a.json"), refuse)
        assert (home / "settings/a.json").read_text() == '{"a": 1}'

    def test_a_broken_file_is_not_overwritten(self, files: HomeFiles, home: Path) -> None:
        (home / "settings/a.json").write_text("{ half")
        with pytest.raises(FileReadFailed):
            files.update(("settings", "a.json"), lambda present: {})
        assert (home / "settings/a.json").read_text() == "{ half"

    def test_too_large(self, home: Path) -> None:
        files = HomeFiles(home, FileSettings(max_file_bytes=100))
        with pytest.raises(FileWriteFailed, match="too large"):
            files.update(("settings", "a.json"), lambda present: {"x": "y" * 100})
        assert (home / "settings/a.json").read_text() == '{"a": 1}'

    def test_what_is_no_json(self, files: HomeFiles) -> None:
        with pytest.raises(FileWriteFailed, match="JSON"):
            files.update(("settings", "a.json"), lambda present: {"x": 2**70})

    def test_read_only(self, home: Path) -> None:
        files = HomeFiles(home, FileSettings(read_only=True))
        with pytest.raises(FileWriteFailed):
            files.update(("settings", "a.json"), lambda present: {})

    def test_the_quota_counts_files_and_folders(self, home: Path) -> None:
        files = HomeFiles(home, FileSettings(max_files_per_client=3))

        def save(name: str) -> None:
            parts = ("data", "web1", *name.split("/"))
            files.update(parts, lambda present: {"n": name}, create_folders=True, quota=parts[:2])

        save("a.json")  # beside the folder ``deep``
        save("b.json")
        with pytest.raises(FileWriteFailed, match="Too many files"):
            save("c/d/e.json")
        assert not (home / "data/web1/c").exists()
        save("a.json")
        assert json.loads((home / "data/web1/a.json").read_text()) == {"n": "a.json"}

    def test_a_disk_that_refuses_leaves_no_rubbish(self, files: HomeFiles, home: Path) -> None:
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            with pytest.raises(FileWriteFailed, match="cannot be written"):
                files.update(("settings", "a.json"), lambda present: {"x": "y" * 5000})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert [entry.name for entry in (home / "settings").iterdir()] == ["a.json"]
        assert (home / "settings/a.json").read_text() == '{"a": 1}'

    def test_writers_take_turns(self, files: HomeFiles) -> None:
        def add(name: str) -> None:
            for _ in range(10):
                files.update(
                    ("settings", "a.json"),
                    lambda present: {**(present or {}), name: present.get(name, 0) + 1 if present else 0},
                )

        threads = [threading.Thread(target=add, args=(name,)) for name in "xyz"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert files.read(("settings", "a.json")) == {"a": 1, "x": 10, "y": 10, "z": 10}


def test_kinds(files: HomeFiles, home: Path) -> None:
    os.mkfifo(home / "settings/fifo")
    assert files.kind(("settings", "a.json")) == "file"
    assert files.kind(("settings",)) == "folder"
    for parts in (("settings", "fifo"), ("settings", "b.json"), ("nowhere", "x")):
        with pytest.raises(FileMissing):
            files.kind(parts)
