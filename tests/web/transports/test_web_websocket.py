"""A WebSocket behind HTTP: hand-over, limits, closing (contract 16.2 and 16.3)."""

from __future__ import annotations

import gc
import sys
import weakref

import pytest
from attrs import evolve
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ISSLTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from web_doubles import HANDSHAKE, House, MemoryTransport, Recorder, open_socket, parse_responses, with_settings
from zope.interface import directlyProvides
from zope.interface.verify import verifyObject

from framekit import client_frame, server_frames
from newage.ports import IFrameSink
from newage.web.settings import WebSettings
from newage.web.transports.nobody import NOBODY
from newage.web.transports.outgoing import SocketBacklog
from newage.web.transports.websocket import EngineWebSocket

URL = "/socket.io/?EIO=4&transport=websocket"


def test_is_a_frame_sink() -> None:
    assert verifyObject(IFrameSink, open_socket().sink)


# ---------------------------------------------------------------------------------------------------------- hand-over


def test_opens_with_101_and_the_open_packet_in_one_write() -> None:
    house = House()
    line = house.line()
    line.upgrade(URL)
    house.clock.advance(0)
    answer, _, rest = line.transport.take().partition(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
    assert b"Server" not in answer
    ((opcode, packet),) = server_frames(rest)
    assert opcode == 1
    assert packet.startswith(b'0{"sid":"sid1","upgrades":[],')


def test_echo_and_binary() -> None:
    line = House().line()
    line.open_websocket()
    line.send(client_frame("4h\u00e9".encode()) + client_frame(b"\x01\x02", 2))
    assert line.frames() == [(1, "4h\u00e9".encode()), (2, b"\x01\x02")]


def test_upgrade_on_a_later_request_of_a_kept_alive_connection() -> None:
    house = House()
    line = house.line()
    assert line.ask("/nothing").status == 404
    assert line.ask("/socket.io/?EIO=4&transport=polling").status == 200
    assert line.open_websocket().startswith(b"0{")
    line.send(client_frame(b"4x"))
    assert line.frames() == [(1, b"4x")]


def test_http_leaves_nothing_behind() -> None:
    house = House()
    line = house.line()
    channel = weakref.ref(line.protocol)
    line.upgrade(URL)
    line.protocol = None
    gc.collect()
    assert channel() is None
    assert line.transport.producer is line.transport.protocol._backlog
    # no HTTP timeout is left: only the heartbeat and the flush
    house.clock.advance(0)
    line.transport.clear()
    house.clock.advance(20)
    assert not line.transport.disconnecting
    assert not line.transport.aborted


def test_hand_over_below_a_wrapping_protocol() -> None:
    """With TLS the transport is a protocol itself, and its wrapped protocol is what has to change."""
    house = House()
    wrapping = WrappingFactory(house.site)
    outer = MemoryTransport()
    wrapper = wrapping.buildProtocol(outer.getPeer())
    assert isinstance(wrapper, ProtocolWrapper)
    outer.protocol = wrapper
    wrapper.makeConnection(outer)
    request = HANDSHAKE.replace(b"GET / ", f"GET {URL} ".encode())
    wrapper.dataReceived(request)
    house.clock.advance(0)
    outer.clear()
    wrapper.dataReceived(client_frame(b"4through"))
    house.clock.advance(0)
    assert list(server_frames(outer.value())) == [(1, b"4through")]
    assert house.connections == []


@pytest.mark.parametrize("early", [client_frame(b"4early"), b"GET / HTTP/1.1\r\n\r\n"])
def test_bytes_before_our_101_end_the_connection(early: bytes) -> None:
    house = House()
    line = house.line()
    line.send(HANDSHAKE.replace(b"GET / ", f"GET {URL} ".encode()) + early)
    assert line.transport.aborted
    assert house.messages == []
    assert len(house.engines) == 0


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec-WebSocket-Version": "12"}, 400),
        ({"Sec-WebSocket-Version": "x"}, 400),
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Key": "<script>alert(1)</script>"}, 400),
        ({"Connection": "keep-alive"}, 400),
    ],
)
def test_wrong_handshake_is_refused_without_an_echo(changes: dict[str, str], status: int) -> None:
    house = House()
    line = house.line()
    line.upgrade(URL, **{name.replace("-", "_"): value for name, value in changes.items()})
    house.clock.advance(0)
    (response,) = parse_responses(line.transport.take())
    assert response.summary == (status, b'{"code":3,"message":"Bad request"}')
    assert len(house.engines) == 0
    assert line.transport.half_closed


