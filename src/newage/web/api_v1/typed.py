"""What bodies and queries of ``/api/v1`` are made of: frozen attrs classes, read strictly, written, and described.

A field made by ``member`` is one member of a JSON object, or one parameter of a query; its name there is the field's in
camelCase. From the same class come its parser, its writer and its JSON Schema (2020-12), so these cannot differ.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import attrs
from attrs import NOTHING, Attribute

from newage.domain.foreign_json import without_hostile_keys
from newage.domain.text import well_formed
from newage.errors import BadParameter, InvalidRequest

T = TypeVar("T")
Schema = dict[str, Any]

MAX_INTEGER: Final = 2**53 - 1  # that every reader of JSON understands
_NAMES: Final = {str: "string", int: "integer", float: "number", bool: "boolean"}
_TRUE, _FALSE = "true", "false"


def member(
    doc: str,
    *,
    default: Any = NOTHING,
    least: int | None = None,
    most: int | None = None,
    characters: tuple[int, int] | None = None,
) -> Any:
    """One member. Without a ``default`` it has to be there.

    :param doc: one line. :param least: the smallest number. :param most: the largest.
    :param characters: of a text: at least and at most so many.
    """
    told = {"doc": doc, "least": least, "most": most, "characters": characters}
    return attrs.field(default=default, metadata=told)


def wire_name(name: str) -> str:
    """``message_id`` is ``messageId`` in JSON."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _members(cls: type[Any]) -> Mapping[str, tuple[Attribute[Any], Any]]:
    """Name in JSON -> the field and its type."""
    return _kept_members(cast("Hashable", cls))


@cache
def _kept_members(cls: Hashable) -> Mapping[str, tuple[Attribute[Any], Any]]:
    assert isinstance(cls, type)
    hints = get_type_hints(cls)
    return {wire_name(each.name): (each, hints[each.name]) for each in attrs.fields(cls)}


# ------------------------------------------------------------------------------------------------------------- reading


def read(cls: type[T], body: Mapping[str, Any], where: str = "") -> T:
    """:param where: what of the body this is, for the words of a failure; "" for all of it.

    :raises InvalidRequest: a member is missing, or of another type, or there is none of that name.
    :raises BadParameter: its value is out of its range.
    """
    return _build(cls, body, where, _value)


def read_query(cls: type[T], query: Mapping[bytes, Sequence[bytes]]) -> T:
    """As ``read``, of a query: each parameter once."""
    found: dict[str, str] = {}
    for raw_name, values in query.items():
        try:
            name, texts = raw_name.decode(), [value.decode() for value in values]
        except UnicodeDecodeError as error:
            raise InvalidRequest("The query is no UTF-8.") from error
        if len(texts) > 1:
            raise InvalidRequest(f"{name[:60]!r} is in the query more than once.")
        found[name] = texts[0]
    return _build(cls, found, "the query", _of_text)


def _build(
    cls: type[T], given: Mapping[str, Any], where: str, convert: Callable[[Any, Any, Attribute[Any], str], Any]
) -> T:
    known, values = _members(cls), dict[str, Any]()
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        raise InvalidRequest(f"{unknown[:60]!r} is no member of {where or 'this body'}: it has {_listed(known)}.")
    for name, (each, hint) in known.items():
        if name in given:
            values[each.alias or each.name] = convert(given[name], hint, each, _path(where, name))
        elif each.default is NOTHING:
            raise InvalidRequest(f"{_path(where, name)} is missing.")
    return cls(**values)


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(names) or "none"


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where and " " not in where else name


def _of_text(text: str, hint: Any, each: Attribute[Any], name: str) -> Any:
    """What a parameter of a query says."""
    kind = _plain_type(hint)
    if kind is bool and text in (_TRUE, _FALSE):
        return text == _TRUE
    if kind is int and len(text) <= len(str(MAX_INTEGER)) and text.isascii() and text.isdigit():
        return _value(int(text), int, each, name)
    return _value(text, kind, each, name)


def _plain_type(hint: Any) -> Any:
    """Without its None."""
    if get_origin(hint) in (Union, types.UnionType):
        return next(each for each in get_args(hint) if each is not type(None))
    return hint


def _value(value: Any, hint: Any, each: Attribute[Any], name: str) -> Any:
    if hint is Any:
        return without_hostile_keys(value)
    if get_origin(hint) in (Union, types.UnionType):
        return None if value is None else _value(value, _plain_type(hint), each, name)
    if get_origin(hint) is tuple:
        return _items(value, get_args(hint)[0], each, name)
    if get_origin(hint) in (Mapping, dict) or hint in (Mapping, dict):
        return _typed(value, dict, "an object", name)
    if attrs.has(hint):
        return read(hint, _typed(value, dict, "an object", name), name)
    if issubclass(hint, Enum):
        return _choice(value, hint, name)
    return _plain(value, hint, each, name)


