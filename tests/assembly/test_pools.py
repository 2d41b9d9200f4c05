"""Pools: at once until the reactor runs, in threads from then on."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from corekit import ThreadedClock
from deferreds import value
from newage.assembly.pools import at_once, make_pools
from newage.config import Config


def test_until_they_go_work_is_done_at_once() -> None:
    pools = make_pools(Config(), ThreadedClock())
    for pool in (pools.writer, pools.readers, pools.hashes, pools.files):
        assert value(pool.run(lambda: "done")) == "done"


def test_then_each_does_it_in_threads() -> None:
    reactor = ThreadedClock()
    pools = make_pools(Config(), reactor)
    pools.go()
    for pool in (pools.writer, pools.readers, pools.hashes, pools.files):
        done = pool.run(lambda: "done")
        assert not done.called
        reactor.until(done)
        assert value(done) == "done"
        value(pool.close())


def test_what_is_done_at_once_does_not_wait() -> None:
    async def waits() -> None:
        await Deferred()

    async def fails() -> None:
        raise ZeroDivisionError

    async def gives() -> int:
        return 7

    assert at_once(gives()) == 7
    with pytest.raises(ZeroDivisionError):
        at_once(fails())
    with pytest.raises(RuntimeError, match="waits for something"):
        at_once(waits())
