"""Every statement of the Engine.IO v4 protocol document, against the conformance server over real sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from conformance_wire import CALM, LIVELY, PATIENCE, Http, PollingWire, ServerProcess, WebSocketWire, serve
from rawsocket import BINARY, CLOSE, TEXT, HungUpError

Wire = PollingWire | WebSocketWire
Kind = type[PollingWire] | type[WebSocketWire]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    yield from serve(*CALM)


@pytest.fixture(scope="module")
def lively_server() -> Iterator[ServerProcess]:
    yield from serve(*LIVELY)


PATHS = ["/engine.io/", "/socket.io/"]


@pytest.fixture(params=PATHS)
def either(request: pytest.FixtureRequest, server: ServerProcess) -> Http:
    """Engine.IO is the same with and without Socket.IO above it."""
    return Http(server.port, request.param)


@pytest.fixture(params=PATHS)
def lively(request: pytest.FixtureRequest, lively_server: ServerProcess) -> Http:
    """The same of a server whose heartbeats come soon."""
    return Http(lively_server.port, request.param)


@pytest.fixture
def web(server: ServerProcess) -> Http:
    """The server that sends messages back."""
    return Http(server.port, "/engine.io/")


@pytest.fixture(params=[PollingWire, WebSocketWire], ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest, web: Http) -> Iterator[Wire]:
    wire = request.param(web)
    yield wire
    wire.close()


OPENED = {"pingInterval": 25_000, "pingTimeout": 20_000, "maxPayload": 1_000_000}


class TestHandshake:
    def test_over_polling(self, either: Http) -> None:
        status, body, headers = either.request("GET", "EIO=4&transport=polling")
        opened = json.loads(body[1:])
        assert (status, body[:1]) == (200, b"0")
        assert opened == {"sid": opened["sid"], "upgrades": ["websocket"], **OPENED}
        assert len(opened["sid"]) >= 20
        assert headers["Content-Type"] == "text/plain; charset=UTF-8"
        assert "Access-Control-Allow-Origin" not in headers  # no page asks

    def test_over_websocket(self, either: Http) -> None:
        with either.websocket() as websocket:
            opened = json.loads(websocket.receive_text()[1:])
        assert opened == {"sid": opened["sid"], "upgrades": [], **OPENED}

    def test_every_session_has_its_own_id(self, either: Http) -> None:
        assert len({either.open()["sid"] for _ in range(20)}) == 20

    @pytest.mark.parametrize(
        ("method", "query", "code"),
        [
            ("GET", "EIO=4", 0),
            ("GET", "EIO=4&transport=abc", 0),
            ("GET", "EIO=4&transport=", 0),
            ("GET", "EIO=4&transport=polling&sid=nobody", 1),
            ("POST", "EIO=4&transport=polling", 2),
            ("PUT", "EIO=4&transport=polling", 2),
            ("DELETE", "EIO=4&transport=polling", 2),
            ("GET", "EIO=4&transport=websocket", 3),
            ("GET", "transport=polling", 5),
            ("GET", "EIO=abc&transport=polling", 5),
            ("GET", "EIO=3&transport=polling", 5),
        ],
    )
    def test_wrong_requests_get_400_and_a_code(self, either: Http, method: str, query: str, code: int) -> None:
        status, body, _ = either.request(method, query)
        assert (status, json.loads(body)["code"]) == (400, code)

    @pytest.mark.parametrize(
        "query", ["transport=websocket", "EIO=abc&transport=websocket", "EIO=4", "EIO=4&transport=abc"]
    )
    def test_wrong_websockets_are_refused(self, either: Http, query: str) -> None:
        with pytest.raises(HungUpError, match=r"HTTP/1\.1 400"):
            either.websocket(query=query)


class TestMessages:
    def test_a_message_comes_back(self, wire: Wire) -> None:
        wire.send("4hello")
        assert wire.receive() == "4hello"

    @pytest.mark.parametrize("text", ["4", "4 ", "4€漢字\U0001f600", "4" + "x" * 70_000, "4\x00\n\r"])
    def test_whatever_its_text(self, wire: Wire, text: str) -> None:
        wire.send(text)
        assert wire.receive() == text

    @pytest.mark.parametrize("data", [b"\x01\x02\x03\x04", b"\x00", bytes(range(256)) * 300])
    def test_binary_comes_back_as_binary(self, wire: Wire, data: bytes) -> None:
        wire.send(data)
        assert wire.receive() == data

    def test_order_is_kept_across_text_and_binary(self, wire: Wire) -> None:
        for number in range(10):
            wire.send(f"4{number}")
            wire.send(bytes([number]))
        assert [wire.receive() for _ in range(20)] == [p for n in range(10) for p in (f"4{n}", bytes([n]))]

    def test_a_payload_of_several_packets(self, web: Http) -> None:
        sid = web.open()["sid"]
        assert web.post(sid, "4test1\x1e4test2\x1ebAQIDBA==\x1e4test3") == (200, b"ok")
        assert web.get(sid) == (200, b"4test1\x1e4test2\x1ebAQIDBA==\x1e4test3")

    def test_what_is_sent_before_a_get_waits_for_it(self, web: Http) -> None:
        sid = web.open()["sid"]
        web.post(sid, "4a")
        web.post(sid, "4b")
        assert web.get(sid) == (200, b"4a\x1e4b")

    def test_a_websocket_message_is_one_packet_in_one_frame(self, web: Http) -> None:
        with web.websocket() as websocket:
            websocket.receive_text()
            websocket.send("4a\x1e4b")
            websocket.send(b"\x01")
            assert websocket.receive() == (TEXT, b"4a\x1e4b")
            assert websocket.receive() == (BINARY, b"\x01")

    @pytest.mark.parametrize("query", ["", "&b64=1"])
    def test_a_websocket_takes_base64_and_answers_in_kind(self, web: Http, query: str) -> None:
        with web.websocket(query=f"EIO=4&transport=websocket{query}") as websocket:
            websocket.receive_text()
            websocket.send("bAQI=")
            websocket.send("4after")
            assert websocket.receive() == ((TEXT, b"bAQI=") if query else (BINARY, b"\x01\x02"))
            assert websocket.receive() == (TEXT, b"4after")

    @pytest.mark.parametrize("packet", ["abc", "7", "2", "x4hello"])
    def test_a_wrong_packet_closes_the_session(self, wire: Wire, packet: str) -> None:
        wire.send(packet)
        with pytest.raises(HungUpError):
            wire.receive()

    @pytest.mark.parametrize("body", [b"", b"abc", b"4a\x1e", b"\x1e4a", b"4a\x1ex", b"\xff"])
    def test_a_wrong_payload_closes_the_session(self, web: Http, body: bytes) -> None:
        sid = web.open()["sid"]
        assert web.post(sid, body)[0] == 400
        assert web.get(sid)[0] == 400

    def test_too_large_a_payload_closes_the_session(self, web: Http) -> None:
        sid = web.open()["sid"]
        assert web.post(sid, b"4" + b"x" * 1_000_000)[0] in (400, 413)
        assert web.get(sid)[0] == 400

    def test_too_large_a_message_closes_the_websocket(self, web: Http) -> None:
        with web.websocket() as websocket:
            websocket.receive_text()
            websocket.send(b"x" * 1_000_001)
            websocket.drain()

    def test_the_largest_message_passes(self, wire: Wire) -> None:
        # Over polling a binary packet grows by base64, so text it is.
        wire.send("4" + "x" * 999_999)
        assert wire.receive() == "4" + "x" * 999_999


class TestPolls:
    def test_a_second_get_closes_the_session(self, either: Http) -> None:
        sid = either.open()["sid"]
        first = either.park(sid)
        # The heartbeat would answer the first GET; what decides is that the second one came while it was parked.
        status, _ = either.get(sid)
        answer = first.getresponse()
        assert (answer.status, answer.read(), status) == (200, b"1", 400)
        assert either.get(sid)[0] == 400

    def test_a_cancelled_get_closes_the_session(self, lively: Http) -> None:
        sid = lively.open()["sid"]
        lively.park(sid).close()
        assert lively.get_until_closed(sid) == 400

    def test_a_second_post_closes_the_session(self, either: Http) -> None:
        sid = either.open()["sid"]
        with socket.create_connection(("127.0.0.1", either.port), PATIENCE) as first:
            first.sendall(
                f"POST {either.path}?EIO=4&transport=polling&sid={sid} HTTP/1.1\r\nHost: localhost:{either.port}\r\n"
                "Content-Length: 100\r\n\r\n4begun".encode()
            )
            statuses = set()
            while 400 not in statuses:
                statuses.add(either.post(sid, "6")[0])
        assert either.get(sid)[0] == 400

    def test_other_methods_are_refused_and_harm_nothing(self, web: Http) -> None:
        sid = web.open()["sid"]
        assert web.request("PUT", f"EIO=4&transport=polling&sid={sid}")[0] == 400
        web.post(sid, "4still here")
        assert web.get(sid) == (200, b"4still here")

    def test_the_version_of_a_session_does_not_change(self, either: Http) -> None:
        sid = either.open()["sid"]
        assert either.request("GET", f"EIO=3&transport=polling&sid={sid}")[0] == 400
        assert either.request("GET", f"transport=polling&sid={sid}")[0] == 400

    def test_a_websockets_session_cannot_be_polled(self, either: Http) -> None:
        wire = WebSocketWire(either)
        assert either.get(wire.opened["sid"])[0] == 400
        assert either.post(wire.opened["sid"], "4x")[0] == 400
        wire.close()

    def test_a_preflight_is_answered(self, either: Http) -> None:
        headers = {"Origin": "http://example.org", "Access-Control-Request-Headers": "x-extra"}
        status, body, answered = either.request("OPTIONS", "EIO=4&transport=polling", headers=headers)
        assert (status, body) == (204, b"")
        assert answered["Access-Control-Allow-Methods"] == "GET,POST"
        assert answered["Access-Control-Allow-Headers"] == "x-extra"


class TestHeartbeat:
    def test_over_polling(self, lively: Http) -> None:
        sid = lively.open()["sid"]
        for _ in range(3):
            assert lively.get(sid) == (200, b"2")
            assert lively.post(sid, "3") == (200, b"ok")

    def test_over_websocket(self, lively: Http) -> None:
        with lively.websocket() as websocket:
            websocket.receive_text()
            for _ in range(3):
                assert websocket.receive_text() == "2"
                websocket.send("3")

    def test_a_silent_polling_client_is_dropped(self, lively: Http) -> None:
        sid = lively.open()["sid"]
        assert lively.get(sid) == (200, b"2")
        # Parked until the end: GET is not an answer to the heartbeat.
        assert lively.get(sid) == (200, b"1")
        assert lively.get(sid)[0] == 400

    def test_a_silent_websocket_is_closed(self, lively: Http) -> None:
        with lively.websocket() as websocket:
            websocket.receive_text()
            assert websocket.receive_text() == "2"
            with pytest.raises(HungUpError):
                websocket.receive_text()

    @pytest.mark.parametrize("kind", [PollingWire, WebSocketWire], ids=lambda wire: wire.name)
    def test_messages_go_on_between_heartbeats(self, lively_server: ServerProcess, kind: Kind) -> None:
        wire = kind(Http(lively_server.port, "/engine.io/"))
        for number in range(3):
            wire.send(f"4{number}")
            assert wire.receive() == f"4{number}"
        wire.close()

    def test_pongs_that_nobody_asked_for_are_ignored(self, wire: Wire) -> None:
        for _ in range(20):
            wire.send("3")
        wire.send("4x")
        assert wire.receive() == "4x"


class TestClose:
    def test_over_polling_a_parked_get_is_released(self, either: Http) -> None:
        sid = either.open()["sid"]
        parked = either.park(sid)
        assert either.post(sid, "1") == (200, b"ok")
        answer = parked.getresponse()
        assert (answer.status, answer.read()) == (200, b"6")
        assert either.get(sid)[0] == 400

    def test_over_websocket(self, either: Http) -> None:
        with either.websocket() as websocket:
            websocket.receive_text()
            websocket.send("1")
            assert websocket.receive()[0] == CLOSE

    def test_a_websocket_may_just_go(self, either: Http) -> None:
        wire = WebSocketWire(either)
        wire.close()
        assert either.get(wire.opened["sid"])[0] == 400


class TestUpgrade:
    def test_step_by_step(self, web: Http) -> None:
        sid = web.open()["sid"]
        with web.websocket(sid) as websocket:
            websocket.send("2probe")
            assert websocket.receive_text() == "3probe"
            assert web.get(sid) == (200, b"6")
            websocket.send("5")
            websocket.send("4hello")
            assert websocket.receive_text() == "4hello"

    def test_a_parked_get_is_released_by_the_probe(self, web: Http) -> None:
        sid = web.open()["sid"]
        parked = web.park(sid)
        with web.websocket(sid) as websocket:
            websocket.send("2probe")
            assert websocket.receive_text() == "3probe"
            answer = parked.getresponse()
            assert (answer.status, answer.read()) == (200, b"6")
            websocket.send("5")
            websocket.send("4x")
            assert websocket.receive_text() == "4x"

    def test_what_no_get_fetched_comes_over_the_websocket_in_order(self, web: Http) -> None:
        sid = web.open()["sid"]
        web.post(sid, "4one\x1ebAg==")
        with web.websocket(sid) as websocket:
            websocket.send("2probe")
            assert websocket.receive_text() == "3probe"
            web.post(sid, "4three")
            websocket.send("5")
            assert [websocket.receive() for _ in range(3)] == [(TEXT, b"4one"), (BINARY, b"\x02"), (TEXT, b"4three")]

    def test_polling_is_over_afterwards(self, lively: Http) -> None:
        sid = lively.open()["sid"]
        with lively.websocket(sid) as websocket:
            websocket.send("2probe")
            websocket.receive_text()
            websocket.send("5")
            assert lively.get_until_closed(sid) == 400
            assert lively.post(sid, "4x")[0] == 400
            assert websocket.receive_text() == "2"

    def test_a_second_websocket_is_closed_and_harms_nothing(self, web: Http) -> None:
        sid = web.open()["sid"]
        with web.websocket(sid) as first:
            first.send("2probe")
            first.receive_text()
            first.send("5")
            with web.websocket(sid) as second, pytest.raises(HungUpError):
                second.receive_text()
            first.send("4hello")
            assert first.receive_text() == "4hello"

    def test_one_candidate_at_a_time(self, web: Http) -> None:
        sid = web.open()["sid"]
        with web.websocket(sid) as first:
            first.send("2probe")
            assert first.receive_text() == "3probe"
            with web.websocket(sid) as second, pytest.raises(HungUpError):
                second.receive_text()

    @pytest.mark.parametrize("packet", ["4hello", "2", "3probe", "abc"])
    def test_a_candidate_that_does_not_probe_is_closed_and_polling_goes_on(self, web: Http, packet: str) -> None:
        sid = web.open()["sid"]
        with web.websocket(sid) as websocket:
            websocket.send(packet)
            with pytest.raises(HungUpError):
                websocket.receive_text()
        assert web.post(sid, "4still here") == (200, b"ok")
        assert web.get(sid) == (200, b"4still here")

    def test_a_candidate_that_goes_leaves_polling_as_it_was(self, web: Http) -> None:
        sid = web.open()["sid"]
        with web.websocket(sid) as websocket:
            websocket.send("2probe")
            assert websocket.receive_text() == "3probe"
        with web.websocket(sid) as websocket:
            websocket.send("2probe")
            assert websocket.receive_text() == "3probe"
            websocket.send("5")
            websocket.send("4again")
            assert websocket.receive_text() == "4again"

    def test_a_sid_that_does_not_exist(self, either: Http) -> None:
        with pytest.raises(HungUpError, match=r"HTTP/1\.1 400"):
            either.websocket("nobody")
