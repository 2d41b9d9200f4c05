"""How the hub asks others over HTTP."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock

from logkit import Logged
from newage.daemon.outgoing import outgoing


def test_a_request_writes_no_line_into_the_log(logged: Logged) -> None:
    reactor = MemoryReactorClock()
    outgoing(reactor, 7.0).request(b"POST", b"http://127.0.0.1:9/hook")
    ((host, port, factory, seconds, _),) = reactor.tcpClients
    assert (host, port, seconds) == ("127.0.0.1", 9, 7.0)
    factory.doStart()
    factory.doStop()
    assert not logged.events
