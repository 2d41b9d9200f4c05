"""What all tests share.

Whatever lives under ``integration/`` carries the marker of that name, and the group: under ``pytest -n 2 --dist
loadgroup`` one process runs all of it, one test after the other, and shares its daemons; the rest go to the other, and
with them the group of what needs SillyTavern.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from logkit import Logged

settings.register_profile("newage", deadline=None)  # no example is wrong because another process has the CPU
settings.load_profile("newage")

INTEGRATION = Path(__file__).parent / "integration"
SILLYTAVERN = INTEGRATION / "sillytavern"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if INTEGRATION in item.path.parents:
            item.add_marker(pytest.mark.integration)
            group = "sillytavern" if SILLYTAVERN in item.path.parents else "integration"
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture
def logged() -> Iterator[Logged]:
    """What the test's code logs: ``logged()`` are the lines, ``logged.audited()`` the facts."""
    logged = Logged().start()
    yield logged
    logged.stop()
