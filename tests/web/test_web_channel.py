"""Hardened HTTP: deadlines, pipelining, halves of connections (contract 16.2 and 16.3)."""

from __future__ import annotations

import pytest
from web_doubles import REFUSED, House, Line, parse_responses, settled, with_settings

from logkit import Logged
from newage.gateway.engineio.connection import Connection

POLLING = "/socket.io/?EIO=4&transport=polling"


# ----------------------------------------------------------------------------------------------------------- deadlines


def test_headers_have_one_deadline_however_often_a_byte_comes() -> None:
    house = House(with_settings(header_timeout_seconds=10))
    line = house.line()
    for byte in b"GET / HTT":
        line.send(bytes([byte]))
        house.clock.advance(1)
    assert settled(line) == b""
    house.clock.advance(1)
    assert settled(line).startswith(b"HTTP/1.1 408 ")
    assert line.transport.half_closed
    line.send(b"P/1.1\r\n\r\n")
    assert settled(line) == b""
    house.clock.advance(2)
    assert line.transport.aborted
    assert house.clock.getDelayedCalls() == []


def test_a_silent_peer_has_the_same_deadline() -> None:
    house = House(with_settings(header_timeout_seconds=10))
    line = house.line()
    house.clock.advance(10)
    assert line.transport.half_closed
    house.clock.advance(2)
    assert line.transport.aborted


def test_the_body_has_a_deadline_of_its_own() -> None:
    house = House(with_settings(header_timeout_seconds=10, body_timeout_seconds=30))
    url = house.open_polling()
    line = house.line()
    house.clock.advance(9)
    line.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n".encode())
    for _ in range(29):
        line.send(b"4")
        house.clock.advance(1)
    assert settled(line) == b""
    house.clock.advance(1)
    assert settled(line).startswith(b"HTTP/1.1 408 ")


def test_between_requests_the_idle_time_counts_and_then_the_headers_again() -> None:
    house = House(with_settings(header_timeout_seconds=10, idle_timeout_seconds=65))
    line = house.line()
    assert line.ask("/x").status == 404
    house.clock.advance(64)
    line.send(b"GET /x HTTP/1.1\r\n")
    house.clock.advance(9)
    line.send(b"Host: localhost\r\n\r\n")
    assert [response.status for response in line.responses()] == [404]
    house.clock.advance(65)
    assert settled(line) == b"", "an idle connection is closed without a word"
    assert line.transport.half_closed
    line.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert settled(line) == b""


def test_a_parked_get_has_no_http_deadline() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url)
    house.clock.advance(24)
    assert not line.transport.half_closed
    house.clock.advance(1)
    assert [response.body for response in parse_responses(settled(line))] == [b"2"]


# ----------------------------------------------------------------------------------------------- before a body comes


def test_expect_continue() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode())
    assert settled(line) == b"HTTP/1.1 100 Continue\r\n\r\n"
    line.send(b"4x")
    assert [response.body for response in line.responses()] == [b"ok"]


# ---------------------------------------------------------------------------------------------------- malformed things


@pytest.mark.parametrize(
    "query", ["\x80", "sid=\xff&transport=polling&EIO=4", "sid", "=", "&&;&", "%", "sid=%zz", "sid=%00"]
)
def test_any_query_before_a_body(query: str) -> None:
    house = House()
    line = house.line()
    line.request(f"/socket.io/?{query}", "POST", b"4x")
    assert [response.status for response in line.responses()] == [400]
    line = house.line()
    line.send(f"POST /socket.io/?{query} HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n".encode("latin-1"))
    assert settled(line)[:13] in (b"HTTP/1.1 413 ", b"HTTP/1.1 400 "), "the latter where Twisted refuses the line"


def test_http_1_0_may_do_without_a_host() -> None:
    line = House().line()
    line.send(b"GET /x HTTP/1.0\r\n\r\n")
    assert [response.status for response in line.responses()] == [404]


