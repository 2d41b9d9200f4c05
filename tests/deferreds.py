"""Deferreds without a reactor: look at what has fired, and do a thread's work between two lines of a test."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.defer import fail as failed
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.errors import Unavailable
from newage.ports import IWorkers


def outcome(work: Any) -> list[Any]:
    """What a Deferred or coroutine has come to: empty, or one result or Failure, and later more."""
    deferred = work if isinstance(work, Deferred) else Deferred.fromCoroutine(work)
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found


def value(work: Any) -> Any:
    """What it has fired with; raises what it has failed with."""
    found = outcome(work)
    assert found, "it has not fired"
    if isinstance(found[0], Failure):
        found[0].raiseException()
    return found[0]


@implementer(IWorkers)
class SteppedWorkers:
    """Work waits until ``step``."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Callable[..., Any], tuple[Any, ...], Deferred[Any]]] = deque()
        self.closed = False

    def run(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if self.closed:
            return failed(Unavailable("stopped"))
        done: Deferred[Any] = Deferred()
        self.waiting.append((work, args, done))
        return done

    def step(self) -> None:
        work, args, done = self.waiting.popleft()
        try:
            result = work(*args)
        except Exception:
            done.errback()
        else:
            done.callback(result)

    def flush(self) -> int:
        """Step until nothing waits; how many steps that took."""
        steps = 0
        while self.waiting:
            self.step()
            steps += 1
        return steps

    def close(self) -> Deferred[None]:
        self.closed = True
        return succeed(None)
