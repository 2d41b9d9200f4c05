"""Long-polling: the public protocol's cases, and contract 2.1, 16.3.4, 16.3.9, 16.3.22."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import evolve
from twisted.internet.task import Clock
from web_doubles import House, Line, Recorder, with_settings
from zope.interface.verify import verifyObject

from framekit import client_frame
from logkit import Logged
from newage.gateway.engineio.connection import Connection
from newage.ports import IPollingSink
from newage.protocol.engine_packet import SharedPacket
from newage.telemetry.refusals import LINES, Refusals
from newage.web.settings import WebSettings
from newage.web.transports.flushes import FlushList
from newage.web.transports.polling import PollingSink

BAD = (400, b'{"code":3,"message":"Bad request"}')
UNKNOWN = (400, b'{"code":1,"message":"Session ID unknown"}')
OK = (200, b"ok")


def connection_of(house: House) -> Connection:
    connection = house.engines.get(f"sid{house._made}")
    assert connection is not None
    return connection


def polling_sink_of(house: House) -> PollingSink:
    sink = connection_of(house).sink
    assert isinstance(sink, PollingSink)
    return sink


def test_is_a_polling_sink() -> None:
    clock = Clock()
    assert verifyObject(
        IPollingSink, PollingSink(WebSettings(), clock, FlushList(clock), lambda sink: None, Refusals(clock.seconds))
    )


# -------------------------------------------------------------------------------------------------- open, send, receive


def test_handshake() -> None:
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
def test_a_payload_comes_back_as_it_went(body: bytes) -> None:
    house = House()
    url = house.open_polling()
    posted = house.ask(url, "POST", body, Content_Type="text/plain;charset=UTF-8")
    assert posted.summary == OK
    assert posted.headers["content-type"] == "text/html"
    assert house.ask(url).summary == (200, body)


def test_a_parked_get_is_answered_with_the_whole_turn() -> None:
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


def test_a_get_is_not_parked_for_ever() -> None:
    house = House(with_settings(poll_park_seconds=20))
    url = house.open_polling()
    line = house.line()
    line.request(url)
    house.clock.advance(19.9)
    assert line.responses() == []
    house.clock.advance(0.1)
    assert [response.body for response in line.responses()] == [b"6"]
    assert line.ask(url.replace("polling", "polling"), "POST", b"4x").summary == OK


def test_it_is_drained_when_all_is_fetched_and_it_came_for_more() -> None:
    house = House()
    url = house.open_polling()
    sink = polling_sink_of(house)
    assert not sink.drained(), "who knows whether it has got what it fetched"
    line = house.line()
    line.request(url)
    assert sink.drained()
    connection_of(house).send_text(b"4one")
    assert not sink.drained()
    assert [response.body for response in line.responses()] == [b"4one"]
    assert not sink.drained()


def test_polling_goes_on_over_one_connection() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    for at in range(5):
        assert line.ask(url, "POST", b"4%d" % at).summary == OK
        assert line.ask(url).body == b"4%d" % at


PYTHON = ("python-requests/2.34.2", "Python/3.11 aiohttp/3.14.1")


@pytest.mark.parametrize("agent", PYTHON)
def test_python_gets_no_more_packets_in_one_answer_than_it_takes(agent: str) -> None:
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
    assert connection.sink.pending_bytes() == len(sent[16]) + 100
    assert house.ask(url, User_Agent=agent).body == sent[16]
    assert connection.sink.pending_bytes() == 0


def test_browsers_get_everything_in_one_answer() -> None:
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    for at in range(40):
        connection.send_text(b"4%d" % at)
    assert house.ask(url, User_Agent="Mozilla/5.0 (X11; Linux x86_64)").body.count(b"\x1e") == 39


def test_how_many_packets_python_takes_is_a_setting() -> None:
    house = House(with_settings(poll_python_max_packets=2))
    url = house.open_polling()
    for at in range(3):
        connection_of(house).send_text(b"4%d" % at)
    assert house.ask(url, User_Agent=PYTHON[0]).body == b"40\x1e41"


# ------------------------------------------------------------------------------------------------------ wrong requests


@pytest.mark.parametrize("body", [b"abc", b"", b"4a\x1e", b"\x1e", b"9"])
def test_a_malformed_body_ends_the_session(body: bytes) -> None:
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", body).summary == BAD
    assert house.ask(url).summary == UNKNOWN
    assert house.messages == []


@pytest.mark.parametrize(
    ("body", "message"), [(b"4\xff", (b"\xef\xbf\xbd", False)), (b"bYQ", (b"a", True)), (b"b=", (b"", True))]
)
def test_a_body_is_read_as_the_reference_reads_it(body: bytes, message: tuple[bytes, bool]) -> None:
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", body).summary == (200, b"ok")
    assert house.messages == [message]


def test_files_are_no_packets() -> None:
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", b"4x", Content_Type="application/octet-stream").summary == BAD
    assert len(house.engines) == 0


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "x/y", ""])
def test_any_other_type_is_taken_as_packets(kind: str) -> None:
    """As the reference does: curl, urllib and Unity say so unasked. Who may come in is the origin's question."""
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", b"4a=b&c", Content_Type=kind).summary == OK
    assert house.messages == [(b"a=b&c", False)]