@pytest.mark.parametrize("name", ["Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Protocol", "Upgrade"])
def test_handshake_headers_are_ascii(name: str) -> None:
    """What Autobahn reads: 0x85 ends a line there, so another header could follow."""
    house = House()
    line = house.line()
    line.upgrade(URL, **{name: "websocket, Upgrade\x85Origin: http://localhost"})
    (response,) = line.responses()
    assert response.summary == (400, b'{"code":3,"message":"Bad request"}')
    assert len(house.engines) == 0


@pytest.mark.parametrize(
    ("offered", "chosen"), [("my-token", "my-token"), ("a.b, other", "a.b"), (" x ,\ty", "x"), (None, None)]
)
def test_the_first_subprotocol_is_chosen(offered: str | None, chosen: str | None) -> None:
    """Browsers give up when they offered some and none is chosen."""
    line = House().line()
    line.upgrade(URL, **({"Sec_WebSocket_Protocol": offered} if offered else {}))
    line.house.clock.advance(0)
    top = line.transport.take().partition(b"\r\n\r\n")[0]
    assert top.startswith(b"HTTP/1.1 101 ")
    answers = [
        value
        for name, _, value in (h.partition(b": ") for h in top.split(b"\r\n"))
        if name == b"Sec-WebSocket-Protocol"
    ]
    assert answers == ([chosen.encode()] if chosen else [])


@pytest.mark.parametrize("offered", ["a b", "", "a,", "(x)", "a, a"])
def test_what_is_no_list_of_subprotocols_is_refused(offered: str) -> None:
    house = House()
    line = house.line()
    line.upgrade(URL, Sec_WebSocket_Protocol=offered)
    assert [response.status for response in line.responses()] == [400]
    assert len(house.engines) == 0


@pytest.mark.parametrize("query", ["", "&b64=1"])
def test_base64_is_taken_over_a_websocket_and_answered_in_kind(query: str) -> None:
    line = House().line()
    line.open_websocket(URL + query)
    line.send(client_frame(b"bAQI=") + client_frame(b"4x") + client_frame(b"\x03", 2))
    in_kind = [(1, b"bAQI="), (1, b"4x"), (1, b"bAw==")]
    assert line.frames() == (in_kind if query else [(2, b"\x01\x02"), (1, b"4x"), (2, b"\x03")])


def test_base64_is_answered_in_kind_after_an_upgrade() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.open_websocket(url.replace("=polling", "=websocket") + "&b64=1")
    line.send(client_frame(b"2probe") + client_frame(b"5") + client_frame(b"bAQI="))
    assert line.frames() == [(1, b"3probe"), (1, b"bAQI=")]


def test_base64_is_read_as_leniently_as_the_reference_reads_it() -> None:
    house = House()
    line = house.line()
    line.open_websocket(URL)
    line.send(client_frame(b"bAQ*I"))
    assert house.messages == [(b"\x01\x02", True)]


