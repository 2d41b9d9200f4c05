"""The Engine.IO endpoint: errors, statuses, CORS, origins (contract 2.1, 2.12, A2, A3, 16.3.10, 16.3.19)."""

from __future__ import annotations

from collections.abc import Hashable
from functools import partial
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.web.server import Site
from web_doubles import House, MemoryTransport, parse_responses, with_settings

from framekit import client_frame, server_frames
from logkit import Logged
from newage.domain.model import Agent, Peer
from newage.errors import Unavailable
from newage.gateway.engineio.connection import Connection
from newage.gateway.engineio.engines import EngineServer
from newage.gateway.engineio.plain import Plain
from newage.ports import IFrameSink
from newage.web.settings import WebSettings
from newage.web.transports.engine import EngineResource

POLLING = "/socket.io/?EIO=4&transport=polling"
CODES = {
    0: (400, b'{"code":0,"message":"Transport unknown"}'),
    1: (400, b'{"code":1,"message":"Session ID unknown"}'),
    2: (400, b'{"code":2,"message":"Bad handshake method"}'),
    3: (400, b'{"code":3,"message":"Bad request"}'),
    4: (403, b'{"code":4,"message":"Forbidden"}'),
    5: (400, b'{"code":5,"message":"Unsupported protocol version"}'),
}


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "", 0),
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4&transport=webtransport", 0),
        ("GET", "EIO=4&transport=polling&transport=websocket", 0),
        ("GET", "EIO=4&transport=__proto__", 0),
        ("GET", "EIO=4&transport=polling&sid=unknown", 1),
        ("POST", "EIO=4&transport=polling&sid=unknown", 1),
        ("GET", "EIO=4&transport=polling&sid=%ff%00", 1),
        ("POST", "EIO=4&transport=polling", 2),
        ("PUT", "EIO=4&transport=polling", 2),
        ("HEAD", "EIO=4&transport=polling", 2),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", "EIO=4&transport=polling&sid=a&sid=b", 3),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=3&transport=polling", 5),
        ("GET", "EIO=abc&transport=polling", 5),
        ("GET", "EIO=4&EIO=3&transport=polling", 5),
        ("GET", "EIO=44&transport=polling", 5),
    ],
)
def test_wrong_requests_and_their_answers(method: str, query: str, code: int) -> None:
    house = House()
    line = house.line()
    line.request(f"/socket.io/?{query}", method, headers={"Origin": "http://localhost"})
    (response,) = line.responses(head=method == "HEAD")
    expected = CODES[code]
    assert response.summary == (expected[0], b"" if method == "HEAD" else expected[1])
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "http://localhost"
    assert len(house.engines) == 0


@pytest.mark.parametrize("query", ["EIO=4&EIO=4", "EIO=4&transport=polling", "EIO=4&sid=", "EIO=4&sid=&sid="])
def test_an_empty_sid_and_repeated_keys_are_taken(query: str) -> None:
    """As the reference takes them."""
    house = House()
    assert house.ask(f"/socket.io/?transport=polling&{query}").status == 200
    house.line().open_websocket(f"/socket.io/?transport=websocket&{query.replace('polling', 'websocket')}")
    assert len(house.engines) == 2