@pytest.mark.parametrize(
    "data",
    [
        b"NONSENSE\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"H%d: x\r\n" % at for at in range(102)) + b"\r\n",
        b"GET / HTTP/1.1\r\nLong: " + b"x" * 17_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: identity\r\n\r\nx",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
        b"GET /" + b"x" * 17_000 + b" HTTP/1.1\r\n\r\n",
    ],
)
def test_malformed_requests_get_one_400_and_nothing_after_it(data: bytes) -> None:
    house = House()
    line = house.line()
    line.send(data + b"GET /lib/constants.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert settled(line) == b"HTTP/1.1 400 Bad Request" + REFUSED
    assert line.transport.half_closed


def test_hostile_paths_are_not_echoed() -> None:
    """Contract 16.3.17."""
    house = House()
    response = house.line("203.0.113.7").ask("/<script>alert(1)</script>", Host="<script>")
    assert response.summary == (404, b"Not Found")
    assert not any("script" in value for value in response.headers.values())


# ---------------------------------------------------------------------------------------------------------- pipelining


def test_nothing_may_follow_a_parked_get() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.request(url)
    line.request("/lib/constants.js")
    assert line.transport.aborted
    assert len(house.engines) == 0


def test_pipelined_static_requests_are_answered_in_order() -> None:
    house = House()
    line = house.line()
    line.send(b"GET /a HTTP/1.1\r\nHost: [::1]\r\n\r\nGET /lib/uuid/uuid.js HTTP/1.1\r\nHost: [::1]\r\n\r\n")
    assert [response.status for response in line.responses()] == [404, 200]


# ----------------------------------------------------------------------------------------------------- of the factory


def test_http_2_is_not_offered() -> None:
    assert House().site.acceptableProtocols() == [b"http/1.1"]


def test_the_factory_keeps_no_timer_and_no_log() -> None:
    house = House()
    house.site.startFactory()
    house.site.stopFactory()
    assert house.clock.getDelayedCalls() == []


# -------------------------------------------------------------------------------------------- what comes, but slowly


def test_headers_that_come_at_the_least_rate_take_as_long_as_they_take() -> None:
    house = House(with_settings(header_timeout_seconds=10, least_bytes_per_second=100))
    line = house.line()
    line.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\n")
    for number in range(40):
        line.send(b"X-%d: " % number + b"a" * 150 + b"\r\n")
        house.clock.advance(1)
    assert settled(line) == b""
    line.send(b"\r\n")
    assert [response.status for response in line.responses()] == [404]


def test_headers_that_begin_fast_and_stall_are_cut_in_the_second_window() -> None:
    house = House(with_settings(header_timeout_seconds=10, least_bytes_per_second=100))
    line = house.line()
    line.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 5_000)
    house.clock.advance(10)
    for _ in range(9):
        line.send(b"a" * 10)
        house.clock.advance(1)
    assert settled(line) == b""
    house.clock.advance(1)
    assert settled(line).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_comes_at_the_least_rate_takes_as_long_as_it_takes() -> None:
    house = House(with_settings(body_timeout_seconds=30, least_bytes_per_second=500))
    url = house.open_polling()
    line = house.line()
    line.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60001\r\n\r\n4".encode())
    for _ in range(100):
        line.send(b"a" * 600)
        house.clock.advance(1)
    assert [response.status for response in line.responses()] == [200]


def test_the_time_of_a_body_does_not_begin_with_the_bytes_of_its_headers() -> None:
    house = House(with_settings(body_timeout_seconds=30, least_bytes_per_second=100))
    url = house.open_polling()
    line = house.line()
    line.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nX: {'a' * 9000}\r\nContent-Length: 10\r\n\r\n4".encode())
    house.clock.advance(30)
    assert settled(line).startswith(b"HTTP/1.1 408 ")


def test_who_still_sends_what_was_refused_reads_why_and_meets_no_reset() -> None:
    house = House(with_settings(linger_seconds=2, least_bytes_per_second=500))
    line = house.line()
    line.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n")
    assert settled(line).startswith(b"HTTP/1.1 413 ")
    for _ in range(20):
        line.send(b"a" * 1_000)
        house.clock.advance(1)
    assert not line.transport.aborted
    house.clock.advance(2)
    assert line.transport.aborted


