"""Fixtures of the integration tests: one daemon for each of three sorts of settings, one Node driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from client_package import install, pack
from harness import Daemon, Driver, Hub
from homes import write_strict_home
from python_package import install as install_wheel
from python_package import wheel

BRISK = "[sessions]\nsession_grace_ms = 100\n"


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    with closing(Driver()) as driver:
        yield driver


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Default settings, on a home that does not exist before."""
    with Daemon(tmp_path_factory.mktemp("default") / "home") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def strict_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """networkSafe false, with trusted clients and extensions."""
    home = tmp_path_factory.mktemp("strict") / "home"
    write_strict_home(home)
    with Daemon(home) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def brisk_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Whoever leaves is gone after a tenth of a second: for absence, and for what holds for the whole hub."""
    folder = tmp_path_factory.mktemp("brisk")
    (folder / "newage.toml").write_text(BRISK, "utf-8")
    with Daemon(folder / "home", "--config", str(folder / "newage.toml")) as daemon:
        yield daemon


def _visit(daemon: Daemon, driver: Driver) -> Iterator[Hub]:
    yield Hub(daemon, driver)
    driver.reset()
    faults = driver.faults()
    assert not faults, "a client library threw:\n" + "\n".join(faults)
    assert daemon.process is not None
    assert daemon.process.poll() is None, f"the daemon died:\n{daemon.output()[-5000:]}"
    daemon.check_log()


@pytest.fixture
def hub(daemon: Daemon, driver: Driver) -> Iterator[Hub]:
    """The shared daemon; at the end the test's clients are closed and the log is checked."""
    yield from _visit(daemon, driver)


@pytest.fixture
def strict_hub(strict_daemon: Daemon, driver: Driver) -> Iterator[Hub]:
    """The same for the daemon in strict mode."""
    yield from _visit(strict_daemon, driver)


@pytest.fixture
def brisk_hub(brisk_daemon: Daemon, driver: Driver) -> Iterator[Hub]:
    """The same for the daemon whose sessions end quickly."""
    yield from _visit(brisk_daemon, driver)


@pytest.fixture
def make_daemon(tmp_path: Path, driver: Driver) -> Iterator[Callable[..., Daemon]]:
    """Daemons of the test's own: ``make_daemon(*options, home=...)``, started; stopped and checked at the end."""
    made: list[Daemon] = []

    def make(*options: str, home: Path | None = None) -> Daemon:
        daemon = Daemon(home or tmp_path / f"home-{len(made)}", *options)
        made.append(daemon)
        return daemon.start()

    yield make
    driver.reset()
    for daemon in made:
        daemon.end()
    faults = driver.faults()
    assert not faults, "a client library threw:\n" + "\n".join(faults)


@pytest.fixture
def hasty_hub(make_daemon: Callable[..., Daemon], driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A daemon of the test's own that waits for half a second for an extension that has just gone."""
    monkeypatch.setenv("NEWAGE_SESSIONS_EXTENSION_GRACE_MS", "500")
    return Hub(make_daemon("--ephemeral"), driver)


@pytest.fixture(scope="session")
def client_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package of ``clients/js`` is installed by npm: programs that lie in it may import it."""
    folder = tmp_path_factory.mktemp("client_package")
    return install(pack(folder), folder)


@pytest.fixture(scope="session")
def python_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package of ``clients/python`` lies, installed by pip."""
    folder = tmp_path_factory.mktemp("python_client")
    return install_wheel(wheel(folder), folder)
