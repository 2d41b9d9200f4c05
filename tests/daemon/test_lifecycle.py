"""Stages, ports and signals of the daemon."""

from __future__ import annotations

import errno
import signal
import socket
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor
from twisted.logger import LogEvent

from logkit import Logged
from newage.daemon import lifecycle
from newage.daemon.lifecycle import (
    Banner,
    Listener,
    Signals,
    StagedService,
    StartRefused,
    bind,
    expand,
    listening_socket,
    refusal,
    url,
)
from newage.errors import ConfigError

STOP_SECONDS = 8.0


@pytest.fixture
def log(logged: Logged) -> list[LogEvent]:
    return logged.events


def begin_running(reactor: MemoryReactor) -> None:
    for hook, args, kwargs in reactor.whenRunningHooks:
        hook(*args, **kwargs)


def formats(log: list[dict[str, Any]]) -> list[str]:
    return [event.get("log_format", "") for event in log]


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
        clock.advance(STOP_SECONDS - lifecycle.LEAST_STAGE_SECONDS)
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


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of 127.0.0.1 that somebody else uses."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


class TestBind:
    def test_any_port_is_the_same_on_both_families(self) -> None:
        bound, absent = bind(("127.0.0.1", "::1"), 0, 5)
        try:
            assert len({each.port for each in bound}) == 1
            assert bound[0].port > 0
            assert [each.address for each in bound] + absent == ["127.0.0.1", "::1"]
            assert bound[0].socket.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
        finally:
            for each in bound:
                each.socket.close()

    def test_both_wildcards_fit_beside_each_other(self) -> None:
        bound, _ = bind(expand(["*"]), 0, 5)
        assert [each.address for each in bound][:1] == ["0.0.0.0"]
        for each in bound:
            each.socket.close()

    def test_a_port_in_use_is_named_and_nothing_stays_open(self, taken: int) -> None:
        addresses = ("::1", "127.0.0.1")
        with pytest.raises(ConfigError, match=f"port {taken} of 127.0.0.1 is in use by another program; .* --port"):
            bind(addresses, taken, 5)
        bound, _ = bind(("::1", "127.0.0.2"), taken, 5)
        for each in bound:
            each.socket.close()

    def test_an_address_of_another_machine(self) -> None:
        with pytest.raises(ConfigError, match=r"192\.0\.2\.1 does not belong to this machine; choose another --bind"):
            bind(("192.0.2.1",), 0, 5)


class FakeSockets:
    """A machine of our making: which addresses exist, and which ports are taken there."""

    def __init__(self, errors: dict[str, list[int]]) -> None:
        self.errors = errors
        self.open: list[tuple[str, int]] = []
        self.next_port = 5000

    def __call__(self, address: str, port: int, _backlog: int) -> Any:
        if self.errors.get(address):
            number = self.errors[address].pop(0)
            if number:
                raise OSError(number, "fake")
        if not port:
            self.next_port += 1
        return FakeSocket(self, (address, port or self.next_port))


class FakeSocket:
    def __init__(self, owner: FakeSockets, name: tuple[str, int]) -> None:
        self.owner = owner
        self.name = name
        owner.open.append(name)

    def getsockname(self) -> tuple[str, int]:
        return self.name

    def close(self) -> None:
        self.owner.open.remove(self.name)


class TestBindElsewhere:
    """What this machine cannot be made to do."""

    @pytest.mark.parametrize("number", [errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT])
    @pytest.mark.parametrize(("four", "six"), [("127.0.0.1", "::1"), ("0.0.0.0", "::")])
    def test_a_machine_without_ipv6(self, number: int, four: str, six: str) -> None:
        machine = FakeSockets({six: [number]})
        bound, absent = bind((four, six), 4000, 5, machine)
        assert ([each.address for each in bound], absent) == ([four], [six])
        assert machine.open == [(four, 4000)]

    def test_nothing_but_an_absent_ipv6(self) -> None:
        machine = FakeSockets({"::1": [errno.EADDRNOTAVAIL]})
        with pytest.raises(ConfigError, match="none of ::1 exists on this machine; choose another --bind"):
            bind(("::1",), 4000, 5, machine)

    def test_any_port_is_tried_again_until_free_on_all(self) -> None:
        machine = FakeSockets({"::1": [errno.EADDRINUSE, errno.EADDRINUSE]})
        bound, _ = bind(("127.0.0.1", "::1"), 0, 5, machine)
        assert [(each.address, each.port) for each in bound] == [("127.0.0.1", 5003), ("::1", 5003)]
        assert machine.open == [("127.0.0.1", 5003), ("::1", 5003)]

    def test_but_not_for_ever(self) -> None:
        machine = FakeSockets({"::1": [errno.EADDRINUSE] * 100})
        with pytest.raises(ConfigError, match="in use"):
            bind(("127.0.0.1", "::1"), 0, 5, machine)
        assert len(machine.errors["::1"]) == 100 - lifecycle.PORT_TRIES
        assert machine.open == []

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (errno.EACCES, "may not be used by this user; choose a --port above 1023"),
            (errno.EMFILE, "cannot listen on"),
        ],
    )
    def test_other_refusals(self, number: int, text: str) -> None:
        machine = FakeSockets({"::1": [number]})
        with pytest.raises(ConfigError, match=text):
            bind(("127.0.0.1", "::1"), 80, 5, machine)
        assert machine.open == []


