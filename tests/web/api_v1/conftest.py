"""A whole hub, asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apikit import ApiHouse
from newage.services.rooms.limits import RoomSettings


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ApiHouse]:
    house = ApiHouse(tmp_path, rooms=RoomSettings(clients_may_create_rooms=True))
    yield house
    house.close()
