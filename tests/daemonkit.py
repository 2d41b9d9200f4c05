"""What the tests of the daemon's stages share."""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactor


def begin_running(reactor: MemoryReactor) -> None:
    for hook, args, kwargs in reactor.whenRunningHooks:
        hook(*args, **kwargs)


def formats(log: list[dict[str, Any]]) -> list[str]:
    return [event.get("log_format", "") for event in log]
