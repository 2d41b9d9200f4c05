"""READ_LOG: parameters, entries, levels, pages (contract 10.3)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import Logger

from deferreds import SteppedWorkers, outcome, value
from newage.daemon.workers import InlineWorkers
from newage.dialect.files import log_page
from newage.domain.logs import FILES, LogPage, LogQuery
from newage.errors import FileReadFailed, InvalidRequest, Unavailable
from newage.namespaces.debug import parse_log_query
from newage.services.home.log_reader import LogReader, LogReaderSettings, find
from newage.settings import Live
from newage.telemetry.logs import LogFiles, LogSettings
from newage.telemetry.metrics import Counters

TEXT = """2026-01-02 03:04:05 [info] [llm-server] [CONFIG_LOADED]: first
2026-01-02 03:04:06 [error] [llm-server] [104]: second
{
  "a": 1
}
2026-01-02 03:04:07 [warn] [llm-server]: third
2026-01-02 03:04:08 [debug] [llm-server]: fourth
"""


def reader(folder: Path | None, **settings: int) -> LogReader:
    return LogReader(folder, InlineWorkers(), Live(LogReaderSettings(**settings)))


def read(folder: Path | None, **asked: Any) -> dict[str, Any]:
    page: LogPage = value(reader(folder).read("ann", LogQuery(filename="combined.log", **asked)))
    return log_page(page)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "combined.log").write_text(TEXT, "utf-8")
    return tmp_path


class TestParameters:
    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            ({}, "Invalid filename"),
            ({"filename": "../keys/clients.json"}, "Invalid filename"),
            ({"filename": "audit.jsonl"}, "Invalid filename"),
            ({"filename": ["combined.log"]}, "Invalid filename"),
            ({"filename": "error.log", "level": "critical"}, "Invalid level Options"),
            ({"filename": "error.log", "level": ["info"]}, "Invalid level Options"),
            ({"filename": "error.log", "page": 0}, "Invalid page number"),
            ({"filename": "error.log", "page": True}, "Invalid page number"),
            ({"filename": "error.log", "page": "1"}, "Invalid page number"),
            ({"filename": "error.log", "page": 1.5}, "Invalid page number"),
            ({"filename": "error.log", "pageSize": 0}, "Invalid page size (must be between 1 and 100)"),
            ({"filename": "error.log", "pageSize": 101}, "Invalid page size (must be between 1 and 100)"),
            ({"filename": "error.log", "pageSize": {}}, "Invalid page size (must be between 1 and 100)"),
        ],
    )
    def test_wrong_ones_are_named(self, asked: dict[str, Any], words: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            value(reader(None).read("ann", parse_log_query(asked)))
        assert str(refused.value) == words

    def test_missing_and_null_ones_have_defaults(self) -> None:
        asked = {"filename": "info.log", "level": None, "page": None, "pageSize": None, "order": None}
        assert parse_log_query(asked) == parse_log_query({"filename": "info.log"}) == LogQuery(filename="info.log")
        assert parse_log_query({"filename": "info.log", "order": "desc"}).descending

    @pytest.mark.parametrize("name", FILES)
    def test_a_file_that_is_not_there_is_empty(self, tmp_path: Path, name: str) -> None:
        page = value(reader(tmp_path).read("ann", LogQuery(filename=name)))
        assert page == LogPage(lines=(), total=0, page=1, page_size=10, level="all")

    def test_in_memory_there_are_no_logs(self) -> None:
        assert read(None)["lines"] == []


class TestEntries:
    def test_an_entry_is_its_line_and_what_follows(self, folder: Path) -> None:
        page = read(folder)
        assert page["total"] == 4
        assert page["lines"][1] == '2026-01-02 03:04:06 [error] [llm-server] [104]: second\n{\n  "a": 1\n}'

    @pytest.mark.parametrize(("level", "count"), [("all", 4), ("debug", 4), ("info", 3), ("warn", 2), ("error", 1)])
    def test_a_level_and_the_more_severe_ones(self, folder: Path, level: str, count: int) -> None:
        page = read(folder, level=level)
        assert (page["total"], page["level"]) == (count, level)

    def test_an_unknown_level_in_a_file_is_shown_with_all_only(self) -> None:
        assert LogQuery(filename="combined.log").wants("notice")
        assert not LogQuery(filename="combined.log", level="debug").wants("notice")

    def test_pages(self, folder: Path) -> None:
        assert [line[-5:] for line in read(folder, page=2, page_size=3)["lines"]] == ["ourth"]
        assert read(folder, page=3, page_size=3) == {
            "lines": [], "total": 4, "page": 3, "pageSize": 3, "level": "all",
        }  # fmt: skip
        newest = read(folder, page_size=1, descending=True)["lines"]
        assert newest[0].endswith("fourth")
        assert read(folder, page=10**30)["lines"] == []

    def test_only_the_end_of_a_long_file_is_read_and_begins_with_a_whole_entry(self, tmp_path: Path) -> None:
        lines = [f"2026-01-02 03:04:05 [info] [llm-server]: number {n:05}" for n in range(1000)]
        (tmp_path / "combined.log").write_text("\n".join(lines) + "\n", "utf-8")
        page = value(
            reader(tmp_path, log_tail_bytes=4096).read("ann", LogQuery(filename="combined.log", descending=True))
        )
        assert 70 <= page.total <= 4096 // len(lines[0])
        assert page.lines[0] == lines[-1]
        assert log_page(page)["truncated"] is True

    def test_a_file_that_cannot_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "combined.log").mkdir()
        [failure] = outcome(reader(tmp_path).read("ann", LogQuery(filename="combined.log")))
        assert failure.check(FileReadFailed)

    @given(st.binary(max_size=300), st.booleans(), st.integers(min_value=0, max_value=300))
    def test_total_over_any_bytes(self, text: bytes, descending: bool, start: int) -> None:
        file = io.BytesIO(text.replace(b"x", b"2026-01-02 03:04:05 [info] "))
        end = len(file.getvalue())
        query = LogQuery(filename="combined.log", level="info", descending=descending)
        found = find(file, query, min(start, end), end)
        for place in range(len(found)):
            assert found.of(file, place).startswith("2026-01-02 03:04:05 [info] ")

    def test_windows_line_ends_are_none_of_the_entry(self, tmp_path: Path) -> None:
        (tmp_path / "combined.log").write_bytes(TEXT.replace("\n", "\r\n").encode())
        assert read(tmp_path)["lines"][1] == '2026-01-02 03:04:06 [error] [llm-server] [104]: second\n{\n  "a": 1\n}'

    def test_what_the_hub_writes_comes_back(self, tmp_path: Path) -> None:
        files = LogFiles(tmp_path, LogSettings(), Counters())
        log = Logger(namespace="newage.test", observer=files)
        log.info("one {x}", x="2026-01-02 03:04:05 [error] [llm-server]: forged", more={"a": [1]})
        log.warn("two", tag="WARNING")
        log.error("three", error_code=5)
        files.close()
        page = read(tmp_path)
        assert page["total"] == 3
        assert [line.splitlines()[0].rpartition(": ")[2] for line in page["lines"]] == ["forged", "two", "three"]


class TestTurns:
    """Each page is a pass over megabytes: however many are asked for, one at a time is read for a caller."""

    def test_a_callers_pages_come_one_after_the_other(self, folder: Path) -> None:
        workers = SteppedWorkers()
        logs = LogReader(folder, workers, Live(LogReaderSettings(log_waiting=3)))
        query = LogQuery(filename="combined.log")
        mine = [outcome(logs.read("ann", query)) for _ in range(4)]
        assert len(workers.waiting) == 1
        with pytest.raises(Unavailable, match="wait for its pages"):
            mine[3][0].raiseException()
        theirs = outcome(logs.read("bob", query))
        assert len(workers.waiting) == 2
        workers.flush()
        assert [page[0].total for page in [*mine[:3], theirs]] == [4] * 4
        again = outcome(logs.read("ann", query))
        workers.flush()
        assert again[0].total == 4

    def test_a_failure_ends_its_turn(self, folder: Path) -> None:
        workers = SteppedWorkers()
        logs = LogReader(folder, workers, Live(LogReaderSettings(log_waiting=1)))
        (folder / "info.log").mkdir()
        first = outcome(logs.read("ann", LogQuery(filename="info.log")))
        workers.flush()
        assert first[0].check(FileReadFailed)
        second = outcome(logs.read("ann", LogQuery(filename="combined.log")))
        workers.flush()
        assert second[0].total == 4
