"""Flow control of one ``$stream`` (contract 5.7.1-5.7.4; scenarios 48 and 51)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hubkit import Kit
from newage.domain.shown import ShownOutput
from newage.errors import Unavailable
from newage.services.streams.library_reader import CANONICAL, MAX_WRITE
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import OutputText

ABOUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="web1", client_id="X", identity="X")


def begun(kit: Kit, output_id: str = "o1") -> OutputText:
    """An output that web1's sockets are shown."""
    output = OutputText()
    kit.downstream.show(output, evolve(ABOUT, output_id=output_id, room_id=kit.room_id("web1")))
    return output


class Wire:
    """One declared library socket with one open stream, moved by hand."""

    def __init__(self, kit: Kit, transport: str = "websocket") -> None:
        self.kit = kit
        self.sid = kit.connect("web1", stream_mode="ss", transport=transport)
        self.feed = begun(kit)
        self.stream_id: str = kit.outbox.got(self.sid, "$stream")[0].args[1]["$stream"]

    def read(self) -> None:
        self.kit.downstream.read(self.sid, self.stream_id)

    def ack(self, *answer: Any) -> None:
        self.kit.outbox.acknowledge(*answer, sid=self.sid)

    @property
    def writes(self) -> list[Any]:
        return [sent.args[1] for sent in self.kit.outbox.got(self.sid, "$stream-write")]

    @property
    def tail(self) -> list[tuple[Any, ...]]:
        """What closed it."""
        return [(sent.event, *sent.args[1:]) for sent in self.kit.outbox.got(self.sid, "$stream-end", "$stream-error")]


@pytest.fixture
def wire(kit: Kit) -> Wire:
    return Wire(kit)


def test_nothing_is_written_before_a_read(wire: Wire) -> None:
    wire.feed.push("a")
    assert wire.writes == []
    wire.read()
    assert wire.writes == [b"a"]


def test_one_read_is_one_write_and_what_waits_is_joined(wire: Wire) -> None:
    wire.read()
    for text in "abc":
        wire.feed.push(text)
    assert wire.writes == [b"a"]
    wire.ack()
    assert wire.writes == [b"a"]  # the ack alone permits nothing
    wire.read()
    assert wire.writes == [b"a", b"bc"]


def test_reads_do_not_add_up(wire: Wire) -> None:
    for _ in range(3):
        wire.read()
    wire.feed.push("a")
    wire.feed.push("b")
    assert wire.writes == [b"a"]


def test_every_write_wants_an_ack_and_is_bytes(kit: Kit, wire: Wire) -> None:
    wire.read()
    wire.feed.push("ä")
    call = kit.outbox.calls[0]
    assert (call.event, call.args) == ("$stream-write", (wire.stream_id, "ä".encode(), "buffer"))


def test_polling_gets_text(kit: Kit) -> None:
    wire = Wire(kit, "polling")
    wire.read()
    wire.feed.push("ä\U0001f600")
    assert kit.outbox.calls[0].args == (wire.stream_id, "ä\U0001f600", "utf8")


def test_an_end_without_text_is_an_end_without_writes(wire: Wire) -> None:
    wire.read()
    wire.feed.end()
    assert (wire.writes, wire.tail) == ([], [("$stream-end",)])


def test_the_end_comes_after_the_last_write(wire: Wire) -> None:
    wire.read()
    wire.feed.push("a")
    wire.feed.push("b")
    wire.feed.end()
    assert wire.tail == []
    wire.ack()
    wire.read()
    assert [s.event for s in wire.kit.outbox.got(wire.sid)][-2:] == ["$stream-write", "$stream-end"]


def test_a_read_after_the_end_is_the_echo_of_nothing(wire: Wire) -> None:
    wire.read()
    wire.feed.end()
    wire.read()
    wire.kit.downstream.stopped(wire.sid, wire.stream_id)
    assert wire.tail == [("$stream-end",)]


@pytest.mark.parametrize("size", [MAX_WRITE - 1, MAX_WRITE, MAX_WRITE + 1, 3 * MAX_WRITE])
@pytest.mark.parametrize("char", ["a", "ä", "€", "\U0001f600"])
def test_long_texts_go_in_chunks_that_cut_no_character(wire: Wire, size: int, char: str) -> None:
    text = "x" + char * (size // len(char.encode()))
    wire.feed.push(text)
    wire.feed.end()
    while not wire.tail:
        wire.read()
        wire.ack()
    assert b"".join(wire.writes).decode() == text
    for chunk in wire.writes:
        assert 0 < len(chunk) <= MAX_WRITE
        chunk.decode()
    assert len(wire.writes) == -(-len(text.encode()) // MAX_WRITE) or len(char.encode()) > 1


@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30), max_size=8),
    st.integers(1, 500),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_any_text_is_cut_between_characters(texts: list[str], times: int) -> None:
    kit = Kit()
    wire = Wire(kit)
    whole = ""
    for text in texts:
        wire.feed.push(text * times)
        whole += text * times
    wire.feed.end()
    while not wire.tail:
        wire.read()
        if kit.outbox.calls:
            wire.ack()
    assert "".join(chunk.decode() for chunk in wire.writes) == whole
    assert all(0 < len(chunk) <= MAX_WRITE for chunk in wire.writes)
    kit.close()


def test_a_reader_that_does_not_know_the_stream_gets_no_more(kit: Kit, wire: Wire) -> None:
    wire.read()
    wire.feed.push("a")
    wire.ack(f"invalid stream id: {wire.stream_id}")
    wire.read()
    wire.feed.push("b")
    wire.feed.end()
    assert (wire.writes, wire.tail) == ([b"a"], [])
    assert kit.downstream.open_forms == 0


