"""The Socket.IO side of a connection: joining, leaving, refusals, attachments, and their times."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway_doubles import Site
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import ConnectRefused
from newage.gateway.socketio.sockets import ServerSocket
from newage.protocol.socket_packet import UNREAD

ONE = b'{"_placeholder":true,"num":0}'


class TestJoining:
    def test_connect_is_answered_with_a_sid_of_its_own(self, site: Site) -> None:
        site.namespace()
        site.namespace("/llm")
        connection, sink = site.open()
        connection.text_received(b'40{"token":"123"}')
        connection.text_received(b"40/llm,")
        assert sink.take() == [b'40{"sid":"s2"}', b'40/llm,{"sid":"s3"}']
        assert [socket.caller for socket in site.sockets] == [{"token": "123"}, "somebody"]
        assert [socket.namespace for socket in site.sockets] == ["/", "/llm"]
        assert site.sockets[0].peer.address == "127.0.0.1"

    def test_an_unknown_namespace(self, site: Site) -> None:
        connection, sink = site.open()
        connection.text_received(b"40/random")
        assert sink.take() == [b'44/random,{"message":"Invalid namespace"}']
        assert sink.ended is None

    def test_joining_twice_is_an_error(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.text_received(b"40")
        assert sink.aborted

    def test_joining_again_after_leaving(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.text_received(b"41")
        connection.text_received(b"40")
        assert sink.take() == [b'40{"sid":"s3"}']
        assert [reason for _, reason in site.gone] == ["io client disconnect"]

    def test_namespaces_are_limited(self) -> None:
        site = Site(settings=GatewaySettings(max_namespaces=2))
        for path in ("/a", "/b", "/c"):
            site.namespace(path)
        connection, sink = site.open()
        for packet in (b"40/a", b"40/b", b"40/c"):
            connection.text_received(packet)
        assert sink.take()[2] == b'44/c,{"message":"Too many namespaces"}'
        connection.text_received(b"41/a")
        connection.text_received(b"40/c")
        assert sink.take() == [b'40/c,{"sid":"s4"}']

    def test_ten_thousand_connects_make_no_more_than_the_limit(self, site: Site) -> None:
        for number in range(20):
            site.namespace(f"/{number}", connect=lambda socket, auth: Deferred())
        connection, sink = site.open()
        for number in range(10_000):
            connection.text_received(b"40/%d" % (number % 500 + 1 if number > 15 else number))
            if connection.closed:
                break
        assert len(site.hub._sockets) <= 16
        assert sum(b"Invalid namespace" in packet for packet in sink.sent) <= 10_000

    @pytest.mark.parametrize("raised", [ConnectRefused({"message": "no", "data": {"a": 1}}), ConnectRefused("no")])
    def test_a_refusal(self, site: Site, raised: ConnectRefused) -> None:
        def refuse(socket: ServerSocket, auth: Any) -> None:
            socket.caller = "not for long"
            raise raised

        site.namespace(connect=refuse)
        connection, sink = site.open()
        connection.text_received(b"40")
        assert sink.take()[0].startswith(b'44{"message":"no"')
        connection.text_received(b'42["sent before the refusal was known"]')
        assert sink.ended is None
        site.clock.advance(0)
        assert site.gone == []

    def test_a_fault_of_the_connect_handler(self, site: Site, failures: list[Any]) -> None:
        site.namespace(connect=lambda socket, auth: 1 / 0)
        connection, sink = site.open()
        connection.text_received(b"40")
        assert sink.take() == [b'44{"message":"Internal error"}']
        assert failures == [ZeroDivisionError]
        failures.clear()


class TestTimes:
    def test_who_never_joins_is_closed(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.open()
        site.clock.advance(25)
        connection.text_received(b"3")
        site.clock.advance(20)
        assert sink.ended == ("close", "connect timeout")
        assert site.clock.getDelayedCalls() == []

    def test_who_joined_may_stay_without_a_namespace(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.text_received(b"41")
        for _ in range(4):
            site.clock.advance(25)
            connection.text_received(b"3")
        assert sink.ended is None

    def test_who_is_still_joining_may_take_longer(self, site: Site) -> None:
        site.namespace(connect=lambda socket, auth: Deferred())
        connection, sink = site.open()
        connection.text_received(b"40")
        site.clock.advance(25)
        connection.text_received(b"3")
        site.clock.advance(20)
        assert sink.ended is None

    def test_a_connection_whose_last_socket_we_disconnected_ends_after_a_second(self, site: Site) -> None:
        site.namespace("/a")
        site.namespace("/b")
        connection, sink = site.joined("/a")
        connection.text_received(b"40/b")
        sink.take()
        site.sockets[0].disconnect()
        site.clock.advance(2)
        assert sink.ended is None
        site.sockets[1].disconnect()
        assert sink.take() == [b"41/a,", b"41/b,"]
        site.clock.advance(0.9)
        assert sink.ended is None
        site.clock.advance(0.1)
        assert sink.ended == ("close", "connect timeout")

    def test_unless_it_joins_again(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        site.sockets[0].disconnect()
        site.clock.advance(0.5)
        connection.text_received(b"40")
        site.clock.advance(5)
        assert sink.ended is None


class TestLeaving:
    def test_the_others_stay(self, site: Site) -> None:
        site.namespace("/a")
        site.namespace("/b").on("x", lambda socket, args, wanted: ["here"])
        connection, sink = site.joined("/a")
        connection.text_received(b"40/b")
        connection.text_received(b"41/a")
        sink.take()
        connection.text_received(b'42/b,1["x"]')
        assert sink.take() == [b'43/b,1["here"]']
        assert [(socket.namespace, reason) for socket, reason in site.gone] == [("/a", "io client disconnect")]

    def test_what_was_on_its_way_is_ignored(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        site.sockets[0].disconnect()
        for packet in (b'42["x"]', b"430[]", b"41", b'451-["x",%b]' % ONE):
            connection.text_received(packet)
        connection.binary_received(b"attachment")
        assert sink.ended is None


class TestAttachments:
    @pytest.fixture
    def heard(self, site: Site) -> list[list[Any]]:
        heard: list[list[Any]] = []
        site.namespace().on("x", lambda socket, args, wanted: heard.append(args))
        return heard

    def test_they_complete_an_event(self, site: Site, heard: list[list[Any]]) -> None:
        connection, _ = site.joined()
        connection.text_received(b'451-["x",%b]' % ONE)
        connection.binary_received(b"data")
        assert heard == [[b"data"]]

    def test_an_event_that_takes_none_is_handed_on_unread(self, site: Site) -> None:
        heard: list[list[Any]] = []
        namespace = site.namespace()
        namespace.binary = ("data",)
        for event in ("x", "data"):
            namespace.on(event, lambda socket, args, wanted: heard.append(args))
        connection, _ = site.joined()
        for name in (b"x", b"data"):
            connection.text_received(b'451-["%b",%b]' % (name, ONE))
            connection.binary_received(b"data")
        assert heard == [[UNREAD], [b"data"]]

    def test_they_complete_an_ack(self, site: Site, heard: list[list[Any]]) -> None:
        connection, sink = site.joined()
        answer = site.sockets[0].call("ask", [], 5.0)
        assert sink.take() == [b'420["ask"]']
        connection.text_received(b"461-0[%b]" % ONE)
        connection.binary_received(b"data")
        assert answer.result == [b"data"]

    def test_they_have_ten_seconds(self, site: Site, heard: list[list[Any]]) -> None:
        connection, sink = site.joined()
        connection.text_received(b'451-["x",%b]' % ONE)
        site.clock.advance(9.9)
        assert sink.ended is None
        site.clock.advance(0.1)
        assert sink.aborted

    def test_they_count_towards_the_size(self, site: Site, heard: list[list[Any]]) -> None:
        connection, sink = site.joined()
        connection.text_received(b'452-["x",%b,{"_placeholder":true,"num":1}]' % ONE)
        connection.binary_received(b"x" * 999_000)
        connection.binary_received(b"x" * 999_000)
        assert sink.ended is None
        assert heard == [[UNREAD]]

    def test_at_the_least_rate_they_take_as_long_as_they_take(self, site: Site, heard: list[list[Any]]) -> None:
        connection, sink = site.joined()
        connection.text_received(b'452-["x",%b,{"_placeholder":true,"num":1}]' % ONE)
        for at in range(1, 7):  # while the first comes
            sink.arriving = 5_000 * at
            site.clock.advance(10)
            connection.text_received(b"3")
        connection.binary_received(b"x" * 30_000)
        sink.arriving = 5_000
        site.clock.advance(10)
        connection.binary_received(b"y" * 5_000)
        assert heard == [[b"x" * 30_000, b"y" * 5_000]]

    def test_a_stall_ends_it(self, site: Site, heard: list[list[Any]]) -> None:
        connection, sink = site.joined()
        connection.text_received(b'451-["x",%b]' % ONE)
        sink.arriving = 900_000
        site.clock.advance(10)
        assert sink.ended is None
        sink.arriving += 4_999
        site.clock.advance(10)
        assert sink.aborted

    def test_they_are_not_due_while_we_do_not_read(self, site: Site, heard: list[list[Any]]) -> None:
        connection, _ = site.joined()
        connection.text_received(b'451-["x",%b]' % ONE)
        connection.pause()
        site.clock.advance(30)
        connection.resume()
        connection.binary_received(b"data")
        assert heard == [[b"data"]]

    def test_half_a_packet_and_goodbye_leaves_nothing(self, site: Site, heard: list[list[Any]]) -> None:
        for _ in range(100):
            connection, sink = site.joined()
            connection.text_received(b'451-["x",%b]' % ONE)
            connection.sink_closed(sink, "transport close")
        assert len(site.engines) == 0
        assert site.clock.getDelayedCalls() == []

    @pytest.mark.parametrize("packet", [b'4511-["x"]', b'451-["x"]'])
    def test_wrong_ones_are_refused_by_who_hears_the_event(
        self, site: Site, heard: list[list[Any]], packet: bytes
    ) -> None:
        connection, sink = site.joined()
        connection.text_received(packet)
        for _ in range(11):
            if not heard:
                connection.binary_received(b"x")
        assert heard == [[UNREAD]]
        assert sink.ended is None

    def test_out_of_the_blue(self, site: Site, heard: list[list[Any]]) -> None:
        connection, sink = site.joined()
        connection.binary_received(b"x")
        assert sink.aborted
