"""Server-sent events: the standard's examples, every cut, limits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.errors import ProtocolError
from newage.protocol.sse import EventStream, ServerSent


def read(*pieces: bytes, limit: int = 1_048_576) -> list[ServerSent]:
    stream = EventStream(limit)
    found = [event for piece in pieces for event in stream.feed(piece)]
    return found + stream.end()


def data(*pieces: bytes) -> list[str]:
    return [event.data for event in read(*pieces)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"data: one\n\ndata: two\n\n", ["one", "two"]),
        (b"data:one\r\n\r\ndata:two\r\rdata:  three\n\n", ["one", "two", " three"]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": test stream\n\ndata: first\nid: 1\nretry: 5\n\n:\n\ndata\n\ndata\ndata\n\n", ["first", "", "\n"]),
        (b"\xef\xbb\xbfdata: after a mark\n\n", ["after a mark"]),
        (b"data: \xef\xbb\xbfinside\n\n", ["\ufeffinside"]),
        (b"data: \xff\n\n", ["\ufffd"]),
        (b"data: a: b\nother: c\nnothing\n\n", ["a: b"]),
        (b"data: never ended", ["never ended"]),
        (b"data: never ended\n", ["never ended"]),
        (b"\n\n\r\n", []),
        (b"", []),
        (b"\xef\xbb", []),
    ],
)
def test_bodies(body: bytes, expected: list[str]) -> None:
    assert data(body) == expected
    assert data(*(bytes([each]) for each in body)) == expected, "byte by byte"


def test_names() -> None:
    assert read(b"event: error\ndata: x\n\ndata: y\n\nevent: lost\n\ndata: z\n\n") == [
        ServerSent("error", "x"),
        ServerSent("", "y"),
        ServerSent("", "z"),
    ]


def test_an_event_is_there_with_its_last_line_end() -> None:
    stream = EventStream()
    assert stream.feed(b"data: x\r\r") == [ServerSent("", "x")]
    assert stream.feed(b"\ndata: y\r\n\r") == [ServerSent("", "y")]
    assert stream.feed(b"") == []
    assert stream.feed(b"\ndata: z\n\n") == [ServerSent("", "z")]


def test_a_line_has_a_limit() -> None:
    assert read(b"data: 1234\n\n", limit=10) == [ServerSent("", "1234")]
    stream = EventStream(10)
    assert stream.feed(b"data: ") == []
    with pytest.raises(ProtocolError, match="line of more than 10"):
        stream.feed(b"12345")
    with pytest.raises(ProtocolError):
        EventStream(10).feed(b":23456789012\n")


def test_an_event_has_a_limit() -> None:
    stream = EventStream(10)
    assert stream.feed(b"data:1234\ndata:123\n") == []
    with pytest.raises(ProtocolError, match="event of more than 10"):
        stream.feed(b"data:1\n")


LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.lists(LINE, min_size=1, max_size=3), max_size=4), st.data())
def test_what_was_sent_is_read_wherever_it_is_cut(events: list[list[str]], draw: st.DataObject) -> None:
    body = b""
    for lines in events:
        for line in lines:
            body += b"data: " + line.encode() + draw.draw(st.sampled_from([b"\n", b"\r", b"\r\n"]))
        body += draw.draw(st.sampled_from([b"\r", b"\r\n", b": so\n\n"]))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert data(*pieces) == data(body) == ["\n".join(lines) for lines in events]


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_bytes_are_read_the_same_in_one_piece(pieces: list[bytes]) -> None:
    assert read(*pieces) == read(b"".join(pieces))
