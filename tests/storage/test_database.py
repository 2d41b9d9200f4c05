"""Group commit, its failures, its limits, and the end."""

from __future__ import annotations

import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from twisted.internet.defer import CancelledError

from deferreds import SteppedWorkers, outcome, value
from logkit import Logged
from newage.errors import BadParameter, Unavailable
from newage.storage.database import Database

Make = Callable[..., Database]


def put(name: str) -> Callable[[sqlite3.Connection], str]:
    def operation(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO state (name, value) VALUES (?, x'31')", (name,))
        return name

    return operation


def names(database: Database) -> list[str]:
    found: list[str] = value(database.read(lambda c: [n for (n,) in c.execute("SELECT name FROM state ORDER BY name")]))
    return found


def test_it_is_idle_when_nobody_waits_for_it(make_database: Make, writer: SteppedWorkers) -> None:
    database = make_database(writer=writer)
    assert database.idle
    value_of_first, value_of_second = outcome(database.write(put("a"))), outcome(database.write(put("b")))
    assert not database.idle
    writer.step()
    assert not database.idle
    writer.step()
    assert (database.idle, value_of_first, value_of_second) == (True, ["a"], ["b"])
    assert names(database) == ["a", "b"]
    failed = outcome(database.read(lambda c: c.execute("SELECT nothing")))
    assert len(failed) == 1
    assert database.idle


class TestGroupCommit:
    def test_a_lone_write_waits_for_nobody_and_fires_after_commit(
        self, make_database: Make, writer: SteppedWorkers
    ) -> None:
        database = make_database(writer=writer)
        done = outcome(database.write(put("a")))
        assert len(writer.waiting) == 1
        assert not done
        writer.step()
        assert done == ["a"]
        assert names(database) == ["a"]

    def test_writes_during_a_commit_share_the_next(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)
        begun: list[str] = []
        assert database._file is not None
        database._file.connection().set_trace_callback(
            lambda text: begun.append(text) if text.startswith("BEGIN") else None
        )
        first = outcome(database.write(put("a")))
        others = [outcome(database.write(put(name))) for name in "bcdef"]
        assert len(writer.waiting) == 1
        writer.step()
        assert first == ["a"]
        assert not any(others)
        writer.step()
        assert others == [["b"], ["c"], ["d"], ["e"], ["f"]]
        assert len(begun) == 2
        assert not writer.waiting

    def test_how_long_each_takes_is_known(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)
        for name in "ab":
            outcome(database.write(put(name)))
        assert dict(database.commits.up_to())[float("inf")] == 0
        writer.flush()
        assert dict(database.commits.up_to())[float("inf")] == 2
        assert database.commits.total > 0

    def test_a_batch_is_bounded(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer, batch_limit=2)
        for name in "abcde":
            outcome(database.write(put(name)))
        assert writer.flush() == 3  # a, bc, de
        assert names(database) == list("abcde")

    def test_a_failure_fails_its_caller_only(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)

        def half(connection: sqlite3.Connection) -> None:
            put("half")(connection)
            raise BadParameter("changed my mind")

        done = [outcome(database.write(operation)) for operation in (put("a"), put("b"), half, put("c"))]
        writer.flush()
        assert [done[0], done[1], done[3]] == [["a"], ["b"], ["c"]]
        with pytest.raises(BadParameter):
            done[2][0].raiseException()
        assert names(database) == ["a", "b", "c"]

    def test_an_sql_error_is_unavailable_and_logged(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)
        with Logged() as logged:
            done = [outcome(database.write(operation)) for operation in (put("a"), put("a"), put("b"))]
            writer.flush()
        with pytest.raises(Unavailable):
            done[1][0].raiseException()
        assert done[2] == ["b"]
        assert [
            event["kind"] for event in logged.events if event.get("log_namespace") == "newage.storage.database.Database"
        ] == ["IntegrityError"]

    def test_when_the_transaction_is_lost_nobody_is_told_otherwise(
        self, make_database: Make, writer: SteppedWorkers
    ) -> None:
        """As with a full disk: SQLite rolls everything back, what seemed to succeed too."""
        database = make_database(writer=writer)

        def disk_full(connection: sqlite3.Connection) -> None:
            connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

        first = outcome(database.write(put("first")))
        done = [outcome(database.write(operation)) for operation in (put("a"), disk_full, put("b"))]
        writer.flush()
        for lost in done:
            with pytest.raises(Unavailable):
                lost[0].raiseException()
        assert first == ["first"]
        assert names(database) == ["first"]
        last = outcome(database.write(put("last")))
        writer.flush()
        assert last == ["last"]

    def test_a_commit_that_fails_fails_all(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)

        def dangling(connection: sqlite3.Connection) -> None:
            connection.execute("PRAGMA defer_foreign_keys = ON")
            connection.execute("INSERT INTO mute (room_id, identity, until) VALUES (99, 'x', 1)")

        done = [outcome(database.write(operation)) for operation in (dangling, put("a"))]
        writer.flush()
        with pytest.raises(Unavailable):
            done[0][0].raiseException()
        assert done[1] == ["a"]  # it was in the next transaction
        assert names(database) == ["a"]

    def test_a_writer_that_cannot_run_fails_the_batch(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)
        writer.closed = True
        with pytest.raises(Unavailable):
            value(database.write(put("a")))
        writer.closed = False
        done = outcome(database.write(put("b")))
        writer.flush()
        assert done == ["b"]

    def test_a_cancelled_caller_hears_nothing_and_others_do(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)
        cancelled = database.write(put("a"))
        other = outcome(database.write(put("b")))
        heard = outcome(cancelled)
        cancelled.cancel()
        writer.flush()
        assert heard[0].check(CancelledError)
        assert other == ["b"]
        assert names(database) == ["a", "b"]

    def test_the_queue_is_bounded(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer, write_queue_limit=3)
        done = [outcome(database.write(put(name))) for name in "abcde"]
        with pytest.raises(Unavailable, match="busy"):
            done[4][0].raiseException()
        writer.flush()
        assert done[:4] == [["a"], ["b"], ["c"], ["d"]]

    def test_a_callback_may_write_again(self, make_database: Make, writer: SteppedWorkers) -> None:
        database = make_database(writer=writer)
        chained = outcome(database.write(put("a")).addCallback(lambda _: database.write(put("b"))))
        writer.flush()
        assert chained == ["b"]


class TestReading:
    def test_cannot_write(self, make_database: Make) -> None:
        database = make_database()
        with pytest.raises(Unavailable):
            value(database.read(put("a")))
        assert names(database) == []

    def test_a_failed_reader_is_used_again(self, make_database: Make) -> None:
        database = make_database(reader_threads=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                value(database.read(lambda c: 1 // 0))
        assert names(database) == []


class TestClosing:
    def test_finishes_what_is_queued(self, make_database: Make, writer: SteppedWorkers, tmp_path: Path) -> None:
        database = make_database(writer=writer)
        done = [outcome(database.write(put(name))) for name in "abc"]
        closed, again = outcome(database.close()), outcome(database.close())
        assert not closed
        writer.flush()
        assert done == [["a"], ["b"], ["c"]]
        assert closed == again == [None]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["newage.sqlite3"]  # the WAL is folded in
        assert names(make_database()) == ["a", "b", "c"]

    def test_refuses_what_comes_later(self, make_database: Make) -> None:
        database = make_database()
        assert value(database.close()) is None
        for refused in (database.write(put("a")), database.read(lambda c: None)):
            with pytest.raises(Unavailable, match="closed"):
                value(refused)
        assert value(database.close()) is None


def test_the_files_are_private(make_database: Make, tmp_path: Path) -> None:
    database = make_database()
    value(database.write(put("a")))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(("newage.sqlite3", "newage.sqlite3-wal", "newage.sqlite3-shm"), 0o600)


def test_an_unsafe_mode_is_corrected(make_database: Make, tmp_path: Path) -> None:
    value(make_database().close())
    (tmp_path / "newage.sqlite3").chmod(0o644)
    make_database()
    assert stat.S_IMODE((tmp_path / "newage.sqlite3").stat().st_mode) == 0o600


def test_it_is_durable_by_its_settings(make_database: Make) -> None:
    file = make_database()._file
    assert file is not None
    connection = file.connection()
    assert connection is not None
    found = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
    ]
    assert found == ["wal", 2, 1]
