"""Fixtures of the integration tests: a daemon for each sort of settings, by stand-ins or model servers; one driver."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from answering import MODEL_SERVER, Lasting, served
from client_package import install, pack
from harness import BRISK, Daemon, Driver, Hub, visit
from homes import write_strict_home
from python_package import install as install_wheel
from python_package import wheel

# What it runs is installed for `make nightly` alone.
collect_ignore = [] if os.environ.get("NEWAGE_SDKS") else ["test_sdk_clients.py"]

SETTINGS = "[streams]\nstream_long_ms = 60000\n"  # as the streams' own daemon has it


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


@pytest.fixture(scope="session")
def served_daemon(tmp_path_factory: pytest.TempPathFactory, driver: Driver) -> Iterator[Lasting]:
    names = ("a-1", "b-1", "c-2", "d-2", "e-5")
    with served(tmp_path_factory.mktemp("served"), driver, names, SETTINGS) as made:
        made.daemon.start()
        yield made


@pytest.fixture(scope="session")
def brisk_served_daemon(tmp_path_factory: pytest.TempPathFactory, driver: Driver) -> Iterator[Lasting]:
    with served(tmp_path_factory.mktemp("brisk-served"), driver, ("a-4", "b-4"), BRISK) as made:
        made.daemon.start()
        yield made


def _visit(request: pytest.FixtureRequest, stand_in: str, model_servers: str, driver: Driver) -> Iterator[Hub]:
    if getattr(request, "param", None) != MODEL_SERVER:
        yield from visit(Hub(request.getfixturevalue(stand_in), driver))
        return
    hub = request.getfixturevalue(model_servers).hub()
    yield from visit(hub)
    hub.end()


@pytest.fixture
def hub(request: pytest.FixtureRequest, driver: Driver) -> Iterator[Hub]:
    """The shared daemon, unless the test is to run with a model server."""
    yield from _visit(request, "daemon", "served_daemon", driver)


@pytest.fixture
def strict_hub(strict_daemon: Daemon, driver: Driver) -> Iterator[Hub]:
    """The same for the daemon in strict mode."""
    yield from visit(Hub(strict_daemon, driver))


@pytest.fixture
def brisk_hub(request: pytest.FixtureRequest, driver: Driver) -> Iterator[Hub]:
    """The one whose sessions end quickly, likewise."""
    yield from _visit(request, "brisk_daemon", "brisk_served_daemon", driver)


@pytest.fixture
def lasting(request: pytest.FixtureRequest, tmp_path: Path, driver: Driver) -> Iterator[Lasting]:
    """A daemon of the test's own, which it starts and starts again."""
    if request.param == MODEL_SERVER:
        with served(tmp_path, driver, ("a-1",)) as made:
            yield made
            driver.reset()
    else:
        daemon = Daemon(tmp_path / "home")
        yield Lasting(daemon, driver)
        driver.reset()
        daemon.end()


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
