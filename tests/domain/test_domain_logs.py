"""Which pages of logs may be asked for, and what they hold (contract 10.3)."""

from __future__ import annotations

from typing import Any

import pytest

from newage.domain.logs import ALL_LEVELS, LEVELS, MAX_PAGE_SIZE, LogQuery
from newage.errors import InvalidRequest


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"filename": ""}, "Invalid filename"),
        ({"filename": "audit.jsonl"}, "Invalid filename"),
        ({"level": ""}, "Invalid level Options"),
        ({"page": 0}, "Invalid page number"),
        ({"page_size": 0}, "Invalid page size (must be between 1 and 100)"),
        ({"page_size": MAX_PAGE_SIZE + 1}, "Invalid page size (must be between 1 and 100)"),
    ],
)
def test_what_is_wrong_is_named(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        LogQuery(**{"filename": "error.log", **asked}).check()
    assert str(refused.value) == words


def test_every_level_may_be_asked_for() -> None:
    for level in (ALL_LEVELS, *LEVELS):
        LogQuery(filename="error.log", level=level, page_size=MAX_PAGE_SIZE).check()


def test_a_level_wants_the_more_severe_ones_too() -> None:
    query = LogQuery(filename="error.log", level="warn")
    assert [level for level in (*LEVELS, "notice") if query.wants(level)] == ["error", "warn"]
    assert LogQuery(filename="error.log").wants("notice")
