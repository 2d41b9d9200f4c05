"""Stages of the daemon: their order, their time, and what keeps one from starting."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor

from daemonkit import begin_running, formats
from newage.daemon import stages
from newage.daemon.stages import Banner, StagedService, StartRefused, refusal
from newage.errors import ConfigError

STOP_SECONDS = 8.0


class Stage(Service):
    """Notes what happens to it; stops when ``stopping`` fires, or at once without one."""

    def __init__(self, name: str, notes: list[str], stopping: Deferred[None] | None = None) -> None:
        self.label = name
        self.notes = notes
        self.stopping = stopping
        self.fails: dict[str, Exception] = {}

    def note(self, what: str) -> None:
        self.notes.append(f"{what} {self.label}")
        if what in self.fails:
            raise self.fails[what]

    def privilegedStartService(self) -> None:
        self.note("privileged")

    def startService(self) -> None:
        super().startService()
        self.note("start")

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        self.note("stop")
        return self.stopping


def staged(clock: Clock, *stages: Stage) -> StagedService:
    service = StagedService(clock, STOP_SECONDS)
    for stage in stages:
        stage.setServiceParent(service)
    return service


class TestStages:
    def test_start_in_order_and_stop_in_reverse_each_awaited(self) -> None:
        notes: list[str] = []
        waits: list[Deferred[None]] = [Deferred(), Deferred()]
        clock = Clock()
        service = staged(clock, Stage("a", notes, waits[0]), Stage("b", notes, waits[1]))
        service.privilegedStartService()
        service.startService()
        assert notes == ["privileged a", "privileged b", "start a", "start b"]
        done = service.stopService()
        assert notes[4:] == ["stop b"]
        waits[1].callback(None)
        assert notes[4:] == ["stop b", "stop a"]
        assert not done.called
        waits[0].callback(None)
        assert done.called
        assert not service.running
        assert clock.getDelayedCalls() == []

    def test_a_stage_that_hangs_is_left_behind_in_time(self, log: list[dict[str, Any]]) -> None:
        notes: list[str] = []
        clock = Clock()
        service = staged(clock, *(Stage(name, notes, Deferred()) for name in "abc"))
        service.startService()
        done = service.stopService()
        while not done.called:
            clock.advance(0.05)
        assert clock.seconds() <= STOP_SECONDS + 0.2
        assert notes[3:] == ["stop c", "stop b", "stop a"]
        assert formats(log).count("{child} did not stop cleanly") == 3
        assert clock.getDelayedCalls() == []

    def test_later_stages_get_some_time_even_after_one_hung(self) -> None:
        notes: list[str] = []
        clock = Clock()
        first: Deferred[None] = Deferred()
        service = staged(clock, Stage("a", notes, first), Stage("b", notes, Deferred()))
        service.startService()
        done = service.stopService()
        clock.advance(STOP_SECONDS - stages.LEAST_STAGE_SECONDS)
        assert notes[-1] == "stop a"
        assert not done.called
        first.callback(None)
        assert done.called

    def test_a_stage_that_fails_to_stop_does_not_keep_others_running(self, log: list[dict[str, Any]]) -> None:
        notes: list[str] = []
        broken, other = Stage("b", notes), Stage("a", notes)
        broken.fails["stop"] = RuntimeError("no")
        service = staged(Clock(), other, broken)
        service.startService()
        assert service.stopService().called
        assert notes[-2:] == ["stop b", "stop a"]
        assert "{child} did not stop cleanly" in formats(log)

    @pytest.mark.parametrize("phase", ["privileged", "start"])
    def test_a_stage_that_fails_to_start_refuses_all_and_stops_them(
        self, phase: str, log: list[dict[str, Any]], capfd: pytest.CaptureFixture[str]
    ) -> None:
        notes: list[str] = []
        bad = Stage("b", notes)
        bad.fails[phase] = ConfigError("port 1 is wrong; choose another\nand more")
        service = staged(Clock(), Stage("a", notes), bad, Stage("c", notes))
        with pytest.raises(StartRefused) as refused:
            service.privilegedStartService()
            service.startService()
        assert str(refused.value) == "newage: port 1 is wrong; choose another\nnewage: and more"
        assert refused.value.code == 1
        assert {"stop a", "stop b", "stop c"} <= set(notes)
        assert not service.running
        assert "start c" not in notes
        assert all(event.get("log_failure") is None for event in log)

    def test_an_unexpected_failure_is_logged_and_still_one_line(self, log: list[dict[str, Any]]) -> None:
        notes: list[str] = []
        bad = Stage("a", notes)
        bad.fails["start"] = ZeroDivisionError("x")
        bad.fails["stop"] = ZeroDivisionError("y")
        with pytest.raises(StartRefused, match="newage: cannot start: ZeroDivisionError: x; the log has the details"):
            staged(Clock(), bad).startService()
        assert formats(log).count("{child} did not start") == 1
        assert formats(log).count("{child} did not stop cleanly") == 1


class TestRefusal:
    def test_it_ends_the_process_and_is_an_exception(self) -> None:
        error = StartRefused("no")
        assert isinstance(error, SystemExit)
        assert isinstance(error, Exception)
        assert error.code == "newage: no"
        assert refusal(error) is error
        assert str(refusal(ConfigError("bad"))) == "newage: bad"

    @pytest.mark.parametrize("terminal", [StringIO(), None])
    def test_once_told_it_only_ends_the_process(self, terminal: StringIO | None) -> None:
        error = StartRefused("no")
        error.tell(terminal)
        assert (error.code, str(error)) == (1, "newage: no")
        if terminal is not None:
            assert terminal.getvalue() == "newage: no\n"


def test_the_banner_says_what_to_do_next(log: list[dict[str, Any]]) -> None:
    reactor = MemoryReactor()
    Banner(reactor, "connect here").startService()
    begin_running(reactor)
    assert [event["hint"] for event in log if "hint" in event] == ["connect here"]
