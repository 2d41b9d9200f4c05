"""JSON that somebody else made and that goes on to others."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from newage.domain.foreign_json import HOSTILE_KEYS, without_hostile_keys

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def test_hostile_keys_are_dropped_at_any_depth() -> None:
    hostile = {"__proto__": {"admin": True}, "a": [{"constructor": 1, "b": {"prototype": 2, "c": 3}}], "d": "__proto__"}
    assert without_hostile_keys(hostile) == {"a": [{"b": {"c": 3}}], "d": "__proto__"}


@given(json_values)
def test_a_cleaned_value_can_be_written_and_is_otherwise_the_same(value: Any) -> None:
    cleaned = without_hostile_keys(value)
    assert without_hostile_keys(cleaned) == cleaned
    if not any(key in repr(value) for key in HOSTILE_KEYS):
        assert cleaned == value


def test_halves_of_pairs_are_repaired_at_any_depth() -> None:
    assert without_hostile_keys({"k\ud83d": ["\ude00", {"x": "\ud83d\ude00"}]}) == {
        "k\ufffd": ["\ufffd", {"x": "\U0001f600"}]
    }


def test_the_cleaned_value_is_a_copy() -> None:
    inner: list[Any] = [1]
    cleaned = without_hostile_keys({"a": inner})
    inner.append(2)
    assert cleaned == {"a": [1]}
