"""What opening does to a file: creating, upgrading, and refusing with cause and cure."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from newage.domain.model import Scope
from newage.errors import ConfigError
from newage.storage.migrations import APPLICATION_ID, migrations, open_file
from newage.storage.sql import LOAD_KEYS, key_of

FIRST = "CREATE TABLE thing (name TEXT NOT NULL);\nINSERT INTO thing VALUES ('one');"
SECOND = "ALTER TABLE thing ADD COLUMN size INTEGER NOT NULL DEFAULT 7;\nINSERT INTO thing VALUES ('two', 2);"
BROKEN = "INSERT INTO thing VALUES ('never', 1);\nINSERT INTO nothing VALUES (1);"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deeper" / "x.sqlite3"


def rows(path: Path, scripts: list[str]) -> list[tuple[object, ...]]:
    with closing(open_file(path, 1.0, scripts)) as connection:
        return connection.execute("SELECT * FROM thing").fetchall()


def test_the_shipped_migrations_bring_an_empty_file_to_the_newest_version(path: Path) -> None:
    with closing(open_file(path, 1.0)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(migrations()),)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    open_file(path, 1.0).close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_an_upgrade_runs_what_is_missing_and_keeps_a_backup(path: Path) -> None:
    assert rows(path, [FIRST]) == [("one",)]
    assert rows(path, [FIRST, SECOND]) == [("one", 7), ("two", 2)]
    assert rows(path, [FIRST, SECOND]) == [("one", 7), ("two", 2)]
    backup = path.with_name("x.sqlite3.v1.bak")
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, backup.name]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with closing(sqlite3.connect(backup)) as copy:
        assert copy.execute("SELECT * FROM thing").fetchall() == [("one",)]


def test_keys_of_before_get_an_id_each_and_wait_for_their_rank(path: Path) -> None:
    with closing(open_file(path, 1.0, migrations()[:1])) as connection:
        for number in range(3):
            row = (f"h{number}", number)
            connection.execute(
                "INSERT INTO client_key (client_id, hash, created_at, local) VALUES ('ann', ?, ?, 1)", row
            )
    with closing(open_file(path, 1.0)) as connection:
        records = [key_of(row) for row in connection.execute(LOAD_KEYS)]
    assert [(each.hash, each.created_at, each.local) for each in records] == [(f"h{n}", n, True) for n in range(3)]
    assert {(each.rank, each.scope, each.name, each.expires, each.last_used) for each in records} == {
        (None, Scope.ALL, "", None, None)
    }
    assert all(len(each.key_id) == 8 for each in records)
    assert len({each.key_id for each in records}) == 3


def test_a_failed_upgrade_changes_nothing(path: Path) -> None:
    rows(path, [FIRST])
    with pytest.raises(ConfigError, match=r"could not be upgraded to schema 3 .*nothing.*unchanged"):
        open_file(path, 1.0, [FIRST, SECOND, BROKEN])
    assert rows(path, [FIRST, SECOND]) == [("one", 7), ("two", 2)]


def test_a_newer_file_is_refused(path: Path) -> None:
    rows(path, [FIRST, SECOND])
    with pytest.raises(ConfigError, match=r"newer newage \(schema 2, this one knows 1\).*--home"):
        open_file(path, 1.0, [FIRST])


def test_another_programs_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("CREATE TABLE theirs (x)")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"belongs to another program.*--home"):
        open_file(path, 1.0)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is not a database, it is a shopping list" * 100, b"\0" * 5000])
def test_what_is_no_database_is_refused(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged or no database .*backup"):
        open_file(path, 1.0)
    assert path.read_bytes() == content


def test_a_damaged_page_is_found(path: Path) -> None:
    with closing(open_file(path, 1.0)) as connection:
        connection.execute("BEGIN")
        for number in range(2000):
            connection.execute("INSERT INTO trusted (client_id, at) VALUES (?, 0)", (f"client {number}" * 5,))
        connection.execute("COMMIT")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"damaged or no database .*backup"):
        open_file(path, 1.0)


def test_a_cut_file_is_found(path: Path) -> None:
    open_file(path, 1.0).close()
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(ConfigError, match=r"damaged or no database .*backup"):
        open_file(path, 1.0)


def test_a_locked_file_is_refused_after_the_timeout(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(ConfigError, match=r"cannot be used \(database is locked\).*locks it"):
            open_file(path, 0.0)


def test_a_folder_in_the_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(ConfigError, match=r"cannot be opened .*--home"):
        open_file(path, 1.0)


def test_a_file_in_the_place_of_the_folder_is_refused(path: Path) -> None:
    path.parent.write_text("in the way")
    with pytest.raises(ConfigError, match=r"cannot be opened .*--home"):
        open_file(path, 1.0)