@pytest.mark.parametrize("byte", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
@pytest.mark.parametrize("name", ["Origin", "X-Forwarded-For", "Cookie", "User-Agent", "Sec-WebSocket-Protocol"])
def test_header_smuggling(byte: str, name: str) -> None:
    """Contract 16.2.1: Autobahn would see another header after such a byte."""
    house = House()
    line = house.line()
    line.upgrade(URL, **{name.replace("-", "_"): f"a{byte}Origin: http://localhost"})
    (response,) = line.responses()
    assert response.summary == (400, b'{"code":3,"message":"Bad request"}')
    assert len(house.engines) == 0


def test_deflate_is_not_accepted() -> None:
    house = House()
    line = house.line()
    line.upgrade(URL, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    house.clock.advance(0)
    assert b"xtensions" not in line.transport.take()


def test_an_opener_that_fails_ends_the_connection_and_no_other() -> None:
    ours = open_socket()
    transport = MemoryTransport()
    sink = EngineWebSocket(
        ours.sink._surroundings, transport, untouched=True, answer=b"", base64=False, on_lost=lambda: None
    )
    transport.protocol = sink

    def opener(opened: EngineWebSocket) -> None:
        raise RuntimeError

    sink.open(opener)
    assert transport.aborted
    assert not ours.transport.aborted


def test_what_is_kept_per_connection_is_small() -> None:
    """Idle memory: no dict, and a reader that holds nothing."""
    ours = open_socket()
    assert not hasattr(ours.sink, "__dict__")
    assert sys.getsizeof(ours.sink) + sys.getsizeof(ours.sink._reader) < 450


# ------------------------------------------------------------------------------------------------------------- limits


def close_code(frames: list[tuple[int, bytes]]) -> int:
    ((opcode, payload),) = frames
    assert opcode == 8
    return int.from_bytes(payload[:2], "big")


@pytest.mark.parametrize("opcode", [1, 2])
@pytest.mark.parametrize("size", [1_000, 1_001, 200_000])
def test_message_limit(opcode: int, size: int) -> None:
    ours = open_socket(with_settings(max_http_buffer_bytes=1_000))
    ours.feed(client_frame(b"x" * size, opcode))
    if size == 1_000:
        assert len(ours.receiver.events) == 1
    else:
        assert close_code(ours.frames()) == 1009
        assert ours.receiver.events == [("closed", "transport error")]
        assert ours.transport.half_closed


def test_message_limit_holds_before_the_payload_arrives() -> None:
    ours = open_socket(with_settings(max_http_buffer_bytes=1_000))
    ours.feed(b"\x82\xff" + (2**40).to_bytes(8, "big") + b"\x00\x00\x00\x00")
    assert close_code(ours.frames()) == 1009


def test_message_limit_counts_fragments_together() -> None:
    ours = open_socket(with_settings(max_http_buffer_bytes=1_000))
    ours.feed(client_frame(b"x" * 600, fin=False), client_frame(b"x" * 600, 0))
    assert close_code(ours.frames()) == 1009


def test_a_message_may_have_a_few_frames_with_nothing_in_them() -> None:
    """Contract 16.2.5: those that hold something are bounded by the size of the message."""
    ours = open_socket(with_settings(max_empty_fragments=10))
    ours.feed(client_frame(b"", fin=False), *[client_frame(b"", 0, fin=False) for _ in range(8)])
    ours.feed(client_frame(b"", 0))
    assert ours.receiver.events == [("text", b"")]
    ours.feed(client_frame(b"", fin=False), *[client_frame(b"", 0, fin=False) for _ in range(10)])
    assert close_code(ours.frames()) == 1008
    assert ours.receiver.events[1:] == [("closed", "transport error")]


def test_no_split_of_a_permitted_message_ends_anything() -> None:
    ours = open_socket(with_settings(max_http_buffer_bytes=5_000, max_empty_fragments=10))
    ours.feed(client_frame(b"x", fin=False), *[client_frame(b"x", 0, fin=False) for _ in range(4_998)])
    ours.feed(client_frame(b"x", 0))
    for _ in range(40):
        ours.clock.advance(0)
    assert ours.receiver.events == [("text", b"x" * 5_000)]


def test_control_frame_limit_per_second() -> None:
    ours = open_socket(with_settings(max_control_frames_per_second=3))
    ours.feed(*[client_frame(b"p", 9) for _ in range(3)])
    assert ours.frames() == [(10, b"p")] * 3
    ours.clock.advance(1)
    ours.feed(client_frame(b"", 10), client_frame(b"", 10), client_frame(b"", 10))
    assert ours.frames() == []
    ours.feed(client_frame(b"p", 9))
    assert close_code(ours.frames()) == 1008


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (client_frame(b"x", mask=None), 1002),
        (client_frame(b"x", rsv=4), 1002),
        (client_frame(b"x", 3), 1002),
        (client_frame(b"x", 0), 1002),
        (client_frame(b"x" * 126, 9), 1002),
        (client_frame(b"x", 9, fin=False), 1002),
        (client_frame(b"x", 8), 1002),
        (client_frame(b"\x03\xe8\xff", 8), 1007),
    ],
)
def test_violations_are_answered_with_their_code_and_end_the_reading(frame: bytes, code: int) -> None:
    ours = open_socket()
    ours.feed(frame, client_frame(b"4late"))
    assert close_code(ours.frames()) == code
    assert ours.receiver.events == [("closed", "transport error")]
    ours.feed(client_frame(b"4later"))
    ours.transport.protocol.readConnectionLost()
    ours.transport.finish()
    assert ours.receiver.events == [("closed", "transport error")]
    assert ours.clock.getDelayedCalls() == []


