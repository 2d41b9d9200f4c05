"""JSON over HTTP: one gate, one table of routes, one body of failures (B4)."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs
from web_doubles import House, Response, with_settings

from newage.errors import NotAuthorised
from newage.web.json_api import Exchange, JsonApi, Route
from newage.web.settings import WebSettings


async def nothing(exchange: Exchange) -> None:
    exchange.answer(200, {"values": dict(exchange.values), "key": exchange.key(), "local": exchange.peer.local})


async def body(exchange: Exchange) -> None:
    exchange.answer(201, exchange.body(), (b"X-More", b"1"))


async def refuses(exchange: Exchange) -> None:
    raise NotAuthorised("Not you.")


async def breaks(exchange: Exchange) -> None:
    raise ZeroDivisionError


ROUTES = (
    Route("GET", "/v1/things", nothing),
    Route("POST", "/v1/things", body),
    Route("GET", "/v1/things/{name}/parts", nothing),
    Route("GET", "/v1/files/{path...}", nothing),
    Route("GET", "/v1/refuses", refuses),
    Route("GET", "/v1/breaks", breaks),
)


def make_house(settings: WebSettings | None = None) -> House:
    return House(settings, apis={"v1": lambda gate: JsonApi(gate, ROUTES)}, api_body_bytes=1000)


@pytest.fixture
def house() -> House:
    return make_house()


def json(response: Response) -> Any:
    return orjson.loads(response.body)


def code(response: Response) -> tuple[int, str]:
    return response.status, json(response)["error"]["code"]


def test_a_route_is_found_by_its_path_and_its_values_are_decoded_once(house: House) -> None:
    assert json(house.ask("/v1/things")) == {"values": {}, "key": None, "local": True}
    assert json(house.ask("/v1/things/a%2Fb%3Ac%2520/parts"))["values"] == {"name": "a/b:c%20"}
    assert json(house.ask("/v1/files/a/b%2Fc"))["values"] == {"path": "a/b/c"}
    for path in ("/v1", "/v1/", "/v1/thing", "/v1/things/", "/v1/things/a", "/v1/files", "/v1/things/%ff/parts"):
        assert code(house.ask(path)) == (404, "not_found")
    assert house.ask("/V1/things").body == b"Not Found"


def test_methods_are_named_exactly(house: House) -> None:
    head = house.ask("/v1/things", "HEAD")
    assert (head.status, head.body) == (200, b"")
    wrong = house.ask("/v1/things", "DELETE")
    assert code(wrong) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, POST, HEAD, OPTIONS"
    assert house.ask("/v1/refuses", "POST", b"{}").headers["allow"] == "GET, HEAD, OPTIONS"


def test_failures_have_one_body(house: House) -> None:
    refused = house.ask("/v1/refuses")
    assert refused.status == 403
    assert json(refused) == {
        "error": {"message": "Not you.", "type": "permission_error", "param": None, "code": "forbidden"}
    }


def test_what_nobody_foresaw_is_logged_and_says_nothing(house: House) -> None:
    with capturedLogs() as events:
        response = house.ask("/v1/breaks")
    assert code(response) == (500, "internal")
    assert b"Zero" not in response.body
    assert sum("log_failure" in event for event in events) == 1


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff", b"[" * 200, b'{"a":1e400}'])
def test_a_body_is_one_object_of_json(house: House, raw: bytes) -> None:
    assert code(house.ask("/v1/things", "POST", raw)) == (400, "bad_request")


def test_a_body_is_bounded(house: House) -> None:
    made = house.ask("/v1/things", "POST", b'{"a":"' + b"x" * 980 + b'"}')
    assert (made.status, made.headers["x-more"]) == (201, "1")
    assert house.ask("/v1/things", "POST", b'{"a":"' + b"x" * 1000 + b'"}').status == 413
    assert code(house.ask("/v1/things", "POST", b"{}", Content_Encoding="gzip")) == (415, "unsupported_media_type")


def test_who_is_gone_before_his_body_is_read_is_no_fault_of_the_hub() -> None:
    meanwhile: Deferred[None] = Deferred()

    async def waits(exchange: Exchange) -> None:
        await meanwhile
        exchange.answer(200, exchange.body())

    house = House(apis={"v1": lambda gate: JsonApi(gate, [Route("POST", "/v1/waits", waits)])}, api_body_bytes=1000)
    line = house.line()
    line.send(b"POST /v1/waits HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
    line.transport.lose()
    with capturedLogs() as events:
        meanwhile.callback(None)
    assert not any("log_failure" in event for event in events)


def test_a_page_sends_json_and_says_so(house: House) -> None:
    assert house.ask("/v1/things", "POST", b"{}").status == 201  # curl -d
    assert house.ask("/v1/things", "POST", b"{}", Content_Type="application/x-www-form-urlencoded").status == 201
    for by_page in ({"Origin": "http://localhost:8000"}, {"Sec_Fetch_Site": "same-origin"}):
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp"):
            refused = house.ask("/v1/things", "POST", b"{}", Content_Type=kind, **by_page)
            assert code(refused) == (415, "unsupported_media_type")
        assert code(house.ask("/v1/things", "POST", b"{}", **by_page)) == (415, "unsupported_media_type")
        said = house.ask("/v1/things", "POST", b"{}", Content_Type="Application/JSON; charset=utf-8", **by_page)
        assert said.status == 201


def test_53_v1_text_plain_from_page_403(house: House) -> None:
    evil = {"Origin": "https://evil.example", "Content_Type": "text/plain"}
    assert code(house.ask("/v1/things", "POST", b"{}", **evil)) == (403, "forbidden")
    assert code(house.ask("/v1/things", Sec_Fetch_Site="cross-site")) == (403, "forbidden")
    assert code(house.ask("/v1/things", Host="evil.example")) == (403, "forbidden")


def test_pages_that_may_come_read_the_answer(house: House) -> None:
    origin = "http://localhost:8000"
    response = house.ask("/v1/things", Origin=origin)
    assert (response.headers["access-control-allow-origin"], response.headers["vary"]) == (origin, "Origin")
    assert "access-control-allow-credentials" not in response.headers
    preflight = house.ask(
        "/v1/things",
        "OPTIONS",
        Origin=origin,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization,content-type",
    )
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-methods"] == "GET, POST, HEAD, OPTIONS"
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
    assert preflight.headers["access-control-allow-origin"] == origin
    assert house.ask("/v1/things", "OPTIONS", Origin="https://evil.example").status == 403
    assert "access-control-allow-headers" not in house.ask("/v1/things", "OPTIONS").headers


def test_who_is_behind_a_proxy_is_not_local() -> None:
    house = make_house(with_settings(trusted_proxies=("10.0.0.1",)))
    assert json(house.line("10.0.0.1").ask("/v1/things", X_Forwarded_For="203.0.113.9"))["local"] is False


def test_a_key_is_a_bearers(house: House) -> None:
    def key(shown: str) -> Any:
        return json(house.ask("/v1/things", Authorization=shown)).get("key", "refused")

    assert key("Bearer abc") == "abc"
    assert key("bearer   abc ") == "abc"
    for empty in ("", "Bearer", "Bearer "):
        assert key(empty) is None
    for other in ("Basic abc", "abc"):
        assert key(other) == "refused"
    line = house.line()
    line.send(
        b"GET /v1/things HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n"
    )
    assert code(line.responses()[0]) == (401, "invalid_api_key")


@pytest.mark.parametrize("query", ["key=x", "API_KEY=", "a=1&access_token=x", "x=sk-newage-abc", "token="])
def test_56_key_in_query_refused(house: House, query: str) -> None:
    assert code(house.ask(f"/v1/things?{query}", Authorization="Bearer abc")) == (400, "bad_request")
    assert house.ask("/v1/things?limit=5").status == 200


@given(st.lists(st.text(alphabet="av1things{}./%", max_size=6), max_size=5))
def test_any_path_gets_an_answer(parts: list[str]) -> None:
    api = [each.match(parts) for each in ROUTES]
    assert sum(found is not None for found in api) <= 2
