"""Long-polling: the public protocol's cases, and contract 2.1, 16.3.4, 16.3.9, 16.3.22."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock
from web_doubles import House, Recorder, client_frame, with_settings
from zope.interface.verify import verifyObject

from newage.ports import IPollingSink
from newage.protocol.engine_packet import SharedPacket
from newage.web.fastframes import FlushList
from newage.web.polling import PollingSink
from newage.web.settings import WebSettings

BAD = (400, b'{"code":3,"message":"Bad request"}')
UNKNOWN = (400, b'{"code":1,"message":"Session ID unknown"}')
OK = (200, b"ok")


def connection_of(house: House):
    connection = house.engines.get(f"sid{house._made}")
    assert connection is not None
    return connection


def test_is_a_polling_sink():
    clock = Clock()
    assert verifyObject(IPollingSink, PollingSink(WebSettings(), clock, FlushList(clock), lambda sink: None))


# -------------------------------------------------------------------------------------------------- open, send, receive


def test_handshake():
    response = House().ask("/socket.io/?EIO=4&transport=polling")
    assert response.status == 200
    assert response.headers["content-type"] == "text/plain; charset=UTF-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.body == (
        b'0{"sid":"sid1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    )


@pytest.mark.parametrize(
    "body", [b"4hello", b"4test1\x1e4test2\x1e4test3", b"4hello\x1ebAQIDBA==", "4h\u00e9 \u4e16".encode()]
)
def test_a_payload_comes_back_as_it_went(body):
    house = House()
    url = house.open_polling()
    posted = house.ask(url, "POST", body, Content_Type="text/plain;charset=UTF-8")
    assert posted.summary == OK
    assert posted.headers["content-type"] == "text/html"
    assert house.ask(url).summary == (200, body)


def test_a_parked_get_is_answered_with_the_whole_turn():
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    assert parked.responses() == []
    connection = connection_of(house)
    connection.send_text(b"4one")
    connection.send_binary(b"\x01")
    connection.send_shared(SharedPacket(b"4two"))
    assert parked.transport.value() == b""
    assert [response.body for response in parked.responses()] == [b"4one\x1ebAQ==\x1e4two"]


def test_a_get_is_not_parked_for_ever():
    house = House(with_settings(poll_park_seconds=20))
    url = house.open_polling()
    line = house.line()
    line.request(url)
    house.clock.advance(19.9)
    assert line.responses() == []
    house.clock.advance(0.1)
    assert [response.body for response in line.responses()] == [b"6"]
    assert line.ask(url.replace("polling", "polling"), "POST", b"4x").summary == OK


def test_polling_goes_on_over_one_connection():
    house = House()
    url = house.open_polling()
    line = house.line()
    for at in range(5):
        assert line.ask(url, "POST", b"4%d" % at).summary == OK
        assert line.ask(url).body == b"4%d" % at


PYTHON = ("python-requests/2.34.2", "Python/3.11 aiohttp/3.14.1")


@pytest.mark.parametrize("agent", PYTHON)
def test_python_gets_no_more_packets_in_one_answer_than_it_takes(agent):
    """python-engineio gives the connection up when an answer holds more than 16 packets."""
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    sent = [b"4%d" % at for at in range(40)]
    for packet in sent:
        connection.send_text(packet)
    answers = [house.ask(url, User_Agent=agent).body.split(b"\x1e") for _ in range(3)]
    assert [len(packets) for packets in answers] == [16, 16, 8]
    assert [packet for packets in answers for packet in packets] == sent
    line = house.line()
    line.request(url, headers={"User-Agent": agent})
    assert line.responses() == []  # parked: nothing is left
    for packet in sent[:17]:
        connection.send_text(packet)
    assert [response.body.count(b"\x1e") for response in line.responses()] == [15]
    assert connection.sink.pending_bytes() == len(sent[16])
    assert house.ask(url, User_Agent=agent).body == sent[16]
    assert connection.sink.pending_bytes() == 0


def test_browsers_get_everything_in_one_answer():
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    for at in range(40):
        connection.send_text(b"4%d" % at)
    assert house.ask(url, User_Agent="Mozilla/5.0 (X11; Linux x86_64)").body.count(b"\x1e") == 39


def test_how_many_packets_python_takes_is_a_setting():
    house = House(with_settings(poll_python_max_packets=2))
    url = house.open_polling()
    for at in range(3):
        connection_of(house).send_text(b"4%d" % at)
    assert house.ask(url, User_Agent=PYTHON[0]).body == b"40\x1e41"


# ------------------------------------------------------------------------------------------------------ wrong requests


@pytest.mark.parametrize("body", [b"abc", b"", b"4a\x1e", b"\x1e", b"b***", b"b=", b"4\xff", b"9"])
def test_a_malformed_body_ends_the_session(body):
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", body).summary == BAD
    assert house.ask(url).summary == UNKNOWN
    assert house.messages == []


@pytest.mark.parametrize(
    "kind",
    [
        "application/octet-stream",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "Multipart/Form-Data",
    ],
)
def test_forms_and_files_are_no_packets(kind):
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", b"4x", Content_Type=kind).summary == BAD
    assert len(house.engines) == 0


def test_too_many_packets_in_one_body():
    house = House(with_settings(poll_max_body_packets=3))
    url = house.open_polling()
    assert house.ask(url, "POST", b"\x1e".join([b"4"] * 3)).summary == OK
    assert house.ask(url, "POST", b"\x1e".join([b"4"] * 4)).summary == BAD


def test_a_protocol_error_of_a_packet_ends_the_session_and_the_rest_of_the_body():
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", b"4first\x1e2\x1e4second").summary == BAD
    assert house.messages == [(b"first", False)]
    assert house.ask(url).summary == UNKNOWN


def test_a_second_get_ends_the_session():
    house = House()
    url = house.open_polling()
    first, second = house.line(), house.line()
    first.request(url)
    second.request(url)
    assert [response.summary for response in first.responses()] == [(200, b"1")]
    assert [response.summary for response in second.responses()] == [BAD]
    assert house.ask(url).summary == UNKNOWN


def test_a_second_post_ends_the_session():
    """The first one's body is still coming."""
    house = House()
    url = house.open_polling()
    first, second = house.line(), house.line()
    first.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n4a".encode())
    assert second.ask(url, "POST", b"4b").summary == BAD
    assert len(house.engines) == 0
    assert [response.status for response in first.responses()] == [400]
    assert house.messages == []


