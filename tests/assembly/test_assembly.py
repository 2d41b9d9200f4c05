"""The services' kit is put together as the hub is: the order in which listeners are told is part of what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet import reactor

from hubkit import Kit
from newage.assembly.life import Core
from newage.config import Config, ServerSettings


@pytest.fixture
def core(tmp_path: Path) -> Core:
    config = Config(server=ServerSettings(home=str(tmp_path), ephemeral=True))
    return Core(config, reactor, set_debug=lambda on: None, log_folder=None)


def told(service: Any) -> list[str]:
    return [type(listener).__name__ for listener in service.events._listeners]


def test_rooms_tell_the_same_listeners_in_the_same_order(core: Core) -> None:
    assert told(core.rooms) == told(Kit(load=False).rooms)


def test_sessions_tell_those_of_the_kit_in_the_same_order(core: Core) -> None:
    kit = told(Kit(load=False).sessions)
    assert [name for name in told(core.sessions) if name in kit] == kit
