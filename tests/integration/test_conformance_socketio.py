"""Every statement of the Socket.IO v5 protocol document, against the conformance server, over both transports."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from conformance_wire import CALM, Http, PollingWire, ServerProcess, WebSocketWire, serve
from rawsocket import CLOSE, HungUpError

Wire = PollingWire | WebSocketWire
ZERO, ONE = '{"_placeholder":true,"num":0}', '{"_placeholder":true,"num":1}'


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    yield from serve(*CALM)


@pytest.fixture(params=[PollingWire, WebSocketWire], ids=lambda wire: wire.name)
def wire(request: pytest.FixtureRequest, server: ServerProcess) -> Iterator[Wire]:
    """A session that has joined nothing."""
    wire = request.param(Http(server.port, "/socket.io/"))
    yield wire
    wire.close()


@pytest.fixture
def joined(wire: Wire) -> Wire:
    """A session that has joined ``/``."""
    wire.send("40")
    assert wire.receive_text().startswith("40")
    assert wire.receive() == '42["auth",{}]'
    return wire


def closes(wire: Wire) -> bool:
    """A few packets may still come, the end must."""
    with pytest.raises(HungUpError):
        for _ in range(5):
            wire.receive()
    return True


class TestConnect:
    @pytest.mark.parametrize("packet", ["40", "40{}", "40/,", "40/,{}"])
    def test_the_main_namespace(self, wire: Wire, packet: str) -> None:
        wire.send(packet)
        reply = wire.receive_text()
        assert reply.startswith("40{")
        assert list(json.loads(reply[2:])) == ["sid"]
        assert wire.receive() == '42["auth",{}]'

    def test_a_payload(self, wire: Wire) -> None:
        wire.send('40{"token":"123","ünï":["\\ud83d\\ude00"]}')
        wire.receive()
        assert wire.receive() == '42["auth",{"token":"123","ünï":["\U0001f600"]}]'

    @pytest.mark.parametrize("auth", ["[]", '"x"', "[1,{}]"])
    def test_a_payload_that_is_no_object_is_the_namespaces_to_judge(self, wire: Wire, auth: str) -> None:
        wire.send("40" + auth)
        assert wire.receive_text().startswith("40{")
        assert wire.receive() == f'42["auth",{auth}]'

    @pytest.mark.parametrize(
        ("packet", "auth"), [("40/custom", {}), ("40/custom,", {}), ('40/custom,{"token":"abc"}', {"token": "abc"})]
    )
    def test_a_custom_namespace(self, wire: Wire, packet: str, auth: dict[str, str]) -> None:
        wire.send(packet)
        reply = wire.receive_text()
        assert reply.startswith("40/custom,{")
        assert list(json.loads(reply[10:])) == ["sid"]
        assert wire.receive() == "42/custom," + json.dumps(["auth", auth], separators=(",", ":"))

    def test_the_sid_is_the_sockets_own(self, wire: Wire) -> None:
        wire.send("40")
        first = json.loads(wire.receive_text()[2:])["sid"]
        wire.receive()
        wire.send("40/custom")
        second = json.loads(wire.receive_text()[10:])["sid"]
        assert len({first, second, wire.opened["sid"]}) == 3

    def test_an_unknown_namespace(self, wire: Wire) -> None:
        wire.send("40/random")
        assert wire.receive() == '44/random,{"message":"Invalid namespace"}'
        wire.send("40")
        assert wire.receive_text().startswith("40{")

    @pytest.mark.parametrize(
        "packet",
        ["4abc", "40abc", "40{", '42["message"]', "41", '420["message-with-ack"]', "430[]"],
    )
    def test_a_wrong_beginning_closes(self, wire: Wire, packet: str) -> None:
        wire.send(packet)
        assert closes(wire)

    def test_a_client_that_never_joins_is_closed(self, wire: Wire) -> None:
        assert closes(wire)

    def test_namespaces_share_a_connection(self, joined: Wire) -> None:
        joined.send("40/custom")
        assert joined.receive_text().startswith("40/custom,")
        assert joined.receive() == '42/custom,["auth",{}]'
        joined.send('42["message","main"]')
        assert joined.receive() == '42["message-back","main"]'


class TestDisconnect:
    def test_from_the_main_namespace_the_connection_stays(self, joined: Wire) -> None:
        joined.send("41")
        joined.send("40")
        assert joined.receive_text().startswith("40{")

    @pytest.mark.parametrize("packet", ["41/custom", "41/custom,"])
    def test_from_a_custom_namespace_the_main_one_stays(self, joined: Wire, packet: str) -> None:
        joined.send("40/custom")
        joined.receive()
        joined.receive()
        joined.send(packet)
        joined.send('42/custom,["message","for nobody"]')
        joined.send('42["message","x"]')
        assert joined.receive() == '42["message-back","x"]'


class TestEvents:
    @pytest.mark.parametrize(
        "args",
        [
            '1,"2",{"3":[true]}',
            "null",
            '""',
            '"€漢\U0001f600"',
            "[]",
            "{}",
            "1.5,-2",
            '"42[]"',
            '"' + "x" * 200_000 + '"',
        ],
    )
    def test_the_arguments_come_back(self, joined: Wire, args: str) -> None:
        joined.send(f'42["message",{args}]')
        assert joined.receive() == f'42["message-back",{args}]'

    def test_none_at_all(self, joined: Wire) -> None:
        joined.send('42["message"]')
        assert joined.receive() == '42["message-back"]'

    def test_order(self, joined: Wire) -> None:
        for number in range(30):
            joined.send(f'42["message",{number}]')
        assert [joined.receive() for _ in range(30)] == [f'42["message-back",{n}]' for n in range(30)]

    @pytest.mark.parametrize(
        "packet",
        ['42["unknown"]', "42[null,{}]", "42[]", "42[5]", '42["connect"]', '42["disconnect"]', '427["newListener"]'],
    )
    def test_events_without_a_handler_close_nothing(self, joined: Wire, packet: str) -> None:
        joined.send(packet)
        joined.send('42["message","x"]')
        assert joined.receive() == '42["message-back","x"]'

    @pytest.mark.parametrize(
        "packet",
        [
            "4abc",
            "47",
            "42{}",
            '42"x"',
            "42[",
            '42["message"',
            '42abc["message-with-ack",1]',
            '42-1["message-with-ack",1]',
            '42/never,["message"]',
            "43{}",
            "41{}",
            "40",
            "45[]",
            "42[" * 2 + "[" * 2000,
            '42["message",NaN]',
        ],
    )
    def test_a_wrong_packet_closes(self, joined: Wire, packet: str) -> None:
        joined.send(packet)
        assert closes(joined)

    @pytest.mark.parametrize(
        ("packet", "attachments"),
        [
            ('4511-["message"]', 11),
            (f'451-["message",{ONE}]', 1),
            ('451-["message"]', 1),
            (f'452-["message",{ZERO}]', 2),
            (f'451-["message",{ZERO},{ZERO}]', 1),
        ],
    )
    def test_attachments_against_the_rules_close_nothing(self, joined: Wire, packet: str, attachments: int) -> None:
        """Their event is handed on unread, when they have come."""
        joined.send(packet)
        for _ in range(attachments):
            joined.send(b"x")
        assert joined.receive() == '42["message-back",true]'

    def test_an_event_without_anything_closes_nothing(self, joined: Wire) -> None:
        for packet in ("42", "425", '450-["message"]'):
            joined.send(packet)
        assert joined.receive() == '42["message-back"]'

    @pytest.mark.parametrize(
        ("packet", "why"),
        [
            ("2", b"heartbeat in the wrong direction"),
            ("9", b"unknown packet kind"),
            ('42["a"', b"malformed JSON"),
            (b"\x01", b"binary data without a text packet before it: is it another parser than Socket.IO's own?"),
        ],
    )
    def test_a_wrong_packet_over_a_websocket_is_answered_by_a_close_frame(
        self, server: ServerProcess, packet: bytes | str, why: bytes
    ) -> None:
        with Http(server.port, "/socket.io/").websocket() as websocket:
            websocket.receive_text()
            websocket.send("40")
            websocket.send(packet)
            opcode, payload = websocket.receive()
            while opcode != CLOSE:
                opcode, payload = websocket.receive()
            assert payload == b"\x03\xf0" + why

    @pytest.mark.parametrize(
        "value", ["1e999", "[" * 65 + "]" * 65, "[" + "1," * 50_000 + "1]"], ids=["large", "deep", "many"]
    )
    def test_what_is_too_much_for_one_event_closes_nothing(self, joined: Wire, value: str) -> None:
        """It is handed on unread; what an event does then is the hub's."""
        joined.send(f'42["message",{value}]')
        assert joined.receive() == '42["message-back",true]'

    def test_half_an_emoji_closes_nothing(self, joined: Wire) -> None:
        joined.send('42["message","\\ud83d"]')
        assert joined.receive() == '42["message-back","\ufffd"]'