def test_the_packets_of_one_body_are_not_counted() -> None:
    """What a client sends that has buffered while it was offline."""
    house = House()
    house.echo = False
    url = house.open_polling()
    line = house.line()
    line.request(url, "POST", b"\x1e".join([b"4"] * 400_000))
    while not line.responses():
        pass
    assert len(house.messages) == 400_000
    assert house.ask(url, "POST", b"4x").summary == OK


@pytest.mark.parametrize("text", ["AQI=", "AQI", "AQ\r\nI=\r\n"])
def test_base64_is_taken_as_clients_write_it(text: str) -> None:
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", f"b{text}".encode()).summary == OK
    assert house.messages == [(b"\x01\x02", True)]


def test_a_protocol_error_of_a_packet_ends_the_session_and_the_rest_of_the_body() -> None:
    house = House()
    url = house.open_polling()
    assert house.ask(url, "POST", b"4first\x1e2\x1e4second").summary == BAD
    assert house.messages == [(b"first", False)]
    assert house.ask(url).summary == UNKNOWN


def test_a_second_get_ends_the_session() -> None:
    house = House()
    url = house.open_polling()
    first, second = house.line(), house.line()
    first.request(url)
    second.request(url)
    assert [response.summary for response in first.responses()] == [(200, b"1")]
    assert [response.summary for response in second.responses()] == [BAD]
    assert house.ask(url).summary == UNKNOWN


def test_a_second_post_ends_the_session() -> None:
    """The first one's body is still coming."""
    house = House()
    url = house.open_polling()
    first, second = house.line(), house.line()
    first.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n4a".encode())
    assert second.ask(url, "POST", b"4b").summary == BAD
    assert len(house.engines) == 0
    assert [response.status for response in first.responses()] == [400]
    assert house.messages == []


def test_a_cancelled_get_ends_the_session() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url)
    line.transport.lose()
    assert house.ask(url).summary == UNKNOWN


def test_a_cancelled_post_ends_the_session() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n4a".encode())
    line.transport.lose()
    assert house.ask(url).summary == UNKNOWN


def test_a_get_that_was_answered_may_lose_its_connection() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    house.ask(url, "POST", b"4x")
    assert line.ask(url).body == b"4x"
    line.transport.lose()
    assert house.ask(url, "POST", b"4y").summary == OK


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH"])
def test_other_methods(method: str) -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url, method)
    (response,) = line.responses(head=method == "HEAD")
    assert response.status == 400
    assert len(house.engines) == 1


# -------------------------------------------------------------------------------------------------------------- limits


