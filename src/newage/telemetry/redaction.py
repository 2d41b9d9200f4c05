"""Keeps what the process knows as secret out of what it writes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from newage.domain.secret import SHOWN, Secret

LEAST_CHARS: Final = 6  # what is shorter would also be found where it is none


class Redaction:
    """Puts ``(secret)`` where one of them stands in a text."""

    __slots__ = ("_words",)

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        words = {each.reveal() for each in secrets}
        self._words = sorted((word for word in words if len(word) >= LEAST_CHARS), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for word in self._words:
            if word in text:
                text = text.replace(word, SHOWN)
        return text


NOTHING_HIDDEN: Final = Redaction()
