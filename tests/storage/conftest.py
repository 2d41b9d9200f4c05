"""What the storage tests share: databases in a temporary folder, and both implementations of the ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deferreds import SteppedWorkers
from newage.daemon.workers import InlineWorkers
from newage.storage.database import Database, StorageSettings
from newage.storage.stores import Stores, memory_stores, sql_stores


@pytest.fixture
def writer() -> SteppedWorkers:
    return SteppedWorkers()


@pytest.fixture
def make_database(tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Opens databases, by default on one file and with writes done at once; closes them at the end."""
    opened: list[Database] = []

    def make(name: str = "newage.sqlite3", *, writer: Any = None, **settings: Any) -> Database:
        workers = InlineWorkers() if writer is None else writer
        database = Database(tmp_path / name, StorageSettings(**settings), workers, InlineWorkers())
        database.open()
        opened.append(database)
        return database

    yield make
    for database in opened:
        database.close()


@pytest.fixture(params=["sqlite", "memory"])
def stores(request: pytest.FixtureRequest, make_database: Callable[..., Database]) -> Stores:
    return memory_stores() if request.param == "memory" else sql_stores(make_database())
