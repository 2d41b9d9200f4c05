"""Whole responses: their headers, and that nobody is answered twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from web_doubles import House, Response

from newage.web import responses


def answered(react: Callable[[Request], object], method: str = "GET", **headers: str) -> Response:
    """What a browser gets when a request is reacted to so."""

    class Reacting(Resource):
        isLeaf = True

        def render(self, request: Request) -> int:
            react(request)
            return NOT_DONE_YET

    house = House()
    house.site._files = Reacting()
    line = house.line()
    line.request("/x", method, headers=headers)
    (response,) = line.responses(head=method == "HEAD")
    return response


def test_a_whole_response() -> None:
    response = answered(lambda request: responses.answer(request, 200, b"{}", responses.JSON))
    assert response.summary == (200, b"{}")
    assert (response.headers["content-type"], response.headers["content-length"]) == ("application/json", "2")


@pytest.mark.parametrize(
    ("status", "phrase"),
    [
        (200, b"OK"),
        (404, b"Not Found"),
        (421, b"Misdirected Request"),
        (425, b"Too Early"),
        (428, b"Precondition Required"),
        (429, b"Too Many Requests"),
        (431, b"Request Header Fields Too Large"),
        (451, b"Unavailable For Legal Reasons"),
        (503, b"Service Unavailable"),
    ],
)
def test_each_status_has_its_words(status: int, phrase: bytes) -> None:
    house = House()

    class Reacting(Resource):
        isLeaf = True

        def render(self, request: Request) -> int:
            responses.answer(request, status, b"", responses.JSON)
            return NOT_DONE_YET

    house.site._files = Reacting()
    line = house.line()
    line.request("/x")
    assert line.transport.take().startswith(b"HTTP/1.1 %d %s\r\n" % (status, phrase))


@pytest.mark.parametrize("status", [204, 304])
def test_where_there_is_no_body_there_is_no_type(status: int) -> None:
    response = answered(lambda request: responses.answer(request, status, b"", responses.JSON))
    assert response.summary == (status, b"")
    assert "content-type" not in response.headers


def test_nothing_is_found() -> None:
    response = answered(responses.not_found)
    assert response.summary == (404, b"Not Found")
    assert response.headers["content-type"] == "text/html; charset=utf-8"


def test_nobody_is_answered_twice() -> None:
    def twice(request: Request) -> None:
        responses.refuse(request, responses.FORBIDDEN)
        responses.not_found(request)

    assert answered(twice).summary == (403, b'{"code":4,"message":"Forbidden"}')


def test_who_has_gone_is_not_answered() -> None:
    house = House()
    requests: list[Request] = []

    class Waiting(Resource):
        isLeaf = True

        def render(self, request: Request) -> int:
            requests.append(request)
            return NOT_DONE_YET

    house.site._files = Waiting()
    line = house.line()
    line.request("/x")
    line.transport.lose()
    responses.not_found(requests[0])
    assert line.transport.take() == b""


def test_a_header_is_text_whatever_its_bytes_and_the_last_one_counts() -> None:
    seen: list[str | None] = []

    def look(request: Request) -> None:
        seen.extend(responses.header_text(request, name) for name in (b"X-Name", b"X-Other"))
        responses.not_found(request)

    answered(look, **{"X-Name": "\u00e9\u00ff"})
    assert seen == ["\u00e9\u00ff", None]