def test_nobody_lingers_for_ever() -> None:
    house = House(with_settings(linger_seconds=2, least_bytes_per_second=500))
    line = house.line()
    line.send(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n")
    for _ in range(30):
        line.send(b"a" * 1_000)
        house.clock.advance(1)
    assert line.transport.aborted
    assert house.clock.getDelayedCalls() == []


# ------------------------------------------------------------------------------------------------- half a connection


def connection_of(house: House) -> Connection:
    """The newest."""
    connection = house.engines.get(f"sid{house._made}")
    assert connection is not None
    return connection


def half_close(line: Line) -> None:
    line.transport.protocol.readConnectionLost()


def test_who_closes_his_half_gets_his_answer_and_then_the_end() -> None:
    house = House()
    line = house.line()
    line.send(f"GET {POLLING} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    half_close(line)
    assert [response.status for response in line.responses()] == [200]
    assert line.transport.disconnecting
    assert not line.transport.aborted


def test_who_closes_his_half_before_his_request_is_complete_gets_none() -> None:
    house = House()
    for begun in (
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n",
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\na",
    ):
        line = house.line()
        if begun:
            line.send(begun)
        half_close(line)
        assert line.transport.disconnecting
        line.transport.finish()
    assert house.clock.getDelayedCalls() == []


def test_a_parked_get_of_half_a_connection_is_answered_when_there_is_something() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    half_close(line)
    for _ in range(100):
        house.clock.advance(0.1)
    assert line.transport.take() == b"HTTP/1.1 100 Continue\r\n\r\n" * 4, "it is asked whether it is there, and no more"
    connection_of(house).send_text(b"4hello")
    assert [response.body for response in line.responses()] == [b"4hello"]
    assert line.transport.disconnecting
    assert len(house.engines) == 1, "the session goes on"


def test_who_is_gone_altogether_is_missed_at_once() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(f"GET {url} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    half_close(line)
    line.transport.lose()  # a reset answers what was said
    assert len(house.engines) == 0
    house.clock.advance(0.1)
    assert line.transport.take().count(b"100 Continue") == 1


def test_http10_cannot_be_asked_whether_it_is_there() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(f"GET {url} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    half_close(line)
    assert line.transport.aborted


def test_all_requests_that_came_before_the_half_was_closed_are_answered() -> None:
    house = House()
    line = house.line()
    line.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
    half_close(line)
    assert [response.status for response in line.responses()] == [404] * 3
    assert line.transport.disconnecting


def test_a_refused_peer_that_has_closed_its_half_too_is_done_with() -> None:
    house = House()
    line = house.line()
    line.send(b"GET / HTTP/1.1\r\n\r\n")
    assert line.transport.half_closed
    half_close(line)
    assert line.transport.disconnecting
    line.transport.finish()
    assert house.clock.getDelayedCalls() == []


# ------------------------------------------------------------------------------------------- other protocols, framing


def test_tls_on_the_plain_port_is_closed_at_once_with_a_line_that_names_the_cure(logged: Logged) -> None:
    house = House()
    line = house.line()
    line.send(bytes.fromhex("1603010200010001fc0303") + b"B" * 506)
    assert line.transport.take() == b""
    assert line.transport.half_closed
    assert "open http:// instead of https://" in logged()[0]
    for _ in range(50):
        house.line().send(b"\x16\x03\x01")
    assert " ".join(logged()).count("speaks TLS") <= 10


def test_a_byte_of_a_handshake_later_on_is_no_handshake() -> None:
    line = House().line()
    line.send(b"GET /x HTTP/1.1\r\nHost: localhost\r\nX: ")
    line.send(b"\x16\r\n\r\n")
    assert [response.status for response in line.responses()] == [404]


@pytest.mark.parametrize(
    "framing",
    [
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding:",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nTransfer-Encoding: identity",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 5 5",
        "Content-Length: 0_5",
        "Content-Length: 0x5",
        "Content-Length: 5.0",
        "Content-Length:",
        "Content-Length : 5",
        "Content-Length: " + "9" * 19,
        "Content-Length: " + "9" * 5000,
    ],
)
def test_a_body_of_which_two_servers_might_think_differently_is_refused(framing: str) -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    head = f"POST {url} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n"
    line.send(head.encode("latin-1") + b"5\r\n4aaaa\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert [response.status for response in line.responses()] == [400]
    assert line.transport.half_closed


def test_chunks_of_an_older_version_are_refused() -> None:
    line = House().line()
    line.send(b"POST /x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert [response.status for response in line.responses()] == [400]


def test_a_single_chunked_in_any_case_is_what_it_says() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(
        f"POST {url} HTTP/1.1\r\nHost: localhost\r\ntransfer-encoding:  Chunked \r\n\r\n".encode()
        + b"5\r\n4aaaa\r\n0\r\n\r\n"
    )
    assert [response.status for response in line.responses()] == [200]


# ----------------------------------------------------------------------------------------------- targets with a host


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost:4000/x", "localhost:4000", 404),
        ("HTTP://localhost/lib/constants.js", "localhost", 200),
        ("http://127.0.0.1:4000" + POLLING, "127.0.0.1:4000", 200),
        ("http://localhost?EIO=4", "localhost", 404),
        ("http://localhost/x", "evil.example", 404),  # the target counts (RFC 9112, 3.2.2)
        ("http://evil.example/x", "localhost", 403),
        ("http://evil.example" + POLLING, "localhost", 403),
        ("http://user@localhost/x", "localhost", 400),
        ("http:///x", "localhost", 400),
        ("https://localhost/x", "localhost", 421),
        ("ftp://localhost/x", "localhost", 400),
        ("localhost:4000", "localhost", 400),
        ("x", "localhost", 400),
    ],
)
def test_a_target_may_be_in_absolute_form(target: str, host: str, status: int) -> None:
    line = House().line()
    line.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert [response.status for response in line.responses()] == [status]


def test_an_upgrade_may_have_an_absolute_target() -> None:
    line = House().line()
    line.upgrade("http://localhost:4000/socket.io/?EIO=4&transport=websocket", Host="localhost:4000")
    line.house.clock.advance(0)
    assert line.transport.take().startswith(b"HTTP/1.1 101 ")


def test_who_names_two_hosts_is_not_local() -> None:
    house = House()
    for target, host, local in (
        (POLLING, "localhost", True),
        ("http://localhost" + POLLING, "LocalHost", True),
        ("http://localhost" + POLLING, "hub.example.org", False),
    ):
        line = house.line()
        line.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert [response.status for response in line.responses()] == [200]
        assert connection_of(house).peer.local is local


def test_two_hosts_or_none_are_refused_whatever_the_target_says() -> None:
    for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        line = House().line()
        line.send(b"GET http://localhost/x HTTP/1.1\r\n" + hosts + b"\r\n")
        assert [response.status for response in line.responses()] == [400]


def test_a_body_for_an_absolute_target_has_the_limit_of_its_path() -> None:
    house = House(with_settings(max_other_body_bytes=10, max_http_buffer_bytes=1_000))
    url = house.open_polling()
    line = house.line()
    line.send(
        f"POST http://localhost{url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n4".encode() + b"a" * 499
    )
    assert [response.status for response in line.responses()] == [200]
