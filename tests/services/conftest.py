"""A hub per test; whatever a test did, nothing may be left behind when it is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hubkit import Kit


@pytest.fixture
def make_kit() -> Iterator[Callable[..., Kit]]:
    kits: list[Kit] = []

    def make(**settings: Any) -> Kit:
        kits.append(Kit(**settings))
        return kits[-1]

    yield make
    for kit in kits:
        kit.close()


@pytest.fixture
def kit(make_kit: Callable[..., Kit]) -> Kit:
    return make_kit()