def test_a_cancelled_get_ends_the_session():
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url)
    line.transport.lose()
    assert house.ask(url).summary == UNKNOWN


def test_a_cancelled_post_ends_the_session():
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n4a".encode())
    line.transport.lose()
    assert house.ask(url).summary == UNKNOWN


def test_a_get_that_was_answered_may_lose_its_connection():
    house = House()
    url = house.open_polling()
    line = house.line()
    house.ask(url, "POST", b"4x")
    assert line.ask(url).body == b"4x"
    line.transport.lose()
    assert house.ask(url, "POST", b"4y").summary == OK


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
def test_other_methods(method):
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url, method)
    (response,) = line.responses(head=method == "HEAD")
    assert response.status == 400
    assert len(house.engines) == 1


# -------------------------------------------------------------------------------------------------------------- limits


def test_packets_wait_bounded_by_number():
    house = House(with_settings(poll_max_packets=5))
    url = house.open_polling()
    connection = connection_of(house)
    for _ in range(5):
        connection.send_text(b"4x")
    assert not connection.closed
    connection.send_text(b"4x")
    assert not connection.closed, "not from inside the sender's call"
    house.clock.advance(0)
    assert connection.closed
    assert house.ask(url).summary == UNKNOWN


def test_packets_wait_bounded_by_bytes():
    house = House(with_settings(poll_max_bytes=1_000))
    house.open_polling()
    connection = connection_of(house)
    connection.send_binary(b"x" * 2_000)
    assert connection.sink.pending_bytes() == 2_000
    house.clock.advance(0)
    assert not connection.closed
    connection.send_text(b"4x")
    house.clock.advance(0)
    assert connection.closed


# --------------------------------------------------------------------------------------------------------- pause, close