def test_a_reader_that_stops_gets_no_more(kit: Kit, wire: Wire) -> None:
    wire.read()
    wire.feed.push("a")
    kit.downstream.stopped(wire.sid, wire.stream_id)
    wire.feed.push("b")
    wire.read()
    wire.feed.end()
    assert (wire.writes, wire.tail) == ([b"a"], [])
    assert kit.downstream.open_forms == 0


def test_a_late_ack_does_not_stop_the_stream(kit: Kit, wire: Wire) -> None:
    wire.read()
    wire.feed.push("a")
    kit.clock.advance(30)
    wire.feed.push("b")
    wire.read()
    assert wire.writes == [b"a", b"b"]


def test_the_patience_with_acks_is_a_setting(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_ack_seconds=5))
    wire = Wire(kit)
    wire.read()
    wire.feed.push("a")
    kit.clock.advance(5)
    assert kit.outbox.calls == []


def test_a_write_that_could_not_be_sent_breaks_the_stream_openly(kit: Kit, wire: Wire) -> None:
    wire.read()
    kit.outbox.refuse_calls = Unavailable("Too many answers of this client are awaited.")
    wire.feed.push("a")
    wire.feed.push("b")
    assert wire.tail == [("$stream-error", "The stream could not be written.")]
    wire.feed.end()
    assert kit.downstream.open_forms == 0


def test_a_socket_that_goes_with_a_write_on_its_way(kit: Kit, wire: Wire) -> None:
    wire.read()
    wire.feed.push("a")
    kit.disconnect(wire.sid)
    wire.feed.push("b")
    wire.feed.end()
    assert kit.downstream.open_forms == 0


def test_a_slow_reader_is_cut_off_at_the_limit_and_hurts_nobody(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_buffer_bytes=1000))
    slow = Wire(kit)
    fast = kit.connect("web1", stream_mode="plain")
    slow.read()
    slow.feed.push("x" * 100)  # written; it never reads again
    for _ in range(10):
        slow.feed.push("y" * 100)
    assert slow.tail == []
    slow.feed.push("z")
    assert slow.tail == [("$stream-error", "Stream buffer overflow.")]
    slow.feed.push("more")
    slow.feed.end()
    assert "".join(body["data"] for body in kit.outbox.bodies(fast, CANONICAL)) == "x" * 100 + "y" * 1000 + "zmore"
    assert kit.downstream.open_forms == 0


def test_the_limit_is_of_all_streams_of_a_socket(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_buffer_bytes=1000))
    wire = Wire(kit)
    other = begun(kit, "o2")
    second: str = kit.outbox.got(wire.sid, "$stream")[1].args[1]["$stream"]
    for feed, stream_id in ((wire.feed, wire.stream_id), (other, second)):
        kit.downstream.read(wire.sid, stream_id)
        feed.push("x")
        feed.push("y" * 600)
    assert wire.tail == [("$stream-error", "Stream buffer overflow.")]
    assert kit.outbox.got(wire.sid, "$stream-error")[0].args[0] == second


def test_what_is_read_too_late_counts_when_the_next_output_begins(make_kit: Callable[..., Kit]) -> None:
    """Each text is whole before its first read comes; then the reader hangs."""
    kit = make_kit(downstream=DownstreamSettings(stream_buffer_bytes=50_000))
    wire = Wire(kit)
    for number in range(4):
        feed = wire.feed if number == 0 else begun(kit, f"o{number}")
        stream_id: str = kit.outbox.got(wire.sid, "$stream")[number].args[1]["$stream"]
        feed.push("x" * (MAX_WRITE + 20_000))
        feed.end()
        kit.downstream.read(wire.sid, stream_id)
    opened = [sent.args[1]["$stream"] for sent in kit.outbox.got(wire.sid, "$stream")]
    cut = [sent.args for sent in kit.outbox.got(wire.sid, "$stream-error")]
    assert cut == [(opened[0], "Stream buffer overflow.")]


def test_what_a_declared_reader_never_reads_counts_too(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_buffer_bytes=50_000))
    wire = Wire(kit)
    plain = kit.connect("web1", stream_mode="plain")
    for number in range(6):
        feed = wire.feed if number == 0 else begun(kit, f"o{number}")
        feed.push("x" * 20_000)
        feed.end()
    opened = [sent.args[1]["$stream"] for sent in kit.outbox.got(wire.sid, "$stream")]
    assert [sent.args[0] for sent in kit.outbox.got(wire.sid, "$stream-error")] == opened[:3]
    assert len(kit.outbox.bodies(plain, CANONICAL)) == 6


def test_a_stream_that_only_probes_counts_for_nobody(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_buffer_bytes=1000))
    sid = kit.connect("web1")
    for number in range(3):
        begun(kit, f"o{number}").push("x" * 2000)
    kit.clock.advance(0.4)
    assert kit.outbox.got(sid, "$stream-error") == []
    assert [len(body["data"]) for body in kit.outbox.bodies(sid, CANONICAL)] == [2000] * 3


def test_a_reader_that_keeps_up_may_get_any_amount(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(stream_buffer_bytes=1000))
    wire = Wire(kit)
    wire.read()
    for _ in range(50):
        wire.feed.push("x" * 900)
        wire.ack()
        wire.read()
    assert wire.tail == []
    assert sum(map(len, wire.writes)) == 50 * 900


def test_a_failure_does_not_wait_for_what_is_unread(wire: Wire) -> None:
    wire.read()
    wire.feed.push("a")
    wire.feed.push("b")
    wire.feed.end("The extension failed.")
    assert wire.tail == [("$stream-error", "The extension failed.")]
