"""A whole hub, asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apikit import ApiHouse, Houses
from newage.services.rooms.limits import RoomSettings


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Houses]:
    """Makes hubs in which clients may make rooms, with these tables of the configuration."""
    made: list[ApiHouse] = []

    def make(**tables: Any) -> ApiHouse:
        made.append(ApiHouse(tmp_path, **{"rooms": RoomSettings(clients_may_create_rooms=True), **tables}))
        return made[-1]

    yield make
    for house in made:
        house.close()


@pytest.fixture
def hub(houses: Houses) -> ApiHouse:
    return houses()
