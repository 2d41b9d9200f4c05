"""SIGHUP: what is taken over, what is not, and that a mistake or a fault leaves everything as it was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, fail, succeed

from logkit import Logged
from newage.assembly.reload import Reloader, changed_keys, has_terminal, in_force
from newage.bridge.upstream_settings import Upstream, UpstreamSettings
from newage.config import Config
from newage.errors import BadParameter, ConfigError


def with_values(config: Config, **tables: dict[str, Any]) -> Config:
    return attrs.evolve(config, **{name: attrs.evolve(getattr(config, name), **keys) for name, keys in tables.items()})


class Reactor:
    """Calls what a signal handler gives it, when told."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def callFromThread(self, call: Callable[[], object]) -> None:
        self.calls.append(call)


class Hub:
    """What the reloader drives."""

    def __init__(self) -> None:
        self.next: Config | Exception = Config()
        self.applied: list[Config] = []
        self.answer: Deferred[None] | None = None
        self.told: list[str] = []
        self.has_terminal = False

    def load(self) -> Config:
        if isinstance(self.next, Exception):
            raise self.next
        return self.next

    def apply(self, config: Config) -> Deferred[None]:
        self.applied.append(config)
        return succeed(None) if self.answer is None else self.answer

    def reloading(self) -> None:
        self.told.append("reloading")

    def ready(self) -> None:
        self.told.append("ready")

    def hung_up(self) -> None:
        self.told.append("hung up")

    def terminal(self) -> bool:
        return self.has_terminal


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def reloader(hub: Hub, reactor: Reactor) -> Iterator[Reloader]:
    before = signal.getsignal(signal.SIGHUP)
    yield Reloader(reactor, Config(), hub.load, hub.apply, hub, hub.hung_up, hub.terminal)
    signal.signal(signal.SIGHUP, before)


def test_reloadable_keys_are_taken_over_and_others_are_named(reloader: Reloader, hub: Hub, logged: Logged) -> None:
    hub.next = with_values(
        Config(), requests={"request_rate": 5}, web={"max_connections_per_address": 7}, auth={"network_safe": False}
    )
    reloader.reload()
    [applied] = hub.applied
    assert (applied.requests.request_rate, applied.auth.network_safe) == (5, False)
    assert applied.web == Config().web
    assert hub.told == ["reloading", "ready"]
    assert "These take effect with the next start: web.max_connections_per_address" in logged()
    [fact] = logged.audited()
    assert fact == {
        "action": "config.reload",
        "outcome": "ok",
        "changed": "auth.network_safe, requests.request_rate",
        "restart": "web.max_connections_per_address",
    }


def test_the_next_one_is_compared_with_what_is_in_force(reloader: Reloader, hub: Hub, logged: Logged) -> None:
    hub.next = with_values(Config(), requests={"request_rate": 5}, server={"debug_mode": True, "port": 1})
    reloader.reload()
    reloader.reload()
    assert [(fact["changed"], fact.get("restart")) for fact in logged.audited()] == [
        ("server.debug_mode, requests.request_rate", "server.port"),
        ("nothing", "server.port"),
    ]


def test_a_wrong_configuration_changes_nothing_and_every_mistake_is_told(
    reloader: Reloader, hub: Hub, logged: Logged
) -> None:
    hub.next = ConfigError("first mistake\nsecond mistake")
    reloader.reload()
    assert hub.applied == []
    assert [fact["reason"] for fact in logged.audited()] == ["first mistake", "second mistake"]
    assert hub.told == ["reloading", "ready"]
    assert all("log_failure" not in event for event in logged.events)
    hub.next = Config()
    reloader.reload()
    assert logged.audited()[-1]["outcome"] == "ok"


