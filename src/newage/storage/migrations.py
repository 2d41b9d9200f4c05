"""Opening a database file: permissions, identity, version, upgrade. All of it blocks; it runs once, at the start."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from newage.errors import ConfigError

APPLICATION_ID = 0x6E774167  # "nwAg", at byte 68 of the file: a database of another program is not touched


def migrations() -> list[str]:
    """The SQL scripts in order; the first brings an empty file to version 1."""
    folder = files("newage.storage") / "schema"
    return [
        entry.read_text("utf-8")
        for entry in sorted(folder.iterdir(), key=lambda e: e.name)
        if entry.name.endswith(".sql")
    ]


def open_file(path: Path, busy_timeout: float, scripts: list[str] | None = None) -> sqlite3.Connection:
    """Open the database for writing, created or upgraded to the newest schema.

    :param busy_timeout: seconds to wait for another program's lock.
    :param scripts: the migrations; by default those of the package.
    :raises ConfigError: with cause and cure.
    """
    wanted = migrations() if scripts is None else scripts
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # -wal and -shm inherit the mode
        path.chmod(0o600)
        connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise ConfigError(
            f"{path} cannot be opened ({error}): check its owner and mode, or choose another --home"
        ) from error
    try:
        _prepare(connection, path, wanted)
    except sqlite3.OperationalError as error:
        connection.close()
        raise ConfigError(
            f"{path} cannot be used ({error}): free the disk, or end the program that locks it"
        ) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise ConfigError(
            f"{path} is damaged or no database ({error}): move it away and restore a backup, or start without it"
        ) from error
    except ConfigError:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, scripts: list[str]) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and owner != APPLICATION_ID:
        raise ConfigError(f"{path} belongs to another program: move it away, or choose another --home")
    if version > len(scripts):
        raise ConfigError(
            f"{path} was written by a newer newage (schema {version}, this one knows {len(scripts)}): "
            "install that version again, or choose another --home"
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    if 0 < version < len(scripts):
        _back_up(connection, path.with_name(f"{path.name}.v{version}.bak"))
    for number, script in enumerate(scripts[version:], start=version + 1):
        _upgrade(connection, path, number, script)
    # A page that cannot be read would surface much later, as a failing write; small files are checked in milliseconds.
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(str(verdict).splitlines()[-1])


def _back_up(connection: sqlite3.Connection, target: Path) -> None:
    """A complete copy beside the file, made before an upgrade; replaces an older one only when it is whole."""
    unfinished = target.with_name(target.name + ".tmp")
    unfinished.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with closing(sqlite3.connect(unfinished)) as copy:
        connection.backup(copy)
    unfinished.replace(target)


def _upgrade(connection: sqlite3.Connection, path: Path, number: int, script: str) -> None:
    try:
        # executescript, because a script has many statements; the version moves with them or not at all.
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {APPLICATION_ID};\n"
            f"PRAGMA user_version = {number};\nCOMMIT;"
        )
    except sqlite3.DatabaseError as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise ConfigError(
            f"{path} could not be upgraded to schema {number} ({error}): it is unchanged; report this, and go on with "
            "the version of newage that wrote it"
        ) from error