def test_no_number_of_packets_ends_a_session() -> None:
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    sent = [b"4%d" % at for at in range(9_000)]
    for packet in sent:
        connection.send_text(packet)
    house.clock.advance(6.5)
    assert house.ask(url).body.split(b"\x1e") == sent


def test_tiny_packets_are_judged_by_what_keeping_them_takes() -> None:
    """As bytes of a slow WebSocket are: a grace over 1 MiB, none over 8 MiB."""
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    for _ in range(20_000):
        connection.send_text(b"4 and ten")
    assert connection.sink.pending_bytes() > 1_048_576
    house.clock.advance(1.9)
    assert not connection.closed
    house.clock.advance(0.1)
    assert connection.closed
    assert house.ask(url).summary == UNKNOWN


def test_who_fetches_within_the_grace_stays() -> None:
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    for _ in range(20_000):
        connection.send_text(b"4 and ten")
    house.clock.advance(1.9)
    assert house.ask(url).status == 200
    house.clock.advance(10)
    assert not connection.closed


def test_a_ping_overtakes_what_waits() -> None:
    """Behind 16 packets at a time it would be late."""
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    for at in range(40):
        connection.send_text(b"4%d" % at)
    house.clock.advance(25)
    assert house.ask(url, User_Agent=PYTHON[0]).body.split(b"\x1e") == [b"2", *(b"4%d" % at for at in range(15))]


def test_packets_wait_bounded_by_bytes() -> None:
    house = House(with_settings(poll_max_bytes=1_000))
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_binary(b"x" * 2_000)
    assert connection.sink.pending_bytes() == 2_100
    house.clock.advance(0)
    assert not connection.closed
    connection.send_text(b"4x")
    assert not connection.closed, "not from inside the sender's call"
    house.clock.advance(0)
    assert connection.closed
    assert house.ask(url).summary == UNKNOWN


def test_however_many_sessions_overflow_few_lines_say_so(logged: Logged) -> None:
    house = House(with_settings(poll_max_bytes=1_000))
    for _ in range(10):
        house.open_polling()
        connection = connection_of(house)
        connection.send_binary(b"x" * 2_000)
        connection.send_text(b"4x")
    assert logged() == ["a polling session was cut off with 2100 bytes pending"] * LINES


@pytest.mark.parametrize("end", [PollingSink.close, PollingSink.abort])
def test_who_ends_a_session_that_overflowed_is_not_told_of_it(end: Callable[[PollingSink, str], None]) -> None:
    clock = Clock()
    sink = PollingSink(
        evolve(WebSettings(), poll_max_bytes=1_000), clock, FlushList(clock), lambda sink: None, Refusals(clock.seconds)
    )
    recorder = Recorder()
    sink.bind(recorder)
    sink.send_binary(b"x" * 2_000)
    sink.send_text(b"4x")
    assert sink.pending_bytes() == 0
    sink.send_text(b"4nothing is taken any more")
    assert sink.pending_bytes() == 0
    end(sink, "forced close")
    clock.advance(0)
    assert recorder.events == []


def test_a_session_that_overflowed_answers_no_request() -> None:
    house = House(with_settings(poll_max_bytes=1_000))
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_binary(b"x" * 2_000)
    connection.send_text(b"4x")
    reader, writer = house.line(), house.line()
    reader.request(url)
    writer.request(url, "POST", b"4late")
    assert [line.responses()[0].summary for line in (reader, writer)] == [BAD, BAD]
    assert house.messages == []
    assert connection.closed


# ---------------------------------------------------------------------------------------------------------- push back


def hundred(house: House, url: str) -> tuple[Line, list[bytes]]:
    """A POST of 100 packets, each echoed, that is open: (its line, the packets)."""
    packets = [b"4%02d" % at for at in range(100)]
    line = house.line()
    line.request(url, "POST", b"\x1e".join(packets))
    return line, packets


