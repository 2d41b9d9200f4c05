"""An output as server-sent events."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.interfaces import IConsumer, IPushProducer
from zope.interface import implementer
from zope.interface.verify import verifyObject

from newage.services.streams.cursor import Position
from newage.services.streams.event_stream import MAX_EVENT, EventStream
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind


@implementer(IConsumer)
class Reader:
    """Reads at its own pace, as an EventSource does; ``text`` is what it shows.

    :param takes: so many events at once before the producer must pause; None: any number.
    :param before: what it was until its connection broke.
    """

    def __init__(self, output: OutputText, takes: int | None = None, before: Reader | None = None) -> None:
        self.events: list[tuple[str, str, Any]] = []
        self.text = {"text": "", "reasoning": ""}
        position = before.position if before is not None else None
        if before is not None and position is not None and position.rev == output.rev:
            self.text = before.text
        self.done = 0
        self.takes = takes
        self.stream = EventStream(output, position or Position(), self, self._over)
        self.stream.start()

    @property
    def position(self) -> Position | None:
        return Position.read(self.events[-1][0]) if self.events else None

    def _over(self) -> None:
        self.done += 1

    def registerProducer(self, producer: object, streaming: bool) -> None:
        raise AssertionError("the stream is started by who registered it")

    def unregisterProducer(self) -> None:
        raise AssertionError("the stream is started by who registered it")

    def write(self, data: bytes) -> None:
        for frame in data.decode().removesuffix("\n\n").split("\n\n"):
            fields = dict(line.split(": ", 1) for line in frame.split("\n"))
            name, body = fields["event"], json.loads(fields["data"])
            self.events.append((fields["id"], name, body))
            if name in self.text:
                units = self.text[name].encode("utf-16-le")
                assert len(units) // 2 == body["at"], "a hole, or twice"
                self.text[name] += body["data"]
            elif name == "cut":
                units = self.text[body["kind"]].encode("utf-16-le")
                self.text[body["kind"]] = units[: 2 * body["at"]].decode("utf-16-le")
        if self.takes is not None:
            self.takes -= 1
            if self.takes == 0:
                self.stream.pauseProducing()

    def take(self, more: int) -> None:
        self.takes = more
        self.stream.resumeProducing()


def test_it_is_what_an_output_and_what_a_transport_needs() -> None:
    reader = Reader(OutputText())
    assert verifyObject(IOutputReader, reader.stream)
    assert verifyObject(IPushProducer, reader.stream)


def test_each_event_says_where_its_reader_is() -> None:
    output = OutputText()
    output.push("one \U0001f600")
    reader = Reader(output)
    output.push("hm", TextKind.REASONING)
    output.push(" two\n")
    output.end()
    assert reader.events == [
        ("0.6.0", "text", {"at": 0, "data": "one \U0001f600"}),
        ("0.6.2", "reasoning", {"at": 0, "data": "hm"}),
        ("0.11.2", "text", {"at": 6, "data": " two\n"}),
        ("0.11.2", "end", {"failed": False}),
    ]
    assert reader.done == 1


def test_a_reader_that_comes_back_gets_the_rest() -> None:
    output = OutputText()
    output.push("one")
    first = Reader(output)
    output.push(" two")
    first.stream.stopProducing()
    output.push(" three")
    assert first.text["text"] == "one two"
    output.end("CUDA out of memory")
    again = Reader(output, before=first)
    assert [(name, body) for _, name, body in again.events] == [
        ("text", {"at": 7, "data": " three"}),
        ("end", {"failed": True, "error": "CUDA out of memory"}),
    ]


def test_a_slow_reader_is_waited_for_and_its_text_stays_in_the_output() -> None:
    output = OutputText()
    reader = Reader(output, takes=1)
    for _ in range(3):
        output.push("x" * MAX_EVENT)
    output.end()
    assert (len(reader.events), reader.done) == (1, 0)
    reader.take(1)
    assert len(reader.events) == 2
    reader.take(9)
    assert (reader.text["text"], reader.done) == ("x" * 3 * MAX_EVENT, 1)
    reader.stream.resumeProducing()
    assert reader.done == 1


def test_a_reader_that_wants_more_while_it_takes_something_gets_it_in_order() -> None:
    class Eager(Reader):
        def write(self, data: bytes) -> None:
            super().write(data)
            self.stream.pauseProducing()
            self.stream.resumeProducing()

    output = OutputText()
    output.push("x" * MAX_EVENT + "y")
    reader = Eager(output)
    output.end()
    assert [name for _, name, _ in reader.events] == ["text", "text", "end"]
    assert (reader.text["text"], reader.done) == (output.text.text(), 1)


def test_what_became_void_is_cut_at_once() -> None:
    output = OutputText()
    output.push("one two")
    reader = Reader(output)
    output.reset(3)
    output.push("!")
    assert [name for _, name, _ in reader.events] == ["text", "cut", "text"]
    assert reader.events[1][2] == {"kind": "text", "at": 3, "rev": 1}
    assert reader.text["text"] == "one!"
    output.reset(4)
    assert len(reader.events) == 3


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.sampled_from(TextKind), st.text("aä\u20ac\U0001f600", min_size=1)),
            st.tuples(st.just("reset"), st.sampled_from(TextKind), st.integers(0, 12)),
            st.tuples(st.just("take"), st.just(None), st.integers(1, 3)),
            st.tuples(st.just("back"), st.just(None), st.integers(1, 3)),
        ),
        max_size=25,
    )
)
def test_any_reader_has_the_text_in_the_end(steps: list[tuple[str, Any, Any]]) -> None:
    """It reads, stops, and comes back with what it has."""
    output = OutputText()
    reader = Reader(output, takes=2)
    for what, kind, value in steps:
        if what == "push":
            output.push(value, kind)
        elif what == "reset":
            output.reset(value, kind)
        elif what == "take":
            reader.take(value)
        else:
            reader.stream.stopProducing()
            reader = Reader(output, value, before=reader)
    output.end()
    reader.take(1000)
    assert reader.text == {"text": output.text.text(), "reasoning": output.reasoning.text()}
    assert reader.done == 1
