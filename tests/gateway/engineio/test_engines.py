"""Opening, finding and closing connections."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from gateway_doubles import LOCAL, FakePollingSink, FakeSink, Site
from newage.domain.model import Peer
from newage.errors import Unavailable
from newage.gateway.engineio.engines import new_sid
from newage.gateway.settings import GatewaySettings
from newage.ports import IReceiver
from newage.protocol.engine_session import EngineSettings

REMOTE = Peer("192.0.2.1")
Heard = list[tuple[bytes, bool]]


def test_open_sends_the_open_packet(site: Site) -> None:
    sink = FakeSink()
    connection = site.engines.open(sink, LOCAL)
    assert verifyObject(IReceiver, connection)
    assert sink.receiver is connection
    assert sink.sent == [b'0{"sid":"s1","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}']
    assert site.engines.get("s1") is connection
    assert site.engines.get("s2") is None
    assert len(site.engines) == 1


def test_polling_may_be_upgraded_and_settings_are_told() -> None:
    site = Site(EngineSettings(ping_interval_seconds=0.3, ping_timeout_seconds=0.2, max_payload_bytes=5))
    sink = FakePollingSink()
    site.engines.open(sink, LOCAL)
    assert sink.sent == [b'0{"sid":"s1","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":5}']


def test_connections_are_limited() -> None:
    site = Site(settings=GatewaySettings(max_connections=2))
    first, _ = site.open()
    site.open()
    with pytest.raises(Unavailable):
        site.open()
    first.close("test")
    site.open()


def test_connections_of_one_address_are_limited_local_ones_are_not() -> None:
    site = Site(settings=GatewaySettings(max_connections_per_address=2))
    first, _ = site.open(peer=REMOTE)
    second, _ = site.open(peer=REMOTE)
    with pytest.raises(Unavailable):
        site.open(peer=REMOTE)
    for _ in range(5):
        site.open()
    site.open(peer=Peer("192.0.2.2"))
    first.close("test")
    second.close("test")
    site.open(peer=REMOTE)


def test_a_connection_whose_time_is_up_is_not_found(site: Site) -> None:
    connection, sink = site.open()
    site.clock.advance(25)
    site.clock.rightNow += 20  # the reactor is late
    assert site.engines.get(connection.sid) is None
    assert sink.ended == ("abort", "ping timeout")


def test_close_all_closes_every_transport_and_takes_no_more(site: Site) -> None:
    site.namespace()
    _, first = site.joined()
    _, second = site.joined()
    site.engines.close_all()
    assert first.ended == second.ended == ("close", "server shutting down")
    assert first.take() == []  # no DISCONNECT packet: clients come back by themselves
    assert [reason for _, reason in site.gone] == ["server shutting down"] * 2
    assert len(site.engines) == 0
    assert site.clock.getDelayedCalls() == []
    with pytest.raises(Unavailable):
        site.open()


def test_sids_cannot_be_guessed() -> None:
    sids = {new_sid() for _ in range(1000)}
    assert len(sids) == 1000
    assert all(len(sid) == 27 for sid in sids)
