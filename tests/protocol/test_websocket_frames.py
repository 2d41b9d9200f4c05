"""Frames: any bytes, cut anywhere, and what they complete."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from framekit import client_frame, server_frames
from newage.protocol.websocket_frames import (
    AT_ONCE,
    Binary,
    Close,
    Event,
    FrameReader,
    FrameRules,
    Ping,
    Pong,
    Violation,
    binary_frame,
    close_frame,
    pong_frame,
    text_frame,
    text_header,
    unmask,
)

RULES = FrameRules(max_message_bytes=2_000, max_empty_fragments=5, large_bytes=100)


def read(*pieces: bytes, rules: FrameRules = RULES) -> list[Event]:
    """All events of what arrives in these pieces."""
    reader = FrameReader(rules)
    found: list[Event] = []
    for piece in pieces:
        found += reader.receive_data(piece)
        while reader.more:
            found += reader.receive_data(b"")
    return found


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(edges)]


def only(event: Event) -> tuple[int, str]:
    assert isinstance(event, Violation)
    return event.code, event.reason


# ---------------------------------------------------------------------------------------------------------- properties

payloads = st.one_of(
    st.text(max_size=40).map(str.encode),
    st.binary(max_size=20),
    st.integers(95, 130).map(lambda size: b"x" * size),
    st.sampled_from([b"", b"2", b"\xc3\xa9" * 300, b"\xed\xa0\x80", b"w" * 2_001, b"\x03\xe8bye"]),
)
masks = st.one_of(st.just(bytes(4)), st.binary(min_size=4, max_size=4))
frames = st.builds(
    client_frame,
    payloads,
    st.sampled_from([0, 0, 1, 1, 1, 2, 2, 8, 9, 10, 3, 11]),
    fin=st.sampled_from([True, True, True, False]),
    rsv=st.sampled_from([0] * 9 + [1, 4]),
    mask=st.one_of(*[masks] * 9, st.none()),
)
streams = st.one_of(
    st.lists(st.one_of(frames, st.builds(client_frame, payloads, mask=masks)), max_size=12).map(b"".join),
    st.binary(max_size=60),
    st.lists(st.one_of(frames, st.binary(max_size=12)), max_size=6).map(b"".join),
)


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(streams, st.lists(st.integers(0, 2**16), max_size=8))
def test_any_split_of_any_bytes_gives_the_same_events_and_raises_nothing(stream: bytes, cuts: list[int]) -> None:
    events = read(*split(stream, cuts))
    assert events == read(stream)
    assert events == read(*(bytes([byte]) for byte in stream))
    last = [at for at, event in enumerate(events) if isinstance(event, Close | Violation)]
    assert last in ([], [len(events) - 1]), "nothing comes after the end"
    for event in events:
        if isinstance(event, bytes):
            event.decode()


messages = st.one_of(
    st.text(max_size=200).map(str.encode),
    st.binary(max_size=200).map(Binary),
    st.binary(max_size=125).map(Ping),
    st.binary(max_size=125).map(Pong),
)


def spoken(event: Event, mask: bytes, parts: int) -> list[bytes]:
    """A client's frames for it, a message in so many parts."""
    if isinstance(event, Ping):
        return [client_frame(event.payload, 9, mask=mask)]
    if isinstance(event, Pong):
        return [client_frame(event.payload, 10, mask=mask)]
    assert isinstance(event, bytes | Binary)
    payload, opcode = (event, 1) if isinstance(event, bytes) else (event.payload, 2)
    size = len(payload) // parts + 1
    pieces = [payload[at : at + size] for at in range(0, max(len(payload), 1), size)]
    return [
        client_frame(piece, 0 if at else opcode, fin=at == len(pieces) - 1, mask=mask)
        for at, piece in enumerate(pieces)
    ]


@settings(deadline=None)
@given(
    st.lists(st.tuples(messages, masks, st.integers(1, 5)), max_size=20),
    st.lists(st.integers(0, 2**16), max_size=4),
)
def test_what_a_client_sends_is_what_is_read(sent: list[tuple[Event, bytes, int]], cuts: list[int]) -> None:
    stream = b"".join(frame for event, mask, parts in sent for frame in spoken(event, mask, parts))
    assert read(*split(stream, cuts)) == [event for event, _, _ in sent]


@given(st.one_of(st.binary(max_size=300), st.binary(min_size=1_190, max_size=1_300)), st.binary(min_size=4, max_size=4))
def test_unmask_is_the_masking_of_rfc_6455(payload: bytes, mask: bytes) -> None:
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    assert unmask(masked, mask) == payload