@pytest.mark.parametrize("eio", ["3", "", "abc"])
def test_another_version_than_the_sessions(eio: str) -> None:
    house = House()
    url = house.open_polling()
    assert house.ask(url.replace("EIO=4", f"EIO={eio}")).summary == CODES[3]
    assert house.ask(url.replace("EIO=4&", "")).summary == CODES[3]
    assert len(house.engines) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_transport_of_a_session_is_not_changed_without_an_upgrade(method: str) -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    assert line.ask(url.replace("polling", "websocket"), method).summary == CODES[3]
    socket = house.line()
    socket.open_websocket()
    assert house.ask("/socket.io/?EIO=4&transport=polling&sid=sid2", method).summary == CODES[3]
    assert house.ask("/socket.io/?EIO=4&transport=websocket&sid=sid2", method).summary == CODES[3]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=4&transport=polling", 3),
        ("EIO=3&transport=websocket", 5),
        ("transport=websocket", 5),
        ("EIO=4&transport=abc", 0),
        ("EIO=4", 0),
        ("EIO=4&transport=websocket&sid=unknown", 1),
    ],
)
def test_wrong_upgrades(query: str, code: int) -> None:
    house = House()
    line = house.line()
    line.upgrade(f"/socket.io/?{query}")
    (response,) = line.responses()
    assert response.summary == CODES[code]
    assert not line.transport.disconnecting, "the connection stays usable"
    assert line.ask(POLLING).status == 200


def test_an_upgrade_with_another_version_or_transport() -> None:
    house = House()
    url = house.open_polling()
    line = house.line()
    line.upgrade(url)
    assert [response.summary for response in line.responses()] == [CODES[3]]
    line.upgrade(url.replace("polling", "websocket").replace("EIO=4", "EIO=3"))
    assert [response.summary for response in line.responses()] == [CODES[3]]


