"""A request has a body of a bounded size, and its faults are told to nobody (contract 16.2)."""

from __future__ import annotations

from twisted.web.resource import Resource
from twisted.web.server import Request
from web_doubles import REFUSED, House, settled, with_settings


def test_an_announced_body_beyond_the_limit_is_refused_before_it_is_read() -> None:
    house = House(with_settings(max_http_buffer_bytes=1_000))
    url = house.open_polling()
    line = house.line()
    line.send(
        f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert settled(line).startswith(b"HTTP/1.1 413 ")
    assert len(house.engines) == 0, "contract 2.1: larger closes that transport"
    line.send(b"x" * 1_001)
    assert settled(line) == b""
    assert house.ask(house.open_polling(), "POST", b"4" * 1_000).summary == (200, b"ok")


def test_a_chunked_body_is_counted_while_it_comes() -> None:
    house = House(with_settings(max_http_buffer_bytes=1_000))
    url = house.open_polling()
    line = house.line()
    line.send(f"POST {url} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    chunk = b"1f4\r\n" + b"4" * 500 + b"\r\n"
    line.send(chunk + chunk)
    assert settled(line) == b""
    line.send(b"1\r\nx\r\n" + chunk)
    assert settled(line).startswith(b"HTTP/1.1 413 ")
    assert len(house.engines) == 0
    assert house.messages == []


def test_a_chunked_body_beyond_the_limit_in_one_piece() -> None:
    house = House(with_settings(max_http_buffer_bytes=10))
    url = house.open_polling()
    line = house.line()
    line.send(
        f"POST {url} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        "b\r\n4xxxxxxxxxx\r\n1\r\nx\r\n0\r\n\r\n".encode()
    )
    assert settled(line) == b"HTTP/1.1 413 Payload Too Large" + REFUSED
    assert house.messages == []


def test_a_chunked_body_within_the_limit() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.send(
        f"POST {url} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n4ab\r\n0\r\n\r\n".encode()
    )
    assert [response.body for response in line.responses()] == [b"ok"]
    assert house.messages == [(b"ab", False)]


def test_other_paths_have_a_smaller_limit() -> None:
    house = House(with_settings(max_other_body_bytes=100))
    line = house.line()
    line.request("/index.html", "POST", b"x" * 101)
    assert settled(line).startswith(b"HTTP/1.1 413 ")
    assert house.ask("/nothing", "POST", b"x" * 100).status == 404


def test_a_fault_of_ours_is_a_500_without_a_traceback() -> None:
    house = House()

    class Broken(Resource):
        isLeaf = True

        def render(self, request: Request) -> bytes:
            raise RuntimeError("secret detail")

    house.site._files = Broken()
    response = house.ask("/x")
    assert response.summary == (500, b"Internal Server Error")


def test_a_fault_in_the_middle_of_an_answer_aborts() -> None:
    house = House()

    class Broken(Resource):
        isLeaf = True

        def render(self, request: Request) -> bytes:
            request.setHeader(b"Content-Length", b"10")
            request.write(b"half")
            raise RuntimeError

    house.site._files = Broken()
    line = house.line()
    line.request("/x")
    assert line.transport.aborted