def test_a_paused_receiver_gets_nothing_and_the_post_waits():
    recorder = Recorder()
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    sink = connection.sink
    sink.bind(recorder)
    recorder.react = lambda packet: sink.pause_reading() if packet == b"42" else None
    line = house.line()
    line.request(url, "POST", b"41\x1e42\x1e43\x1ebAQ==\x1e44")
    assert line.responses() == []
    assert recorder.texts == [b"41", b"42"]
    sink.resume_reading()
    assert recorder.texts == [b"41", b"42"]
    assert [response.summary for response in line.responses()] == [OK]
    assert [event[1] for event in recorder.events] == [b"41", b"42", b"43", b"\x01", b"44"]


def test_a_post_of_many_packets_takes_its_share_of_the_turn_and_waits():
    recorder = Recorder()
    house = House()
    url = house.open_polling()
    connection_of(house).sink.bind(recorder)
    recorder.react = lambda packet: setattr(house.clock, "rightNow", house.clock.rightNow + 0.001)
    seen = []  # by somebody whose turn it is, too
    house.clock.callLater(0, lambda: seen.append(len(recorder.texts)))
    line = house.line()
    line.request(url, "POST", b"\x1e".join(b"4%d" % number for number in range(100)))
    assert [response.summary for response in line.responses()] == [OK]
    assert recorder.texts == [b"4%d" % number for number in range(100)]
    assert seen[0] <= 10


def test_resuming_twice_does_not_answer_the_next_post_early():
    house = House()
    url = house.open_polling()
    sink = connection_of(house).sink
    sink.pause_reading()
    first = house.line()
    first.request(url, "POST", b"41")
    sink.resume_reading()
    sink.pause_reading()
    sink.resume_reading()
    assert [response.summary for response in first.responses()] == [OK]
    sink.pause_reading()
    second = house.line()
    second.request(url, "POST", b"42")
    sink.resume_reading()
    sink.pause_reading()
    sink.resume_reading()
    third = house.line()
    house.clock.advance(0)
    second.transport.clear()
    third.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n4".encode())
    sink.pause_reading()
    sink.resume_reading()
    sink._deliver()
    assert third.responses() == []
    third.send(b"3")
    assert [response.summary for response in third.responses()] == [OK]
    assert [payload for payload, _ in house.messages] == [b"1", b"2", b"3"]


def test_a_session_that_ends_while_a_post_waits_answers_it():
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    connection.sink.pause_reading()
    line = house.line()
    line.request(url, "POST", b"41")
    connection.abort("ping timeout")
    assert [response.summary for response in line.responses()] == [BAD]
    house.clock.advance(0)
    assert house.messages == []


def test_the_peer_closes():
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    assert house.ask(url, "POST", b"1").summary == OK
    assert [response.summary for response in parked.responses()] == [(200, b"6")]
    assert house.ask(url).summary == UNKNOWN


def test_the_server_closes_with_a_parked_get():
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    connection = connection_of(house)
    connection.send_text(b"4last")
    connection.close("forced close")
    assert [response.body for response in parked.responses()] == [b"4last\x1e1"]
    assert house.ask(url).summary == UNKNOWN


def test_the_server_closes_between_two_gets():
    """What was said before the end is still fetched, once."""
    house = House(with_settings(poll_linger_seconds=5))
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4last words")
    connection.close("forced close")
    assert house.ask(url, "POST", b"4x").summary == UNKNOWN
    assert house.ask(url).summary == (200, b"4last words\x1e1")
    assert house.ask(url).summary == UNKNOWN


def test_only_short_last_words_are_kept():
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4" + b"x" * 70_000)
    connection.close("forced close")
    assert house.ask(url).summary == UNKNOWN


def test_last_words_are_not_kept_for_ever():
    house = House(with_settings(poll_linger_seconds=5))
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4last words")
    connection.close("forced close")
    house.clock.advance(5)
    assert house.ask(url).summary == UNKNOWN


def test_abort_drops_what_waits():
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4never")
    connection.abort("ping timeout")
    assert house.ask(url).summary == UNKNOWN


def test_a_closed_sink_swallows():
    clock = Clock()
    recorder = Recorder()
    sink = PollingSink(WebSettings(), clock, FlushList(clock), lambda sink: None)
    sink.bind(recorder)
    sink.abort("x")
    sink.abort("x")
    sink.close("x")
    sink.cut()
    sink.send_text(b"4x")
    sink.set_upgrading(True)
    assert sink.pending_bytes() == 0
    assert recorder.events == []
    assert clock.getDelayedCalls() == []


