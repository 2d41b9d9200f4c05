"""Whether the open database still lies where its path leads, and what to do when somebody took it away.

A file that is deleted while it is open goes on taking writes, and all of them vanish with its last descriptor. What is
acknowledged would be lost; so each commit looks first. What was deleted is written anew from the open file, which has
everything; what was replaced by another file is not touched.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import ClassVar

from attrs import define, field
from twisted.logger import Logger

from newage.errors import Unavailable
from newage.storage.migrations import open_file

_File = tuple[int, int] | None  # device and inode; None: nothing there
_NOWHERE = (-1, -1)


def _file(path: Path) -> _File:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


@define(eq=False)
class InPlace:
    """The connection that writes, in its thread.

    :param busy_timeout: seconds to wait for another program's lock.
    """

    _log: ClassVar[Logger] = Logger()

    path: Path
    _busy_timeout: float
    _connection: sqlite3.Connection = field(init=False)
    _database: _File = field(default=None, init=False)
    _wal: _File = field(default=None, init=False)
    generation: int = field(default=0, init=False)  # grows when the file is made again: older connections see another

    def __attrs_post_init__(self) -> None:
        """:raises ConfigError: the file cannot be used."""
        self._connection = self._opened()

    @property
    def wal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-wal")

    def _opened(self) -> sqlite3.Connection:
        connection = open_file(self.path, self._busy_timeout)
        self._database, self._wal = _file(self.path), _file(self.wal)
        return connection

    def connection(self) -> sqlite3.Connection:
        """What to write through.

        :raises Unavailable: another file lies in its place.
        :raises OSError, sqlite3.Error, ConfigError: it was taken away and cannot be made again.
        """
        found, wal = _file(self.path), _file(self.wal)
        if self._wal is None:
            self._wal = wal  # made by the first transaction
        if (found, wal) != (self._database, self._wal):
            if found not in {None, self._database}:
                raise Unavailable(
                    f"{self.path} is another file now: put the hub's own back, or restart the hub to use this one"
                )
            self._make_again()
        return self._connection

    def _make_again(self) -> None:
        """From the open file to a copy, from the copy into its place: a failure leaves everything as it was."""
        copy = self.path.with_name(f"{self.path.name}.again")
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy.unlink(missing_ok=True)
        os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(copy, isolation_level=None)) as target:
            self._connection.backup(target)
        for beside in (self.wal, self.path.with_name(f"{self.path.name}-shm")):
            beside.unlink(missing_ok=True)  # of the lost file: SQLite would play it back into the new one
        copy.replace(self.path)
        self._database, self._wal = _file(self.path), _NOWHERE  # so that a failure from here on is tried again
        lost, self._connection = self._connection, self._opened()
        self.generation += 1
        lost.close()  # its file has moved: SQLite folds nothing back and removes nothing
        self._log.critical(
            "{path} was deleted while the hub ran; it has been written anew from the open file, and nothing is lost",
            path=str(self.path),
        )

    def close(self) -> None:
        """Look once more, then fold the WAL back into the file."""
        try:
            self.connection()
        finally:
            self._connection.close()
