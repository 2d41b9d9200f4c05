"""What is logged meanwhile."""

from __future__ import annotations

import pytest
from twisted.logger import LogEvent

from logkit import Logged


@pytest.fixture
def log(logged: Logged) -> list[LogEvent]:
    return logged.events
