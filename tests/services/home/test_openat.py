"""The walk that follows no link: names, links, races, and no descriptor left open (contract 7.5, 16.3.31)."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from newage.services.home.openat import LinkInTheWay, folder_below, open_below, open_in, replace_in


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file.txt").write_text("inside")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file.txt").write_text("outside")
    return root


def descriptors_below(folder: Path) -> list[str]:
    """What this process has open there."""
    found = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(str(descriptor.readlink()))
    return [target for target in found if target.startswith(str(folder))]


def names(folder: int) -> list[str]:
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


@pytest.fixture(autouse=True)
def no_descriptor_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert descriptors_below(tmp_path) == []


def content(root: Path, *parts: str) -> str:
    descriptor = open_below(root, parts)
    try:
        return os.read(descriptor, 100).decode()
    finally:
        os.close(descriptor)


def test_a_file_and_a_folder(root: Path) -> None:
    assert content(root, "a", "b", "file.txt") == "inside"
    with folder_below(root, ("a", "b")) as folder:
        assert names(folder) == ["file.txt"]
        os.close(open_in(folder, "file.txt"))
    with folder_below(root, ()) as folder:
        assert names(folder) == ["a"]
        assert descriptors_below(root) == [str(root)]
    for parts in ((), ("a",)):
        descriptor = open_below(root, parts)
        assert stat.S_ISDIR(os.fstat(descriptor).st_mode)
        os.close(descriptor)


def test_what_is_opened_is_not_inherited(root: Path) -> None:
    descriptor = open_below(root, ("a", "b", "file.txt"))
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a/b", "../outside", "/etc", "a\0b", "\ud800"])
def test_what_is_no_name(root: Path, name: str) -> None:
    for parts in ((name,), (name, "file.txt"), ("a", name), ("a", name, "file.txt")):
        with pytest.raises(ValueError):
            open_below(root, parts)


@pytest.mark.parametrize(
    ("parts", "error"),
    [
        (("nothing",), FileNotFoundError),
        (("a", "nothing", "file.txt"), FileNotFoundError),
        (("a", "b", "file.txt", "deeper"), NotADirectoryError),
        (("a", "b", "x" * 300), OSError),
    ],
)
def test_what_is_not_there(root: Path, parts: tuple[str, ...], error: type[OSError]) -> None:
    with pytest.raises(error) as raised:
        open_below(root, parts)
    assert not isinstance(raised.value, LinkInTheWay)


def test_a_root_that_is_not_there_or_no_folder(root: Path) -> None:
    for wrong in (root / "nothing", root / "a" / "b" / "file.txt"):
        with pytest.raises(OSError):
            open_below(wrong, ("a",))


def test_the_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert content(tmp_path / "link", "a", "b", "file.txt") == "inside"


LINKS: dict[str, Callable[[Path], tuple[str, ...]]] = {
    "a file outside": lambda root: link(root / "l", root.parent / "outside" / "file.txt", "l"),
    "a file inside": lambda root: link(root / "l", root / "a" / "b" / "file.txt", "l"),
    "a folder outside": lambda root: link(root / "l", root.parent / "outside", "l", "file.txt"),
    "a folder inside": lambda root: link(root / "a" / "l", root / "a" / "b", "a", "l", "file.txt"),
    "relative": lambda root: link(root / "a" / "l", Path("../../outside"), "a", "l", "file.txt"),
    "to nowhere": lambda root: link(root / "l", Path("nowhere"), "l"),
    "to itself": lambda root: link(root / "l", Path("l"), "l"),
    "to itself, in the middle": lambda root: link(root / "l", Path("l"), "l", "x"),
    "a folder, last": lambda root: link(root / "l", root / "a", "l"),
}


def link(path: Path, target: Path, *parts: str) -> tuple[str, ...]:
    path.symlink_to(target)
    return parts


@pytest.mark.parametrize("make", LINKS.values(), ids=LINKS.keys())
def test_no_link_is_followed(root: Path, make: Callable[[Path], tuple[str, ...]]) -> None:
    parts = make(root)
    with pytest.raises(LinkInTheWay):
        open_below(root, parts)
    with pytest.raises(LinkInTheWay), folder_below(root, parts):
        pass


def test_a_pipe_holds_nobody_up(root: Path) -> None:
    os.mkfifo(root / "pipe")
    descriptor = open_below(root, ("pipe",))
    assert stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    os.close(descriptor)


def test_what_is_missing_may_be_made_on_the_way(root: Path) -> None:
    asked: list[str] = []

    def make(folder: int, name: str) -> None:
        asked.append(name)
        with suppress(FileExistsError):
            os.mkdir(name, dir_fd=folder)

    with folder_below(root, ("a", "new", "newer"), before=make) as folder:
        assert names(folder) == []
    assert asked == ["a", "new", "newer"]
    assert (root / "a" / "new" / "newer").is_dir()


def test_what_making_raises_ends_the_walk(root: Path) -> None:
    def refuse(folder: int, name: str) -> None:
        raise PermissionError(name)

    with pytest.raises(PermissionError, match="a"), folder_below(root, ("a",), before=refuse):
        pass


def test_a_file_is_replaced_as_a_whole_and_is_its_owners(root: Path, tmp_path: Path) -> None:
    (root / "a" / "link").symlink_to(tmp_path / "outside" / "file.txt")
    with folder_below(root, ("a",)) as folder:
        for name, content in (("new", b"one"), ("new", b"two"), ("link", b"three")):
            replace_in(folder, name, content)
    assert {each.name for each in (root / "a").iterdir()} == {"b", "new", "link"}
    assert ((root / "a" / "new").read_bytes(), (root / "a" / "link").read_bytes()) == (b"two", b"three")
    assert stat.S_IMODE((root / "a" / "new").stat().st_mode) == 0o600
    assert (tmp_path / "outside" / "file.txt").read_text() == "outside"


def test_of_a_file_that_cannot_be_written_nothing_is_left(root: Path) -> None:
    with folder_below(root, ("a",)) as folder, pytest.raises(OSError):
        replace_in(folder, "b", b"there is a folder of that name")
    assert [each.name for each in (root / "a").iterdir()] == ["b"]


def test_what_is_done_in_a_folder_may_fail(root: Path) -> None:
    with pytest.raises(KeyError), folder_below(root, ("a",)):
        raise KeyError


@contextmanager
def exchanging(root: Path) -> Iterator[None]:
    """``swap`` is a folder and a link to the outside, in turn, all the time."""
    swap, real, linked, spare = root / "swap", root / "real", root / "linked", root / "spare"
    real.mkdir()
    (real / "file.txt").write_text("inside")
    swap.symlink_to(root.parent / "outside")
    stop = threading.Event()

    def exchange() -> None:
        while not stop.is_set():
            swap.rename(linked)
            real.rename(swap)
            swap.rename(spare)
            linked.rename(swap)
            spare.rename(real)

    thread = threading.Thread(target=exchange)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_folder_exchanged_for_a_link_all_the_time_never_leads_out(root: Path) -> None:
    read = 0
    with exchanging(root):
        for _ in range(100_000):
            with suppress(FileNotFoundError, LinkInTheWay, NotADirectoryError):  # a link when opened, none when asked
                assert content(root, "swap", "file.txt") == "inside"
                read += 1
            if read == 100:
                break
    assert read, "it was a folder sometimes"
