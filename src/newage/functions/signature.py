"""A function's signature as the rule for the arguments that clients give it: what fits is passed on, what does not is
refused in words."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from json import dumps
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from attrs import frozen

from newage.errors import BadArguments
from newage.functions.values import Who

MAX_SHOWN = 24  # characters of a number that was given


@frozen
class Wanted:
    """One type as people say it, and whether a JSON value is of it."""

    words: str
    fits: Callable[[Any], bool]


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


ANYTHING = Wanted("anything", lambda value: True)
_SIMPLE: tuple[tuple[Any, Wanted], ...] = (
    (Any, ANYTHING),
    (object, ANYTHING),
    (inspect.Parameter.empty, ANYTHING),
    (str, Wanted("text", _is(str))),
    (int, Wanted("a whole number", _is_whole)),
    (float, Wanted("a number", _is_number)),
    (bool, Wanted("true or false", _is(bool))),
    (None, Wanted("null", lambda value: value is None)),
    (type(None), Wanted("null", lambda value: value is None)),
    (list, Wanted("a list", _is(list))),
    (Sequence, Wanted("a list", _is(list))),
    (dict, Wanted("an object", _is(dict))),
    (Mapping, Wanted("an object", _is(dict))),
)


def wanted(annotation: Any) -> Wanted:
    """
    :raises TypeError: no JSON value is of that type.
    """
    for known, simple in _SIMPLE:
        if annotation is known:
            return simple
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return Wanted(" or ".join(map(_json, inner)), lambda value: any(_same(value, each) for each in inner))
    if origin in (Union, types.UnionType):
        parts = [wanted(each) for each in inner]
        return Wanted(" or ".join(part.words for part in parts), lambda value: any(p.fits(value) for p in parts))
    if origin in (list, Sequence):
        each = wanted(inner[0])
        return Wanted(
            f"a list with {each.words} in each place",
            lambda value: isinstance(value, list) and all(each.fits(item) for item in value),
        )
    if origin in (dict, Mapping) and inner[0] is str:
        member = wanted(inner[1])
        return Wanted(
            f"an object with {member.words} in each member",
            lambda value: isinstance(value, dict) and all(member.fits(item) for item in value.values()),
        )
    raise TypeError(f"no argument that a client gives is {annotation}")


def _same(value: Any, constant: Any) -> bool:
    return type(value) is type(constant) and bool(value == constant)


def _json(value: Any) -> str:
    return dumps(value, ensure_ascii=False)


def shown(value: Any) -> str:
    """What was given, in words: numbers as they are, but no text, for what people write belongs into no log."""
    if value is None or isinstance(value, bool):
        return _json(value)
    if isinstance(value, int | float):
        return repr(value)[:MAX_SHOWN]
    return "text" if isinstance(value, str) else "a list" if isinstance(value, list) else "an object"


@frozen
class Parameter:
    name: str
    wanted: Wanted
    needed: bool = True
    default: Any = None

    def __str__(self) -> str:
        return f"{self.name}: {self.wanted.words}" + ("" if self.needed else f" = {_brief(self.default)}")


def _brief(default: Any) -> str:
    try:
        return _json(default)
    except (TypeError, ValueError):
        return "..."


@frozen
class Signature:
    """What a function takes: ``parameters`` in order, then any number of ``rest``. ``who_at`` is where ``Who`` goes."""

    name: str
    parameters: tuple[Parameter, ...] = ()
    rest: Parameter | None = None
    who_at: int | None = None

    @classmethod
    def of(cls, run: Callable[..., Any], name: str = "") -> Signature:
        """
        :raises TypeError: with what newage cannot make of it, and where.
        """
        name = name or getattr(run, "__name__", "function")
        found: list[Parameter] = []
        rest: Parameter | None = None
        who_at: int | None = None
        try:
            hints = get_type_hints(run)
        except Exception as error:  # an annotation is any expression
            raise TypeError(f"{name}: an annotation cannot be read: {error}") from error
        for each in inspect.signature(run).parameters.values():
            annotation = hints.get(each.name, each.annotation)
            if annotation is Who and who_at is None and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD):
                who_at = len(found)
                continue
            if each.kind in (each.KEYWORD_ONLY, each.VAR_KEYWORD):
                raise TypeError(f"{name}: arguments are given by their place, so {each.name} must have one")
            try:
                rule = wanted(annotation)
            except TypeError as error:
                raise TypeError(f"{name}: {each.name}: {error}") from None
            needed = each.default is each.empty
            parameter = Parameter(each.name, rule, needed, None if needed else each.default)
            if each.kind is each.VAR_POSITIONAL:
                rest = parameter
            else:
                found.append(parameter)
        return cls(name, tuple(found), rest, who_at)

    def __str__(self) -> str:
        names = [str(each) for each in self.parameters]
        if self.rest is not None:
            names.append(f"*{self.rest}")
        return f"{self.name}({', '.join(names)})"

    def read(self, args: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments to pass, defaults filled in; ``null`` stands for a default, too.

        :raises BadArguments: names the function, the argument, what is wanted and what was given.
        """
        most = len(self.parameters)
        if self.rest is None and len(args) > most:
            takes = f"at most {most} argument{'' if most == 1 else 's'}" if most else "no arguments"
            raise BadArguments(f"{self.name} takes {takes}, and {len(args)} were given: {self}.")
        values: list[Any] = []
        for at, each in enumerate(self.parameters):
            absent = at >= len(args) or (args[at] is None and not each.needed and not each.wanted.fits(None))
            if absent and each.needed:
                raise BadArguments(f"{self.name} needs {each.name} ({each.wanted.words}): {self}.")
            values.append(each.default if absent else self._checked(each, args[at]))
        if self.rest is not None:
            values += [self._checked(self.rest, value) for value in args[most:]]
        return tuple(values)

    def _checked(self, parameter: Parameter, value: Any) -> Any:
        if not parameter.wanted.fits(value):
            raise BadArguments(
                f"{self.name} wants {parameter.wanted.words} as {parameter.name}, not {shown(value)}: {self}."
            )
        return value

    def place(self, who: Who, values: Sequence[Any]) -> tuple[Any, ...]:
        """The values with the caller where the function wants it."""
        if self.who_at is None:
            return tuple(values)
        return (*values[: self.who_at], who, *values[self.who_at :])
