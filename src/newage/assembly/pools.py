"""Threads, a pool for each kind of work; and what is done before they begin."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from newage.config import Config
from newage.daemon.workers import PhasedWorkers, ThreadWorkers

T = TypeVar("T")


@frozen(kw_only=True)
class Pools:
    """Until they ``go``, each does its work at once: a start waits for nothing."""

    writer: PhasedWorkers
    readers: PhasedWorkers
    hashes: PhasedWorkers
    files: PhasedWorkers
    metrics: PhasedWorkers

    def go(self) -> None:
        """From now on, work is done in threads."""
        for pool in (self.writer, self.readers, self.hashes, self.files, self.metrics):
            pool.go()


def make_pools(config: Config, reactor: Any) -> Pools:
    """:param reactor: ``callFromThread``."""

    def pool(name: str, threads: int, queue: int, niceness: int = 0) -> PhasedWorkers:
        return PhasedWorkers(ThreadWorkers(reactor.callFromThread, name, threads, queue, niceness=niceness))

    storage, auth, files = config.storage, config.auth, config.files
    return Pools(
        writer=pool("store writer", 1, 16),
        readers=pool("store readers", storage.reader_threads, storage.read_queue_limit),
        hashes=pool("hashes", auth.hash_threads, auth.hash_queue_limit, auth.hash_niceness),
        files=pool("files", files.file_threads, files.file_queue_limit),
        metrics=pool("metrics", 1, config.metrics.max_waiting_scrapes),
    )


def at_once(coroutine: Coroutine[Deferred[Any], Any, T]) -> T:
    """The result of a coroutine that never has to wait.

    :raises Exception: what it raised.
    """
    outcome: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(outcome.append)
    if not outcome:
        raise RuntimeError("this waits for something that cannot come yet")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    result: T = outcome[0]
    return result
