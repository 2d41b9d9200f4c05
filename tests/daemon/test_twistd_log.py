"""twistd's own log is bounded, and clean of what peers said."""

from __future__ import annotations

import io
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.application.service import Application, MultiService
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, LogLevel, LogPublisher
from twisted.python.failure import Failure

from newage.daemon.stages import StagedService
from newage.daemon.twistd_log import CleanEvents, CleanText, install, observer, to_stream
from newage.telemetry.logs import LogSettings
from newage.telemetry.metrics import Counters
from newage.telemetry.quota import LogQuota

NASTY = "\x1b[2J\x07a\rb\x85c\u2028d\u202ee\ud800f"


def event(text: str, **fields: Any) -> LogEvent:
    return {"log_format": text, "log_level": LogLevel.info, "log_time": 1e9, "log_namespace": "here", **fields}


def clean(write: Callable[[str], object]) -> CleanText:
    return CleanText(write, LogQuota(100, Clock().seconds), Counters())


@pytest.fixture
def at_sigusr1() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGUSR1, before)


def at_once(call: Callable[[], object]) -> None:
    call()


def test_what_a_peer_said_moves_no_cursor_and_forges_no_line() -> None:
    said: list[str] = []
    clean(said.append)(event("called {name}\nand more", name=NASTY))
    assert said == ["2001-09-09T01:46:40+0000 [here#info] called  [2J a b c d e\\ud800f\n\tand more\n"]


def test_what_says_nothing_is_not_written() -> None:
    said: list[object] = []
    clean(said.append)({"log_level": LogLevel.info})
    CleanEvents(said.append)({"log_level": LogLevel.info})
    assert said == []


def test_no_entry_silences_the_observer() -> None:
    """A lone surrogate made twistd's own one raise, which takes a traceback through all others."""
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    others: list[str] = []
    publisher = LogPublisher(clean(to_stream(stream, Counters())), clean(others.append))
    publisher(event("é {name}", name=NASTY))
    assert len(others) == 1  # and no word about the first
    stream.seek(0)
    assert stream.read().endswith("\\xe9  [2J a b c d e\\ud800f\n")


def test_who_wants_events_gets_them_clean_with_their_traceback() -> None:
    said: list[LogEvent] = []
    try:
        raise ValueError(NASTY)
    except ValueError:
        failure = Failure()
    CleanEvents(said.append)(event("bad {name}", name=NASTY, log_failure=failure))
    assert {name: said[0][name] for name in ("log_format", "log_level", "log_time")} == {
        "log_format": "{text}",
        "log_level": LogLevel.info,
        "log_time": 1e9,
    }
    assert "ValueError" in said[0]["text"]
    assert "\x1b" not in said[0]["text"]
    assert "log_failure" not in said[0]


def test_a_closed_pipe_loses_entries_not_the_hub() -> None:
    counters = Counters()
    stream = io.StringIO()
    write = to_stream(stream, counters)
    stream.close()
    write("hello\n")
    assert counters.snapshot() == {"log_entries_lost": 1}


class TestWhereItGoes:
    def log(self, options: dict[str, object], **settings: int) -> ILogObserver:
        made = observer(options, LogSettings(**settings), Counters(), at_once)
        assert made is not None
        return made

    def test_a_daemon_keeps_a_few_bounded_pieces(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_sigusr1: None
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for number in range(1, 40):
            (tmp_path / f"twistd.log.{number}").write_text("old\n")
        log = self.log({}, rotate_bytes=1024, kept_files=2)
        for number in range(100):
            log(event(f"{number:03} " + "x" * 60))
        pieces = sorted(tmp_path.iterdir())
        assert [each.name for each in pieces] == ["twistd.log", "twistd.log.1", "twistd.log.2"]
        assert all(each.stat().st_size <= 1024 for each in pieces)
        assert pieces[0].read_text("utf-8").splitlines()[-1].split()[2] == "099"

    def test_it_goes_on_with_the_file_of_the_last_run(self, tmp_path: Path, at_sigusr1: None) -> None:
        path = tmp_path / "own.log"
        path.write_text("before\n")
        self.log({"logfile": str(path), "nodaemon": True})(event("now"))
        assert path.read_text("utf-8").startswith("before\n2001-")

    def test_it_stays_in_its_folder_wherever_the_daemon_goes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_sigusr1: None
    ) -> None:
        monkeypatch.chdir(tmp_path)
        log = self.log({"logfile": "here.log"})
        (tmp_path / "run").mkdir()
        monkeypatch.chdir(tmp_path / "run")
        (tmp_path / "here.log").unlink()
        log(event("now"))
        assert "now" in (tmp_path / "here.log").read_text("utf-8")

    def test_sigusr1_sets_it_aside(self, tmp_path: Path, at_sigusr1: None) -> None:
        path = tmp_path / "own.log"
        log = self.log({"logfile": str(path)})
        log(event("one"))
        signal.raise_signal(signal.SIGUSR1)
        log(event("two"))
        assert "one" in (tmp_path / "own.log.1").read_text("utf-8")
        assert "one" not in path.read_text("utf-8")

    def test_the_foreground_says_it_on_the_terminal(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.log({"nodaemon": True})(event("hello"))
        self.log({"nodaemon": True, "logfile": "-"})(event("again"))
        assert capsys.readouterr().out.count("[here#info]") == 2

    def test_a_flood_is_counted_not_written(self, capsys: pytest.CaptureFixture[str]) -> None:
        log = self.log({"nodaemon": True}, entries_per_second=3)
        for _ in range(100):
            log(event("hello"))
        assert 3 <= capsys.readouterr().out.count("hello") <= 6  # a second may end meanwhile

    def test_syslog_is_told_clean(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from twisted.python import syslog

        said: list[str] = []
        monkeypatch.setattr(syslog.SyslogObserver, "syslog", lambda self, priority, text: said.append(text))
        self.log({"syslog": True, "prefix": "hub"})(event("called {name}", name="\x1b[2J"))
        assert said == ["[here] called  [2J"]

    @pytest.mark.parametrize("options", [{"logfile": "-"}, {"logger": print}])
    def test_the_rest_is_twistds(self, options: dict[str, object]) -> None:
        assert observer(options, LogSettings(), Counters(), at_once) is None


def test_the_application_is_given_it_when_the_hub_joins() -> None:
    made = clean(print)
    application: Any = Application("hub")
    hub = StagedService(Clock(), 1.0, lambda parent: install(parent, made))
    hub.setServiceParent(application)
    assert application.getComponent(ILogObserver) is made
    assert sys.stdout is not None
    StagedService(Clock(), 1.0, lambda parent: install(parent, None)).setServiceParent(MultiService())
