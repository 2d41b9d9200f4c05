"""What keeps the hub from serving."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from newage.assembly.readiness import KEPT_SECONDS, PATIENCE_SECONDS, Readiness
from newage.errors import Unavailable


class Store:
    """A database whose next answers are given."""

    def __init__(self, *answers: Deferred[Any]) -> None:
        self.answers = list(answers)

    def write(self, operation: Any) -> Deferred[Any]:
        return self.answers.pop(0)


def outcome(asked: Deferred[str]) -> list[str]:
    found: list[str] = []
    asked.addCallback(found.append)
    return found


def test_ready_while_it_runs_and_can_write() -> None:
    clock, running = Clock(), [True]
    store: Any = Store(succeed(""), fail(Unavailable("The store refused.")), succeed(""))
    ready = Readiness(lambda: running[0], store, clock)
    assert outcome(ready()) == [""]
    assert outcome(ready()) == [""], "without asking again"
    assert len(store.answers) == 2
    clock.advance(KEPT_SECONDS)
    assert outcome(ready()) == ["store"]
    assert outcome(ready()) == ["store"]
    clock.advance(KEPT_SECONDS)
    assert outcome(ready()) == [""]
    running[0] = False
    assert outcome(ready()) == ["stopping"]


def test_a_store_that_does_not_answer_is_waited_for_a_moment() -> None:
    clock = Clock()
    store: Any = Store(Deferred())
    found = outcome(Readiness(lambda: True, store, clock)())
    assert found == []
    clock.advance(PATIENCE_SECONDS)
    assert found == ["store"]


def test_memory_can_be_written() -> None:
    assert outcome(Readiness(lambda: True, None, Clock())()) == [""]
