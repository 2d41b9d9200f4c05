"""What is kept of an answer while it grows (contract 5.3, A28, A35)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import Message


@frozen
class OpenText:
    """A piece of its text, or of its ``reasoning``; ``part`` counts those of each kind from 0.

    ``answer`` is the response as it would be stored if nothing more came, without its text. It is in the first piece of
    all, which voids what there was before.
    """

    output_id: str
    part: int
    text: str
    answer: Message | None = None
    reasoning: bool = False
