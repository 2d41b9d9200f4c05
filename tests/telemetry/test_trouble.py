"""Expected failures are a line in a quota; the others have their traceback."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import Logger
from twisted.python.failure import Failure

from logkit import Logged
from newage.errors import Unavailable
from newage.telemetry.trouble import Trouble


def test_a_refused_write_is_a_line(logged: Logged) -> None:
    clock = Clock()
    trouble = Trouble(Logger(namespace="newage.test"), clock.seconds)
    for number in range(12):
        trouble.say("room {room} was not stored", Failure(Unavailable("The store refused.")), room=f"r{number}")
    assert list(logged()) == [f"room r{number} was not stored: The store refused." for number in range(5)]
    clock.advance(1)
    trouble.say("room {room} was not stored", Failure(Unavailable("The store refused.")), room="x")
    assert logged.events[-1]["unsaid"] == 7


def test_what_nobody_expected_is_shown_whole_and_each_time(logged: Logged) -> None:
    trouble = Trouble(Logger(namespace="newage.test"), Clock().seconds)
    for _ in range(9):
        trouble.say("room {room} was not stored", Failure(ZeroDivisionError("oh")), room="r")
    assert len([event for event in logged.events if event.get("log_failure") is not None]) == 9
