"""One output as it grows (contract 5.6, 5.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface import implementer
from zope.interface.verify import verifyObject

from newage.services.streams.output_text import GrowingText, IOutputReader, OutputText, TextKind

WHOLE = st.text(st.characters(exclude_categories=["Cs"]))


@implementer(IOutputReader)
class Diary:
    """Writes down what it is told."""

    def __init__(self, leaves: OutputText | None = None) -> None:
        self.told: list[tuple[object, ...]] = []
        self._leaves = leaves

    def grew(self, part: GrowingText, text: str) -> None:
        assert part.text().endswith(text)
        self.told.append((part.kind, text))
        if self._leaves is not None:
            self._leaves.remove(self)

    def was_cut(self, part: GrowingText) -> None:
        self.told.append(("cut", part.kind, part.text()))

    def ended(self, failure: str | None) -> None:
        self.told.append(("ended", failure))


def test_readers_are_told_of_each_chunk_and_of_the_end() -> None:
    output, first, second = OutputText(), Diary(), Diary()
    assert verifyObject(IOutputReader, first)
    output.add(first)
    output.push("a")
    output.add(second)
    output.push("hm", TextKind.REASONING)
    output.end("no")
    assert first.told == [(TextKind.TEXT, "a"), (TextKind.REASONING, "hm"), ("ended", "no")]
    assert second.told == [(TextKind.REASONING, "hm"), ("ended", "no")]
    assert (output.text.text(), output.text.chunks, output.reasoning.text()) == ("a", 1, "hm")


def test_who_is_not_hungry_is_told_the_end_only() -> None:
    output, watcher = OutputText(), Diary()
    output.add(watcher, hungry=False)
    output.push("a")
    output.end()
    assert watcher.told == [("ended", None)]


def test_who_leaves_is_told_nothing_more_even_while_others_are_told_the_end() -> None:
    output, leaving = OutputText(), Diary()

    @implementer(IOutputReader)
    class Sender(Diary):
        def ended(self, failure: str | None) -> None:
            output.remove(leaving)

    output.add(Sender())
    output.add(leaving)
    once = Diary(output)
    output.add(once)
    output.push("a")
    output.push("b")
    output.end()
    assert leaving.told == [(TextKind.TEXT, "a"), (TextKind.TEXT, "b")]
    assert once.told == [(TextKind.TEXT, "a")]


def test_who_comes_after_the_end_is_told_that_and_has_the_text() -> None:
    output, late = OutputText(), Diary()
    output.push("a")
    output.end("no")
    output.add(late)
    assert late.told == [("ended", "no")]
    assert output.text.read(0, 10) == b"a"


def test_an_output_that_goes_on_keeps_its_text_and_has_new_readers() -> None:
    output, before, after = OutputText(), Diary(), Diary()
    output.add(before)
    output.push("one")
    output.end("no")
    output.go_on()
    output.add(after)
    output.push(" two")
    assert (before.told[-1], after.told) == (("ended", "no"), [(TextKind.TEXT, " two")])
    assert (output.text.text(), output.ended, output.failure) == ("one two", False, None)


def test_what_is_reset_is_void_for_everybody() -> None:
    output, watcher = OutputText(), Diary()
    output.push("a\U0001f600bc")
    assert output.text.units == 5
    output.add(watcher, hungry=False)
    assert output.reset(3) == ""
    assert (output.text.text(), output.text.units, output.rev) == ("a\U0001f600", 3, 1)
    assert output.reset(4) is None
    output.push("!", TextKind.REASONING)
    assert output.reset(0, TextKind.REASONING) == ""
    assert output.rev == 2
    assert watcher.told == [("cut", TextKind.TEXT, "a\U0001f600"), ("cut", TextKind.REASONING, "")]
    output.push("d")
    assert (output.text.text(), output.text.units, output.text.chunks) == ("a\U0001f600d", 4, 2)
    assert output.reset(2) == "\ud83d"
    assert output.text.text() == "a"


@given(st.lists(WHOLE.filter(bool), max_size=6), st.integers(1, 9))
def test_any_text_is_read_in_whole_characters(chunks: list[str], limit: int) -> None:
    output, position, found = OutputText(), 0, b""
    for chunk in chunks:
        output.push(chunk)
    while position < len(output.text.buffer):
        piece = output.text.read(position, limit + 3)
        assert 0 < len(piece) <= limit + 3
        piece.decode()
        position += len(piece)
        found += piece
    assert found.decode() == "".join(chunks)


@given(WHOLE, WHOLE)
def test_positions_are_counted_as_javascript_does(before: str, after: str) -> None:
    output = OutputText()
    assert output.text.units == 0
    for chunk in filter(None, (before, after)):
        output.push(chunk)
        assert output.text.units == len(output.text.text().encode("utf-16-le")) // 2
    at = len(before.encode("utf-16-le")) // 2
    assert output.text.byte_at(at) == len(before.encode())
    assert output.text.byte_at(at + 10_000) == len(output.text.buffer)


@pytest.mark.parametrize(("units", "byte"), [(0, 0), (1, 2), (2, 2), (3, 6), (4, 7), (9, 7)])
def test_the_middle_of_a_character_counts_as_its_start(units: int, byte: int) -> None:
    output = OutputText()
    output.push("ä\U0001f600x")
    assert output.text.byte_at(units) == byte


def test_who_is_taken_out_by_another_reader_is_told_nothing_of_what_that_was_told() -> None:
    output, taken_out = OutputText(), Diary()

    @implementer(IOutputReader)
    class Bouncer(Diary):
        def grew(self, part: GrowingText, text: str) -> None:
            output.remove(taken_out)

        def was_cut(self, part: GrowingText) -> None:
            output.remove(taken_out)

    output.add(Bouncer())
    output.add(taken_out)
    output.push("a")
    assert taken_out.told == []
    output.add(taken_out)
    assert output.reset(0) == ""
    assert taken_out.told == []