def test_one_megabyte_in_single_bytes_is_delivered() -> None:
    ours = open_socket()
    data = client_frame(b"x" * 200_000)
    for at in range(len(data)):
        ours.transport.protocol.dataReceived(data[at : at + 1])
    assert ours.receiver.texts == [b"x" * 200_000]


# ------------------------------------------------------------------------------------------------------------ closing


def test_the_peer_closes() -> None:
    ours = open_socket()
    ours.feed(client_frame(b"\x03\xe8", 8))
    assert close_code(ours.frames()) == 1000
    assert ours.receiver.events == []
    ours.transport.finish()
    assert ours.receiver.events == [("closed", "transport close")]
    assert ours.clock.getDelayedCalls() == []


def test_the_peer_vanishes() -> None:
    ours = open_socket()
    ours.sink.send_text(b"4x")
    ours.transport.lose()
    assert ours.receiver.events == [("closed", "transport close")]
    ours.sink.send_text(b"4y")
    ours.clock.advance(0)
    assert ours.clock.getDelayedCalls() == []


def test_a_peer_that_closes_and_then_takes_nothing_is_aborted() -> None:
    ours = open_socket(with_settings(close_timeout_seconds=5))
    ours.feed(client_frame(b"\x03\xe8", 8))
    ours.clock.advance(4.9)
    assert not ours.transport.aborted
    ours.clock.advance(0.1)
    assert ours.transport.aborted
    assert ours.receiver.events == [("closed", "transport close")]


def test_close_sends_what_is_queued_and_waits_for_the_peers_goodbye() -> None:
    ours = open_socket()
    ours.sink.send_text(b"4last")
    ours.sink.pause_reading()
    ours.sink.close("forced close")
    ours.sink.send_text(b"4too late")
    assert [opcode for opcode, _ in ours.frames()] == [1, 8]
    ours.feed(client_frame(b"4ignored"), client_frame(b"\x03\xe8", 8))
    assert ours.transport.aborted or ours.transport.disconnecting
    assert ours.receiver.events == [], "the receiver asked for it"
    assert ours.clock.getDelayedCalls() == []


def test_close_is_bounded_in_time() -> None:
    ours = open_socket(with_settings(close_timeout_seconds=5))
    ours.sink.close("forced close")
    ours.clock.advance(5)
    assert ours.transport.aborted
    assert ours.receiver.events == []
    assert ours.clock.getDelayedCalls() == []


def test_a_second_violation_while_closing_adds_nothing() -> None:
    ours = open_socket()
    ours.sink.close("forced close")
    assert len(ours.frames()) == 1
    ours.feed(client_frame(b"x", 3))
    assert ours.frames() == []
    assert ours.transport.half_closed
    ours.sink._fail(1002, "again")
    ours.sink.cut()
    ours.sink.readConnectionLost()
    ours.transport.finish()
    assert ours.receiver.events == []
    assert ours.clock.getDelayedCalls() == []


def test_close_twice_and_abort_after_it() -> None:
    ours = open_socket()
    ours.sink.close("a")
    ours.sink.close("b")
    assert len(ours.frames()) == 1
    ours.sink.abort("c")
    ours.sink.abort("d")
    assert ours.transport.aborted
    ours.sink.close("e")
    assert ours.clock.getDelayedCalls() == []


def test_abort_drops_what_is_queued_and_says_why() -> None:
    """A close frame instead of a reset: its reason is all that a developer sees of it."""
    ours = open_socket()
    ours.sink.send_text(b"4never")
    ours.sink.abort("parse error")
    ours.sink.abort("again")
    assert ours.frames() == [(8, b"\x03\xf0parse error")]
    assert ours.transport.half_closed
    ours.sink.readConnectionLost()
    ours.transport.finish()
    assert ours.receiver.events == []
    assert ours.clock.getDelayedCalls() == []


