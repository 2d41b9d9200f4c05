"""A database that is taken away under the running hub: nothing that was acknowledged is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from deferreds import value
from logkit import Logged
from newage.errors import Unavailable
from newage.storage.database import Database
from newage.storage.migrations import migrations

Make = Callable[..., Database]


def put(name: str) -> Callable[[sqlite3.Connection], str]:
    def operation(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO state (name, value) VALUES (?, x'31')", (name,))
        return name

    return operation


def stored(path: Path) -> list[str]:
    """What another program finds in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM state ORDER BY name")]


def read(database: Database) -> list[str]:
    found: list[str] = value(database.read(lambda c: [n for (n,) in c.execute("SELECT name FROM state ORDER BY name")]))
    return found


def delete(path: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        path.with_name(path.name + suffix).unlink()


TAKEN: dict[str, Callable[[Path], object]] = {
    "all three files": lambda path: delete(path, "", "-wal", "-shm"),
    "the file alone": lambda path: delete(path, ""),
    "what was written last": lambda path: delete(path, "-wal"),
    "the folder": lambda path: shutil.rmtree(path.parent),
    "moved away": lambda path: path.rename(path.with_name("old.sqlite3")),
}


@pytest.fixture(params=TAKEN)
def taken(request: pytest.FixtureRequest) -> Callable[[Path], object]:
    return TAKEN[request.param]


@pytest.fixture
def database(make_database: Make) -> Database:
    database = make_database("data/newage.sqlite3")
    value(database.write(put("a")))
    assert read(database) == ["a"]
    return database


def test_the_next_write_writes_it_anew(database: Database, taken: Callable[[Path], object], logged: Logged) -> None:
    taken(database.path)
    assert value(database.write(put("b"))) == "b"
    assert stored(database.path) == ["a", "b"]
    assert read(database) == ["a", "b"]
    assert value(database.write(put("c"))) == "c"
    assert stored(database.path) == ["a", "b", "c"]
    assert len([line for line in logged() if "was deleted while the hub ran" in line]) == 1
    assert database.path.stat().st_mode & 0o777 == 0o600


def test_it_is_found_out_while_nobody_writes(database: Database, taken: Callable[[Path], object]) -> None:
    taken(database.path)
    value(database.look())
    assert stored(database.path) == ["a"]


def test_a_stop_comes_in_time(database: Database, taken: Callable[[Path], object], make_database: Make) -> None:
    taken(database.path)
    value(database.close())
    assert read(make_database("data/newage.sqlite3")) == ["a"]


def test_it_happens_again(database: Database) -> None:
    for name in "bcd":
        delete(database.path, "", "-wal", "-shm")
        value(database.write(put(name)))
    assert stored(database.path) == read(database) == ["a", "b", "c", "d"]


def test_another_file_in_its_place_is_not_touched(database: Database, tmp_path: Path, logged: Logged) -> None:
    mine = tmp_path / "mine"
    database.path.rename(mine)
    database.path.write_bytes(b"somebody else's")
    for _ in range(20):
        with pytest.raises(Unavailable, match="refused"):
            value(database.write(put("b")))
    assert database.path.read_bytes() == b"somebody else's"
    assert 1 <= len([line for line in logged() if "is another file now: put the hub's own back" in line]) <= 2
    mine.replace(database.path)
    assert value(database.write(put("c"))) == "c"
    assert read(database) == ["a", "c"]


def test_another_file_is_not_touched_by_the_stop_either(database: Database, logged: Logged) -> None:
    delete(database.path, "")
    database.path.write_bytes(b"somebody else's")
    value(database.close())
    assert database.path.read_bytes() == b"somebody else's"
    assert any("is another file now" in line for line in logged())


def test_what_cannot_be_made_again_is_refused_until_it_can(database: Database, logged: Logged) -> None:
    folder = database.path.parent
    shutil.rmtree(folder)
    folder.write_text("in the way")
    with pytest.raises(Unavailable, match="refused"):
        value(database.write(put("b")))
    value(database.look())
    assert any("the database refused: " in line for line in logged())
    folder.unlink()
    assert value(database.write(put("c"))) == "c"
    assert stored(database.path) == ["a", "c"]


def test_a_failure_on_the_way_is_tried_again(database: Database) -> None:
    """A later newage's mark in the copy: it lies in its place and cannot be opened."""
    value(database.write(lambda c: c.execute("PRAGMA user_version").fetchone()))
    delete(database.path, "", "-wal", "-shm")
    file = database._file
    assert file is not None
    whole = file._connection
    whole.execute("PRAGMA user_version = 999")
    with pytest.raises(Unavailable, match="refused"):
        value(database.write(put("b")))
    whole.execute(f"PRAGMA user_version = {len(migrations())}")
    assert value(database.write(put("c"))) == "c"
    assert stored(database.path) == ["a", "c"]


def test_a_disk_that_refuses_is_a_line_a_second(make_database: Make, logged: Logged) -> None:
    database = make_database()
    for _ in range(50):
        with pytest.raises(Unavailable):
            value(database.write(lambda c: c.execute("INSERT INTO nothing VALUES (1)")))
    assert 1 <= len([line for line in logged() if "the database refused" in line]) <= 2