def _items(value: Any, hint: Any, each: Attribute[Any], name: str) -> tuple[Any, ...]:
    items = _typed(value, list, "a list", name)
    most = each.metadata["most"]
    if most is not None and len(items) > most:
        raise BadParameter(f"{name} has more than {most} items.")
    return tuple(_value(item, hint, each, name) for item in items)


def _typed(value: Any, kind: type, words: str, name: str) -> Any:
    if not isinstance(value, kind):
        raise InvalidRequest(f"{name} has to be {words}.")
    return value


def _choice(value: Any, hint: type[Enum], name: str) -> Enum:
    found = next((each for each in hint if each.value == value), None)
    if found is None or not isinstance(value, str):
        raise InvalidRequest(f"{name} has to be one of {', '.join(str(each.value) for each in hint)}.")
    return found


def _plain(value: Any, hint: Any, each: Attribute[Any], name: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        article = "an" if hint is int else "a"
        raise InvalidRequest(f"{name} has to be {article} {_NAMES[hint]}.")
    if hint is str:
        return _text(value, each, name)
    if hint is int or hint is float:
        least, most = each.metadata["least"], each.metadata["most"]
        if not (-MAX_INTEGER if least is None else least) <= value <= (MAX_INTEGER if most is None else most):
            raise BadParameter(f"{name} is out of its range.")
    return value


def _text(value: str, each: Attribute[Any], name: str) -> str:
    least, most = each.metadata["characters"] or (0, MAX_INTEGER)
    if not least <= len(value) <= most:
        raise BadParameter(f"{name} has to have {least} to {most} characters.")
    return well_formed(value)


# ------------------------------------------------------------------------------------------------------------- writing


def write(value: Any) -> Any:
    """A value of such a class as JSON; what is None by its default is left out."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [write(each) for each in value]
    if not attrs.has(type(value)):
        return value
    return {
        name: write(found)
        for name, (each, _) in _members(type(value)).items()
        if (found := getattr(value, each.name)) is not None or each.default is not None
    }


# ---------------------------------------------------------------------------------------------------------- describing


def schema(cls: type, defined: dict[str, Schema]) -> Schema:
    """A reference to its JSON Schema.

    :param defined: schemas by their names, to which this one, and those that it needs, are added.
    """
    name = cls.__name__
    if name not in defined:
        defined[name] = {}
        known = _members(cls)
        made: Schema = {
            "type": "object",
            "properties": {n: _described(hint, each, defined) for n, (each, hint) in known.items()},
            "additionalProperties": False,
        }
        required = [n for n, (each, _) in known.items() if each.default is NOTHING]
        if required:
            made["required"] = required
        if cls.__doc__:
            made["description"] = " ".join(cls.__doc__.split())
        defined[name] = made
    return {"$ref": f"#/components/schemas/{name}"}


def parameters(cls: type, defined: dict[str, Schema]) -> list[Schema]:
    """The parameters of a query."""
    return [
        {
            "name": name,
            "in": "query",
            "required": each.default is NOTHING,
            "description": each.metadata["doc"],
            "schema": _of_type(_plain_type(hint), each, defined),
        }
        for name, (each, hint) in _members(cls).items()
    ]


def _described(hint: Any, each: Attribute[Any], defined: dict[str, Schema]) -> Schema:
    return {**_of_type(hint, each, defined), "description": each.metadata["doc"]}


def _of_type(hint: Any, each: Attribute[Any], defined: dict[str, Schema]) -> Schema:
    if hint is Any:
        return {}
    if get_origin(hint) in (Union, types.UnionType):
        return {"anyOf": [_of_type(_plain_type(hint), each, defined), {"type": "null"}]}
    if get_origin(hint) is tuple:
        made = {"type": "array", "items": _of_type(get_args(hint)[0], each, defined)}
        return made if each.metadata["most"] is None else {**made, "maxItems": each.metadata["most"]}
    if get_origin(hint) in (Mapping, dict) or hint in (Mapping, dict):
        return {"type": "object"}
    if attrs.has(hint):
        return schema(hint, defined)
    if issubclass(hint, Enum):
        return {"type": "string", "enum": [choice.value for choice in hint]}
    return {"type": _NAMES[hint], **_bounds(hint, each)}


def _bounds(hint: type, each: Attribute[Any]) -> Schema:
    told = each.metadata
    if hint is str:
        least, most = told["characters"] or (0, None)
        named = {"minLength": least or None, "maxLength": most}
    elif hint is bool:
        return {}
    else:
        named = {"minimum": told["least"], "maximum": told["most"]}
    return {name: value for name, value in named.items() if value is not None}