def test_an_upgrade_needs_http_1_1_and_no_body() -> None:
    house = House()
    handshake = b"Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    line = house.line()
    line.send(b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.0\r\n" + handshake + b"\r\n")
    assert [response.summary for response in line.responses()] == [CODES[3]]
    line = house.line()
    line.send(b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n" + handshake + b"Content-Length: 1\r\n\r\nx")
    assert [response.summary for response in line.responses()] == [CODES[3]]
    url = house.open_polling().replace("polling", "websocket").encode()
    line = house.line()
    line.send(b"GET " + url + b" HTTP/1.1\r\n" + handshake + b"Content-Length: 1\r\n\r\nx")
    assert [response.summary for response in line.responses()] == [CODES[3]]


def test_without_the_final_slash() -> None:
    assert House().ask("/socket.io?EIO=4&transport=polling").status == 200


def test_below_the_path_is_nothing() -> None:
    house = House()
    assert house.ask("/socket.io/other?EIO=4&transport=polling").summary == (404, b"Not Found")
    assert house.ask("/socket.iox/?EIO=4&transport=polling").summary == (404, b"Not Found")


# ---------------------------------------------------------------------------------------------------------------- CORS


def test_cors_on_answers() -> None:
    house = House()
    response = house.ask(POLLING, Origin="http://127.0.0.1:8000")
    assert response.headers["access-control-allow-origin"] == "http://127.0.0.1:8000"
    assert "access-control-allow-credentials" not in response.headers
    assert response.headers["vary"] == "Origin"
    response = house.ask(POLLING)
    assert "access-control-allow-origin" not in response.headers
    assert response.headers["vary"] == "Origin", "a cache must not give this answer to a page"


@pytest.mark.parametrize("origin", ["https://any.example", "null", "file://"])
def test_the_accepted_origin_is_named_where_all_are(origin: str) -> None:
    response = House(with_settings(cors_origins="*")).ask(POLLING, Origin=origin)
    assert response.headers["access-control-allow-origin"] == origin


def test_preflight() -> None:
    response = House().ask(
        "/socket.io/?EIO=4&transport=polling",
        "OPTIONS",
        Origin="http://127.0.0.1:8000",
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="content-type,x-own",
    )
    assert response.summary == (204, b"")
    headers = response.headers
    assert headers["access-control-allow-origin"] == "http://127.0.0.1:8000"
    assert "access-control-allow-credentials" not in headers
    assert headers["access-control-allow-methods"] == "GET,POST"
    assert headers["access-control-allow-headers"] == "content-type,x-own"
    assert headers["vary"] == "Origin, Access-Control-Request-Headers"


def test_no_cors_on_static_routes() -> None:
    house = House()
    for target in ("/lib/constants.js", "/nothing", "/healthz"):
        answer = house.ask(target, Origin="http://127.0.0.1:8000")
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert house.ask("/lib/constants.js", "OPTIONS").status == 405


# ------------------------------------------------------------------------------------------------------------- origins


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost@evil.example"])
def test_foreign_origins_are_refused_on_polling(method: str, origin: str) -> None:
    house = House()
    response = house.ask(POLLING, method, Origin=origin)
    assert response.summary == CODES[4]
    assert "access-control-allow-origin" not in response.headers
    assert len(house.engines) == 0


def test_foreign_origins_are_refused_on_upgrade() -> None:
    house = House()
    line = house.line()
    line.upgrade("/socket.io/?EIO=4&transport=websocket", Origin="http://evil.example")
    assert [response.summary for response in line.responses()] == [CODES[4]]
    assert len(house.engines) == 0


@pytest.mark.parametrize("scheme", ["http", "https", "capacitor", "ionic", "tauri", "app"])
def test_schemes_of_native_shells_are_judged_by_their_host(scheme: str) -> None:
    """Contract 2.12."""
    for host, status in (("localhost", 200), ("192.168.1.7:8100", 200), ("evil.example", 403), (".", 403)):
        assert House().ask(POLLING, Origin=f"{scheme}://{host}").status == status, host
    listed = House(with_settings(cors_origins=[f"{scheme}://app.example"]))
    assert listed.ask(POLLING, Origin=f"{scheme}://app.example").status == 200
    assert listed.ask(POLLING, Origin=f"{scheme}://192.168.1.9").status == 403


@pytest.mark.parametrize("origin", ["null", "file://", "chrome-extension://abc", "app://.", "moz-extension://a-b"])
def test_origins_without_a_host_of_the_web_are_accepted_if_listed_alone(origin: str) -> None:
    assert House().ask(POLLING, Origin=origin).status == 403
    for written in (origin, f"{origin}/", origin.upper()):
        house = House(with_settings(cors_origins=["local", written]))
        assert house.ask(POLLING, Origin=origin).status == 200, written


@pytest.mark.parametrize("mode", ["no-cors", "navigate", "cors", "websocket"])
@pytest.mark.parametrize("site", ["cross-site", "same-site", "something-new"])
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7"])
def test_what_a_page_sends_without_its_origin_opens_no_session(address: str, site: str, mode: str) -> None:
    """Images, scripts, forms and links: a client of Socket.IO in a page of another origin names it."""
    house = House()
    for dest in ("empty", "script", "image", "iframe", "document"):
        seen = house.line(address).ask(POLLING, Sec_Fetch_Site=site, Sec_Fetch_Mode=mode, Sec_Fetch_Dest=dest)
        assert seen.summary == CODES[4]
    assert len(house.engines) == 0
    url = house.open_polling()
    assert house.ask(url, "POST", b"4x", Sec_Fetch_Site=site).status == 403
    assert house.messages == []


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_the_hubs_own_page_needs_no_origin(site: str) -> None:
    assert House().ask(POLLING, Sec_Fetch_Site=site, Sec_Fetch_Mode="cors").status == 200


def test_a_page_of_another_site_comes_in_by_its_accepted_origin() -> None:
    assert House().ask(POLLING, Origin="http://127.0.0.1:8000", Sec_Fetch_Site="cross-site").status == 200
    assert House(with_settings(cors_origins="*")).ask(POLLING, Sec_Fetch_Site="cross-site").status == 200


@pytest.mark.parametrize(
    ("request_line", "words"),
    [
        (("/socket.io/?EIO=3&transport=polling", "GET", {}), "socket.io-client 3 or newer"),
        (("/socket.io/?EIO=4", "GET", {}), "neither polling nor websocket"),
        (("/socket.io/?EIO=4&transport=polling", "POST", {}), "begins with a GET"),
        (("/socket.io/?EIO=4&transport=websocket", "GET", {}), "pass Upgrade on"),
        ((f"{POLLING}&sid=gone", "GET", {}), "restarted meanwhile"),
        ((POLLING, "GET", {"Origin": "http://evil.example"}), "cors_origins"),
        ((POLLING, "GET", {"Sec-Fetch-Site": "cross-site"}), "no Origin says which"),
        ((POLLING, "GET", {"X-Odd": "a\x0bb"}), "ends lines"),
    ],
)
def test_every_refusal_names_its_cause_and_cure(request_line: Any, words: str, logged: Logged) -> None:
    target, method, headers = request_line
    house = House()
    for _ in range(20):
        line = house.line()
        line.request(target, method, headers=headers)
        assert 400 <= line.responses()[0].status < 500
    lines = [said for said in logged() if words in said]
    assert 0 < len(lines) <= 3
    assert "127.0.0.1" in lines[0]


def test_near_origins_and_none_may_upgrade() -> None:
    house = House()
    house.line().open_websocket(Origin="http://127.0.0.1:8000")
    house.line().open_websocket()
    assert len(house.engines) == 2


def test_a_rebound_host_is_refused() -> None:
    house = House()
    assert house.ask(POLLING, Host="evil.example:4000").summary == CODES[4]
    assert house.ask(POLLING, Host="evil.example:4000", Origin="http://evil.example:4000").summary == CODES[4]
    assert House(with_settings(allowed_hosts=["hub.example"])).ask(POLLING, Host="hub.example").status == 200


@pytest.mark.parametrize("name", ["User-Agent", "Cookie", "X-Name", "Referer"])
def test_headers_may_be_text_of_any_language(name: str) -> None:
    """UTF-8 of many letters holds the byte 0x85, which ends a line for Autobahn: it sees only what is copied to it."""
    house = House()
    value = "\u00c5\u4e05\U0001f605".encode().decode("latin-1")
    assert "\x85" in value
    header: dict[str, Any] = {name: value}
    assert house.ask(POLLING, **header).status == 200
    house.line().open_websocket(**header)
    assert len(house.engines) == 2


@pytest.mark.parametrize("byte", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e"])
def test_line_ends_in_headers_are_refused_on_polling_too(byte: str) -> None:
    house = House()
    assert house.ask(POLLING, User_Agent=f"a{byte}b").summary == CODES[3]
    assert len(house.engines) == 0


def peer_of(house: House) -> Peer:
    connection = house.engines.get(f"sid{house._made}")
    assert connection is not None
    return connection.peer


def test_long_headers_are_judged_as_short_ones() -> None:
    house = House()
    assert house.ask(POLLING, Origin="http://evil.example/" + "x" * 1_000).summary == CODES[4]
    assert house.ask(POLLING, X_Forwarded_For=", ".join(["127.0.0.1"] * 100)).status == 200
    assert not peer_of(house).local


def test_the_peer_is_judged() -> None:
    house = House(with_settings(trusted_proxies=["10.0.0.1"]))
    house.ask(POLLING)
    assert peer_of(house).local
    house.ask(POLLING, X_Forwarded_For="127.0.0.1")
    assert peer_of(house) == Peer("127.0.0.1")
    house.line("10.0.0.1").ask(POLLING, X_Forwarded_For="1.1.1.1, 203.0.113.7")
    assert peer_of(house) == Peer("203.0.113.7")
    house.line("10.0.0.1").ask(POLLING, Forwarded="for=127.0.0.1")
    assert peer_of(house) == Peer("10.0.0.1")  # B1: an address that a header names is never loopback
    house.line("203.0.113.7").open_websocket()
    assert peer_of(house) == Peer("203.0.113.7")


def test_every_request_of_a_session_is_a_witness() -> None:
    """A page's first GET through a bare proxy carries no Origin; the POST that brings its CONNECT does."""
    house = House(with_settings(cors_origins=["local", "*"]))
    url = house.open_polling()
    assert peer_of(house).local
    assert house.ask(url, "POST", b"4x", Origin="https://hub.example").status == 200
    assert not peer_of(house).local
    house.ask(url, "POST", b"4x")
    assert not peer_of(house).local
    assert peer_of(house).agent is Agent.PAGE


def test_an_upgrade_is_a_witness() -> None:
    house = House()
    url = house.open_polling()
    house.line().open_websocket(url.replace("polling", "websocket"), X_Real_IP="203.0.113.7")
    assert not peer_of(house).local


def test_a_session_that_turned_remote_leaves_the_count_of_its_address_as_it_was() -> None:
    house = House()
    for _ in range(3):
        url = house.open_polling()
        house.ask(url, "POST", b"1", X_Real_IP="203.0.113.7")
    assert not house.engines._by_address
    house.ask(POLLING, X_Real_IP="203.0.113.7")
    assert house.engines._by_address == {"127.0.0.1": 1}
    house.ask(POLLING + f"&sid=sid{house._made}", "POST", b"1")
    assert not house.engines._by_address


# ------------------------------------------------------------------------------------------------------- other servers


class FullEngines(EngineServer):
    """An engine server that takes nobody."""

    def __init__(self) -> None:
        super().__init__(clock=Clock(), make_upper=partial(Plain, on_message=lambda *_: None))

    def open(self, sink: IFrameSink, peer: Peer, source: Hashable = None) -> Connection:
        raise Unavailable("The server takes no more connections.")


def test_a_full_server() -> None:
    house = House()
    for engine in set(house.site._engines.values()):
        engine._engines = FullEngines()
    response = house.ask(POLLING)
    assert response.status == 503
    line = house.line()
    line.upgrade("/socket.io/?EIO=4&transport=websocket")
    house.clock.advance(0)
    top, _, rest = line.transport.take().partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 101 ")
    assert [opcode for opcode, _ in server_frames(rest)] == [8]


def test_a_full_server_does_not_fill_its_log(logged: Logged) -> None:
    house = House()
    for engine in set(house.site._engines.values()):
        engine._engines = FullEngines()
    assert {house.ask(POLLING).status for _ in range(20)} == {503}
    assert 0 < len([line for line in logged() if line.endswith("[gateway] say how many it takes.")]) <= 5


def test_several_servers_on_one_site() -> None:
    house = House()
    from newage.web.site import make_site

    site = make_site(WebSettings(), {"/engine.io": house.engines, "/socket.io/": house.engines}, house.clock)
    house.site = site
    assert house.ask("/engine.io/?EIO=4&transport=polling").status == 200
    assert house.ask("/socket.io/?EIO=4&transport=polling").status == 200
    assert house.ask("/engine.io/socket.io.min.js").status == 200


def test_mounted_in_a_plain_twisted_site() -> None:
    house = House()
    clock = Clock()
    resource = EngineResource(house.engines, WebSettings(), clock)
    site = Site(resource, reactor=clock)
    transport = MemoryTransport()
    transport.protocol = site.buildProtocol(transport.getPeer())
    transport.protocol.makeConnection(transport)
    transport.protocol.dataReceived(b"GET /?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n")
    (response,) = parse_responses(transport.take())
    assert response.body.startswith(b"0{")
    transport.protocol.dataReceived(
        b"POST /?EIO=4&transport=polling&sid=sid1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n4x"
    )
    assert [response.body for response in parse_responses(transport.take())] == [b"ok"]
    transport.protocol.dataReceived(
        b"GET /?EIO=4&transport=websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    clock.advance(0)
    assert transport.take().startswith(b"HTTP/1.1 101 ")
    transport.protocol.dataReceived(client_frame(b"4y"))
    clock.advance(0)
    assert list(server_frames(transport.take())) == [(1, b"4y")]
    transport.lose()
