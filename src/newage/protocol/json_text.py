"""JSON that is total: every text gives a value or a ``ProtocolError``, every value that came in can go out again.

Strings may hold lone surrogates: the real extension cuts an emoji into two packets (contract C10). They are kept as
they are on the way in, so that the halves can be joined, and become U+FFFD on the way out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson

from newage.domain.text import well_formed
from newage.errors import ProtocolError

MAX_DEPTH: Final = 64
MAX_NODES: Final = 50_000

_SHORT: Final = 1024  # bytes of a text that can only be too deep, not too much
_INT64_MIN: Final = -(2**63)
_UINT64_MAX: Final = 2**64 - 1
_BRACKETS: Final = b"[]{}"
_NOT_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in _BRACKETS)
_STEP: Final = {0x5B: 1, 0x7B: 1, 0x5D: -1, 0x7D: -1}

_LARGE_NUMBER: Final = re.compile(rb"\d[eE]\+?\d\d|\d{300}")  # it may be beyond a float

_dumps: Final = orjson.dumps
_loads: Final = orjson.loads
plain_dumps: Final = orjson.dumps  # as ``dumps``, but raises TypeError for what needs cleaning: where every call counts


class TooMuch(ProtocolError):
    """JSON beyond what one event may hold; who knows the event refuses it instead of closing the connection (C6)."""


def loads(text: bytes) -> Any:
    """Parse one JSON text.

    Integers beyond 64 bits become floats, as they do in a browser.

    :raises TooMuch: nested deeper than ``MAX_DEPTH``, more than ``MAX_NODES`` values, or a number beyond a float.
    :raises ProtocolError: not JSON (NaN is none), or not UTF-8.
    """
    # Too deep takes 65 brackets to open and as many to close; below that nothing needs to be counted.
    size = len(text)
    if size > 2 * MAX_DEPTH and (size > _SHORT or text.count(b"[") + text.count(b"{") > MAX_DEPTH):
        _check_size(text)
    try:
        return _loads(text)
    except orjson.JSONDecodeError as error:
        # orjson can neither keep half a surrogate pair nor tell a large number from none: its slower cousin is asked.
        if b"\\ud" in text or b"\\uD" in text or _LARGE_NUMBER.search(text):
            return _loads_slowly(text)
        raise ProtocolError("malformed JSON") from error


def _check_size(text: bytes) -> None:
    """Refuse what would cost much to parse; costs much less than parsing."""
    if _SHORT < len(text) <= MAX_NODES and _has_few_brackets(text):
        return
    opened = text.count(b"[") + text.count(b"{")
    if opened <= MAX_DEPTH and (len(text) <= MAX_NODES or opened + text.count(b",") < MAX_NODES):
        return
    # Without escapes, what lies between two quotes is a string, and the rest is structure.
    plain = text.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in text else text
    structure = b"".join(plain.split(b'"')[::2])
    # A value follows each comma and each opening bracket; an empty container counts as one too many.
    brackets = structure.translate(None, _NOT_BRACKETS)
    opening = brackets.count(b"[") + brackets.count(b"{")
    if 2 * opening != len(brackets):
        raise ProtocolError("malformed JSON")
    if opening + structure.count(b",") >= MAX_NODES:
        raise TooMuch("too many values")
    depth = 0
    for bracket in brackets:
        depth += _STEP[bracket]
        if depth > MAX_DEPTH:
            raise TooMuch("nested too deep")


def _has_few_brackets(text: bytes) -> bool:
    """Most long texts are one long string. ``find`` runs over it an order of magnitude faster than ``count``."""
    left = 8
    for bracket in (b"[", b"{"):
        at = text.find(bracket)
        while at >= 0:
            left -= 1
            if not left:
                return False
            at = text.find(bracket, at + 1)
    return True


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise TooMuch("number out of range")
    return value


def _integer(digits: str) -> int | float:
    # Longer ones are floats anyway, and int() refuses thousands of digits by another exception in other Pythons.
    if len(digits) > 20:
        return _finite(digits)
    value = int(digits)
    return value if _INT64_MIN <= value <= _UINT64_MAX else float(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_parser: Final = json.JSONDecoder(parse_float=_finite, parse_int=_integer, parse_constant=_no_constant)


def _loads_slowly(text: bytes) -> Any:
    try:
        return _parser.decode(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ProtocolError("malformed JSON") from error


def dumps(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """Compact JSON as UTF-8.

    :param default: makes a JSON value of what has none (bytes in binary events).
    :raises TypeError: a value that is not JSON; nothing that ``loads`` returned raises.
    """
    try:
        return _dumps(value, default)
    except orjson.JSONEncodeError:
        return _dumps(clean(value), default)


def clean(value: Any) -> Any:
    """A copy that any JSON reader takes: halves of pairs joined, orphans U+FFFD, big integers floats, mappings dicts.

    :raises TypeError: a key that is not a string, or nested too deep (a circle, for example).
    """
    return _clean(value, 0)


def _clean(value: Any, depth: int) -> Any:
    if depth > 4 * MAX_DEPTH:
        raise TypeError("nested too deep for JSON")
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, Mapping):
        return {_key(key): _clean(member, depth + 1) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(member, depth + 1) for member in value]
    if isinstance(value, int) and not _INT64_MIN <= value <= _UINT64_MAX:
        try:
            return float(value)
        except OverflowError:
            return None  # what a browser makes of it: JSON.stringify(Infinity)
    return value


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError("JSON keys are strings")
    return well_formed(key)
