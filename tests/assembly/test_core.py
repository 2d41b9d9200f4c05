"""The hub put together: nothing is opened, and what was not asked for is not there."""

from __future__ import annotations

from pathlib import Path

from corekit import ThreadedClock, ephemeral_core, nothing
from newage.assembly.core import make_core
from newage.config import Config, ServerSettings


def test_a_hub_in_memory_has_no_database_and_no_demo(tmp_path: Path) -> None:
    clock = ThreadedClock()
    core = ephemeral_core(tmp_path, clock)
    assert core.database is None
    assert core.demo is None
    assert clock.getDelayedCalls() == []
    assert list(tmp_path.iterdir()) == []


def test_a_hub_with_a_home_opens_nothing_yet(tmp_path: Path) -> None:
    config = Config(server=ServerSettings(home=str(tmp_path), demo=True))
    core = make_core(config, ThreadedClock(), set_debug=nothing, log_folder=tmp_path, port=lambda: 0)
    assert core.database is not None
    assert core.demo is not None
    assert list(tmp_path.iterdir()) == []