def test_a_post_is_read_on_as_its_answers_are_fetched() -> None:
    house = House(with_settings(poll_hold_bytes=1_000))
    url = house.open_polling()
    line, packets = hundred(house, url)
    got: list[bytes] = []
    while len(got) < len(packets):
        assert len(house.messages) == min(len(got) + 10, len(packets))
        got += house.ask(url).body.split(b"\x1e")
    assert got == packets
    assert [response.summary for response in line.responses()] == [OK]
    assert house.ask(url, "POST", b"4x").summary == OK


def test_who_fetches_only_afterwards_is_not_held_for_ever() -> None:
    house = House(with_settings(poll_hold_bytes=1_000, poll_hold_seconds=2))
    url = house.open_polling()
    line, packets = hundred(house, url)
    house.clock.advance(1.9)
    assert (line.responses(), len(house.messages)) == ([], 10)
    house.clock.advance(0.1)
    assert [response.summary for response in line.responses()] == [OK]
    assert house.ask(url).body.split(b"\x1e") == packets
    line, packets = hundred(house, url)
    assert [response.summary for response in line.responses()] == [OK], "it does one thing after the other"
    assert house.ask(url).body.split(b"\x1e") == packets


def test_who_did_one_thing_after_the_other_may_do_both_at_once_later() -> None:
    house = House(with_settings(poll_hold_bytes=1_000))
    url = house.open_polling()
    hundred(house, url)
    house.clock.advance(1)
    assert house.ask(url).status == 200
    house.echo = False
    sink = polling_sink_of(house)
    sink.pause_reading()
    line, packets = hundred(house, url)
    sink.send_text(b"4x")
    assert house.ask(url).body == b"4x"
    house.echo = True
    sink.resume_reading()
    assert line.responses() == []
    assert house.ask(url).body.split(b"\x1e") == packets[:10]


def test_a_post_is_not_held_when_nothing_of_it_is_left() -> None:
    house = House(with_settings(poll_hold_bytes=1_000))
    url = house.open_polling()
    assert house.ask(url, "POST", b"4" + b"x" * 5_000).summary == OK
    assert house.ask(url).body == b"4" + b"x" * 5_000


def test_a_session_that_ends_while_its_post_is_held_leaves_no_timer() -> None:
    house = House(with_settings(poll_hold_bytes=1_000))
    url = house.open_polling()
    line, _ = hundred(house, url)
    connection_of(house).abort("ping timeout")
    assert [response.summary for response in line.responses()] == [BAD]
    line.transport.lose()
    house.clock.pump([100] * 3)
    assert house.clock.getDelayedCalls() == []


def test_three_thousand_answers_are_all_fetched() -> None:
    """With a GET always parked, as socket.io-client has it."""
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url, "POST", b"\x1e".join([b"4" + b"x" * 150] * 3_000))
    got = 0
    while got < 3_000:
        got += house.ask(url).body.count(b"4")
    assert [response.summary for response in line.responses()] == [OK]


# ------------------------------------------------------------------------------------------------- text for one behind


def test_what_is_offered_goes_at_once_to_who_keeps_up() -> None:
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    sink = polling_sink_of(house)
    sink.offer(lambda: [b"4a", b"4b"])
    sink.offer(lambda: [b"4c"])
    assert [response.body for response in parked.responses()] == [b"4a\x1e4b\x1e4c"]


@pytest.mark.parametrize("agent", ["Mozilla/5.0", PYTHON[0]])
def test_what_is_offered_to_one_behind_is_drawn_in_its_place_when_it_comes(agent: str) -> None:
    limit = 16 if agent in PYTHON else 40
    house = House(with_settings(poll_merge_packets=40))
    url = house.open_polling()
    assert house.ask(url, "POST", b"4x").summary == OK
    assert house.ask(url, User_Agent=agent).body == b"4x"
    sink = polling_sink_of(house)
    drawn: list[str] = []

    def draw(name: str) -> Callable[[], list[bytes]]:
        def drawing() -> list[bytes]:
            drawn.append(name)
            return [name.encode(), name.encode()]

        return drawing

    for _ in range(limit - 1):
        sink.send_text(b"4")
    sink.offer(draw("4now"))
    sink.offer(draw("4later"))
    sink.send_text(b"4end")
    assert drawn == ["4now"]
    got: list[bytes] = []
    while sink.pending_bytes():
        got += house.ask(url, User_Agent=agent).body.split(b"\x1e")
    assert drawn == ["4now", "4later"]
    assert got == [b"4"] * (limit - 1) + [b"4now"] * 2 + [b"4later"] * 2 + [b"4end"]


