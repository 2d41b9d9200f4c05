"""A daemon whose sessions end quickly, for scenarios about absence and about what holds for the whole hub."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from harness import Daemon, Driver, Hub

BRISK = "[sessions]\nsession_grace_ms = 100\n"


@pytest.fixture(scope="session")
def brisk_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Whoever leaves is gone after a tenth of a second."""
    folder = tmp_path_factory.mktemp("brisk")
    (folder / "newage.toml").write_text(BRISK, "utf-8")
    daemon = Daemon(folder / "home", "--config", str(folder / "newage.toml")).start()
    yield daemon
    daemon.stop()


@pytest.fixture
def brisk_hub(brisk_daemon: Daemon, driver: Driver) -> Iterator[Hub]:
    yield Hub(brisk_daemon, driver)
    driver.reset()
    faults = driver.faults()
    assert not faults, "a client library threw:\n" + "\n".join(faults)
    brisk_daemon.check_log()
