"""The list of those that have something to send."""

from __future__ import annotations

from twisted.internet.task import Clock

from newage.web.transports.flushes import FlushList


def test_one_broken_sink_does_not_keep_the_others_from_being_flushed() -> None:
    class Sink:
        name = "broken"

        def __init__(self, broken: bool) -> None:
            self.broken, self.flushed, self.was_cut = broken, 0, False

        def flush(self) -> None:
            self.flushed += 1
            if self.broken:
                raise RuntimeError

        def cut(self) -> None:
            self.was_cut = True

    clock = Clock()
    flushes = FlushList(clock)
    broken, whole = Sink(True), Sink(False)
    flushes.add(broken)
    flushes.add(whole)
    clock.advance(0)
    assert (broken.flushed, broken.was_cut, whole.flushed, whole.was_cut) == (1, True, 1, False)
    assert clock.getDelayedCalls() == []
