"""A connection ends also where the other side never says that it is over."""

from __future__ import annotations

import pytest
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransportWithDisconnection

from modelkit import TlsTransport
from newage.bridge.hang_up import hang_up


@pytest.mark.parametrize("kind", [StringTransportWithDisconnection, TlsTransport])
def test_it_ends(kind: type[StringTransportWithDisconnection]) -> None:
    transport = kind()
    transport.protocol = Protocol()
    transport.protocol.makeConnection(transport)
    hang_up(transport)
    assert not transport.connected
