"""Log files of contract 10.4."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface.verify import verifyObject

from newage.errors import BadKey
from newage.settings import Live
from newage.telemetry.logs import FILES, LogFile, LogFiles, LogSettings, entry_of
from newage.telemetry.metrics import Counters

HEAD = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] \[llm-server\]")


@pytest.fixture
def counters() -> Counters:
    return Counters()


def open_logs(folder: Path, counters: Counters, *, debug: Callable[[], bool] = bool, **settings: int) -> LogFiles:
    return LogFiles(folder, LogSettings(**settings), counters, debug=debug)


def event(text: str = "hello", level: LogLevel = LogLevel.info, **fields: Any) -> dict[str, Any]:
    return {"log_format": text, "log_level": level, "log_time": 1_000_000_000.0, "log_namespace": "test", **fields}


def read(folder: Path, name: str) -> str:
    return (folder / f"{name}.log").read_text("utf-8")


class TestFiles:
    def test_each_level_has_its_file_and_combined_has_all(self, tmp_path: Path, counters: Counters) -> None:
        logs = open_logs(tmp_path, counters)
        assert verifyObject(ILogObserver, logs)
        for level in LogLevel.iterconstants():
            logs(event(level.name, level))
        logs.close()
        said = {name: [line.rpartition(" ")[2] for line in read(tmp_path, name).splitlines()] for name in FILES}
        assert said == {
            "combined": ["info", "warn", "error", "critical"],
            "info": ["info"],
            "warn": ["warn"],
            "error": ["error", "critical"],
        }
        assert counters.snapshot() == {"log_info": 1, "log_warn": 1, "log_error": 2}

    def test_debug_can_be_switched_while_running(self, tmp_path: Path, counters: Counters) -> None:
        debug = Live(False)
        logs = open_logs(tmp_path, counters, debug=lambda: debug.value)
        logs(event("before", LogLevel.debug))
        debug.replace(True)
        logs(event("within", LogLevel.debug))
        debug.replace(False)
        logs(event("after", LogLevel.debug))
        logs.close()
        assert "[debug] [llm-server]: within" in read(tmp_path, "combined")
        assert len(read(tmp_path, "combined").splitlines()) == 1

    def test_the_last_runs_files_are_kept_and_each_entry_is_flushed(self, tmp_path: Path, counters: Counters) -> None:
        (tmp_path / "combined.log").write_text("old\n")
        for number in (1, 2, 3, 4):
            (tmp_path / f"combined.log.{number}").write_text(f"older {number}\n")
        logs = open_logs(tmp_path, counters)
        assert read(tmp_path, "combined") == ""
        logs(event("now"))
        assert read(tmp_path, "combined").endswith(": now\n")
        logs.close()
        older = sorted(tmp_path.glob("combined.log.*"))
        assert [each.read_text("utf-8") for each in older] == ["old\n", "older 1\n"]

    def test_an_empty_file_pushes_none_out(self, tmp_path: Path, counters: Counters) -> None:
        """A hub that is started over and over may say nothing at a level; what the last crash said there stays."""
        (tmp_path / "error.log.1").write_text("crash\n")
        for _ in range(3):
            open_logs(tmp_path, counters).close()
        assert (tmp_path / "error.log.1").read_text("utf-8") == "crash\n"

    @pytest.mark.parametrize("taken", [lambda path: path.unlink(), lambda path: path.rename(f"{path}.mine")])
    def test_a_file_that_is_taken_away_is_made_again(
        self, tmp_path: Path, counters: Counters, taken: Callable[[Path], object]
    ) -> None:
        logs = open_logs(tmp_path, counters)
        logs(event("one"))
        taken(tmp_path / "combined.log")
        logs(event("two"))
        logs.close()
        assert [line.rpartition(" ")[2] for line in read(tmp_path, "combined").splitlines()] == ["two"]
        assert counters.snapshot() == {"log_info": 2}

    def test_full_files_are_set_aside_and_only_some_kept(self, tmp_path: Path, counters: Counters) -> None:
        logs = open_logs(tmp_path, counters, rotate_bytes=1024, kept_files=2, entry_bytes=512)
        for number in range(12):
            logs(event(f"{number:03} " + "x" * 395))
        logs.close()
        pieces = ["combined.log.2", "combined.log.1", "combined.log"]
        assert sorted(p.name for p in tmp_path.glob("combined*")) == sorted(pieces)
        numbers = [int(n) for name in pieces for n in re.findall(r": (\d{3}) x", (tmp_path / name).read_text())]
        assert numbers == list(range(12 - len(numbers), 12))
        assert all((tmp_path / name).stat().st_size <= 1024 for name in pieces)

    def test_nothing_older_is_kept_when_told_so(self, tmp_path: Path, counters: Counters) -> None:
        logs = open_logs(tmp_path, counters, rotate_bytes=1024, kept_files=0, entry_bytes=512)
        for _ in range(9):
            logs(event("x" * 400))
        logs.close()
        assert [p.name for p in tmp_path.glob("combined*")] == ["combined.log"]

    def test_a_long_entry_is_cut_at_a_character(self, tmp_path: Path, counters: Counters) -> None:
        logs = open_logs(tmp_path, counters, entry_bytes=256)
        logs(event("é" * 1000))
        logs.close()
        assert len((tmp_path / "combined.log").read_bytes()) <= 256 + 4
        assert read(tmp_path, "combined").endswith("é...\n")

    def test_a_flood_is_counted_not_written(self, tmp_path: Path, counters: Counters) -> None:
        """A second is one of the steady clock: whoever sets the other one opens no new quota."""
        clock = Clock()
        logs = LogFiles(tmp_path, LogSettings(entries_per_second=3), counters, now=clock.seconds)
        for second in range(10):
            logs({**event(), "log_time": 1_000_000_000.0 - second})
        clock.advance(1)
        logs(event("next second"))
        logs.close()
        assert len(read(tmp_path, "combined").splitlines()) == 4
        assert counters.snapshot()["log_entries_dropped"] == 7

    def test_a_disk_that_refuses_loses_entries_not_the_hub(self, tmp_path: Path, counters: Counters) -> None:
        logs = open_logs(tmp_path, counters)
        logs.close()
        logs(event())
        assert counters.snapshot()["log_entries_lost"] == 2

    def test_a_folder_that_vanishes_loses_entries_until_it_is_back(self, tmp_path: Path, counters: Counters) -> None:
        folder = tmp_path / "logs"
        folder.mkdir()
        logs = open_logs(folder, counters, rotate_bytes=1024, entry_bytes=512)
        folder.rename(tmp_path / "elsewhere")
        for _ in range(4):
            logs(event("x" * 400))
        assert counters.snapshot()["log_entries_lost"] == 8
        folder.mkdir()
        logs(event("back"))
        logs.close()
        assert read(folder, "combined").endswith(": back\n")
        assert counters.snapshot()["log_entries_lost"] == 8

    def test_a_rotation_that_fails_is_tried_again(self, tmp_path: Path, counters: Counters) -> None:
        file = LogFile(tmp_path / "a.log", LogSettings(kept_files=1), counters)
        (tmp_path / "a.log.1").mkdir()
        (tmp_path / "a.log.1" / "full").touch()
        file.rotate()
        file.write(b"on\n")
        file.close()
        file.write(b"off\n")
        assert (tmp_path / "a.log").read_bytes() == b"on\n"
        assert counters.snapshot() == {"log_entries_lost": 2}


class TestEntry:
    def test_first_line_as_the_contract_writes_it(self) -> None:
        entry = entry_of(event("Server settings loaded from {file}.", tag="CONFIG_LOADED", file="a.json"), "info")
        assert re.fullmatch(
            r"2001-09-0\d [\d:]{6}40 \[info\] \[llm-server\] \[CONFIG_LOADED\]: Server settings loaded from a.json.\n",
            entry,
        )

    def test_error_code_given_or_of_the_failure(self) -> None:
        assert " [llm-server] [104]: hello\n" in entry_of(event(error_code=104), "error")
        failure = Failure(BadKey("no"))
        assert " [llm-server] [402]: hello\n" in entry_of(event(log_failure=failure), "error")

    def test_fields_that_the_line_does_not_show_follow_as_json(self) -> None:
        entry = entry_of(event("{a} came", a=1, b=[1, {"c": None}], d=Path("/x"), room="été"), "info")
        first, _, rest = entry.partition("\n")
        assert first.endswith(": 1 came")
        assert json.loads(rest) == {"b": [1, {"c": None}], "d": repr(Path("/x")), "room": "été"}
        assert rest.startswith('{\n  "b"')

    def test_dotted_and_called_fields_count_as_shown(self) -> None:
        assert entry_of(event("{peer.address} {when()}", peer=Path("/"), when=lambda: 5), "info").count("\n") == 1

    def test_secrets_are_never_written(self) -> None:
        entry = entry_of(event("login", key="s3cret", Password="s3cret", token="s3cret"), "info")
        assert "s3cret" not in entry
        assert entry.count("(not logged)") == 3

    def test_tracebacks_read_line_by_line(self) -> None:
        try:
            raise ValueError("two\nlines")
        except ValueError:
            failure = Failure()
        first, _, rest = entry_of(event("broke", log_failure=failure), "error").partition("\n")
        assert first.endswith(": broke")
        stack = json.loads(rest)["stack"]
        assert stack[0] == "Traceback (most recent call last):"
        assert any("test_logs.py" in line for line in stack)

    def test_a_broken_template_is_still_an_entry(self) -> None:
        assert HEAD.match(entry_of(event("{", x=1), "info"))
        assert HEAD.match(entry_of({"log_format": None}, "info"))
        assert HEAD.match(entry_of({}, "info"))

    @given(st.text(), st.dictionaries(st.text(min_size=1), st.text(), max_size=3), st.text())
    def test_nothing_a_peer_says_forges_an_entry(self, text: str, fields: dict[str, str], tag: str) -> None:
        extra = {f"x{name}": value for name, value in fields.items()}
        said = entry_of({**extra, **event("{who}", who=text, tag=tag)}, "info")
        lines = said.encode("utf-8", "backslashreplace").decode("utf-8").splitlines()
        assert [bool(HEAD.match(line)) for line in lines] == [True, *[False] * (len(lines) - 1)]
        assert not set(said) & {"\r", "\x1b", "\x85", "\u2028", "\u202e", "\x7f"}


class TestThroughTwisted:
    def test_a_logger_reaches_the_files(self, tmp_path: Path, counters: Counters) -> None:
        logs = open_logs(tmp_path, counters)
        log = Logger(namespace="newage.example", observer=logs)
        log.info("{who} came", who="ann\r\n2026-01-01 00:00:00 [error] forged", room="r")
        log.failure("it broke", Failure(RuntimeError("x")))
        logs.close()
        entries = [line for line in read(tmp_path, "combined").splitlines() if HEAD.match(line)]
        assert len(entries) == 2
        assert "ann  2026-01-01 00:00:00 [error] forged came" in entries[0]
        assert "RuntimeError: x" in read(tmp_path, "error")
