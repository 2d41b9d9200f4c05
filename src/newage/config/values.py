"""Values of the configuration: from what a file, a variable or an option holds to what a field's type wants."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping, Sequence
from enum import Enum
from json import dumps, loads
from typing import Any, Literal, Union, get_args, get_origin

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})
_LISTS: Mapping[Any, type] = {tuple: tuple, list: list, frozenset: frozenset, set: frozenset, Sequence: tuple}


def coerce(value: object, hint: Any, *, lenient: bool) -> Any:
    """``value`` as an instance of ``hint``.

    :param lenient: the source has no types (environment) or loose ones (server_settings.json): numbers and booleans
        may be strings, a list may be one string with commas.
    :raises ValueError: it cannot be; the text says what is wanted and what was found.
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _union(value, get_args(hint), lenient)
    if origin is Literal:
        if value not in get_args(hint):
            raise _wrong("one of " + ", ".join(toml_value(choice) for choice in get_args(hint)), value)
        return value
    if origin in _LISTS or hint in _LISTS:
        return _list(value, origin or hint, get_args(hint), lenient)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(value, get_args(hint), lenient)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _enum(value, hint)
    return _plain(value, hint, lenient)


def _wrong(wanted: str, value: object) -> ValueError:
    found = repr(value)
    return ValueError(f"must be {wanted}, not {found if len(found) <= 60 else found[:57] + '...'}")


def _plain(value: object, hint: Any, lenient: bool) -> Any:
    if hint is bool:
        return _bool(value, lenient)
    if hint is int:
        return _int(value, lenient)
    if hint is float:
        return _float(value, lenient)
    if hint is str and not isinstance(value, str):
        raise _wrong("a string", value)
    return value


def _bool(value: object, lenient: bool) -> bool:
    if isinstance(value, bool):
        return value
    if lenient and isinstance(value, str) and value.strip().lower() in _TRUE | _FALSE:
        return value.strip().lower() in _TRUE
    raise _wrong("true or false", value)


def _int(value: object, lenient: bool) -> int:
    if lenient and isinstance(value, float) and value.is_integer():
        return int(value)
    if lenient and isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) <= 20:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _wrong("a whole number", value)


def _float(value: object, lenient: bool) -> float:
    number: object = value
    if lenient and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            raise _wrong("a number", value) from None
    if isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number):
        return float(number)
    raise _wrong("a number", value)


def _union(value: object, choices: tuple[Any, ...], lenient: bool) -> Any:
    if value is None and type(None) in choices:
        return None
    problem: ValueError | None = None
    for choice in choices:
        if choice is not type(None):
            try:
                return coerce(value, choice, lenient=lenient)
            except ValueError as error:
                problem = problem or error
    raise problem or _wrong("absent", value)


def _list(value: object, origin: Any, args: tuple[Any, ...], lenient: bool) -> Any:
    member = args[0] if args else Any
    if lenient and isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (list, tuple)):
        raise _wrong("a list", value)
    return _LISTS[origin](coerce(each, member, lenient=lenient) for each in value)


def _mapping(value: object, args: tuple[Any, ...], lenient: bool) -> dict[str, Any]:
    if lenient and isinstance(value, str):
        try:
            value = loads(value)
        except (ValueError, RecursionError):
            raise _wrong("a table (as a JSON object)", value) from None
    if not isinstance(value, dict):
        raise _wrong("a table", value)
    member = args[1] if len(args) > 1 else Any
    return {str(key): coerce(each, member, lenient=lenient) for key, each in value.items()}


def _enum(value: object, hint: type[Enum]) -> Enum:
    try:
        return hint(value)
    except ValueError:
        raise _wrong("one of " + ", ".join(str(each.value) for each in hint), value) from None


def toml_value(value: object) -> str:
    """``value`` as it stands right of the ``=`` in TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Enum):
        return toml_value(value.value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_toml_string(str(key))} = {toml_value(each)}" for key, each in value.items())
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, (frozenset, set)):
        return toml_value(sorted(value))
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(toml_value(each) for each in value) + "]"
    if isinstance(value, (int, float)):
        return str(value)
    return _toml_string(str(value))


def _toml_string(text: str) -> str:
    return dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # JSON's escapes are TOML's, except this one
