"""A place in an output (contract 5.7.7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.services.streams.cursor import Cursor, Piece, Position
from newage.services.streams.output_text import OutputText, TextKind

TEXT, REASONING = TextKind.TEXT, TextKind.REASONING


def output(text: str = "", reasoning: str = "") -> OutputText:
    made = OutputText()
    if reasoning:
        made.push(reasoning, REASONING)
    if text:
        made.push(text)
    return made


def taken(cursor: Cursor, limit: int = 100) -> list[Piece]:
    found = []
    while (piece := cursor.take(limit)) is not None:
        found.append(piece)
    return found


def test_reasoning_comes_before_text_and_nothing_twice() -> None:
    it = output("a\U0001f600b", "hm")
    cursor = Cursor(it, Position())
    assert cursor.left == 8
    assert taken(cursor, 5) == [Piece(REASONING, 0, "hm"), Piece(TEXT, 0, "a\U0001f600"), Piece(TEXT, 3, "b")]
    assert (cursor.left, cursor.position) == (0, Position(0, 4, 2))
    it.push("c")
    assert taken(cursor) == [Piece(TEXT, 4, "c")]


def test_it_goes_on_where_the_reader_stopped() -> None:
    cursor = Cursor(output("a\U0001f600b", "hm"), Position(0, 3, 2))
    assert taken(cursor) == [Piece(TEXT, 3, "b")]


@pytest.mark.parametrize("position", [Position(1, 1, 0), Position(0, 9, 0), Position(0, 0, 0)])
def test_who_has_something_else_starts_anew(position: Position) -> None:
    assert taken(Cursor(output("ab"), position)) == [Piece(TEXT, 0, "ab")]


def test_the_middle_of_a_character_is_the_position_before_it() -> None:
    assert taken(Cursor(output("\U0001f600"), Position(0, 1))) == [Piece(TEXT, 0, "\U0001f600")]


def test_what_became_void_is_taken_back() -> None:
    it = output("a\U0001f600b", "hm")
    cursor = Cursor(it, Position())
    taken(cursor)
    it.reset(1)
    assert cursor.step_back(it.text) == 1
    assert cursor.step_back(it.text) is None
    it.push("!")
    assert taken(cursor) == [Piece(TEXT, 1, "!")]
    assert cursor.position == Position(1, 2, 2)
    it.reset(0, REASONING)
    assert cursor.step_back(it.reasoning) == 0


def test_what_comes_after_its_end_is_for_others() -> None:
    it = output("one")
    cursor = Cursor(it, Position())
    cursor.close()
    it.push(" two")
    assert taken(cursor) == [Piece(TEXT, 0, "one")]


@given(st.integers(0, 999_999_999), st.integers(0, 999_999_999), st.integers(0, 999_999_999))
def test_positions_can_be_written(rev: int, at: int, reasoning_at: int) -> None:
    position = Position(rev, at, reasoning_at)
    assert Position.read(str(position)) == position


@pytest.mark.parametrize("written", ["", "1", "1.2", "1.2.3.4", "-1.2.3", "1.2.3 ", "a.b.c", f"1.2.{10**9}", "1.2.3\n"])
def test_what_is_no_position_is_none(written: str) -> None:
    assert Position.read(written) is None
