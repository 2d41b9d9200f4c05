"""What all tests share.

Whatever lives under ``integration/`` carries the marker of that name. Coverage is watched where the packages that have
to have all of it are tested (``UNTRACED``): it costs as much as the tests. Under ``pytest -n 3`` one process runs what
needs SillyTavern, one test after the other, so that there is one of it, and a module of real clients stays in one
process, for what it starts it starts once; all else goes to whoever has time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

from logkit import Logged

# No example is wrong because another process has the CPU, nor slow to make.
settings.register_profile("newage", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("newage")

TESTS = Path(__file__).parent
INTEGRATION = TESTS / "integration"
# What is run there is covered by the tests of its own.
UNTRACED = [
    INTEGRATION,
    *(TESTS / name for name in ("bench", "clients", "config", "speed", "stateful", "static", "storage", "web")),
]
REAL = "tests/integration/"
SILLYTAVERN = "tests/integration/sillytavern/"


class Scheduling(LoadScopeScheduling):
    """Processes share the tests one by one, but for those that belong together."""

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(SILLYTAVERN):
            return SILLYTAVERN
        return nodeid.partition("::")[0] if nodeid.startswith(REAL) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    return Scheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker(pytest.mark.integration)
        if item.path.parent == TESTS or any(folder in item.path.parents for folder in UNTRACED):
            item.add_marker(pytest.mark.no_cover)


@pytest.fixture
def logged() -> Iterator[Logged]:
    """What the test's code logs: ``logged()`` are the lines, ``logged.audited()`` the facts."""
    logged = Logged().start()
    yield logged
    logged.stop()
