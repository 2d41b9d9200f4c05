"""Pools: at once until the reactor runs, in threads from then on."""

from __future__ import annotations

from corekit import ThreadedClock
from deferreds import value
from newage.assembly.pools import make_pools
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
