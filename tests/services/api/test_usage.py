"""How many tokens a question and its answers took."""

from __future__ import annotations

from typing import Any

import pytest

from newage.domain.chat_question import estimated_tokens
from newage.services.api.usage import used
from newage.services.streams.output_text import OutputText, TextKind


class Answer:
    def __init__(self, text: str, thoughts: str = "", **extra: Any) -> None:
        self.output = OutputText()
        self.output.push(text)
        self.output.push(thoughts, TextKind.REASONING)
        self.extra = extra


def test_what_the_extension_counted() -> None:
    answers: Any = [Answer("a", usage=None), Answer("b", usage={"prompt_tokens": 7, "completion_tokens": 2})]
    assert used(answers, 100) == (7, 2)


@pytest.mark.parametrize(
    "usage",
    [
        None,
        5,
        {},
        {"prompt_tokens": -1, "completion_tokens": 2},
        {"prompt_tokens": "x"},
        {"prompt_tokens": 2**63, "completion_tokens": 2},  # what no store keeps would keep all else from being stored
        {"prompt_tokens": True, "completion_tokens": 2},
    ],
)
def test_what_nobody_counted_is_estimated(usage: Any) -> None:
    answers: Any = [Answer("a" * 100, "b" * 50, usage=usage)]
    assert used(answers, 9) == (9, estimated_tokens(150))


def test_no_answer() -> None:
    assert used([], 9) == (9, 0)