class TestAcks:
    @pytest.mark.parametrize("number", ["0", "1", "456", "999999999999999"])
    def test_the_id_comes_back(self, joined: Wire, number: str) -> None:
        joined.send(f'42{number}["message-with-ack",1,"2",{{"3":[false]}}]')
        assert joined.receive() == f'43{number}[1,"2",{{"3":[false]}}]'

    def test_without_arguments(self, joined: Wire) -> None:
        joined.send('427["message-with-ack"]')
        assert joined.receive() == "437[]"

    def test_an_ack_that_nobody_awaits_is_ignored(self, joined: Wire) -> None:
        joined.send("43123[1]")
        joined.send('42["message","x"]')
        assert joined.receive() == '42["message-back","x"]'


class TestBinary:
    def test_attachments_come_back(self, joined: Wire) -> None:
        for packet in (f'452-["message",{ZERO},{ONE}]', b"\x01\x02\x03", b"\x04\x05\x06"):
            joined.send(packet)
        received = [joined.receive() for _ in range(3)]
        assert received == [f'452-["message-back",{ZERO},{ONE}]', b"\x01\x02\x03", b"\x04\x05\x06"]

    def test_with_an_ack(self, joined: Wire) -> None:
        for packet in (f'452-789["message-with-ack",{ZERO},{ONE}]', b"\x01\x02\x03", b"\x04\x05\x06"):
            joined.send(packet)
        assert [joined.receive() for _ in range(3)] == [f"462-789[{ZERO},{ONE}]", b"\x01\x02\x03", b"\x04\x05\x06"]

    def test_deep_inside_and_out_of_order(self, joined: Wire) -> None:
        for packet in (f'452-["message",{{"a":[{ONE},{{"b":{ZERO}}}]}}]', b"zero", b"one"):
            joined.send(packet)
        text, first, second = (joined.receive() for _ in range(3))
        assert text == f'452-["message-back",{{"a":[{ZERO},{{"b":{ONE}}}]}}]'
        assert (first, second) == (b"one", b"zero")

    def test_ten_attachments_are_the_most(self, joined: Wire) -> None:
        slots = ",".join(f'{{"_placeholder":true,"num":{n}}}' for n in range(10))
        joined.send(f'4510-["message",{slots}]')
        for number in range(10):
            joined.send(bytes([number]))
        assert str(joined.receive()).startswith('4510-["message-back",')
        assert [joined.receive() for _ in range(10)] == [bytes([n]) for n in range(10)]

    def test_text_in_the_place_of_an_attachment_closes(self, joined: Wire) -> None:
        joined.send(f'451-["message",{ZERO}]')
        joined.send('42["message"]')
        assert closes(joined)

    def test_binary_data_without_a_packet_closes(self, joined: Wire) -> None:
        joined.send(b"\x01")
        assert closes(joined)


class TestUpgrade:
    def test_a_socket_lives_through_it(self, server: ServerProcess) -> None:
        web = Http(server.port, "/socket.io/")
        polling = PollingWire(web)
        polling.send('40{"token":"t"}')
        polling.receive()
        polling.receive()
        with web.websocket(polling.sid) as websocket:
            websocket.send("2probe")
            assert websocket.receive_text() == "3probe"
            polling.send('42["message","sent by POST"]')
            websocket.send("5")
            websocket.send('42["message","sent by WebSocket"]')
            received = [websocket.receive_text() for _ in range(2)]
        assert received == ['42["message-back","sent by POST"]', '42["message-back","sent by WebSocket"]']
