"""Socket.IO packets: the vectors of the protocol document, a table of malformed ones, and two properties."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.errors import ProtocolError
from newage.protocol.json_text import loads
from newage.protocol.socket_packet import (
    ACK,
    BINARY_ACK,
    BINARY_EVENT,
    CONNECT,
    CONNECT_ERROR,
    DISCONNECT,
    EVENT,
    UNREAD,
    UNREAD_AUTH,
    SocketPacket,
    Unread,
    decode,
    encode,
    encode_arguments,
    encode_connect,
    encode_disconnect,
    encode_refusal,
    find_slots,
    prefix_of,
    written,
)

ATTACHED = {"_placeholder": True, "num": 0}

# Engine.IO's MESSAGE and then the packet, as in the protocol's document.
VECTORS = [
    (b"40", SocketPacket(CONNECT)),
    (b'40/admin,{"token":"123"}', SocketPacket(CONNECT, "/admin", data={"token": "123"})),
    (b"41/admin,", SocketPacket(DISCONNECT, "/admin")),
    (b'42["foo"]', SocketPacket(EVENT, data=["foo"])),
    (b'42/admin,["bar"]', SocketPacket(EVENT, "/admin", data=["bar"])),
    (b'4212["foo"]', SocketPacket(EVENT, ack_id=b"12", data=["foo"])),
    (b'43/admin,13["bar"]', SocketPacket(ACK, "/admin", b"13", ["bar"])),
    (
        b'44{"message":"Not authorized"}',
        SocketPacket(CONNECT_ERROR, data={"message": "Not authorized"}),
    ),
    (b'451-["baz",{"_placeholder":true,"num":0}]', SocketPacket(BINARY_EVENT, data=["baz", ATTACHED], attachments=1)),
    (
        b'452-/admin,["baz",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
        SocketPacket(BINARY_EVENT, "/admin", None, ["baz", ATTACHED, {"_placeholder": True, "num": 1}], 2),
    ),
    (b'461-15["bar",{"_placeholder":true,"num":0}]', SocketPacket(BINARY_ACK, "/", b"15", ["bar", ATTACHED], 1)),
]


@pytest.mark.parametrize(("packet", "value"), VECTORS, ids=lambda v: v.decode() if isinstance(v, bytes) else "")
def test_the_packets_of_the_protocol_document(packet: bytes, value: SocketPacket) -> None:
    assert decode(packet) == value
    assert encode(value) == packet


@pytest.mark.parametrize(
    ("packet", "value"),
    [
        (b"40/custom", SocketPacket(CONNECT, "/custom")),
        (b"40/,", SocketPacket(CONNECT)),
        (b"40null", SocketPacket(CONNECT)),
        (b"40[]", SocketPacket(CONNECT, data=[])),
        (b'40"x"', SocketPacket(CONNECT, data="x")),
        (b"41", SocketPacket(DISCONNECT)),
        (b"41/custom", SocketPacket(DISCONNECT, "/custom")),
        (b'42/a[b,["x"]', SocketPacket(EVENT, "/a[b", data=["x"])),
        (b"42[]", SocketPacket(EVENT, data=[])),
        (b"42[null,{}]", SocketPacket(EVENT, data=[None, {}])),
        (b'44"no"', SocketPacket(CONNECT_ERROR, data="no")),
        (b"44", SocketPacket(CONNECT_ERROR)),
        (b"43[]", SocketPacket(ACK, data=[])),
        ("40/ünï,".encode(), SocketPacket(CONNECT, "/ünï")),
    ],
)
def test_other_forms_that_clients_send(packet: bytes, value: SocketPacket) -> None:
    assert decode(packet) == value


MALFORMED = [
    b"",
    b"2",
    b"4abc",
    b"47",
    b"48[]",
    b"4/",
    b"5",
    b"40abc",
    b"41{}",
    b"41/a,{}",
    b"42{}",
    b'42"x"',
    b"42null",
    b"42[",
    b'42abc["x"]',
    b'42-1["x"]',
    b'421.5["x"]',
    b'42["x"]]',
    b'42 ["x"',
    b"43{}",
    b"4312{}",
    b"44[]",
    b"45[]",
    b'45-1-["x"]',
    b'451["x"]',
    b'451a-["x"]',
    b"451-{}",
    b"451234567890123-[]",
    b"46[]",
    b"40/\xff\xfe,",
    b'42["\xff"]',
]


@pytest.mark.parametrize("packet", MALFORMED, ids=repr)
def test_a_malformed_packet_is_refused(packet: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(packet)


@pytest.mark.parametrize(
    ("packet", "read"),
    [
        (b"4", SocketPacket(CONNECT)),
        (b"401{}", SocketPacket(CONNECT, "/", b"1", {})),
        (b"412", SocketPacket(DISCONNECT, "/", b"2")),
        (b"42", SocketPacket(EVENT, data=[])),
        (b"42/a", SocketPacket(EVENT, "/a", data=[])),
        (b"43/a,7", SocketPacket(ACK, "/a", b"7", [])),
        (b"441", SocketPacket(CONNECT_ERROR, "/", b"1")),
        (b"42" + b"9" * 400 + b"[]", SocketPacket(EVENT, "/", b"9" * 400, [])),
        (b'42 7 ["x"]', SocketPacket(EVENT, "/", b"7", ["x"])),
        (b'42 ["x"]', SocketPacket(EVENT, "/", None, ["x"])),
        (b'427 7["x"]', SocketPacket(EVENT, "/", None, ["x"])),
        (b'45-["x"]', SocketPacket(BINARY_EVENT, data=["x"])),
        (b'450-["x"]', SocketPacket(BINARY_EVENT, data=["x"])),
        (b"460-1[]", SocketPacket(BINARY_ACK, "/", b"1", [])),
        (b'45 2-["x"]', SocketPacket(BINARY_EVENT, data=["x"], attachments=2)),
        (b'450x2-["x"]', SocketPacket(BINARY_EVENT, data=["x"], attachments=2)),
        (b'452.0-["x"]', SocketPacket(BINARY_EVENT, data=["x"], attachments=2)),
        (b"451-", SocketPacket(BINARY_EVENT, data=[], attachments=1)),
        (b"40/" + b"x" * 300, SocketPacket(CONNECT, "/" + "x" * 300)),
    ],
    ids=repr,
)
def test_what_the_reference_takes_is_taken(packet: bytes, read: SocketPacket) -> None:
    assert decode(packet) == read


@pytest.mark.parametrize("count", [b"1.5", b"-1", b"1_0", b"nan", b"Infinity", b"0x", b"1e", b"1 1"])
def test_what_is_no_count_is_none(count: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(b"45" + count + b'-["x"]')


def test_a_long_name_is_written_as_any_other() -> None:
    assert written("/" + "x" * 300) == b"/" + b"x" * 300 + b","


NAMES = st.text(st.characters(exclude_characters=",", exclude_categories=["Cs"]), max_size=20)
PATHS = st.one_of(st.just("/"), NAMES.map(lambda name: "/" + name))
IDS = st.one_of(st.none(), st.integers(0, 10**15 - 1).map(lambda number: b"%d" % number))
JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(st.characters(exclude_categories=["Cs"]))
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=4)),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=5), JSON, max_size=3)
ARRAYS = st.lists(JSON, max_size=4)
PACKETS = st.one_of(
    st.tuples(st.sampled_from([CONNECT, CONNECT_ERROR]), PATHS, st.none(), st.one_of(st.none(), OBJECTS)),
    st.tuples(st.just(DISCONNECT), PATHS),
    st.tuples(st.sampled_from([EVENT, ACK]), PATHS, IDS, ARRAYS),
    st.tuples(st.sampled_from([BINARY_EVENT, BINARY_ACK]), PATHS, IDS, ARRAYS, st.integers(1, 10)),
).map(lambda values: SocketPacket(*values))


@given(PACKETS)
def test_a_packet_survives_the_round_trip(packet: SocketPacket) -> None:
    assert decode(encode(packet)) == packet


@given(
    st.one_of(st.binary(), st.builds(lambda head, tail: b"4" + head + tail, st.sampled_from(MALFORMED), st.binary()))
)
def test_no_packet_breaks_the_decoder(packet: bytes) -> None:
    try:
        value = decode(packet)
    except ProtocolError:
        return
    assert decode(encode(value)) == value


def test_an_event_without_bytes_is_plain() -> None:
    assert encode_arguments(EVENT, b"/a,", ["x", {"a": 1}], b"7") == (b'42/a,7["x",{"a":1}]', [])


def test_bytes_become_attachments_wherever_they_are() -> None:
    args = ["x", b"one", {"deep": [bytearray(b"two"), {"er": memoryview(b"three")}]}]
    packet, attachments = encode_arguments(EVENT, b"", args)
    assert attachments == [b"one", b"two", b"three"]
    assert packet.startswith(b'453-["x",{"_placeholder":true,"num":0}')
    assert loads(packet[4:])[2] == {
        "deep": [{"_placeholder": True, "num": 1}, {"er": {"_placeholder": True, "num": 2}}]
    }


def test_an_ack_with_bytes_is_binary() -> None:
    packet, attachments = encode_arguments(ACK, b"/llm,", [b"\x00"], b"3")
    assert packet == b'461-/llm,3[{"_placeholder":true,"num":0}]'
    assert attachments == [b"\x00"]


def test_half_an_emoji_without_bytes_is_plain() -> None:
    assert encode_arguments(EVENT, b"/a,", ["x", "\ud83d"], b"7") == ('42/a,7["x","\ufffd"]'.encode(), [])


def test_half_an_emoji_beside_bytes() -> None:
    packet, attachments = encode_arguments(EVENT, b"", ["x", b"one", "\ud83d", b"two"])
    assert attachments == [b"one", b"two"]
    assert orjson.loads(packet[4:])[2] == "\ufffd"


def test_what_cannot_be_sent() -> None:
    with pytest.raises(TypeError):
        encode_arguments(EVENT, b"", ["x", {1, 2}])
    with pytest.raises(TypeError, match="attachments"):
        encode_arguments(EVENT, b"", ["x", *[b"y"] * 11])


def test_connect_disconnect_and_refusal() -> None:
    assert encode_connect(b"", "abc") == b'40{"sid":"abc"}'
    assert encode_connect(b"/llm,", "abc") == b'40/llm,{"sid":"abc"}'
    assert encode_disconnect(b"/llm,") == b"41/llm,"
    assert encode_refusal(b"/random,", {"message": "Invalid namespace"}) == b'44/random,{"message":"Invalid namespace"}'
    assert (prefix_of("/"), prefix_of("/llm")) == (b"", b"/llm,")


def test_slots_lead_to_the_placeholders() -> None:
    data = ["x", {"_placeholder": True, "num": 1}, {"a": [{"_placeholder": True, "num": 0}]}]
    for container, key, number in find_slots(data, 2) or ():
        container[key] = number
    assert data == ["x", 1, {"a": [0]}]


def placeholder(number: object) -> dict[str, object]:
    return {"_placeholder": True, "num": number}


@pytest.mark.parametrize(
    "data",
    [
        ["x"],
        ["x", placeholder(1)],
        ["x", placeholder(-1)],
        ["x", placeholder(0), placeholder(0)],
        ["x", placeholder("0")],
        ["x", placeholder(0.0)],
        ["x", placeholder(True)],
        ["x", placeholder(None)],
        ["x", {"_placeholder": True}],
        ["x", {"_placeholder": "true", "num": 0}],
        ["x", placeholder(10**20)],
        ["x", placeholder(0), {"_placeholder": True, "num": placeholder(0)}],
    ],
)
def test_placeholders_that_do_not_fit_one_attachment(data: list[Any]) -> None:
    assert find_slots(data, 1) is None


@given(JSON.map(lambda value: ["x", value]), st.lists(st.binary(max_size=8), max_size=10))
def test_attachments_survive_the_round_trip(data: list[Any], parts: list[bytes]) -> None:
    args = [*data, *parts, {"again": parts[:0]}]
    packet, attachments = encode_arguments(EVENT, b"", args)
    decoded = decode(packet)
    for container, key, number in find_slots(decoded.data, decoded.attachments) or ():
        container[key] = attachments[number]
    assert decoded.data == args


DEEP = b"[" * 65 + b"]" * 65
PLACE = b'{"_placeholder":true,"num":0}'


@pytest.mark.parametrize(
    ("packet", "data"),
    [
        (b'42["x",1e999]', ["x", UNREAD]),
        (b'42/a,7[ "x\\"\\u00e9" ,' + DEEP + b"]", ['x"\u00e9', UNREAD]),
        (b"42[7," + DEEP + b"]", []),
        (b'42{"a":' + DEEP + b"}", []),
        (b'42["' + b"x" * 300 + b'",' + DEEP + b"]", []),
        (b"437[" + DEEP + b"]", []),
        (b'451-["x",' + PLACE + b"," + DEEP + b"]", ["x", UNREAD]),
        (b"461-7[" + PLACE + b"," + DEEP + b"]", []),
        (b"44[" + DEEP + b"]", {}),
        (b"40[" + DEEP + b"]", UNREAD_AUTH),
    ],
)
def test_data_that_is_too_much_is_replaced(packet: bytes, data: object) -> None:
    """So that an event can be refused by its name, and an auth (contract A30)."""
    decoded = decode(packet)
    assert decoded.data == data
    assert decoded.data is UNREAD_AUTH or isinstance(decoded.data, Unread | dict)


@pytest.mark.parametrize(
    ("packet", "data"),
    [(b'42["x",1]', ["x", UNREAD]), (b"40{}", UNREAD_AUTH), (b"40", None), (b"42[", []), (b"43[1]", [])],
)
def test_data_that_is_not_to_be_read_is_not(packet: bytes, data: object) -> None:
    assert decode(packet, read=False).data == data


def test_a_disconnect_has_no_data_however_much() -> None:
    for read in (True, False):
        with pytest.raises(ProtocolError):
            decode(b"41[" + DEEP + b"]", read=read)