# ------------------------------------------------------------------------------------------------------------- reading


def test_what_is_large_is_unmasked_as_the_rules_say() -> None:
    sizes: list[int] = []

    def counting(data: bytes, mask: bytes) -> bytes:
        sizes.append(len(data))
        return unmask(data, mask)

    rules = FrameRules(max_message_bytes=2_000, max_empty_fragments=5, unmask_large=counting, large_bytes=100)
    stream = b"".join(
        client_frame(b"x" * size, opcode) for size, opcode in ((99, 1), (100, 1), (99, 2), (100, 2), (1_000, 1))
    )
    events = read(stream, rules=rules)
    assert events == [b"x" * 99, b"x" * 100, Binary(b"x" * 99), Binary(b"x" * 100), b"x" * 1_000]
    assert sizes == [100, 100, 1_000]


def test_control_frames_come_between_fragments() -> None:
    stream = client_frame(b"par", fin=False) + client_frame(b"p", 9) + client_frame(b"ts", 0)
    assert read(stream) == [Ping(b"p"), b"parts"]


def test_so_many_at_once_and_the_rest_when_asked() -> None:
    reader = FrameReader(RULES)
    stream = b"".join(client_frame(b"%d" % number) for number in range(AT_ONCE + 3))
    assert reader.receive_data(stream + b"\x81") == tuple(b"%d" % number for number in range(AT_ONCE))
    assert reader.more
    assert reader.receive_data(b"") == tuple(b"%d" % number for number in range(AT_ONCE, AT_ONCE + 3))
    assert not reader.more, "the rest is no whole frame"


def test_exactly_so_many_leave_nothing() -> None:
    reader = FrameReader(RULES)
    reader.receive_data(client_frame(b"x") * AT_ONCE)
    assert not reader.more


def test_slow_kinds_count_as_well() -> None:
    reader = FrameReader(RULES)
    assert len(reader.receive_data(client_frame(b"x", 2) * (AT_ONCE + 1))) == AT_ONCE
    assert reader.more
    assert reader.receive_data(b"") == (Binary(b"x"),)


def test_what_is_held_is_read_later() -> None:
    reader = FrameReader(RULES)
    assert reader.receive_data(client_frame(b"one")[:4]) == ()
    reader.hold_data(client_frame(b"one")[4:])
    reader.hold_data(client_frame(b"two"))
    assert reader.more
    assert reader.receive_data(client_frame(b"three")) == (b"one", b"two", b"three")
    assert not reader.more


def test_after_the_end_nothing_is_read_nor_held() -> None:
    reader = FrameReader(RULES)
    reader.receive_data(client_frame(b"", 8) + client_frame(b"late"))
    reader.hold_data(client_frame(b"later"))
    assert not reader.more
    assert reader.receive_data(client_frame(b"last")) == ()


@pytest.mark.parametrize(
    ("payload", "event"),
    [
        (b"", Close(None, "")),
        (b"\x03\xe8", Close(1000, "")),
        (b"\x03\xe9gone\xc3\xa9", Close(1001, "gone\u00e9")),
        (b"\x0b\xb8", Close(3000, "")),
        (b"\x13\x87", Close(4999, "")),
    ],
)
def test_goodbyes(payload: bytes, event: Close) -> None:
    assert read(client_frame(payload, 8)) == [event]


# ---------------------------------------------------------------------------------------------------------- violations


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 5000, 65_535])
def test_close_codes_that_nobody_may_send(code: int) -> None:
    (event,) = read(client_frame(code.to_bytes(2, "big"), 8))
    assert only(event) == (1002, f"invalid close code {code}")


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (client_frame(b"x", rsv=4), "RSV = 4 and no extension negotiated"),
        (client_frame(b"x", rsv=1, mask=None), "RSV = 1 and no extension negotiated"),
        (client_frame(b"x", mask=None), "unmasked client-to-server frame"),
        (client_frame(b"x", 9, fin=False), "fragmented control frame"),
        (client_frame(b"x" * 126, 9), "control frame with payload length > 125 octets"),
        (client_frame(b"x", 11), "control frame using reserved opcode 11"),
        (client_frame(b"x", 8), "received close control frame with payload len 1"),
        (client_frame(b"x", 3), "data frame using reserved opcode 3"),
        (client_frame(b"x", 0), "received continuation data frame outside fragmented message"),
        (
            client_frame(b"x", fin=False) + client_frame(b"x"),
            "received non-continuation data frame while inside fragmented message",
        ),
        (
            b"\x81\xfe\x00\x05\x00\x00\x00\x00hello",
            "invalid data frame length (not using minimal length encoding)",
        ),
        (
            b"\x82\xff" + (65_535).to_bytes(8, "big") + bytes(4),
            "invalid data frame length (not using minimal length encoding)",
        ),
        (b"\x82\xff\x80" + bytes(11), "invalid data frame length (>2^63)"),
    ],
)
def test_what_breaks_the_protocol_is_found_at_its_first_byte(stream: bytes, reason: str) -> None:
    (event,) = read(client_frame(b"good") + stream)[1:]
    assert only(event) == (1002, reason)


