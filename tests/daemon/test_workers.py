"""Thread pools: results, failures, limits, the end. Real threads, stepped by a queue instead of a reactor."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from queue import Queue
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from deferreds import outcome, value
from newage.daemon.workers import InlineWorkers, PhasedWorkers, ThreadWorkers
from newage.errors import Unavailable
from newage.ports import IWorkers


class Reactor:
    """Its thread is the test's: what threads call arrives when the test looks."""

    def __init__(self) -> None:
        self.calls: Queue[tuple[Callable[..., Any], tuple[Any, ...]]] = Queue()

    def call_from_thread(self, function: Callable[..., Any], *args: Any) -> None:
        self.calls.put((function, args))

    def turn(self) -> None:
        function, args = self.calls.get(timeout=20)
        function(*args)


@pytest.fixture
def reactor() -> Reactor:
    return Reactor()


@pytest.fixture
def workers(reactor: Reactor) -> Iterator[ThreadWorkers]:
    workers = ThreadWorkers(reactor.call_from_thread, "test", 1, 3)
    yield workers
    closed = outcome(workers.close())
    while not closed:
        reactor.turn()


def test_provide_the_port(workers: ThreadWorkers) -> None:
    for each in (workers, InlineWorkers(), PhasedWorkers(workers)):
        assert verifyObject(IWorkers, each)


def test_work_is_done_elsewhere_and_its_result_comes_here(workers: ThreadWorkers, reactor: Reactor) -> None:
    done = outcome(workers.run(lambda a, b: (threading.current_thread(), a + b), 1, 2))
    assert not done
    reactor.turn()
    thread, total = done[0]
    assert thread is not threading.current_thread()
    assert total == 3


def test_work_that_takes_a_core_gives_way_to_the_reactor(reactor: Reactor) -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, 0)

    ours = niceness()
    workers = ThreadWorkers(reactor.call_from_thread, "nice", 1, 3, niceness=4)
    for _ in range(2):  # it does not add up
        done = outcome(workers.run(niceness))
        reactor.turn()
        assert done == [min(19, ours + 4) if sys.platform == "linux" else ours]
    assert niceness() == ours
    assert value(workers.close()) is None


def test_a_failure_comes_here_too(workers: ThreadWorkers, reactor: Reactor) -> None:
    done = outcome(workers.run(lambda: 1 // 0))
    reactor.turn()
    assert done[0].check(ZeroDivisionError)


def test_one_thread_keeps_the_order(workers: ThreadWorkers, reactor: Reactor) -> None:
    log: list[int] = []
    done = [outcome(workers.run(log.append, number)) for number in range(3)]
    for _ in done:
        reactor.turn()
    assert log == [0, 1, 2]


def test_the_queue_is_bounded(workers: ThreadWorkers, reactor: Reactor) -> None:
    gate = threading.Event()
    done = [outcome(workers.run(gate.wait, 20)) for _ in range(4)]
    assert done[3][0].check(Unavailable)
    gate.set()
    for _ in range(3):
        reactor.turn()
    assert done[:3] == [[True]] * 3
    again = outcome(workers.run(lambda: "again"))
    reactor.turn()
    assert again == ["again"]


def test_close_waits_for_what_was_taken(workers: ThreadWorkers, reactor: Reactor) -> None:
    gate = threading.Event()
    done = outcome(workers.run(gate.wait, 20))
    closed, again = outcome(workers.close()), outcome(workers.close())
    assert outcome(workers.run(lambda: None))[0].check(Unavailable)
    assert not closed
    gate.set()
    reactor.turn()
    assert done == [True]
    assert closed == again == [None]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("PoolThread-newage-test")]


def test_close_without_work(reactor: Reactor) -> None:
    assert value(ThreadWorkers(reactor.call_from_thread, "idle", 1, 1).close()) is None


def test_inline() -> None:
    workers = InlineWorkers()
    assert value(workers.run(lambda a: a + 1, 1)) == 2
    with pytest.raises(ZeroDivisionError):
        value(workers.run(lambda: 1 // 0))
    assert value(workers.close()) is None


def test_phased_workers_use_threads_once_the_reactor_runs(workers: ThreadWorkers, reactor: Reactor) -> None:
    phased = PhasedWorkers(workers)
    assert value(phased.run(threading.current_thread)) is threading.current_thread()
    phased.go()
    done = outcome(phased.run(threading.current_thread))
    assert not done
    reactor.turn()
    assert done[0] is not threading.current_thread()


def test_what_is_forsaken_does_not_keep_the_process_from_ending(reactor: Reactor) -> None:
    for forsaken in (True, False):
        workers = ThreadWorkers(reactor.call_from_thread, "test", 1, 3, forsaken=forsaken)
        done = outcome(workers.run(lambda: threading.current_thread().daemon))
        reactor.turn()
        assert done == [forsaken]
        workers.close()
