"""Fixtures of the tests with a real SillyTavern: one model, one SillyTavern, one Chromium, one hub for all of them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import pytest
from desk import Desk
from fake_model import FakeModel
from harness import CHECKOUT, Daemon
from tab import Browser
from tavern import SillyTavern

# The real model is downloaded for `make real` alone.
collect_ignore = [] if os.environ.get("NEWAGE_REAL") else ["test_real_model.py"]

EXTENSION = CHECKOUT / "static" / "sillytavern-extension"


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
    shared_model: FakeModel, tavern_hub: Daemon, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SillyTavern]:
    """With the characters Ann and Bob, their group Both, the rig's probe, and our extension, which knows its hub."""
    address = {"extension_settings": {"newage": {"address": tavern_hub.url}}}
    tavern = SillyTavern(tmp_path_factory.mktemp("tavern") / "data", shared_model.url, settings=address)
    members = [tavern.add_character("Ann"), tavern.add_character("Bob")]
    tavern.add_group("Both", members)
    tavern.add_probe()
    tavern.add_extension(EXTENSION)
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


@pytest.fixture
def desk(tavern: SillyTavern, browser: Browser) -> Iterator[Desk]:
    """A fresh tab with SillyTavern, ready to be used."""
    desk = Desk.sit_down(browser, tavern.url)
    yield desk
    desk.close()