@pytest.mark.parametrize("bad", [b"4\xff", b"4\xc3", b"\xed\xa0\x80", b"4\xf4\x90\x80\x80", b"4\xc0\x80"])
def test_text_is_utf8(bad: bytes) -> None:
    late = client_frame(b"late")
    for stream in (client_frame(bad), client_frame(bad, fin=False) + client_frame(b"", 0)):
        good, event = read(client_frame(b"good") + stream + late)
        assert good == b"good"
        assert only(event)[0] == 1007
    assert read(client_frame(bad, 2)) == [Binary(bad)]


def test_wrong_text_is_found_before_the_frame_is_whole() -> None:
    assert only(*read(client_frame(b"4\xff" + b"x" * 500)[:20]))[0] == 1007


def test_a_character_may_be_cut_between_two_fragments() -> None:
    assert read(client_frame(b"\xe4", fin=False) + client_frame(b"\xb8\x96", 0)) == ["\u4e16".encode()]


def test_a_reason_is_utf8() -> None:
    assert only(*read(client_frame(b"\x03\xe8\xff", 8))) == (1007, "invalid close reason (non-UTF8 payload)")


@pytest.mark.parametrize("opcode", [1, 2])
def test_a_message_has_a_limit_known_by_its_header(opcode: int) -> None:
    reason = "received WebSocket message size 2001 exceeds payload limit of 2000 octets"
    assert only(*read(client_frame(b"x" * 2_001, opcode)[:8])) == (1009, reason)
    halves = client_frame(b"x" * 1_000, opcode, fin=False), client_frame(b"x" * 1_001, 0)
    assert only(*read(*halves)) == (1009, reason)
    assert len(read(client_frame(b"x" * 2_000, opcode))) == 1


def test_a_message_has_so_many_empty_fragments() -> None:
    """Contract 16.2.5: those with something in them are bounded by the size of the message."""
    more = client_frame(b"", 0, fin=False)
    assert read(client_frame(b"", fin=False) + 3 * more + client_frame(b"", 0)) == [b""]
    assert only(*read(client_frame(b"", fin=False) + 5 * more)) == (1008, "too many empty fragments")
    assert read(client_frame(b"x", fin=False) + 1_000 * client_frame(b"x", 0, fin=False) + client_frame(b"", 0)) == [
        b"x" * 1_001
    ]


def test_small_frames_are_read_in_portions() -> None:
    reader = FrameReader(RULES)
    assert reader.receive_data(client_frame(b"x", fin=False) + 600 * client_frame(b"x", 0, fin=False)) == ()
    assert reader.more
    assert reader.begun_bytes > 0
    calls = 0
    while reader.more:
        calls += 1
        assert reader.receive_data(b"") == ()
    assert calls == 2
    assert reader.begun_bytes == 601


# ------------------------------------------------------------------------------------------------------------- writing


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 1_023, 1_024, 65_535, 65_536, 100_000])
def test_frames_have_the_minimal_header(size: int) -> None:
    payload = b"a" * size
    assert list(server_frames(text_frame(payload))) == [(1, payload)]
    assert list(server_frames(binary_frame(payload))) == [(2, payload)]
    header = len(text_frame(payload)) - size
    assert header == (2 if size < 126 else 4 if size < 65_536 else 10)
    assert text_header(size) + payload == text_frame(payload)


def test_control_frames() -> None:
    assert pong_frame(b"hi") == b"\x8a\x02hi"
    assert close_frame(1000) == b"\x88\x02\x03\xe8"
    assert close_frame(1008, "too many") == b"\x88\x0a\x03\xf0too many"


def test_a_long_reason_is_cut_between_two_characters() -> None:
    ((opcode, payload),) = server_frames(close_frame(1008, "\u00e9" * 100))
    assert (opcode, payload[2:].decode()) == (8, "\u00e9" * 61)
