"""Start, reload and stop of the whole hub."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred, succeed

from corekit import ThreadedClock, ephemeral_core
from newage.assembly.core import Core
from newage.assembly.life import Life
from newage.config import Config
from newage.config.live import RELOADABLE


class Running:
    """A hub in memory that has started."""

    def __init__(self, home: Path) -> None:
        self.clock = ThreadedClock()
        self.debug: list[bool] = []
        self.core: Core = ephemeral_core(home, self.clock, set_debug=self.debug.append)
        self.life = Life(self.core, self.clock)
        self.life.startService()

    def reload(self, config: Config) -> None:
        self.clock.until(self.life.reload(config))

    def stop(self) -> None:
        stopping = self.life.stopService()
        self.clock.pump([0.05] * 5)
        self.clock.until(stopping)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    running = Running(tmp_path)
    yield running
    running.stop()
    assert running.clock.getDelayedCalls() == []


def changed(core: Core, **tables: dict[str, object]) -> Config:
    config = core.basis.config
    return attrs.evolve(config, **{name: attrs.evolve(getattr(config, name), **keys) for name, keys in tables.items()})


def test_a_start_reads_the_stores_and_runs_what_runs_by_itself(running: Running) -> None:
    assert running.life.running
    assert running.clock.getDelayedCalls()


class Busy:
    """A store in which somebody is at work until it has been looked at so often."""

    look_seconds = 60

    def __init__(self, looks: float) -> None:
        self.looks = looks
        self.closed_at: float | None = None

    def open(self) -> None:
        pass

    @property
    def idle(self) -> bool:
        self.looks -= 1
        return self.looks < 0

    def close(self) -> Deferred[None]:
        self.closed_at = self.looks
        return succeed(None)


@pytest.mark.parametrize(("looks", "over"), [(30, True), (inf, False)])
def test_the_store_closes_when_nobody_is_at_work_in_it_any_more_or_after_a_while(
    tmp_path: Path, looks: float, over: bool
) -> None:
    clock, store = ThreadedClock(), Busy(looks)
    unfitting: Any = store
    life = Life(attrs.evolve(ephemeral_core(tmp_path, clock), database=unfitting), clock)
    life.startService()
    stopping = life.stopService()
    clock.pump([0.01] * 20)
    assert store.closed_at is None
    clock.pump([0.01] * 400)
    clock.until(stopping)
    assert store.closed_at is not None
    assert (store.closed_at < 0) is over


def test_a_reload_fills_every_cell(running: Running) -> None:
    config = changed(running.core, requests={"request_rate": 5}, streams={"max_output_bytes": 7})
    running.reload(config)
    for name in RELOADABLE:
        assert getattr(running.core.basis.live, name).value is getattr(config, name), name
    assert running.core.talk.requests.settings.value.request_rate == 5


def test_a_reload_leaves_the_debug_mode_that_was_toggled_unless_it_says_another(running: Running) -> None:
    running.reload(changed(running.core, requests={"request_rate": 5}))
    assert running.debug == []
    running.reload(changed(running.core, server={"debug_mode": True}))
    assert running.debug == [True]
    running.reload(changed(running.core, server={"debug_mode": True}))
    assert running.debug == [True]


def test_a_reload_says_whether_the_network_is_safe(running: Running) -> None:
    running.reload(attrs.evolve(changed(running.core, auth={"network_safe": False}), pinned=frozenset()))
    assert not running.core.accounts.network_safe()
    running.reload(changed(running.core, auth={"network_safe": True}))
    assert running.core.accounts.network_safe()
