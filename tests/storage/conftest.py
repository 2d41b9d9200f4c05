"""What the storage tests share: both implementations of the ports, and threads that are stepped by hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import fail as failed
from zope.interface import implementer

from newage.errors import Unavailable
from newage.ports import IWorkers
from newage.storage.database import Database, StorageSettings
from newage.storage.stores import Stores, memory_stores, sql_stores
from newage.workers import InlineWorkers


@implementer(IWorkers)
class SteppedWorkers:
    """Work waits until ``step``; what a thread would do happens between two lines of a test."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], Deferred[Any]]] = deque()
        self.closed = False

    def run(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if self.closed:
            return failed(Unavailable("stopped"))
        done: Deferred[Any] = Deferred()
        self.waiting.append((work, args, done))
        return done

    def step(self) -> None:
        work, args, done = self.waiting.popleft()
        try:
            result = work(*args)
        except Exception:
            done.errback()
        else:
            done.callback(result)

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)


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
