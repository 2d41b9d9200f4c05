"""What went wrong, as all that fails here says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Code = int | str
LOST = ("disconnected", "timeout")
UNSAID = "The hub reported a problem and did not say which."


class Failure(Exception):
    """What the hub refused, or what kept us from asking it. Its text is the hub's own words, where it said any.

    :ivar code: the hub's ``errorCode`` (docs/wire.md 1.9), or a word of ours: ``timeout``, ``disconnected``,
        ``closed``, ``gone``, ``behind``, ``duplicate``, ``unknown``.
    :ivar word: the hub's ``code``, as ``REPLACED``.
    :ivar body: all that it said.
    """

    def __init__(
        self, message: str, *, code: Code = "unknown", word: str = "", body: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.word = word
        self.body = body

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Failure:
        """:param body: an ack or ERROR of the hub."""
        inner = body.get("error")
        error: Mapping[str, Any] = inner if isinstance(inner, Mapping) else {}
        message = body.get("message", error.get("message"))
        code = body.get("errorCode", error.get("code"))
        word = body.get("code")
        return cls(
            message if isinstance(message, str) and message else UNSAID,
            code=code if isinstance(code, int | str) else "unknown",
            word=word if isinstance(word, str) else "",
            body=body,
        )

    @property
    def message(self) -> str:
        return str(self)

    @property
    def lost(self) -> bool:
        """Whether the hub heard us is not known: the line was cut before it could answer."""
        return self.code in LOST

    def again(self) -> Failure:
        """One to raise once more: each has the traceback of its own place."""
        return Failure(self.message, code=self.code, word=self.word, body=self.body)


def disconnected() -> Failure:
    return Failure("The line was cut.", code="disconnected")
