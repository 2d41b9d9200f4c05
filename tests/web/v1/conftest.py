"""A whole hub, asked over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from apikit import ApiHouse, Model


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[ApiHouse]:
    house = ApiHouse(tmp_path)
    yield house
    house.close()


@pytest.fixture
def model(hub: ApiHouse) -> Model:
    return hub.model()