def test_who_has_much_waiting_is_behind_too() -> None:
    house = House(with_settings(poll_hold_bytes=1_000))
    house.open_polling()
    sink = polling_sink_of(house)
    sink.send_text(b"4" + b"x" * 1_000)
    sink.offer(lambda: [b"4big" * 1_000])
    assert sink.pending_bytes() == 1_001 + 2 * 100


def test_a_place_is_drawn_at_the_upgrade_and_not_after_the_end() -> None:
    house = House(with_settings(poll_merge_packets=1))
    _, line = upgrading(house)
    sink = polling_sink_of(house)
    sink.send_text(b"4first")
    sink.offer(lambda: [b"4second"])
    line.send(client_frame(b"5"))
    assert line.frames() == [(1, b"4first"), (1, b"4second")]
    sink.offer(lambda: [b"4never"])
    assert sink.take_pending() == []


def test_a_place_is_among_the_last_words() -> None:
    house = House(with_settings(poll_merge_packets=1))
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"2")
    polling_sink_of(house).offer(lambda: [b"4last"])
    connection.close("forced close")
    assert house.ask(url).summary == (200, b"2\x1e4last\x1e1")


# --------------------------------------------------------------------------------------------------------- pause, close


def test_a_paused_receiver_gets_nothing_and_the_post_waits() -> None:
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
    assert [event[1] for event in recorder.events] == [b"41", b"42", b"43", b"bAQ==", b"44"]


def test_a_post_of_many_packets_takes_its_share_of_the_turn_and_waits() -> None:
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


def test_resuming_twice_does_not_answer_the_next_post_early() -> None:
    house = House()
    url = house.open_polling()
    sink = polling_sink_of(house)
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


def test_a_session_that_ends_while_a_post_waits_answers_it() -> None:
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


def test_the_peer_closes() -> None:
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    assert house.ask(url, "POST", b"1").summary == OK
    assert [response.summary for response in parked.responses()] == [(200, b"6")]
    assert house.ask(url).summary == UNKNOWN


def test_the_server_closes_with_a_parked_get() -> None:
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    connection = connection_of(house)
    connection.send_text(b"4last")
    connection.close("forced close")
    assert [response.body for response in parked.responses()] == [b"4last\x1e1"]
    assert house.ask(url).summary == UNKNOWN


def test_the_server_closes_between_two_gets() -> None:
    """What was said before the end is still fetched, once."""
    house = House(with_settings(poll_linger_seconds=5))
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4last words")
    connection.close("forced close")
    assert house.ask(url, "POST", b"4x").summary == UNKNOWN
    assert house.ask(url).summary == (200, b"4last words\x1e1")
    assert house.ask(url).summary == UNKNOWN


def test_only_short_last_words_are_kept() -> None:
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4" + b"x" * 70_000)
    connection.close("forced close")
    assert house.ask(url).summary == UNKNOWN


def test_last_words_are_not_kept_for_ever() -> None:
    house = House(with_settings(poll_linger_seconds=5))
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4last words")
    connection.close("forced close")
    house.clock.advance(5)
    assert house.ask(url).summary == UNKNOWN


def test_abort_drops_what_waits() -> None:
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    connection.send_text(b"4never")
    connection.abort("ping timeout")
    assert house.ask(url).summary == UNKNOWN


def test_a_closed_sink_swallows() -> None:
    clock = Clock()
    recorder = Recorder()
    sink = PollingSink(WebSettings(), clock, FlushList(clock), lambda sink: None, Refusals(clock.seconds))
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


