"""From polling to WebSocket: nothing lost, nothing twice, one candidate, ten seconds."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from gateway_doubles import LOCAL, FakePollingSink, FakeSink, Site
from newage.gateway.engineio.connection import Connection
from newage.ports import IReceiver


@pytest.fixture
def heard() -> list[bytes]:
    return []


@pytest.fixture
def site(heard: list[bytes]) -> Site:
    return Site(on_message=lambda connection, payload, binary: heard.append(payload))


@pytest.fixture
def polling() -> FakePollingSink:
    return FakePollingSink()


@pytest.fixture
def connection(site: Site, polling: FakePollingSink) -> Connection:
    connection = site.engines.open(polling, LOCAL)
    polling.take()
    return connection


def probe(connection: Connection) -> FakeSink:
    sink = FakeSink()
    connection.start_probe(sink)
    return sink


def test_an_upgrade_moves_what_no_get_fetched(
    connection: Connection, polling: FakePollingSink, heard: list[bytes]
) -> None:
    websocket = probe(connection)
    assert verifyObject(IReceiver, websocket.bound())
    websocket.bound().text_received(b"2probe")
    assert websocket.take() == [b"3probe"]
    assert polling.upgrading
    connection.send_text(b"4one")
    connection.send_binary(b"two")
    websocket.bound().text_received(b"5")
    assert polling.ended == ("close", "upgraded")
    assert websocket.take() == [b"4one", b"B:two"]
    assert connection.sink is websocket
    assert websocket.receiver is connection
    connection.send_text(b"4three")
    assert websocket.take() == [b"4three"]
    websocket.bound().text_received(b"4hello")
    assert heard == [b"hello"]
    connection.sink_closed(polling, "transport close")
    assert not connection.closed
    connection.sink_closed(websocket, "transport close")
    assert connection.closed


def test_polling_goes_on_until_then(connection: Connection, polling: FakePollingSink, heard: list[bytes]) -> None:
    websocket = probe(connection)
    websocket.bound().text_received(b"2probe")
    connection.text_received(b"4still here")
    connection.send_text(b"4x")
    assert heard == [b"still here"]
    assert polling.take() == [b"4x"]


def test_the_heartbeat_survives_the_upgrade(site: Site, connection: Connection, polling: FakePollingSink) -> None:
    websocket = probe(connection)
    site.clock.advance(5)
    websocket.bound().text_received(b"2probe")
    websocket.bound().text_received(b"5")
    site.clock.advance(20)
    assert websocket.take() == [b"3probe", b"2"]


@pytest.mark.parametrize("packets", [[b"4x"], [b"2"], [b"2probe", b"4x"]])
def test_a_candidate_that_says_something_else_is_closed(
    connection: Connection, polling: FakePollingSink, packets: list[bytes]
) -> None:
    websocket = probe(connection)
    receiver = websocket.bound()
    for packet in packets:
        receiver.text_received(packet)
    assert websocket.ended == ("close", "bad upgrade")
    assert (connection.sink, polling.ended, polling.upgrading) == (polling, None, False)
    receiver.text_received(b"2probe")
    receiver.sink_closed(websocket, "transport close")
    assert websocket.sent in ([], [b"3probe"])


def test_binary_data_is_something_else(connection: Connection) -> None:
    websocket = probe(connection)
    websocket.bound().binary_received(b"2probe")
    assert websocket.ended == ("close", "bad upgrade")


def test_a_candidate_that_does_not_come_to_an_end_is_closed(
    site: Site, connection: Connection, polling: FakePollingSink
) -> None:
    websocket = probe(connection)
    websocket.bound().text_received(b"2probe")
    site.clock.advance(9.9)
    assert websocket.ended is None
    site.clock.advance(0.1)
    assert websocket.ended == ("close", "upgrade timeout")
    assert (connection.closed, polling.upgrading) == (False, False)


def test_a_candidate_that_vanishes_leaves_the_place_free(connection: Connection, polling: FakePollingSink) -> None:
    first = probe(connection)
    first.bound().text_received(b"2probe")
    first.bound().sink_closed(first, "transport close")
    assert not polling.upgrading
    second = probe(connection)
    second.bound().text_received(b"2probe")
    second.bound().text_received(b"5")
    assert connection.sink is second


def test_one_candidate_at_a_time(connection: Connection) -> None:
    first, second = probe(connection), probe(connection)
    assert second.ended == ("close", "bad upgrade")
    assert second.receiver is None
    first.bound().text_received(b"2probe")
    first.bound().text_received(b"5")
    assert connection.sink is first


def test_a_websocket_is_not_upgraded(connection: Connection, site: Site) -> None:
    first = probe(connection)
    first.bound().text_received(b"2probe")
    first.bound().text_received(b"5")
    assert probe(connection).ended == ("close", "bad upgrade")
    direct, _ = site.open()
    assert probe(direct).ended == ("close", "bad upgrade")


def test_the_candidate_goes_with_the_connection(connection: Connection, site: Site) -> None:
    websocket = probe(connection)
    websocket.bound().text_received(b"2probe")
    connection.text_received(b"1")
    assert websocket.ended == ("close", "transport close")
    websocket.bound().text_received(b"5")
    assert site.clock.getDelayedCalls() == []
    assert probe(connection).ended == ("close", "bad upgrade")


def test_a_fault_while_upgrading_ends_the_connection_and_is_logged(
    connection: Connection, polling: FakePollingSink, failures: list[Any]
) -> None:
    websocket = probe(connection)
    polling.set_upgrading = None  # type: ignore[method-assign, assignment]
    websocket.bound().text_received(b"2probe")
    assert connection.closed
    assert (polling.ended, websocket.ended) == (("abort", "server error"), ("close", "server error"))
    assert failures == [TypeError]
    failures.clear()


def test_a_pause_goes_over_to_the_new_transport(connection: Connection, heard: list[bytes]) -> None:
    connection.pause()
    websocket = probe(connection)
    websocket.bound().text_received(b"2probe")
    websocket.bound().text_received(b"5")
    assert websocket.paused
    connection.text_received(b"4x")
    connection.resume()
    assert (websocket.paused, heard) == (False, [b"x"])


def test_the_client_may_finish_its_post_first(site: Site, connection: Connection, polling: FakePollingSink) -> None:
    """It upgrades when that is done, be its link as slow as it may."""
    websocket = probe(connection)
    websocket.bound().text_received(b"2probe")
    for _ in range(3):
        polling.arriving += 5_000
        site.clock.advance(10)
        assert websocket.ended is None
    site.clock.advance(10)
    assert websocket.ended == ("close", "upgrade timeout")