@pytest.mark.parametrize("late", [False, True])
def test_a_fault_is_logged_and_the_old_values_are_still_in_force(
    reloader: Reloader, hub: Hub, logged: Logged, late: bool
) -> None:
    hub.next = with_values(Config(), requests={"request_rate": 5})
    hub.answer = fail(RuntimeError("disk")) if late else None
    if not late:
        hub.next = RuntimeError("disk")
    reloader.reload()
    assert logged.audited()[-1] == {
        "action": "config.reload",
        "outcome": "failed",
        "reason": "see the log",
        "errorCode": 3,
    }
    assert [event["log_failure"].type for event in logged.events if "log_failure" in event] == [RuntimeError]
    hub.answer, hub.next = None, with_values(Config(), requests={"request_rate": 5})
    reloader.reload()
    assert logged.audited()[-1]["changed"] == "requests.request_rate"


def test_signals_during_a_reload_become_one_more(reloader: Reloader, hub: Hub) -> None:
    hub.answer = Deferred()
    reloader.reload()
    for _ in range(3):
        reloader.reload()
    assert len(hub.applied) == 1
    running, hub.answer = hub.answer, None
    running.callback(None)
    assert len(hub.applied) == 2
    assert hub.told == ["reloading", "ready"] * 2


def test_warnings_of_the_new_configuration_are_told(reloader: Reloader, hub: Hub, logged: Logged) -> None:
    hub.next = attrs.evolve(Config(), warnings=(BadParameter("environment: NEWAGE_X is not a key"),))
    reloader.reload()
    assert "environment: NEWAGE_X is not a key" in logged()


class TestSignal:
    def test_it_is_kept_from_the_start_and_acted_on_in_the_reactor(
        self, reloader: Reloader, hub: Hub, reactor: Reactor
    ) -> None:
        reloader.startService()
        os.kill(os.getpid(), signal.SIGHUP)
        assert (len(reactor.calls), hub.applied) == (1, [])
        reactor.calls.pop()()
        assert len(hub.applied) == 1
        reloader.stopService()
        os.kill(os.getpid(), signal.SIGHUP)  # does not end a process that is stopping
        assert reactor.calls == []

    def test_a_handler_of_somebody_elses_is_put_back(self, reloader: Reloader) -> None:
        def theirs(number: int, frame: object) -> None:
            """Nothing."""

        signal.signal(signal.SIGHUP, theirs)
        reloader.startService()
        reloader.stopService()
        assert signal.getsignal(signal.SIGHUP) is theirs
        reloader.stopService()

    @pytest.mark.parametrize(
        ("ignored", "before", "after", "told"),
        [
            (False, True, False, "hung up"),
            (False, True, True, "ready"),
            (False, False, False, "ready"),
            (True, True, False, "ready"),  # nohup
        ],
    )
    def test_the_end_of_the_terminal_is_no_reload(
        self, reloader: Reloader, hub: Hub, ignored: bool, before: bool, after: bool, told: str
    ) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if ignored else signal.SIG_DFL)
        hub.has_terminal = before
        reloader.startService()
        hub.has_terminal = after
        reloader.hangup()
        assert hub.told[-1] == told
        reloader.stopService()

    def test_a_process_without_a_terminal_says_so(self) -> None:
        child = os.fork()
        if not child:
            os.setsid()
            os._exit(int(has_terminal()))
        assert os.waitpid(child, 0)[1] == 0


class TestKeys:
    def test_what_is_in_force(self) -> None:
        before = Config()
        after = with_values(before, downstream={"alias_events": False, "stream_probe_ms": 7}, log={"kept_files": 9})
        after = attrs.evolve(after, pinned=frozenset({("auth", "network_safe")}))
        now = in_force(before, after)
        assert changed_keys(before, now) == [("downstream", "stream_probe_ms")]
        assert now.pinned == after.pinned
        assert in_force(before, before) == before


def test_model_servers_wait_for_the_next_start() -> None:
    one, two, other = (
        Upstream(name=name, settings=UpstreamSettings(max_tokens=most))
        for name, most in (("one", 1), ("two", 1), ("one", 2))
    )
    before, after = Config(upstreams=(one,)), Config(upstreams=(other, two))
    assert changed_keys(before, after) == [("upstream", "one"), ("upstream", "two")]
    assert changed_keys(after, after) == []
    assert in_force(before, after).upstreams == (one,)
