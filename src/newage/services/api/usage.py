"""How many tokens a question and its answers took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from newage.domain.chat_question import estimated_tokens
from newage.services.streams.answers import Answer


class Used(NamedTuple):
    prompt: int
    completion: int


def used(answers: Sequence[Answer], asked: int) -> Used:
    """As the extension of the last answer counted, else as they may have been.

    :param asked: tokens of the question, where nobody counted. :param answers: what there is of each.
    """
    said = answers[-1].extra.get("usage") if answers else None
    if isinstance(said, dict):
        prompt, completion = said.get("prompt_tokens"), said.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(completion, int) and min(prompt, completion) >= 0:
            return Used(prompt, completion)
    outputs = [each.output for each in answers]
    return Used(asked, estimated_tokens(sum(len(each.text.text()) + len(each.reasoning.text()) for each in outputs)))
