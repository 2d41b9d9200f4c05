"""Who gets what."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from deferreds import outcome
from gateway_doubles import FakePollingSink, FakeSink, Site
from newage.domain.delivery import EVERYBODY, Audience, Emission
from newage.errors import PeerGone
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.sockets import ServerSocket
from newage.ports import IChannel, IOutbox
from newage.protocol.engine_packet import SharedPacket

ROOM = Audience.room("lobby")


@pytest.fixture
def three(site: Site) -> list[FakeSink]:
    """Three sockets on / and their sinks, each in its own identity's audience."""
    site.namespace()
    site.namespace("/other")
    sinks = [site.joined()[1] for _ in range(3)]
    for number, socket in enumerate(site.sockets):
        site.hub.subscribe(socket.sid, Audience.identity(str(number)))
    return sinks


def sids(site: Site) -> list[str]:
    return [socket.sid for socket in site.sockets]


def publish(site: Site, *to: Audience, event: str = "e", args: tuple[Any, ...] = (1,), namespace: str = "/") -> None:
    site.hub.publish(Emission(namespace, event, args, to))


def test_it_is_an_outbox(site: Site) -> None:
    assert verifyObject(IOutbox, site.hub)
    assert verifyObject(IChannel, site.hub.channel([]))


def test_everybody_in_the_namespace(site: Site, three: list[FakeSink]) -> None:
    _connection, other = site.joined("/other")
    publish(site, EVERYBODY)
    assert [sink.take() for sink in three] == [[b'42["e",1]']] * 3
    assert other.take() == []
    publish(site, EVERYBODY, namespace="/other")
    assert other.take() == [b'42/other,["e",1]']


def test_rooms(site: Site, three: list[FakeSink]) -> None:
    first, second, _ = sids(site)
    site.hub.subscribe(first, ROOM)
    site.hub.subscribe(second, ROOM)
    site.hub.subscribe(second, ROOM)
    publish(site, ROOM)
    site.hub.unsubscribe(first, ROOM)
    site.hub.unsubscribe(first, ROOM)
    publish(site, ROOM, args=(2,))
    site.hub.unsubscribe(second, ROOM)
    publish(site, ROOM, args=(3,))
    assert [sink.take() for sink in three] == [[b'42["e",1]'], [b'42["e",1]', b'42["e",2]'], []]


def test_a_union_reaches_each_socket_once(site: Site, three: list[FakeSink]) -> None:
    first, second, _ = sids(site)
    site.hub.subscribe(first, ROOM)
    publish(site, ROOM, Audience.identity("0"), Audience.socket(first), Audience.socket(second), Audience.socket("x"))
    assert [len(sink.take()) for sink in three] == [1, 1, 0]


def test_a_sid_of_another_namespace_is_not_meant(site: Site, three: list[FakeSink]) -> None:
    site.joined("/other")
    publish(site, Audience.socket(sids(site)[3]))
    publish(site, Audience.socket(sids(site)[0]))
    assert [len(sink.take()) for sink in three] == [1, 0, 0]


def test_one_broadcast_is_one_packet_for_all(site: Site) -> None:
    packets: list[SharedPacket] = []

    class Sharing(FakeSink):
        def send_shared(self, packet: SharedPacket) -> None:
            packets.append(packet)

    site.namespace()
    for _ in range(3):
        connection, _ = site.open(Sharing())
        connection.text_received(b"40")
    publish(site, EVERYBODY)
    assert len(packets) == 3
    assert packets[0] is packets[1] is packets[2]
    assert packets[0].packet == b'42["e",1]'


def test_bytes_go_along(site: Site, three: list[FakeSink]) -> None:
    publish(site, EVERYBODY, args=({"a": b"data"},))
    assert [sink.take() for sink in three] == [[b'451-["e",{"a":{"_placeholder":true,"num":0}}]', b"B:data"]] * 3


def test_what_cannot_be_encoded_is_logged(site: Site, three: list[FakeSink], failures: list[Any]) -> None:
    publish(site, EVERYBODY, args=(object(),))
    assert [sink.take() for sink in three] == [[], [], []]
    assert failures == [TypeError]
    failures.clear()


def test_who_is_gone_is_in_no_room(site: Site, three: list[FakeSink]) -> None:
    first, _second, _third = sids(site)
    site.hub.subscribe(first, ROOM)
    site.sockets[0].disconnect()
    three[0].take()
    publish(site, ROOM)
    publish(site, EVERYBODY)
    assert [len(sink.take()) for sink in three] == [0, 1, 1]
    for sink in three[1:]:
        sink.bound().sink_closed(sink, "transport close")
    assert (site.hub._groups, site.hub._sockets) == ({}, {})