def test_short_names_of_addresses() -> None:
    assert expand(["localhost"]) == ("127.0.0.1", "::1")
    assert expand(["*"]) == ("0.0.0.0", "::")
    assert expand(["::1", "localhost", "::1"]) == ("::1", "127.0.0.1")


def test_urls_as_a_browser_takes_them() -> None:
    assert url("127.0.0.1", 4000) == "http://127.0.0.1:4000/"
    assert url("::1", 4000) == "http://[::1]:4000/"


class TestListener:
    def make(self, addresses: tuple[str, ...] = ("127.0.0.1",)) -> tuple[Listener, MemoryReactor]:
        reactor = MemoryReactor()
        return Listener(reactor, Factory(), addresses=addresses, port=0, backlog=5), reactor

    def test_ports_are_bound_while_privileged_and_said_when_started(self, log: list[dict[str, Any]]) -> None:
        listener, reactor = self.make()
        assert reactor.adoptedPorts == []
        listener.privilegedStartService()
        assert len(reactor.adoptedPorts) == 1
        assert listener.port > 0
        listener.startService()
        assert len(reactor.adoptedPorts) == 1
        assert "Listening on {url}" not in formats(log)
        begin_running(reactor)
        said = [event["url"] for event in log if event.get("log_format") == "Listening on {url}"]
        assert said == [f"http://127.0.0.1:{listener.port}/"] == list(listener.urls)

    def test_start_alone_binds_as_well(self) -> None:
        listener, reactor = self.make()
        listener.startService()
        assert len(reactor.adoptedPorts) == 1

    def test_stop_closes_the_ports_once(self) -> None:
        listener, _ = self.make()
        listener.startService()
        assert listener.stopService().called
        assert listener.stopService().called

    def test_an_absent_family_is_logged(self, log: list[dict[str, Any]]) -> None:
        def without_six(address: str, port: int, backlog: int) -> socket.socket:
            if address == "::1":
                raise OSError(errno.EADDRNOTAVAIL, "no such address")
            return listening_socket(address, port, backlog)

        listener = Listener(MemoryReactor(), Factory(), addresses=("localhost",), port=0, backlog=5, listen=without_six)
        listener.startService()
        assert [event["address"] for event in log if "not listening there" in event.get("log_format", "")] == ["::1"]


class StoppingReactor(MemoryReactor):
    """Counts stops; the second finds it stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning

    def callFromThread(self, call: Any, *args: Any) -> None:
        call(*args)


class TestSignals:
    @pytest.fixture(autouse=True)
    def handlers(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_either_signal_stops_once_and_repeats_do_no_harm(self, log: list[dict[str, Any]]) -> None:
        reactor = StoppingReactor()
        Signals(reactor).startService()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as the reactor puts its own when it begins to run
        begin_running(reactor)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert reactor.stops == 2
        said = [event["signal"] for event in log if event.get("log_format") == "Received {signal}, stopping"]
        assert said == ["SIGTERM"]

    def test_a_signal_during_the_start_is_not_lost(self) -> None:
        reactor = StoppingReactor()
        Signals(reactor).startService()
        signal.raise_signal(signal.SIGTERM)
        assert reactor.stops == 1


def test_the_banner_says_what_to_do_next(log: list[dict[str, Any]]) -> None:
    reactor = MemoryReactor()
    Banner(reactor, "connect here").startService()
    begin_running(reactor)
    assert [event["hint"] for event in log if "hint" in event] == ["connect here"]
