"""A whole hub in memory on a Clock; its threads are real, and what they have done is taken over when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from newage.assembly.core import Core, make_core
from newage.config import Config, ServerSettings

PATIENCE = 20.0  # seconds for a thread


class ThreadedClock(Clock):
    """A reactor as the pools see it."""

    def __init__(self) -> None:
        super().__init__()
        self._from_threads: Queue[Callable[[], object]] = Queue()

    def callFromThread(self, call: Callable[..., object], *args: Any) -> None:
        self._from_threads.put(lambda: call(*args))

    def until(self, done: Deferred[Any]) -> None:
        """Take over what threads have done until this has fired."""
        while not done.called:
            self._from_threads.get(timeout=PATIENCE)()

    def until_true(self, holds: Callable[[], object]) -> None:
        """As ``until``, for what is no Deferred."""
        while not holds():
            self._from_threads.get(timeout=PATIENCE)()


def nothing(on: bool) -> None:
    """Whether debug entries are written is nobody's business here."""


def ephemeral_core(home: Path, clock: Clock, *, set_debug: Callable[[bool], None] = nothing, **server: Any) -> Core:
    config = Config(server=ServerSettings(home=str(home), ephemeral=True, **server))
    return make_core(config, clock, set_debug=set_debug, log_folder=None, port=lambda: 4711)
