"""What is kept of an answer while it grows (contract 5.3, A35)."""

from __future__ import annotations

from attrs import frozen

from newage.domain.model import Message


@frozen
class OpenText:
    """A piece of its text. ``part`` counts from 0; ``answer`` is in that first one, which voids all there was before.

    ``answer`` is the response as it would be stored if nothing more came, without its text.
    """

    output_id: str
    part: int
    text: str
    answer: Message | None = None