def test_abort_waits_for_no_peer_that_takes_nothing() -> None:
    ours = open_socket()
    ours.sink.abort("parse error")
    ours.clock.advance(5)
    assert ours.transport.aborted
    slow = open_socket()
    slow.transport.producer.pauseProducing()
    slow.sink.abort("slow consumer")
    assert slow.transport.aborted
    assert slow.frames() == []


def test_a_sink_without_receiver_swallows() -> None:
    ours = open_socket()
    ours.sink.bind(NOBODY)
    ours.feed(client_frame(b"4x"), client_frame(b"y", 2))
    ours.transport.lose(ConnectionDone())
    assert ours.receiver.events == []


def test_bind_moves_what_comes_next() -> None:
    recorder, other = Recorder(), Recorder()
    ours = open_socket(receiver=recorder)
    recorder.react = lambda packet: ours.sink.bind(other)
    ours.feed(client_frame(b"5"), client_frame(b"4x"))
    assert (recorder.texts, other.texts) == ([b"5"], [b"4x"])


def test_the_connection_count_follows_the_transport() -> None:
    house = House(evolve(WebSettings(), max_connections_per_address=1))
    line = house.line("203.0.113.7")
    line.open_websocket(Host="hub.example")
    assert house.line("203.0.113.7").protocol is None
    line.transport.lose()
    assert house.site.connections.total == 0
    assert house.line("203.0.113.7").protocol is not None


# ------------------------------------------------------------------------------------------------ ends without a reset


def test_what_a_refused_peer_still_sends_is_read_and_thrown_away() -> None:
    ours = open_socket(with_settings(max_http_buffer_bytes=1_000, close_timeout_seconds=5))
    ours.sink.abort("parse error")
    for _ in range(10):
        ours.feed(b"a" * 100)
    assert not ours.transport.aborted
    assert ours.transport.producerState == "producing"
    ours.feed(b"a")
    assert ours.transport.aborted
    ours.clock.advance(0)
    assert ours.clock.getDelayedCalls() == []


def test_a_refused_peer_that_was_not_read_is_read_to_its_end() -> None:
    ours = open_socket()
    ours.sink.pause_reading()
    ours.sink.abort("parse error")
    assert ours.transport.producerState == "producing"
    ours.clock.advance(5)
    assert ours.transport.aborted, "in bounded time"


def test_half_a_connection_gets_what_it_is_owed_and_then_the_end() -> None:
    recorder = Recorder()
    ours = open_socket(receiver=recorder)
    recorder.react = lambda packet: ours.sink.send_text(b"4answer")
    ours.feed(client_frame(b"4question"))
    ours.sink.readConnectionLost()
    assert ours.frames() == [(1, b"4answer")]
    assert ours.transport.disconnecting
    ours.transport.finish()
    assert recorder.events[-1] == ("closed", "transport close")
    ours.sink.writeConnectionLost()


def test_tls_knows_no_half_connections() -> None:
    ours = open_socket()
    directlyProvides(ours.transport, ISSLTransport)
    ours.sink.abort("parse error")
    assert ours.transport.disconnecting
    assert not ours.transport.half_closed


def test_a_goodbye_waits_for_what_the_peer_still_takes() -> None:
    ours = open_socket(with_settings(close_timeout_seconds=5, least_bytes_per_second=100))
    ours.transport.unregisterProducer()
    backlog = SocketBacklog(ours.transport, b"a" * 200_000, lambda: None)
    ours.sink._backlog = backlog
    backlog.resumeProducing()
    ours.sink.close("done")
    for _ in range(3):
        backlog.resumeProducing()  # the transport has sent one more piece
        ours.clock.advance(5)
        assert not ours.transport.aborted
    ours.clock.advance(5)
    assert ours.transport.aborted


def test_a_message_that_is_not_complete_is_counted() -> None:
    ours = open_socket()
    assert ours.sink.arriving_bytes() == 0
    frame = client_frame(b"4" + b"a" * 1_000)
    ours.feed(frame[:500])
    assert 400 < ours.sink.arriving_bytes() <= 500
    ours.feed(frame[500:])
    assert ours.sink.arriving_bytes() == 0
