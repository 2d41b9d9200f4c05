"""What an extension says of an answer besides its text (contract 5.5, 5.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from newage.domain.character import Character
from newage.domain.model import read_only


@frozen(kw_only=True)
class Details:
    """``action`` is its word for what it does, as whom it answers ``character``; ``reasoning`` what the model thought
    where the answer comes in one piece. ``more``: this output is complete, and others to the same request follow it.
    ``extra`` are further members, to be stored with the answer.
    """

    action: str = ""
    character: Character | None = None
    reasoning: str = ""
    more: bool = False
    extra: Mapping[str, Any] = field(factory=dict, converter=read_only)