def upgrading(house: House) -> tuple[str, Line]:
    """A polling session whose probe was answered: (its URL, the WebSocket)."""
    url = house.open_polling()
    line = house.line()
    assert line.open_websocket(url.replace("transport=polling", "transport=websocket")) == b""
    line.send(client_frame(b"2probe"))
    assert line.frames() == [(1, b"3probe")]
    return url, line


def test_upgrade_releases_the_parked_get() -> None:
    house = House()
    url = house.open_polling()
    parked = house.line()
    parked.request(url)
    line = house.line()
    line.open_websocket(url.replace("transport=polling", "transport=websocket"))
    assert parked.responses() == []
    line.send(client_frame(b"2probe"))
    assert [response.body for response in parked.responses()] == [b"6"]


def test_while_upgrading_no_get_parks() -> None:
    house = House()
    url, line = upgrading(house)
    assert house.ask(url).summary == (200, b"6")
    connection_of(house).send_text(b"4x")
    assert house.ask(url).summary == (200, b"4x")
    assert house.ask(url, "POST", b"4y").summary == OK
    line.send(client_frame(b"5"))
    assert line.frames() == [(1, b"4y")]


def test_what_waits_moves_to_the_websocket_in_order() -> None:
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


def test_a_get_that_is_parked_at_the_switch_is_released() -> None:
    clock = Clock()
    sink = PollingSink(WebSettings(), clock, FlushList(clock), lambda sink: None, Refusals(clock.seconds))
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url)
    taken = polling_sink_of(house).take_pending()
    assert taken == sink.take_pending() == []
    assert [response.body for response in line.responses()] == [b"6"]


def test_requests_after_the_packets_were_taken() -> None:
    house = House()
    url = house.open_polling()
    assert polling_sink_of(house).take_pending() == []
    assert house.ask(url).summary == BAD
    assert house.ask(url, "POST", b"4x").summary == BAD
    assert house.messages == []


def test_a_post_that_is_open_at_the_switch_is_refused() -> None:
    house = House()
    url = house.open_polling()
    connection = connection_of(house)
    connection.sink.pause_reading()
    line = house.line()
    line.request(url, "POST", b"4x")
    assert polling_sink_of(house).take_pending() == []
    assert [response.summary for response in line.responses()] == [BAD]


def test_after_a_probe_that_failed_polling_goes_on() -> None:
    house = House()
    url, line = upgrading(house)
    line.transport.lose()
    parked = house.line()
    parked.request(url)
    assert parked.responses() == []
    connection_of(house).send_text(b"4x")
    assert [response.body for response in parked.responses()] == [b"4x"]


def test_a_websocket_after_the_upgrade_is_closed() -> None:
    house = House()
    url, line = upgrading(house)
    line.send(client_frame(b"5"))
    second = house.line()
    second.upgrade(url.replace("transport=polling", "transport=websocket"))
    house.clock.advance(0)
    assert second.transport.take().endswith(b"\x88\x0d\x03\xe8bad upgrade")
    line.send(client_frame(b"4still"))
    assert line.frames()[-1] == (1, b"4still")


def test_a_receiver_that_raises_does_not_wedge_the_session() -> None:
    house = House()
    url = house.open_polling()
    sink = polling_sink_of(house)
    recorder = Recorder()
    sink.bind(recorder)

    def react(packet: bytes) -> None:
        raise RuntimeError

    recorder.react = react
    response = house.ask(url, "POST", b"4x\x1e4y")
    assert response.status == 500
    recorder.react = None
    assert house.ask(url, "POST", b"4z").status == 400
    assert recorder.events[-1] == ("closed", "transport error")


def test_no_timer_is_left_behind() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url)
    connection_of(house).close("forced close")
    line.responses()
    line.transport.lose()
    house.clock.pump([100] * 5)
    assert house.clock.getDelayedCalls() == []
