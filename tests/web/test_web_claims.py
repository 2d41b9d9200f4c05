"""What a request says about where it comes from (contract B1)."""

from __future__ import annotations

import pytest
from twisted.web.resource import Resource
from twisted.web.server import Request
from web_doubles import House, Line

from newage.web.claims import Claims, claims_of, is_forwarding

MARKS = [
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded", "Forwarded", "X-Real-IP", "Via"),
    *("CF-Connecting-IP", "CF-Ray", "Cdn-Loop", "True-Client-IP", "X-Client-IP", "Client-IP", "X-Cluster-Client-IP"),
    *("X-Envoy-External-Address", "X-Amzn-Trace-Id", "X-Amz-Cf-Id", "X-Azure-ClientIP", "X-ARR-LOG-ID"),
    *("X-Original-For", "X-Original-Host", "Fly-Client-IP", "Fastly-Client-IP", "Tailscale-User-Login"),
    *("Ngrok-Auth-User-Email", "X-ProxyUser-Ip", "X-NginX-Proxy", "x-real-ip", "VIA"),
    *("WL-Proxy-Client-IP", "X-Originating-IP", "X-Remote-Addr", "X-Host", "X-Scheme"),
]


@pytest.mark.parametrize("name", MARKS)
def test_the_marks_of_proxies(name: str) -> None:
    assert is_forwarding(name.encode())


@pytest.mark.parametrize(
    "name", ["Host", "Origin", "Accept", "User-Agent", "X-Requested-With", "Viaduct", "CFX", "Referer", "X-Real-IPs"]
)
def test_what_is_no_mark_of_a_proxy(name: str) -> None:
    assert not is_forwarding(name.encode())


@pytest.mark.parametrize("name", MARKS)
def test_every_mark_makes_remote(name: str) -> None:
    house = House()
    house.line().request("/socket.io/?EIO=4&transport=polling", headers={name: "127.0.0.1"})
    connection = house.engines.get("sid1")
    assert connection is not None
    assert not connection.peer.local


def claims_seen(line: Line, text: str) -> Claims:
    """The claims of one raw request."""
    seen: list[Claims] = []

    class Watch(Resource):
        isLeaf = True

        def render(self, request: Request) -> bytes:
            seen.append(claims_of(request))
            return b""

    line.house.site._files = Watch()
    line.send(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    (claims,) = seen
    return claims


def test_everything_is_kept_in_order() -> None:
    text = """GET / HTTP/1.1
Host: localhost:4000
Origin: http://a
Origin: http://b
X-Forwarded-For: 1.1.1.1
X-Forwarded-For: 2.2.2.2
Forwarded: for=3.3.3.3
Sec-Fetch-Site: same-site
Sec-Fetch-Mode: cors"""
    found = claims_seen(House().line("10.0.0.1"), text)
    assert found == Claims(
        "10.0.0.1",
        True,
        ("X-Forwarded-For", "Forwarded"),
        ("1.1.1.1", "2.2.2.2"),
        ("for=3.3.3.3",),
        ("localhost:4000",),
        ("http://a", "http://b"),
        ("same-site",),
        True,
    )
    assert found.size == len("X-Forwarded-ForForwarded1.1.1.12.2.2.2for=3.3.3.3localhost:4000http://ahttp://bsame-site")


def test_a_bare_request_of_http_1_0() -> None:
    assert claims_seen(House().line(), "GET / HTTP/1.0") == Claims("127.0.0.1", False)
