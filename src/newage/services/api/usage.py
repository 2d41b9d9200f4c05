"""How many tokens a question and its answers took."""

from __future__ import annotations

from collections.abc import Sequence

from newage.domain.chat_question import estimated_tokens
from newage.domain.completions import Usage, read_usage
from newage.services.streams.answers import Answer


def used(answers: Sequence[Answer], asked: int) -> Usage:
    """As the extension of the last answer counted, else as they may have been.

    :param asked: tokens of the question, where nobody counted. :param answers: what there is of each.
    """
    said = read_usage(answers[-1].extra.get("usage")) if answers else None
    if said is not None:
        return said
    outputs = [each.output for each in answers]
    return Usage(asked, estimated_tokens(sum(len(each.text.text()) + len(each.reasoning.text()) for each in outputs)))
