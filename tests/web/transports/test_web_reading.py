"""How a WebSocket is read: pauses, and no more than one's share of a turn."""

from __future__ import annotations

import pytest
from web_doubles import OpenSocket, Recorder, open_socket

from framekit import client_frame


def pausing(at: bytes) -> tuple[OpenSocket, Recorder]:
    recorder = Recorder()
    ours = open_socket(receiver=recorder)

    def react(packet: bytes) -> None:
        if packet == at:
            ours.sink.pause_reading()

    recorder.react = react
    return ours, recorder


@pytest.mark.parametrize("tail", [b"", b"\x81", client_frame(b"4longer" * 20)[:40]])
def test_nothing_is_delivered_after_a_pause_until_resume(tail: bytes) -> None:
    ours, recorder = pausing(b"2")
    ours.feed(
        client_frame(b"1"), client_frame(b"2"), client_frame(b"3"), client_frame(b"b", 2), client_frame(b"4"), tail
    )
    assert recorder.events == [("text", b"1"), ("text", b"2")]
    assert ours.transport.producerState == "paused"
    ours.feed(b"")  # what a TLS layer may still hold
    assert len(recorder.events) == 2

    ours.sink.resume_reading()
    assert len(recorder.events) == 2, "not from within the caller"
    ours.clock.advance(0)
    assert [event[1] for event in recorder.events] == [b"1", b"2", b"3", b"b", b"4"]
    assert ours.transport.producerState == "producing"


@pytest.mark.parametrize("kind", [1, 2])
def test_a_pause_far_into_one_read(kind: int) -> None:
    """A reader gives a few messages at a time; the pause comes in the second such handful, and again in the third."""
    recorder = Recorder()
    ours = open_socket(receiver=recorder)

    def react(packet: bytes) -> None:
        if packet in (b"11", b"17"):
            ours.sink.pause_reading()

    recorder.react = react
    ours.feed(*(client_frame(b"%d" % number, kind) for number in range(30)))
    for last in (11, 17, 29):
        assert [event[1] for event in recorder.events] == [b"%d" % number for number in range(last + 1)]
        ours.sink.resume_reading()
        ours.clock.advance(0)
    assert ours.transport.producerState == "producing"


def test_pause_among_messages_of_other_kinds() -> None:
    ours, recorder = pausing(b"b1")
    ours.feed(client_frame(b"b1", 2), client_frame(b"b2", 2), client_frame(b"t1"))
    assert recorder.events == [("binary", b"b1")]
    ours.feed(client_frame(b"t2"))
    assert len(recorder.events) == 1
    ours.sink.resume_reading()
    ours.clock.advance(0)
    assert [event[1] for event in recorder.events] == [b"b1", b"b2", b"t1", b"t2"]


def test_pause_and_resume_within_one_packet_keeps_the_order() -> None:
    recorder = Recorder()
    ours = open_socket(receiver=recorder)

    def react(packet: bytes) -> None:
        ours.sink.pause_reading()
        ours.sink.resume_reading()

    recorder.react = react
    ours.feed(client_frame(b"1"), client_frame(b"2", 2), client_frame(b"3"), client_frame(b"4")[:3])
    ours.feed(client_frame(b"4")[3:])
    ours.clock.advance(0)
    assert [event[1] for event in recorder.events] == [b"1", b"2", b"3", b"4"]


def slow(seconds: float) -> tuple[OpenSocket, Recorder]:
    """A socket whose receiver takes its time over each packet."""
    recorder = Recorder()
    ours = open_socket(receiver=recorder)
    recorder.react = lambda packet: setattr(ours.clock, "rightNow", ours.clock.rightNow + seconds)
    return ours, recorder


@pytest.mark.parametrize("kind", [1, 2])
def test_a_flood_in_one_read_takes_its_share_of_the_turn_and_waits(kind: int) -> None:
    """64 KiB hold a thousand small events; whoever else is connected would wait for all of them."""
    ours, recorder = slow(0.001)
    ours.feed(*(client_frame(b"4%d" % number, kind) for number in range(100)), client_frame(b"x" * 40)[:20])
    assert len(recorder.events) <= 16
    assert ours.transport.producerState == "paused", "no more is read than is handled"
    seen: list[int] = []  # by somebody whose turn it is, too
    ours.clock.callLater(0, lambda: seen.append(len(recorder.events)))
    ours.clock.advance(0)
    assert seen[0] <= 32
    assert ours.transport.producerState == "producing"
    assert [event[1] for event in recorder.events] == [b"4%d" % number for number in range(100)]
    ours.feed(client_frame(b"x" * 40)[20:])
    assert recorder.events[-1][1] == b"x" * 40


def test_who_rests_may_be_paused_and_stays_so() -> None:
    ours, recorder = slow(0.01)
    ours.feed(*(client_frame(b"4%d" % number) for number in range(40)))
    handled = len(recorder.events)
    assert handled < 40
    ours.sink.pause_reading()
    ours.clock.advance(0)
    ours.clock.advance(1)
    assert (len(recorder.events), ours.transport.producerState) == (handled, "paused")
    ours.sink.resume_reading()
    while ours.clock.getDelayedCalls():
        ours.clock.advance(0)
    assert (len(recorder.events), ours.transport.producerState) == (40, "producing")


def test_who_rests_may_be_closed() -> None:
    ours, recorder = slow(0.01)
    ours.feed(*(client_frame(b"4%d" % number) for number in range(40)))
    handled = len(recorder.events)
    ours.sink.abort("enough")
    ours.clock.advance(0)
    assert len(recorder.events) == handled


def test_pause_and_resume_are_idempotent() -> None:
    ours = open_socket()
    ours.sink.resume_reading()
    ours.sink.pause_reading()
    ours.sink.pause_reading()
    ours.sink.resume_reading()
    ours.feed(client_frame(b"1"))
    assert ours.receiver.texts == [b"1"]


def test_nothing_is_delivered_after_the_receiver_closed_it() -> None:
    recorder = Recorder()
    ours = open_socket(receiver=recorder)
    recorder.react = lambda packet: ours.sink.abort("protocol error")
    ours.feed(client_frame(b"1"), client_frame(b"2"), client_frame(b"3", 2))
    assert recorder.events == [("text", b"1")]
    assert ours.transport.half_closed
