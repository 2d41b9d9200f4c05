"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import implementer

from gateway_doubles import Site


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def failures() -> Iterator[list[Any]]:
    """Types of the exceptions that are logged during the test."""
    types: list[Any] = []

    @implementer(ILogObserver)
    def observe(event: LogEvent) -> None:
        if "log_failure" in event:
            types.append(event["log_failure"].type)

    globalLogPublisher.addObserver(observe)
    yield types
    globalLogPublisher.removeObserver(observe)


@pytest.fixture(autouse=True)
def nothing_logged_unawares(request: pytest.FixtureRequest, failures: list[Any]) -> Iterator[None]:
    """A failure that is logged fails the test, unless the test looked at ``failures`` itself and cleared it."""
    yield
    assert failures == []
