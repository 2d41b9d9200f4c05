"""Engine.IO packets: the vectors of the protocol document, what is refused, and two properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.errors import ProtocolError
from newage.protocol.engine_packet import (
    SharedPacket,
    decode_base64,
    decode_payload,
    encode_base64,
    encode_payload,
    is_base64,
)

TEXT = st.builds(
    lambda kind, text: kind + text.encode(),
    st.sampled_from([b"0", b"1", b"2", b"3", b"4", b"5", b"6"]),
    st.text(st.characters(exclude_characters="\x1e", exclude_categories=["Cs"])),
)
PACKETS = st.lists(st.one_of(st.tuples(st.just(False), TEXT), st.tuples(st.just(True), st.binary())), min_size=1)


def decoded(body: bytes) -> list[tuple[bool, bytes]]:
    """(is it binary, packet) of each record."""
    return [
        (is_base64(packet), decode_base64(packet) if is_base64(packet) else packet) for packet in decode_payload(body)
    ]


def test_the_payload_of_the_protocol_document() -> None:
    body = b"4hello\x1e2\x1e4world"
    packets = [(False, b"4hello"), (False, b"2"), (False, b"4world")]
    assert decoded(body) == packets
    assert encode_payload(packets) == body


def test_binary_travels_as_base64() -> None:
    packets = [(False, b"4hello"), (True, b"\x01\x02\x03\x04")]
    assert encode_payload(packets) == b"4hello\x1ebAQIDBA=="
    assert decoded(b"4hello\x1ebAQIDBA==") == packets


@pytest.mark.parametrize(
    "body",
    [b"", b"\x1e", b"4a\x1e", b"\x1e4a", b"4a\x1e\x1e4b", b"abc", b"7", b"4a\x1ex", b" 4a"],
)
def test_a_malformed_payload_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decoded(body)


@pytest.mark.parametrize("body", [b"4a\x1e\x1e4b", b"4a\x1ex", b"4a\x1e", b"bA\x1e7"])
def test_a_wrong_record_is_found_before_the_first_is_taken(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_payload(body)


def test_any_number_of_packets_is_taken_one_by_one() -> None:
    packets = decode_payload(b"\x1e".join([b"4"] * 500_000))
    assert (next(packets), sum(1 for _ in packets)) == (b"4", 499_999)


BYTES = b"\xfb\xff\xbe?"


@pytest.mark.parametrize("text", [b"+/++Pw==", b"+/++Pw", b"-_--Pw==", b"-_--Pw", b"+/++\r\nPw==\r\n", b"+/++Pw="])
def test_base64_as_clients_write_it(text: bytes) -> None:
    """With or without padding, in the alphabet of URLs, in lines: as the reference."""
    assert decode_base64(b"b" + text) == BYTES


def test_an_empty_attachment_is_one() -> None:
    assert decode_base64(b"b") == b""
    assert encode_base64(b"") == b"b"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        (b"A", b""),
        (b"=", b""),
        (b"AQID=", b"\1\2\3"),
        (b"AQ===", b"\1"),
        (b"A=Q=", b""),
        (b"***", b""),
        (b"AQI!", b"\1\2"),
        (b"AQ==AQ==", b"\1"),
        (b"A.Q\x00I\xc3\xa9D", b"\1\2\3"),
    ],
)
def test_other_base64_is_read_as_the_reference_reads_it(text: bytes, data: bytes) -> None:
    assert decode_base64(b"b" + text) == data


@given(st.binary())
def test_base64_survives_the_round_trip(payload: bytes) -> None:
    assert is_base64(encode_base64(payload))
    assert decode_base64(encode_base64(payload)) == payload


@given(PACKETS)
def test_a_payload_survives_the_round_trip(packets: list[tuple[bool, bytes]]) -> None:
    assert decoded(encode_payload(packets)) == packets


@given(st.binary())
def test_no_payload_breaks_the_decoder(body: bytes) -> None:
    try:
        packets = decoded(body)
    except ProtocolError:
        return
    assert all(binary or packet[:1] in b"0123456" for binary, packet in packets)


def test_a_shared_packet_has_room_for_its_frame_only() -> None:
    shared = SharedPacket(b'42["x"]')
    assert (shared.packet, shared.frame) == (b'42["x"]', None)
    shared.frame = b"\x81\x07" + shared.packet
    with pytest.raises(AttributeError):
        shared.other = 1  # type: ignore[attr-defined]
