"""Fixtures of the tests with a real SillyTavern: one model, one SillyTavern, one Chromium, one hub for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from asking import unbind, wait_available
from desk import Desk
from fake_model import FakeModel
from fault_proxy import FaultProxy
from harness import Daemon, Driver, Hub
from linked import HALF_TYPED, Linked, new_chat
from panel import Panel
from tab import Browser
from tavern import SillyTavern

# The real model is downloaded for `make real` alone.
collect_ignore = [] if os.environ.get("NEWAGE_REAL") else ["test_real_model.py"]
if not os.environ.get("NEWAGE_NIGHTLY"):  # it starts one more SillyTavern
    collect_ignore.append("test_custom_source.py")

# Whichever test is the first starts SillyTavern, which packs its page then, Chromium and a hub: that may take minutes.
LONGEST = 400  # seconds


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(LONGEST))


@pytest.fixture(scope="session")
def shared_model() -> Iterator[FakeModel]:
    with closing(FakeModel()) as model:
        yield model


@pytest.fixture
def model(shared_model: FakeModel) -> Iterator[FakeModel]:
    """The model server whose answers the test writes; it knows nothing of earlier tests."""
    shared_model.reset()
    yield shared_model
    shared_model.reset()


@pytest.fixture(scope="session")
def tavern(
    shared_model: FakeModel, tavern_line: FaultProxy, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SillyTavern]:
    """With Ann, Bob, their group Both, Cara with a book, the rig's probe, and our extension, which knows its hub."""
    address = {"extension_settings": {"newage": {"address": tavern_line.url}}}
    tavern = SillyTavern(tmp_path_factory.mktemp("tavern") / "data", shared_model.url, settings=address)
    members = [tavern.add_character("Ann"), tavern.add_character("Bob")]
    tavern.add_group("Both", members)
    tavern.add_character("Cara", extensions={"world": "carabook"})
    tavern.add_book("carabook", {"harbour": "The harbour is closed.", "lantern": "The lantern is green."})
    tavern.add_probe()
    tavern.add_extension()
    yield tavern.start()
    tavern.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with closing(Browser()) as browser:
        yield browser


@pytest.fixture(scope="session")
def tavern_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The hub that the shared SillyTavern is connected to."""
    with Daemon(tmp_path_factory.mktemp("tavern-hub") / "home") as daemon:
        yield daemon


@pytest.fixture(scope="session")
def tavern_line(tavern_hub: Daemon) -> Iterator[FaultProxy]:
    """The line between the shared SillyTavern's tabs and their hub."""
    with FaultProxy(tavern_hub.port) as line:
        yield line


@pytest.fixture(scope="module")
def open_desk(tavern: SillyTavern, tavern_hub: Daemon, browser: Browser) -> Iterator[Desk]:
    """One tab, whose extension answers at the hub; the next module's finds the settings as they are in the end."""
    assert tavern_hub.log is not None
    since = len(tavern_hub.log.lines)
    with closing(Desk.sit_down(browser, tavern.url)) as desk:
        wait_available(tavern_hub, since)
        yield desk
        desk.save_settings()  # SillyTavern's own come late, and may have what a test had changed for a while


@pytest.fixture
def served(open_desk: Desk, tavern_hub: Daemon, tavern_line: FaultProxy, driver: Driver) -> Iterator[tuple[Hub, Desk]]:
    """The hub, and the desk of the SillyTavern that answers at it; whatever becomes of a test, the next finds both."""
    yield Hub(tavern_hub, driver), open_desk
    driver.reset()
    tavern_line.heal()
    open_desk.ready()
    unbind(open_desk)
    tavern_hub.check_log()


@pytest.fixture(scope="module")
def open_panel(tavern: SillyTavern, tavern_line: FaultProxy, browser: Browser) -> Iterator[Panel]:
    """Open, its extension at the shared hub, to which it goes back in the end."""
    with closing(Desk.sit_down(browser, tavern.url)) as desk:
        panel = Panel(desk).open()
        panel.shows("Connected")
        yield panel
        panel.enter("Address", tavern_line.url)
        panel.shows("Connected")
        desk.save_settings()


@pytest.fixture
def panel(open_panel: Panel, tavern_hub: Daemon, tavern_line: FaultProxy, driver: Driver) -> Iterator[Panel]:
    """The one that is open; wherever a test left it, it is at the shared hub when the next one begins."""
    yield open_panel
    driver.reset()
    open_panel.desk.ready()
    open_panel.open()
    if open_panel.address != tavern_line.url:
        assert tavern_hub.log is not None
        since = len(tavern_hub.log.lines)
        open_panel.enter("Address", tavern_line.url)
        wait_available(tavern_hub, since)
    open_panel.shows("Connected")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A hub that wants proof of everybody."""
    with Daemon.strict(tmp_path_factory.mktemp("strict-hub")) as daemon:
        yield daemon


@pytest.fixture
def ann(served: tuple[Hub, Desk], tavern: SillyTavern) -> Linked:
    """In a new chat of Ann, with something half typed."""
    hub, desk = served
    new_chat(desk, "Ann")
    desk.fill("#send_textarea", HALF_TYPED)
    return Linked(hub, desk, tavern)
