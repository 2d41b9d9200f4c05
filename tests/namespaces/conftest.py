"""A hub per test; whatever a test did, nothing may be left behind when it is closed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hubkit import Kit


@pytest.fixture
def kit() -> Iterator[Kit]:
    kit = Kit()
    yield kit
    kit.close()
