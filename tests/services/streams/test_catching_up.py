"""What a reader has missed (contract 5.7.7)."""

from __future__ import annotations

import pytest

from newage.domain.shown import Missed
from newage.services.streams.catching_up import catch_up
from newage.services.streams.cursor import Position
from newage.services.streams.output_text import OutputText, TextKind


@pytest.fixture
def output() -> OutputText:
    made = OutputText()
    made.push("one \U0001f600 two")
    made.push("hm", TextKind.REASONING)
    return made


def test_all_of_it_from_where_he_stopped(output: OutputText) -> None:
    assert catch_up(output, Position(0, 4, 1), 100) == Missed(
        rev=0, at=4, text="\U0001f600 two", reasoning_at=1, reasoning="m", more=False
    )


@pytest.mark.parametrize(
    ("limit", "text", "more"), [(100, "one \U0001f600 two", False), (9, "one ", True), (5, "", True)]
)
def test_as_much_as_fits_of_whole_characters(output: OutputText, limit: int, text: str, more: bool) -> None:
    found = catch_up(output, Position(), limit)
    assert (found.text, found.reasoning, found.more) == (text, "hm", more)


def test_nothing_fits(output: OutputText) -> None:
    assert catch_up(output, Position(0, 4, 2), 3) == Missed(
        rev=0, at=4, text="", reasoning_at=2, reasoning="", more=True
    )
    assert not catch_up(output, Position(0, 10, 2), 0).more


def test_what_is_of_another_rev_begins_anew(output: OutputText) -> None:
    output.reset(3)
    assert catch_up(output, Position(0, 2, 1), 100) == Missed(
        rev=1, at=0, text="one", reasoning_at=0, reasoning="hm", more=False
    )
