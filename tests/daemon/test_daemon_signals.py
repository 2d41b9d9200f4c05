"""Signals that stop the hub."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ReactorNotRunning
from twisted.internet.testing import MemoryReactor

from daemonkit import begin_running
from newage.daemon.signals import Signals


class StoppingReactor(MemoryReactor):
    """Counts stops; the second finds it stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.stops = 0

    def stop(self) -> None:
        self.stops += 1
        if self.stops > 1:
            raise ReactorNotRunning

    def callFromThread(self, call: Any, *args: Any) -> None:
        call(*args)


class TestSignals:
    @pytest.fixture(autouse=True)
    def handlers(self) -> Iterator[None]:
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        yield
        for number, handler in before.items():
            signal.signal(number, handler)

    def test_either_signal_stops_once_and_repeats_do_no_harm(self, log: list[dict[str, Any]]) -> None:
        reactor = StoppingReactor()
        Signals(reactor).startService()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as the reactor puts its own when it begins to run
        begin_running(reactor)
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert reactor.stops == 2
        said = [event["signal"] for event in log if event.get("log_format") == "Received {signal}, stopping"]
        assert said == ["SIGTERM"]

    def test_a_signal_during_the_start_is_not_lost(self) -> None:
        reactor = StoppingReactor()
        Signals(reactor).startService()
        signal.raise_signal(signal.SIGTERM)
        assert reactor.stops == 1
