"""In which order extensions are asked (contract 6.2; A22)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed

from logkit import Logged
from newage.domain.model import SPARE, Caller, Peer, Session
from newage.services.rooms.precedence import Precedence


class Store:
    """What was saved last; ``error`` is why nothing is."""

    def __init__(self) -> None:
        self.saved: list[tuple[str, ...]] = []
        self.error: Exception | None = None

    def save_extensions(self, extensions: tuple[str, ...]) -> Deferred[None]:
        if self.error is not None:
            return fail(self.error)
        self.saved.append(extensions)
        return succeed(None)


@pytest.fixture
def store() -> Any:
    return Store()


def caller(identity: str, priority: int = 0) -> Caller:
    session = Session(client_id=identity, identity=identity, client_type="SillyTavern")
    return Caller(
        sid=identity, namespace="/llm", session=session, peer=Peer("in-process", local=True), priority=priority
    )


def test_the_order_is_that_of_the_first_connection_ever(store: Any) -> None:
    precedence = Precedence(store, 9)
    precedence.load(["X", "Y"])
    for name in ("Y", "Z", "X", "Z"):
        precedence.came(name, ())
    assert store.saved == [("X", "Y", "Z")], "stored once, with the one that is new"
    assert precedence.ordered(["Z", "unheard of", "Y", "X"]) == ("X", "Y", "Z", "unheard of")


def test_inside_the_process_is_last_and_a_spare_one_only_alone(store: Any) -> None:
    precedence = Precedence(store, 9)
    for name, priority in (("demo", SPARE), ("inside", 1), ("X", 0)):
        precedence.attached(caller(name, priority))
        precedence.came(name, ())
    assert store.saved == [("X",)]
    assert precedence.ordered(["demo", "inside", "X"]) == ("X", "inside")
    assert precedence.ordered(["demo", "inside"]) == ("inside",)
    assert precedence.ordered(["demo"]) == ("demo",)
    assert precedence.inside_last(["demo", "inside", "Y", "X"]) == ("Y", "X", "inside", "demo")
    precedence.left("demo")
    precedence.left("X")
    assert precedence.ordered(["demo", "X"]) == ("X", "demo"), "what it said goes with it"


def test_of_too_many_the_oldest_that_is_away_is_forgotten(store: Any) -> None:
    precedence = Precedence(store, 2)
    precedence.load(["X", "Y"])
    precedence.came("Z", ["X"])
    assert store.saved == [("X", "Z")]
    precedence.came("W", ["X", "Z"])
    assert store.saved[-1] == ("X", "Z", "W"), "never who is here"


def test_what_cannot_be_stored_is_a_line(store: Any, logged: Logged) -> None:
    store.error = OSError("disk full")
    precedence = Precedence(store, 9)
    precedence.came("X", ())
    assert precedence.ordered(["Y", "X"]) == ("X", "Y")
    assert ["the order of the extensions could not be stored" in line for line in logged()] == [True]
