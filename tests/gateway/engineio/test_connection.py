"""One connection: heartbeat, bounds, pauses, faults. Its Socket.IO is tested in test_client."""

from __future__ import annotations

from typing import Any

import pytest

from gateway_doubles import FakeSink, Site
from logkit import Logged
from newage.gateway.engineio.connection import Connection
from newage.gateway.settings import GatewaySettings
from newage.protocol.engine_packet import SharedPacket
from newage.protocol.engine_session import EngineSettings
from newage.protocol.socket_packet import UNREAD_AUTH
from newage.telemetry.refusals import LINES

Heard = list[tuple[bytes, bool]]


class TestHeartbeat:
    def test_pinged_and_answered(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        for _ in range(5):
            site.clock.advance(25)
            assert sink.take() == [b"2"]
            connection.text_received(b"3")
            site.clock.advance(0)
        assert sink.ended is None

    def test_the_interval_is_kept_where_a_pong_may_take_longer_than_it(self) -> None:
        site = Site(EngineSettings(ping_interval_seconds=5, ping_timeout_seconds=60))
        site.namespace()
        connection, sink = site.joined()
        for _ in range(5):
            site.clock.advance(5)
            assert sink.take() == [b"2"]
            connection.text_received(b"3")
        assert len(site.clock.getDelayedCalls()) == 1

    def test_a_silent_peer_is_cut(self, site: Site) -> None:
        site.namespace()
        _, sink = site.joined()
        site.clock.advance(25)
        site.clock.advance(19.9)
        assert sink.ended is None
        site.clock.advance(0.1)
        assert sink.ended == ("abort", "ping timeout")
        assert [reason for _, reason in site.gone] == ["ping timeout"]
        assert site.clock.getDelayedCalls() == []

    def test_a_packet_extends_the_wait_once(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        site.clock.advance(25)
        site.clock.advance(15)
        connection.text_received(b'42["x"]')
        site.clock.advance(10)
        connection.text_received(b'42["x"]')
        assert sink.ended is None
        site.clock.advance(10)
        assert sink.ended == ("abort", "ping timeout")

    def test_a_binary_packet_proves_life_too(self) -> None:
        site = Site(on_message=lambda *_: None)
        connection, sink = site.open()
        site.clock.advance(25)
        site.clock.advance(15)
        connection.binary_received(b"x")
        site.clock.advance(19)
        assert sink.ended is None

    def test_pongs_out_of_the_blue_make_no_timers(self, site: Site) -> None:
        connection, sink = site.open()
        for _ in range(1000):
            connection.text_received(b"3")
        assert len(site.clock.getDelayedCalls()) == 1
        assert sink.sent == []

    def test_a_ping_from_the_peer_is_an_error(self, site: Site) -> None:
        connection, sink = site.open()
        connection.text_received(b"2")
        assert sink.aborted

    def test_who_is_sending_something_long_answers_behind_it(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        site.clock.advance(25)
        for at in range(1, 10):
            sink.arriving = 11_000 * at
            site.clock.advance(20)
        assert not connection.closed
        site.clock.advance(20)
        assert connection.closed

    def test_a_heartbeat_that_has_not_left_is_not_answered_yet(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        sink.stuck = True
        connection.send_text(b"4" + b"a" * 60_000)
        site.clock.advance(25)
        for _ in range(5):
            sink.queued -= 11_000
            site.clock.advance(20)
        assert not connection.closed
        sink.queued = 0
        site.clock.advance(20)
        assert not connection.closed, "its time begins when it has left"
        site.clock.advance(20)
        assert connection.closed

    def test_who_takes_nothing_is_gone_in_time(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        sink.stuck = True
        connection.send_text(b"4" + b"a" * 60_000)
        site.clock.advance(25)
        site.clock.advance(20)
        assert connection.closed


class TestEnd:
    def test_the_peer_closes(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.text_received(b"1")
        assert sink.ended == ("close", "transport close")
        assert [reason for _, reason in site.gone] == ["transport close"]
        assert connection.closed

    @pytest.mark.parametrize("reason", ["transport close", "transport error"])
    def test_the_transport_is_gone(self, site: Site, reason: str) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.sink_closed(sink, reason)
        assert sink.ended is None
        assert [reason for _, reason in site.gone] == [reason]
        assert site.engines.get(connection.sid) is None

    def test_another_sinks_end_means_nothing(self, site: Site) -> None:
        connection, _ = site.open()
        connection.sink_closed(FakeSink(), "transport close")
        assert not connection.closed

    def test_the_end_comes_once(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.close("first")
        connection.abort("second")
        connection.close("third")
        connection.sink_closed(sink, "transport close")
        assert sink.ended == ("close", "first")
        assert len(site.gone) == 1
        connection.arm()
        assert site.clock.getDelayedCalls() == []

    def test_what_comes_after_the_end_is_ignored(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.close("test")
        connection.text_received(b"abc")
        connection.text_received(b'42["x"]')
        connection.binary_received(b"x")
        assert sink.sent == []

    @pytest.mark.parametrize("packet", [b"", b"abc", b"7", b"2", b"4abc", b"42{}", b'42abc["x"]', b'42["x"]'])
    def test_a_broken_packet_ends_this_connection_alone(self, site: Site, packet: bytes) -> None:
        site.namespace("/other")
        other, other_sink = site.joined("/other")
        connection, sink = site.joined("/other")
        connection.text_received(packet)
        assert sink.aborted
        assert other_sink.ended is None
        assert site.engines.get(other.sid) is other

    def test_it_is_logged_with_its_cause_within_a_quota(self, site: Site) -> None:
        logged = Logged().start()
        try:
            for _ in range(20):
                connection, _ = site.open()
                connection.text_received(b"9")
            site.clock.advance(1)
            connection, sink = site.open()
            connection.binary_received(b"x")
        finally:
            logged.stop()
        said = "a client at 127.0.0.1 broke the protocol and is disconnected: "
        assert logged() == [said + "unknown packet kind (0 more)"] * 5 + [
            said + "binary data without a text packet before it: is it another parser than Socket.IO's own? (15 more)"
        ]
        assert sink.ended == (
            "abort",
            "binary data without a text packet before it: is it another parser than Socket.IO's own?",
        )

    def test_a_fault_of_ours_ends_this_connection_alone_and_is_logged(self, failures: list[Any]) -> None:
        def handler(connection: Connection, payload: bytes, binary: bool) -> None:
            raise ZeroDivisionError

        site = Site(on_message=handler)
        (first, first_sink), (second, second_sink) = site.open(), site.open()
        first.text_received(b"4x")
        second.binary_received(b"x")
        assert first_sink.ended == second_sink.ended == ("abort", "server error")
        assert failures == [ZeroDivisionError] * 2
        failures.clear()

    def test_a_transport_that_raises_against_its_contract_ends_alone(self, site: Site, failures: list[Any]) -> None:
        class Raising(FakeSink):
            def send_text(self, packet: bytes) -> None:
                if packet == b"2":
                    raise OSError

        _connection, sink = site.open(Raising())
        _, other = site.open()
        site.clock.advance(25)
        assert sink.ended == ("abort", "server error")
        assert other.sent == [b"2"]
        assert failures == [OSError]
        failures.clear()

    def test_a_fault_at_the_end_is_logged(self, failures: list[Any]) -> None:
        site = Site()
        site.namespace()
        connection, _sink = site.joined()
        site.hub.remove = None  # type: ignore[method-assign, assignment]
        connection.close("test")
        assert site.engines.get(connection.sid) is None
        assert failures == [TypeError]
        failures.clear()


class TestSize:
    def test_before_anybody_is_admitted_large_messages_are_not_read(self, site: Site) -> None:
        """Nor do they end the connection: they are within the size that was announced (contract A30)."""
        seen: list[Any] = []
        site.namespace(connect=lambda socket, auth: seen.append(auth))
        connection, sink = site.open()
        connection.text_received(b'40{"a":"' + b"x" * 65_536 + b'"}')
        connection.text_received(b'42["x","' + b"x" * 65_536 + b'"]')
        connection.text_received(b'451-["x",{"_placeholder":true,"num":0},"' + b"x" * 65_536 + b'"]')
        connection.binary_received(b"x" * 65_536)
        connection.text_received(b'451-["x",{"_placeholder":true,"num":0}]')
        connection.binary_received(b"x" * 65_536)
        connection.text_received(b"41")
        assert seen == [UNREAD_AUTH]
        assert sink.ended is None
        connection.text_received(b'40{"a":"' + b"x" * 1_000_000 + b'"}')
        assert sink.aborted

    @pytest.mark.parametrize("value", [b"1e999", b"[" * 65 + b"]" * 65, b"[" + b"1," * 50_000 + b"1]"])
    def test_json_that_is_too_much_is_refused_by_its_event(self, site: Site, value: bytes) -> None:
        site.namespace().on("x", lambda socket, args, ack: ["refused", *args])
        connection, sink = site.joined()
        connection.text_received(b'427["x",' + value + b"]")
        assert sink.take() == [b'437["refused",true]']
        assert sink.ended is None

    def test_afterwards_they_may_be_large(self, site: Site) -> None:
        site.namespace()
        connection, sink = site.joined()
        connection.text_received(b'42["' + b"x" * 999_900 + b'"]')
        assert sink.ended is None
        connection.text_received(b'42["' + b"x" * 1_000_000 + b'"]')
        assert sink.aborted

    @pytest.mark.parametrize("packet", [b"6" + b"x" * 1000, b"4" + b"x" * 1000])
    def test_the_size_is_configurable_and_counts_for_every_kind(self, packet: bytes) -> None:
        site = Site(EngineSettings(max_payload_bytes=1000), on_message=lambda *_: None)
        connection, sink = site.open()
        connection.text_received(packet)
        assert sink.aborted

    def test_binary_too(self) -> None:
        site = Site(EngineSettings(max_payload_bytes=1000), on_message=lambda *_: None)
        connection, sink = site.open()
        connection.binary_received(b"x" * 1000)
        assert sink.ended is None
        connection.binary_received(b"x" * 1001)
        assert sink.aborted


class TestBase64:
    """An attachment as text: clients with forceBase64 send it over any transport."""

    @pytest.fixture
    def heard(self) -> Heard:
        return []

    @pytest.fixture
    def plain(self, heard: Heard) -> Site:
        return Site(
            EngineSettings(max_payload_bytes=1000),
            on_message=lambda connection, payload, binary: heard.append((payload, binary)),
        )

    def test_it_is_binary_to_the_layer_above(self, plain: Site, heard: Heard) -> None:
        connection, sink = plain.open()
        for packet in (b"4a", b"bAQI=", b"b"):
            connection.text_received(packet)
        assert heard == [(b"a", False), (b"\x01\x02", True), (b"", True)]
        assert sink.ended is None

    def test_it_completes_an_event(self, site: Site) -> None:
        seen: list[Any] = []
        site.namespace().on("x", lambda socket, args, ack: seen.append(args))
        connection, _ = site.joined()
        connection.text_received(b'451-["x",{"_placeholder":true,"num":0}]')
        connection.text_received(b"bAQI")
        assert seen == [[b"\x01\x02"]]

    def test_it_waits_in_order_and_proves_life(self, plain: Site, heard: Heard) -> None:
        connection, _ = plain.open()
        connection.pause()
        connection.text_received(b"4a")
        connection.text_received(b"bAQI=")
        connection.resume()
        assert heard == [(b"a", False), (b"\x01\x02", True)]
        plain.clock.advance(25)
        plain.clock.advance(15)
        connection.text_received(b"bAQI=")
        plain.clock.advance(19)
        assert not connection.closed

    def test_too_large_it_ends_the_connection(self, plain: Site) -> None:
        connection, sink = plain.open()
        connection.text_received(b"b" + b"A" * 1000)
        assert sink.aborted


class TestSlowReader:
    SETTINGS = GatewaySettings(max_outbound_bytes=16_000, max_outbound_burst_bytes=32_000, outbound_grace_seconds=1.0)

    @pytest.fixture
    def slow(self) -> Site:
        site = Site(settings=self.SETTINGS)
        site.namespace()
        return site

    def fill(self, connection: Connection, count: int) -> None:
        for _ in range(count):
            connection.send_text(b"4" + b"x" * 999)

    def test_a_reader_that_keeps_up_is_never_cut(self, slow: Site) -> None:
        connection, sink = slow.joined()
        self.fill(connection, 1000)
        slow.clock.advance(5)
        assert sink.ended is None

    def test_more_than_a_burst_is_cut_in_the_next_turn(self, slow: Site) -> None:
        _, fast = slow.joined()
        connection, sink = slow.joined()
        sink.stuck = True
        self.fill(connection, 40)
        assert sink.ended is None
        assert slow.gone == []
        slow.clock.advance(0)
        assert sink.ended == ("abort", "slow consumer")
        assert [reason for _, reason in slow.gone] == ["slow consumer"]
        assert fast.ended is None

    def test_however_many_are_cut_few_lines_say_so(self, slow: Site, logged: Logged) -> None:
        readers = [slow.joined() for _ in range(20)]
        for connection, sink in readers:
            sink.stuck = True
            self.fill(connection, 40)
        slow.clock.advance(0)
        assert all(sink.ended == ("abort", "slow consumer") for _, sink in readers)
        assert logged() == ["a client at 127.0.0.1 reads too slowly and is cut"] * LINES

    def test_one_large_answer_has_time_to_leave(self, slow: Site) -> None:
        connection, sink = slow.joined()
        sink.stuck = True
        self.fill(connection, 20)
        slow.clock.advance(0)
        slow.clock.advance(0.5)
        assert sink.ended is None
        sink.queued = 1000
        slow.clock.advance(0.25)
        slow.clock.advance(2.0)
        assert sink.ended is None
        sink.queued = 0
        self.fill(connection, 20)
        slow.clock.advance(0)
        assert sink.ended is None

    def test_but_not_for_ever(self, slow: Site) -> None:
        connection, sink = slow.joined()
        sink.stuck = True
        self.fill(connection, 20)
        slow.clock.pump([0, 0.25, 0.25, 0.25])
        assert sink.ended is None
        slow.clock.advance(0.25)
        assert sink.ended == ("abort", "slow consumer")
        assert slow.engines.get(connection.sid) is None

    def test_growing_beyond_twice_the_limit_ends_the_grace(self, slow: Site) -> None:
        connection, sink = slow.joined()
        sink.stuck = True
        self.fill(connection, 20)
        slow.clock.advance(0)
        self.fill(connection, 2)
        slow.clock.advance(0)
        assert sink.ended is None
        self.fill(connection, 20)
        slow.clock.advance(0)
        assert sink.ended == ("abort", "slow consumer")

    def test_every_way_of_sending_counts(self, slow: Site) -> None:
        for send in ("send_text", "send_binary", "send_shared"):
            connection, sink = slow.joined()
            sink.stuck = True
            for _ in range(40):
                packet = b"4" + b"x" * 999
                getattr(connection, send)(SharedPacket(packet) if send == "send_shared" else packet)
            slow.clock.advance(0)
            assert sink.ended == ("abort", "slow consumer")

    def test_a_closed_connection_is_not_judged(self, slow: Site) -> None:
        connection, sink = slow.joined()
        sink.stuck = True
        self.fill(connection, 40)
        connection.close("test")
        self.fill(connection, 40)
        slow.clock.advance(0)
        assert sink.ended == ("close", "test")
        assert slow.clock.getDelayedCalls() == []


class TestPause:
    @pytest.fixture
    def heard(self) -> Heard:
        return []

    @pytest.fixture
    def plain(self, heard: Heard) -> Site:
        return Site(
            EngineSettings(max_payload_bytes=1000),
            on_message=lambda connection, payload, binary: heard.append((payload, binary)),
        )

    def test_what_still_arrives_waits_in_order(self, plain: Site, heard: Heard) -> None:
        connection, sink = plain.open()
        connection.pause()
        assert sink.paused
        connection.text_received(b"4a")
        connection.binary_received(b"b")
        connection.text_received(b"4c")
        assert heard == []
        connection.resume()
        assert heard == [(b"a", False), (b"b", True), (b"c", False)]
        assert not sink.paused
        connection.text_received(b"4d")
        assert len(heard) == 4

    def test_pauses_are_counted(self, plain: Site, heard: Heard) -> None:
        connection, sink = plain.open()
        connection.pause()
        connection.pause()
        connection.text_received(b"4a")
        connection.resume()
        assert (sink.paused, heard) == (True, [])
        connection.resume()
        assert (sink.paused, heard) == (False, [(b"a", False)])

    def test_a_packet_may_pause_again(self) -> None:
        heard: list[bytes] = []

        def handler(connection: Connection, payload: bytes, binary: bool) -> None:
            heard.append(payload)
            if payload == b"b":
                connection.pause()

        site = Site(on_message=handler)
        connection, sink = site.open()
        connection.pause()
        for packet in (b"4a", b"4b", b"4c"):
            connection.text_received(packet)
        connection.resume()
        assert (heard, sink.paused) == ([b"a", b"b"], True)
        connection.text_received(b"4d")
        connection.resume()
        assert (heard, sink.paused) == ([b"a", b"b", b"c", b"d"], False)

    def test_a_packet_may_pause_and_resume(self) -> None:
        heard: list[bytes] = []

        def handler(connection: Connection, payload: bytes, binary: bool) -> None:
            heard.append(payload)
            connection.pause()
            connection.resume()

        site = Site(on_message=handler)
        connection, sink = site.open()
        connection.pause()
        for number in range(2000):
            connection.text_received(b"4%d" % number)
        connection.resume()
        assert (len(heard), sink.paused) == (2000, False)

    def test_more_than_one_read_may_bring_is_too_much(self, plain: Site) -> None:
        connection, sink = plain.open()
        connection.pause()
        for _ in range(4):
            connection.text_received(b"4" + b"x" * 499)
        assert sink.ended is None
        connection.text_received(b"4x")
        assert sink.aborted
        connection.resume()

    def test_while_we_do_not_read_nobody_times_out(self, plain: Site) -> None:
        connection, sink = plain.open()
        plain.clock.advance(25)
        connection.pause()
        for _ in range(5):
            plain.clock.advance(20)
        assert sink.ended is None
        connection.resume()
        connection.text_received(b"3")
        plain.clock.advance(20)
        assert sink.ended is None

    def test_a_pong_is_taken_even_then(self, plain: Site) -> None:
        connection, sink = plain.open()
        plain.clock.advance(25)
        connection.pause()
        connection.text_received(b"3")
        connection.resume()
        plain.clock.advance(24)
        assert sink.take() == [b"2"]

    def test_an_error_among_what_waited_ends_it(self, plain: Site, heard: Heard) -> None:
        connection, sink = plain.open()
        connection.pause()
        for packet in (b"4a", b"abc", b"4c"):
            connection.text_received(packet)
        connection.resume()
        assert heard == [(b"a", False)]
        assert sink.aborted
