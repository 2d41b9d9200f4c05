"""One SQLite file: a writer with group commit, a few readers, migrations. Everything durable goes through here.

Writes that arrive while a commit runs wait and then share the next transaction, each inside its own savepoint, so one
fsync (about 3 ms) serves many callers and a failing write fails only its caller. A Deferred fires after COMMIT: what is
acknowledged survives ``kill -9`` and, with ``synchronous=FULL``, a power cut.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, ClassVar, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail
from twisted.logger import Logger

from newage.errors import NewAgeError, Unavailable
from newage.ports import IWorkers
from newage.settings import limit, text
from newage.storage.in_place import InPlace
from newage.telemetry.metrics import Histogram
from newage.telemetry.quota import LogQuota

T = TypeVar("T")
COMMIT_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
Operation = Callable[[sqlite3.Connection], Any]
REFUSALS_PER_SECOND = 1  # lines; a full disk refuses everybody
_Outcome = tuple[bool, Any]  # did it come through; its result or what it raised


@frozen(kw_only=True)
class StorageSettings:
    """Limits of the database."""

    file_name: str = text("newage.sqlite3", "database file, relative to the data folder of the home or absolute")
    write_queue_limit: int = limit(10_000, "writes that may wait for a commit; beyond, writers are refused")
    batch_limit: int = limit(500, "writes that share one commit at most")
    reader_threads: int = limit(2, "threads that read beside the writer")
    read_queue_limit: int = limit(1000, "reads that may wait or run; beyond, readers are refused")
    look_seconds: int = limit(5, "seconds between two looks whether the file is still there while nobody writes")
    busy_timeout_ms: int = limit(10_000, "milliseconds to wait while another program locks the file", least=0)


@frozen
class _Write:
    operation: Operation
    done: Deferred[Any]


@define(eq=False)
class _Reader:
    """A connection that only reads, opened when it is needed."""

    _path: Path
    _timeout: float
    _connection: sqlite3.Connection | None = field(default=None, init=False)
    _generation: int = field(default=-1, init=False)

    def of(self, generation: int) -> sqlite3.Connection:
        """A connection to the file of that generation. :raises sqlite3.Error: it cannot be opened."""
        if self._connection is None or self._generation != generation:
            self.close()
            self._connection = sqlite3.connect(
                self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False
            )
            self._connection.execute("PRAGMA query_only = ON")
            self._generation = generation
        return self._connection

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


@define(eq=False)
class Database:
    """The open file.

    :param path: the database file; its folder is created.
    :param writer: workers with exactly one thread.
    :param readers: workers with at most ``settings.reader_threads`` threads.

    ``commits``: seconds of each transaction, as those who wait for it see them.
    """

    _log: ClassVar[Logger] = Logger()

    path: Path
    _settings: StorageSettings
    _writer: IWorkers
    _readers: IWorkers
    _now: Callable[[], float] = monotonic
    commits: Histogram = field(init=False, factory=lambda: Histogram(COMMIT_SECONDS))
    _file: InPlace | None = field(default=None, init=False)
    _idle: list[_Reader] = field(factory=list, init=False)  # append and pop are atomic
    _said: LogQuota = field(init=False)
    _queue: deque[_Write] = field(factory=deque, init=False)
    _committing: bool = field(default=False, init=False)
    _reading: int = field(default=0, init=False)  # reads under way
    _closing: Deferred[None] | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._said = LogQuota(REFUSALS_PER_SECOND, self._now)

    def open(self) -> None:
        """Check, migrate and open; blocks, for use before the reactor serves anybody.

        :raises ConfigError: the file cannot be used; the text names cause and cure.
        """
        timeout = self._settings.busy_timeout_ms / 1000
        self._file = InPlace(self.path, timeout)
        self._idle.extend(_Reader(self.path, timeout) for _ in range(self._settings.reader_threads))
        for reader in self._idle:
            reader.of(self._file.generation)

    def write(self, operation: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """Run ``operation`` in the writer's thread, inside a savepoint of the next transaction.

        :return: fires with its result after COMMIT; fails with what it raised (its changes are undone), or with
            Unavailable when the queue is full, the database is closed or the disk refuses. Cancelling it does not
            undo the write.
        """
        if self._closing is not None or self._file is None:
            return fail(Unavailable("The store is closed."))
        if len(self._queue) >= self._settings.write_queue_limit:
            return fail(Unavailable("The store is too busy."))
        done: Deferred[T] = Deferred()
        self._queue.append(_Write(operation, done))
        self._commit_next()
        return done

    def read(self, operation: Callable[[sqlite3.Connection], T]) -> Deferred[T]:
        """Run ``operation`` in a reading thread; it sees everything whose write has fired.

        :return: fires with its result; fails with what it raised or Unavailable.
        """
        if self._closing is not None or self._file is None:
            return fail(Unavailable("The store is closed."))
        self._reading += 1
        return self._readers.run(self._read, operation).addBoth(self._has_read)

    @property
    def idle(self) -> bool:
        """Nobody waits for a read or a write."""
        return not (self._reading or self._committing or self._queue)

    def look(self) -> Deferred[None]:
        """Write nothing, which finds out whether anything could be written; what was found is logged. Never fails."""
        return self.write(lambda _: None).addErrback(lambda failure: None)

    @property
    def look_seconds(self) -> int:
        return self._settings.look_seconds

    def close(self) -> Deferred[None]:
        """Refuse new work, finish what is queued, close the file; idempotent."""
        if self._closing is None:
            self._closing = Deferred()
            self._close_if_drained()
        waiting: Deferred[None] = Deferred()
        self._closing.addBoth(_tell, waiting)
        return waiting

    # ------------------------------------------------------------------------------------------------ in the reactor

    def _has_read(self, result: T) -> T:
        self._reading -= 1
        return result

    def _commit_next(self) -> None:
        if self._committing or not self._queue:
            return
        self._committing = True
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._settings.batch_limit))]
        running = self._writer.run(self._transaction, [write.operation for write in batch])
        running.addErrback(lambda failure: [(False, failure)] * len(batch))
        running.addCallback(self._committed, batch, self._now())
        running.addErrback(lambda failure: self._log.failure("a commit could not be reported", failure))

    def _committed(self, outcomes: list[_Outcome], batch: list[_Write], begun: float) -> None:
        self._committing = False
        self.commits.observe(self._now() - begun)
        self._commit_next()  # first, so that the disk works while the callers hear
        for write, (came_through, result) in zip(batch, outcomes, strict=True):
            if came_through:
                write.done.callback(result)
            else:
                write.done.errback(result)
        self._close_if_drained()

    def _close_if_drained(self) -> None:
        if self._closing is None or self._committing or self._queue or self._closing.called:
            return
        ended = self._readers.close()
        ended.addCallback(lambda _: self._writer.close())
        ended.addCallback(lambda _: self._release())
        ended.addErrback(lambda failure: self._log.failure("the database did not close cleanly", failure))
        ended.chainDeferred(self._closing)

    def _release(self) -> None:
        for reader in self._idle:
            reader.close()
        self._idle.clear()
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except (OSError, sqlite3.Error, NewAgeError) as error:
                self._refused(error)

    # ------------------------------------------------------------------------------------------------- in the threads

    def _read(self, operation: Operation) -> Any:
        assert self._file is not None
        reader = self._idle.pop()
        try:
            return operation(reader.of(self._file.generation))
        except sqlite3.Error as error:
            raise self._refused(error) from error
        finally:
            self._idle.append(reader)

    def _transaction(self, operations: list[Operation]) -> list[_Outcome]:
        """One commit; one outcome per operation."""
        assert self._file is not None
        outcomes: list[_Outcome] = []
        try:
            connection = self._file.connection()
        except (OSError, sqlite3.Error, NewAgeError) as error:
            return [(False, self._refused(error))] * len(operations)
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes.extend(self._step(connection, operation) for operation in operations)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            # Nothing of this transaction is on disk, so nobody may be told that it is.
            lost = self._refused(error)
            return [(False, lost if came_through else result) for came_through, result in outcomes] + [
                (False, lost)
            ] * (len(operations) - len(outcomes))
        return outcomes

    def _step(self, connection: sqlite3.Connection, operation: Operation) -> _Outcome:
        """:raises sqlite3.Error: the whole transaction is lost (disk full, I/O error: SQLite rolls all of it back)."""
        connection.execute("SAVEPOINT step")
        try:
            result = operation(connection)
        except Exception as error:
            if not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO step")
            connection.execute("RELEASE step")
            return False, self._refused(error) if isinstance(error, sqlite3.Error) else error
        connection.execute("RELEASE step")
        return True, result

    def _refused(self, error: Exception) -> NewAgeError:
        """What the caller is told; the log is told why, a few times a second."""
        unsaid = self._said.take()
        if unsaid is not None:
            self._log.critical(
                "the database refused: {kind}: {error}", kind=type(error).__name__, error=str(error), unsaid=unsaid
            )
        return Unavailable("The store refused.")


def done(_: sqlite3.Cursor) -> None:
    """A cursor must not leave the writer's thread."""


def _tell(result: Any, waiting: Deferred[None]) -> Any:
    waiting.callback(None)
    return result
