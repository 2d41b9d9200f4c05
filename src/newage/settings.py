"""What settings are made of: fields with a range and a line of explanation, and cells whose content a reload replaces.

A settings class is a frozen attrs class whose fields are made here. It is one table of the configuration, a field one
key; its unit is in its name, and its explanation is the comment of that key in ``conf/newage.toml``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from attrs import field, validators

Number = TypeVar("Number", int, float)
T = TypeVar("T")


def limit(
    default: Number, doc: str, *, least: Number | None = None, most: Number | None = None, zero: str | None = None
) -> Number:
    """A number that is not negative: a count, a size, a time.

    :param doc: one line.
    :param least: the smallest that is allowed. Unless it or ``zero`` is given, 0 is not: a count is 1 at least.
    :param most: the largest that is allowed.
    :param zero: what 0 means, where it means something else than a very small number; 0 is allowed then.
    """
    if zero is not None:
        doc, least = f"{doc}; 0 = {zero}", default.__class__(0)
    checks: list[Any] = []
    if least is not None:
        checks.append(validators.ge(least))
    elif isinstance(default, int):
        checks.append(validators.ge(1))
    else:
        checks.append(validators.gt(0))
    if most is not None:
        checks.append(validators.le(most))
    made: Number = _field(default, doc, validator=checks)
    return made


def switch(default: bool, doc: str) -> bool:
    """On or off.

    :param doc: one line: what is so when it is on.
    """
    made: bool = _field(default, doc)
    return made


def text(
    default: str,
    doc: str,
    *,
    empty: bool = True,
    among: Iterable[str] | None = None,
    check: Callable[[str], None] | None = None,
) -> str:
    """:param empty: whether it may be empty.
    :param among: what it may be, and nothing else.
    :param check: raises ValueError naming what is wrong.
    """
    choices = None if among is None else tuple(among)

    def checked(_instance: object, _attribute: object, value: str) -> None:
        if choices is not None and value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}, not {value[:60]!r}")
        if check is not None:
            check(value)

    made: str = _field(default, doc, validator=checked if empty else [checked, validators.min_len(1)])
    return made


def texts(
    default: tuple[str, ...], doc: str, *, check: Callable[[tuple[str, ...]], None] | None = None
) -> tuple[str, ...]:
    """Any number of texts; one may be given without its tuple.

    :param check: raises ValueError naming what is wrong.
    """

    def checked(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
        if check is not None:
            check(value)

    made: tuple[str, ...] = _field(default, doc, converter=_tuple, validator=checked)
    return made


def members(doc: str, *, check: Callable[[Mapping[str, Any]], None] | None = None) -> Mapping[str, Any]:
    """A table of members whose names and values are somebody else's; none by default.

    :param check: raises ValueError naming what is wrong.
    """

    def checked(_instance: object, _attribute: object, value: Mapping[str, Any]) -> None:
        if check is not None:
            check(value)

    made: Mapping[str, Any] = _field(MappingProxyType({}), doc, converter=_kept, validator=checked)
    return made


def _field(default: object, doc: str, **more: Any) -> Any:
    """An attrs field, which stands for a value of its default's type."""
    return field(default=default, metadata={"doc": doc}, **more)


def _kept(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


def _tuple(value: str | Iterable[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


class Live(Generic[T]):
    """A cell that holds settings. Who is given one reads ``value`` at each use, and so obeys the present ones."""

    __slots__ = ("_changed", "value")

    def __init__(self, value: T) -> None:
        self.value = value
        self._changed: list[Callable[[T], None]] = []

    def on_change(self, changed: Callable[[T], None]) -> None:
        """Have that called with each new content; for what is worked out from it beforehand, or runs on a timer."""
        self._changed.append(changed)

    def replace(self, value: T) -> None:
        """From now on it holds this."""
        self.value = value
        for changed in self._changed:
            changed(value)
