"""Opening, finding and closing connections."""

from __future__ import annotations

from functools import partial

import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from gateway_doubles import LOCAL, FakePollingSink, FakeSink, Site
from logkit import Logged
from newage.cluster.local import LocalAdapter
from newage.domain.model import Peer
from newage.errors import Unavailable
from newage.gateway.engineio.engines import EngineServer, new_sid
from newage.gateway.engineio.plain import Plain
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import Dispatcher
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.multiplex import multiplexer
from newage.ports import IReceiver
from newage.protocol.engine_session import EngineSettings
from newage.telemetry.metrics import Counters

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


def test_what_each_transport_carries(site: Site) -> None:
    first, second, third = FakeSink(), FakeSink(), FakePollingSink()
    for sink in (first, second, third):
        site.engines.open(sink, LOCAL)
    assert site.engines.carried() == {"websocket": (2, 0), "polling": (1, 0)}
    first.stuck = third.stuck = True
    sizes = first.pending_bytes(), third.pending_bytes()
    assert site.engines.carried() == {"websocket": (2, sizes[0]), "polling": (1, sizes[1])}
    assert all(sizes)


def test_polling_may_be_upgraded_and_settings_are_told() -> None:
    site = Site(EngineSettings(ping_interval_seconds=0.3, ping_timeout_seconds=0.2, max_payload_bytes=5))
    sink = FakePollingSink()
    site.engines.open(sink, LOCAL)
    assert sink.sent == [b'0{"sid":"s1","upgrades":["websocket"],"pingInterval":300,"pingTimeout":200,"maxPayload":5}']


def test_connections_are_limited() -> None:
    site = Site(settings=GatewaySettings(max_connections=2))
    site.namespace()
    first, _ = site.joined()
    site.joined()
    with pytest.raises(Unavailable):
        site.open()
    first.close("test")
    site.open()


def test_connections_of_one_address_are_limited_local_ones_are_not() -> None:
    site = Site(settings=GatewaySettings(max_connections_per_address=2))
    site.namespace()
    first, _ = site.joined(peer=REMOTE)
    second, _ = site.joined(peer=REMOTE)
    with pytest.raises(Unavailable):
        site.open(peer=REMOTE)
    for _ in range(5):
        site.open()
    site.open(peer=Peer("192.0.2.2"))
    first.close("test")
    second.close("test")
    site.open(peer=REMOTE)


def test_a_connection_whose_time_is_up_is_not_found(site: Site) -> None:
    site.namespace()
    connection, sink = site.joined()
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


# ------------------------------------------------------------------------------------------- who has joined nothing yet


def crowd(most: int = 4, most_of_one: int = 3, **more: int) -> Site:
    return Site(settings=GatewaySettings(max_joinless=most, max_joinless_per_address=most_of_one, **more))


def test_who_joined_nothing_gives_way_and_who_joined_never() -> None:
    site = crowd()
    site.namespace()
    kept = [site.joined()[0] for _ in range(10)]
    with Logged() as logged:
        opened = [site.engines.open(FakeSink(), LOCAL, "one line") for _ in range(20)]
    assert not any(connection.closed for connection in kept)
    assert [connection.closed for connection in opened] == [False] * 2 + [True] * 17 + [False]
    assert any("max_joinless" in line and "127.0.0.1" in line for line in logged())


def test_a_client_joins_while_a_stranger_opens_sessions() -> None:
    """Its own connection opened one; the stranger's opened many, whose newest gives way."""
    site = crowd(most_of_one=4)
    site.namespace()
    for _ in range(4):
        site.engines.open(FakeSink(), LOCAL, "stranger")
    client = site.engines.open(FakeSink(), LOCAL, "client")
    for _ in range(100):
        site.engines.open(FakeSink(), LOCAL, "stranger")
    assert not client.closed
    client.text_received(b"40")
    assert not client.closed
    assert len(site.engines) == 4


def test_a_full_address_and_a_full_server_have_room_for_who_joins() -> None:
    site = crowd(max_connections=3, max_connections_per_address=2)
    site.namespace()
    first, second = (site.engines.open(FakeSink(), REMOTE, "line") for _ in range(2))
    third = site.engines.open(FakeSink(), REMOTE, "other line")
    assert (first.closed, second.closed, third.closed) == (False, True, False)
    site.engines.open(FakeSink(), LOCAL)
    site.engines.open(FakeSink(), LOCAL)
    assert len(site.engines) == 3


def test_plain_connections_have_nothing_to_join() -> None:
    engines = EngineServer(
        clock=Clock(), make_upper=partial(Plain, on_message=lambda *_: None), settings=GatewaySettings(max_joinless=1)
    )
    assert not any(connection.closed for connection in [engines.open(FakeSink(), LOCAL) for _ in range(5)])


def test_who_gives_way_is_counted_where_all_refusals_are() -> None:
    counters = Counters()
    hub, dispatcher = Hub(cluster=LocalAdapter), Dispatcher()
    settings = GatewaySettings(max_joinless=1)
    engines = EngineServer(
        clock=Clock(), make_upper=multiplexer(hub, dispatcher, settings), settings=settings, counters=counters
    )
    for _ in range(3):
        engines.open(FakeSink(), LOCAL)
    assert counters.snapshot() == {"refused": 2, "refused_session": 2}
