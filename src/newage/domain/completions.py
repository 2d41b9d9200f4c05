"""What a model server answers, as OpenAI's API has it: chunks, whole answers, usage, errors. Total: any JSON is read.

Servers differ: llama.cpp's error ``code`` is a number, OpenAI's a word; reasoning is ``reasoning_content`` or
``reasoning``; who ignores ``stream`` answers with a ``message`` where a ``delta`` was asked for.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

from attrs import frozen

from newage.domain.text import well_formed

DONE: Final = "[DONE]"  # the data of the event that ends a stream
MAX_TOKENS: Final = 1_000_000_000  # more than that is no count
MAX_WORD: Final = 64  # characters of a code, and of why an answer ended

_CONTEXT: Final = frozenset({"exceed_context_size_error", "context_length_exceeded", "context_window_exceeded"})
_TOO_LONG: Final = ("context length", "context size", "context window", "maximum context")


class Usage(NamedTuple):
    """Tokens, as the server counted them."""

    prompt: int
    completion: int


@frozen
class Reported:
    """What an error says of itself. ``code`` is its code or type, ``text`` for people, not to be shown unfiltered."""

    code: str = ""
    text: str = ""
    too_long: bool = False  # the prompt does not fit into the model's context


@frozen
class Piece:
    """One chunk, or a whole answer. ``finish`` is why it ended, "" while it goes on."""

    text: str = ""
    reasoning: str = ""
    finish: str = ""
    usage: Usage | None = None
    error: Reported | None = None


NOTHING: Final = Piece()


def read_piece(value: Any) -> Piece:
    """:param value: the JSON of one event, or of a body that is no stream."""
    if not isinstance(value, dict):
        return NOTHING
    error = read_error(value)
    if error is not None:
        return Piece(error=error)
    usage = read_usage(value.get("usage"))
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return Piece(usage=usage)
    said = next((part for part in (choice.get("delta"), choice.get("message")) if isinstance(part, dict)), {})
    return Piece(
        text=_text(said.get("content")) or _text(choice.get("text")),
        reasoning=_text(said.get("reasoning_content")) or _text(said.get("reasoning")),
        finish=_word(choice.get("finish_reason")),
        usage=usage,
    )


def read_error(value: Any) -> Reported | None:
    """The error of a frame or a body, None where it is none."""
    if not isinstance(value, dict):
        return None
    found = value.get("error")
    if not found and value.get("object") == "error":
        found = value
    if not found:
        return None
    if not isinstance(found, dict):
        found = {"message": found}
    text = well_formed(_text(found.get("message")))
    words = [_word(found.get(name)) for name in ("code", "type")]
    long = not _CONTEXT.isdisjoint(words) or any(sign in text.lower() for sign in _TOO_LONG)
    return Reported(code=next((word for word in words if word), ""), text=text, too_long=long)


def read_usage(value: Any) -> Usage | None:
    """What was counted; None where that is none, or cannot be."""
    if not isinstance(value, dict):
        return None
    counts = [value.get(name) for name in ("prompt_tokens", "completion_tokens")]
    good = [each for each in counts if type(each) is int and 0 <= each <= MAX_TOKENS]
    return Usage(*good) if len(good) == len(counts) else None


def _text(value: Any) -> str:
    """A string, which may hold half a surrogate pair, or the texts of parts; "" for anything else."""
    if isinstance(value, list):
        value = "".join(part["text"] for part in value if isinstance(part, dict) and isinstance(part.get("text"), str))
    return value if isinstance(value, str) else ""


def _word(value: Any) -> str:
    """A short string, or a whole number as one."""
    if type(value) is int:
        value = str(value)
    return well_formed(value[:MAX_WORD]) if isinstance(value, str) else ""


class Fault(Enum):
    """Why a model server gave no answer, or no whole one. The value is said to who asked."""

    AWAY = "The model server is not running at {where}."
    TLS = "The certificate of the model server at {where} cannot be trusted."
    KEY = "The model server refuses the hub's key."
    MODEL = "The model server has no such model, or no such address."
    BUSY = "The model server is busy."
    TOO_LONG = "The conversation is too long for the model."
    REFUSED = "The model server does not take the request."
    MOVED = "The model server has moved elsewhere, where the hub does not follow."
    STRANGE = "What answers at {where} is no model server."
    NO_SIGN = "The model server did not begin to answer in time."
    SILENT = "The model server fell silent."
    TOO_SLOW = "The model server took too long."
    TOO_MUCH = "The answer of the model server is too large."
    CUT = "The model server broke off its answer."
    BROKE = "The model server failed in the middle of its answer."

    def words(self, where: str) -> str:
        """:param where: its address, without anything secret."""
        return self.value.format(where=where)


_BUSY: Final = frozenset({408, 409, 425, 429})


def fault_of(status: int, error: Reported | None) -> Fault:
    """What an answer means that is no success.

    :param status: of HTTP. :param error: what its body said.
    """
    if 300 <= status < 400:
        return Fault.MOVED
    if status in (401, 403):
        return Fault.KEY
    if status == 404:
        return Fault.MODEL
    if status in _BUSY or status >= 500:
        return Fault.BUSY
    return Fault.TOO_LONG if status == 413 or (error is not None and error.too_long) else Fault.REFUSED


def retry_seconds(header: str | None) -> float | None:
    """``Retry-After`` in seconds; None where it says none. A date is not read: its clock is another one."""
    if header is None:
        return None
    digits = header.strip()
    return float(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 9 else None