def test_a_socket_that_is_not_admitted_is_not_everybody(site: Site) -> None:
    site.namespace("/closed", connect=lambda socket, auth: None)
    _, sink = site.joined("/closed")
    publish(site, EVERYBODY, namespace="/closed")
    assert sink.take() == []


def test_rooms_may_be_joined_before_connect_is_answered(site: Site) -> None:
    answer: Deferred[None] = Deferred()

    async def connect(socket: ServerSocket, auth: Any) -> None:
        socket.caller = "me"
        site.hub.subscribe(socket.sid, ROOM)
        await answer

    site.namespace(connect=connect)
    connection, sink = site.open()
    connection.text_received(b"40")
    publish(site, ROOM)
    assert sink.take() == []
    answer.callback(None)
    assert sink.take() == [b'40{"sid":"s2"}', b'42["e",1]']


def test_one_socket(site: Site, three: list[FakeSink]) -> None:
    first, _, third = sids(site)
    site.hub.emit(first, "hello", {"a": 1})
    site.hub.emit("nobody", "hello")
    answer = site.hub.call(third, "ask", [1], 5.0)
    assert [sink.take() for sink in three] == [[b'42["hello",{"a":1}]'], [], [b'420["ask",1]']]
    three[2].bound().text_received(b'430["fine"]')
    assert answer.result == ["fine"]
    (failure,) = outcome(site.hub.call("nobody", "ask", [], 5.0))
    assert failure.type is PeerGone


def test_unknown_sids_are_ignored(site: Site) -> None:
    site.hub.subscribe("nobody", ROOM)
    site.hub.unsubscribe("nobody", ROOM)
    assert site.hub.transport("nobody") == ""
    assert not site.hub.drained("nobody")
    assert site.hub._groups == {}


def test_whether_all_has_left(site: Site) -> None:
    site.namespace()
    connection, sink = site.open(FakeSink())
    connection.text_received(b"40")
    assert site.hub.drained("s2")
    sink.stuck = True
    assert not site.hub.drained("s2")


def test_what_a_transport_is(site: Site) -> None:
    site.namespace()
    connection, _ = site.open(FakePollingSink())
    connection.text_received(b"40")
    assert site.hub.transport("s2") == "polling"


def test_rooms_of_one_socket_are_limited() -> None:
    site = Site(settings=GatewaySettings(max_audiences=2))
    site.namespace()
    _, sink = site.joined()
    for name in "abc":
        site.hub.subscribe("s2", Audience.room(name))
        site.hub.subscribe("s2", EVERYBODY)
        publish(site, Audience.room(name), args=(name,))
    publish(site, EVERYBODY)
    assert sink.take() == [b'42["e","a"]', b'42["e","b"]', b'42["e",1]']


def test_a_channel_is_chosen_once(site: Site, three: list[FakeSink]) -> None:
    _, other = site.joined("/other")
    first, _, third, fourth = sids(site)
    channel = site.hub.channel([first, third, first, "nobody", fourth])
    channel.emit("t", "token")
    site.sockets[0].disconnect()
    three[0].take()
    channel.emit("t", b"x")
    assert [len(sink.take()) for sink in three] == [0, 0, 3]
    assert other.take()[0] == b'42/other,["t","token"]'


def test_a_slow_receiver_of_a_broadcast_is_cut_and_nobody_else_notices() -> None:
    site = Site(settings=GatewaySettings(max_outbound_bytes=16_000, max_outbound_burst_bytes=32_000))
    site.namespace()
    (slow_connection, slow), (_, fast) = site.joined(), site.joined()
    slow.stuck = True
    for _ in range(50):
        publish(site, EVERYBODY, args=("x" * 1000,))
    assert slow.ended is None
    site.clock.advance(0)
    assert slow.ended == ("abort", "slow consumer")
    assert (fast.ended, len(fast.take())) == (None, 50)
    assert [socket.connection for socket, _ in site.gone] == [slow_connection]


def test_a_transport_that_fails_while_it_is_sent_to(site: Site) -> None:
    class Failing(FakeSink):
        def send_shared(self, packet: SharedPacket) -> None:
            self.bound().sink_closed(self, "transport error")

    site.namespace()
    _, before = site.joined()
    connection, _ = site.open(Failing())
    connection.text_received(b"40")
    _, after = site.joined()
    publish(site, EVERYBODY)
    assert len(before.take()) == len(after.take()) == 1
    assert connection.closed