# ------------------------------------------------------------------------------------------------------------- upgrade


def upgrading(house: House):
    """A polling session whose probe was answered: (its URL, the WebSocket)."""
    url = house.open_polling()
    line = house.line()
    assert line.open_websocket(url.replace("transport=polling", "transport=websocket")) == b""
    line.send(client_frame(b"2probe"))
    assert line.frames() == [(1, b"3probe")]
    return url, line


def test_upgrade_releases_the_parked_get():
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    line = house.line()
    line.open_websocket(url.replace("transport=polling", "transport=websocket"))
    assert parked.responses() == []
    line.send(client_frame(b"2probe"))
    assert [response.body for response in parked.responses()] == [b"6"]


def test_while_upgrading_no_get_parks():
    house = House()
    url, line = upgrading(house)
    assert house.ask(url).summary == (200, b"6")
    connection_of(house).send_text(b"4x")
    assert house.ask(url).summary == (200, b"4x")
    assert house.ask(url, "POST", b"4y").summary == OK
    line.send(client_frame(b"5"))
    assert line.frames() == [(1, b"4y")]


def test_what_waits_moves_to_the_websocket_in_order():
    """Acceptance scenario 3: no event lost or duplicated."""
    house = House()
    url, line = upgrading(house)
    connection = connection_of(house)
    connection.send_text(b"4one")
    connection.send_binary(b"\x02")
    line.send(client_frame(b"5") + client_frame(b"4three"))
    assert line.frames() == [(1, b"4one"), (2, b"\x02"), (1, b"4three")]
    assert house.ask(url).summary == BAD
    assert house.ask(url, "POST", b"4x").summary == BAD
    assert house.messages == [(b"three", False)]


def test_a_get_that_is_parked_at_the_switch_is_released():
    clock = Clock()
    sink = PollingSink(WebSettings(), clock, FlushList(clock), lambda sink: None)
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    line = house.line()
    line.request(url)
    taken = connection.sink.take_pending()
    assert taken == sink.take_pending() == []
    assert [response.body for response in line.responses()] == [b"6"]


def test_requests_after_the_packets_were_taken():
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    assert connection.sink.take_pending() == []
    assert house.ask(url).summary == BAD
    assert house.ask(url, "POST", b"4x").summary == BAD
    assert house.messages == []


def test_a_post_that_is_open_at_the_switch_is_refused():
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    connection.sink.pause_reading()
    line = house.line()
    line.request(url, "POST", b"4x")
    assert connection.sink.take_pending() == []
    assert [response.summary for response in line.responses()] == [BAD]


def test_after_a_probe_that_failed_polling_goes_on():
    house = House()
    url, line = upgrading(house)
    line.transport.lose()
    parked = house.line()
    parked.request(url)
    assert parked.responses() == []
    connection_of(house).send_text(b"4x")
    assert [response.body for response in parked.responses()] == [b"4x"]


def test_a_websocket_after_the_upgrade_is_closed():
    house = House()
    url, line = upgrading(house)
    line.send(client_frame(b"5"))
    second = house.line()
    second.upgrade(url.replace("transport=polling", "transport=websocket"))
    house.clock.advance(0)
    assert second.transport.take().endswith(b"\x88\x02\x03\xe8")
    line.send(client_frame(b"4still"))
    assert line.frames()[-1] == (1, b"4still")


def test_a_receiver_that_raises_does_not_wedge_the_session():
    house = House()
    url = house.open_polling()
    sink = connection_of(house).sink
    recorder = Recorder()
    sink.bind(recorder)

    def react(packet):
        raise RuntimeError

    recorder.react = react
    response = house.ask(url, "POST", b"4x\x1e4y")
    assert response.status == 500
    recorder.react = None
    assert house.ask(url, "POST", b"4z").status == 400
    assert recorder.events[-1] == ("closed", "transport error")


def test_no_timer_is_left_behind():
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url)
    connection_of(house).close("forced close")
    line.responses()
    line.transport.lose()
    house.clock.pump([100] * 5)
    assert house.clock.getDelayedCalls() == []
