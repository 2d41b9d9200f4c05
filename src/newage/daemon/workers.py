"""Bounded thread pools. Storage, hashing and files each get their own, so that none can starve another."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from newage.errors import Unavailable
from newage.ports import IWorkers


class ForsakenPool(ThreadPool):
    """Its threads do not keep the process from ending, whatever they are at."""

    threadFactory = staticmethod(partial(Thread, daemon=True))  # type: ignore[assignment]


def _giving_way(niceness: int, work: Callable[..., Any], *args: Any) -> Any:
    """Do the work in a thread that is that much nicer than the main one. Only Linux has niceness of threads."""
    if sys.platform == "linux":
        with suppress(OSError):  # as it is where a sandbox forbids this
            main = os.getpriority(os.PRIO_PROCESS, os.getpid())
            os.setpriority(os.PRIO_PROCESS, 0, min(19, main + niceness))  # 0: this thread
    return work(*args)


@implementer(IWorkers)
@define(eq=False)
class ThreadWorkers:
    """Threads of the daemon that start with the first work.

    :param call_from_thread: ``reactor.callFromThread``.
    :param threads: how many; with one, work is done strictly in order.
    :param queue_limit: pieces of work taken and not yet done, those being done included.
    :param forsaken: the work is not the hub's own: the process ends without waiting for it.
    :param niceness: by how much the threads give way to the reactor's, for work that takes all of a core.
    """

    _call_from_thread: Callable[..., Any]
    name: str
    threads: int
    queue_limit: int
    forsaken: bool = False
    niceness: int = 0
    _pool: ThreadPool | None = field(default=None, init=False)
    _open: int = field(default=0, init=False)
    _closed: Deferred[None] | None = field(default=None, init=False)

    def run(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        if self._closed is not None:
            return fail(Unavailable(f"{self.name} is stopped."))
        if self._open >= self.queue_limit:
            return fail(Unavailable(f"{self.name} is too busy."))
        if self._pool is None:
            pool = ForsakenPool if self.forsaken else ThreadPool
            self._pool = pool(0, self.threads, name=f"newage-{self.name}")
            self._pool.start()
        self._open += 1
        # No canceller: work in a thread cannot be stopped; a cancelled caller just does not hear of it.
        done: Deferred[Any] = Deferred()

        def finish(success: bool, result: Any) -> None:
            self._open -= 1
            if success:
                done.callback(result)
            else:
                done.errback(result)
            self._end_if_idle()

        if self.niceness:
            work, args = _giving_way, (self.niceness, work, *args)
        self._pool.callInThreadWithCallback(
            lambda success, result: self._call_from_thread(finish, success, result), work, *args
        )
        return done

    def close(self) -> Deferred[None]:
        if self._closed is None:
            self._closed = Deferred()
            self._end_if_idle()
        waiting: Deferred[None] = Deferred()
        self._closed.addCallback(lambda _: waiting.callback(None))
        return waiting

    def _end_if_idle(self) -> None:
        if self._closed is None or self._open or self._closed.called:
            return
        if self._pool is not None:
            self._pool.stop()  # every thread is idle, so this only joins
        self._closed.callback(None)


@implementer(IWorkers)
class InlineWorkers:
    """Does the work at once, in the calling thread: for tools and tests, where nothing else waits."""

    def run(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        try:
            return succeed(work(*args))
        except Exception:
            return fail()  # with the exception being handled

    def close(self) -> Deferred[None]:
        return succeed(None)


@implementer(IWorkers)
@define(eq=False)
class PhasedWorkers:
    """Does the work at once while the daemon starts, for nothing else runs yet; in threads once ``go`` was called."""

    _threads: IWorkers
    _inline: IWorkers = field(factory=InlineWorkers)
    _started: bool = field(default=False, init=False)

    def go(self) -> None:
        """From now on the reactor runs."""
        self._started = True

    def run(self, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        return (self._threads if self._started else self._inline).run(work, *args)

    def close(self) -> Deferred[None]:
        return self._threads.close()
