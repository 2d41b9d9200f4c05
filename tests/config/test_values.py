"""Values of the configuration, by type."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal

import pytest

from newage.config.values import coerce, toml_value


class Colour(Enum):
    RED = "Red"
    BLUE = "Blue"


@pytest.mark.parametrize(
    ("value", "hint", "lenient", "expected"),
    [
        (5, int, False, 5),
        ("5", int, True, 5),
        (" -5 ", int, True, -5),
        (5.0, int, True, 5),
        (5, float, False, 5.0),
        ("0.25", float, True, 0.25),
        (True, bool, False, True),
        ("On", bool, True, True),
        ("no", bool, True, False),
        ("x", str, False, "x"),
        ("Red", Colour, False, Colour.RED),
        ("a", Literal["a", "b"], False, "a"),
        (["a"], tuple[str, ...], False, ("a",)),
        ("a, b,", tuple[str, ...], True, ("a", "b")),
        ("", tuple[str, ...], True, ()),
        ([1, 2], frozenset[int], False, frozenset({1, 2})),
        (["a"], Sequence[str], False, ("a",)),
        ([1], list, False, [1]),
        ({"a": 1}, dict[str, int], False, {"a": 1}),
        ({"a": {"b": 1}}, Mapping[str, Any], False, {"a": {"b": 1}}),
        ('{"a": "1"}', dict[str, int], True, {"a": 1}),
        (None, int | None, False, None),
        ("7", int | None, True, 7),
        ("x", int | str, True, "x"),
        (object, Any, False, object),
    ],
)
def test_values_that_fit(value: object, hint: Any, lenient: bool, expected: object) -> None:
    result = coerce(value, hint, lenient=lenient)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "lenient", "wanted"),
    [
        ("5", int, False, "a whole number, not '5'"),
        (5.0, int, False, "a whole number"),
        (5.5, int, True, "a whole number"),
        (True, int, True, "a whole number"),
        ("9" * 30, int, True, "a whole number"),
        ("²", int, True, "a whole number"),
        ("nan", float, True, "a number"),
        ("x", float, True, "a number"),
        (float("inf"), float, False, "a number"),
        (False, float, False, "a number"),
        (1, bool, True, "true or false"),
        ("true", bool, False, "true or false"),
        (5, str, True, "a string"),
        ("Green", Colour, True, "one of Red, Blue"),
        ([], Colour, True, "one of Red, Blue"),
        ("c", Literal["a", "b"], True, 'one of "a", "b"'),
        ("a", tuple[str, ...], False, "a list"),
        ([1], tuple[str, ...], False, "a string"),
        ([1], dict[str, int], False, "a table"),
        ("[1]", dict[str, int], True, "a table"),
        ("{", dict[str, int], True, "a table \\(as a JSON object\\)"),
        ("x", int | None, True, "a whole number"),
        (None, int | str, True, "a whole number"),
        ("x" * 100, bool, True, "true or false, not 'x{56}\\.\\.\\."),
    ],
)
def test_values_that_do_not(value: object, hint: Any, lenient: bool, wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        coerce(value, hint, lenient=lenient)


@pytest.mark.parametrize(
    "value",
    [True, 5, 0.5, 'say "hi"\n', ("a", "b"), [], {"a": 1, "b c": "x"}, {}, frozenset({"b", "a"}), "\u2028\x7f\u00e9"],
)
def test_toml_reads_what_is_written(value: object) -> None:
    read = tomllib.loads(f"x = {toml_value(value)}")["x"]
    assert read == (
        sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value
    )


def test_an_enum_is_written_by_its_value() -> None:
    assert toml_value(Colour.BLUE) == '"Blue"'
