"""World info: which entries are told, in which order, and that keys are words and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.lore import MAX_ENTRIES, NO_BOOK, Book, read_book


def book(*entries: Any, **more: Any) -> Book:
    return read_book({"entries": list(entries), **more})


def told(found: Book, *lines: str, most: int = 10_000) -> list[str]:
    return [each.content for each in found.told(list(lines), most)]


def test_by_words_in_order() -> None:
    found = book(
        {"keys": ["Dragon", "wyrm"], "content": "Fire.", "insertion_order": 20},
        {"keys": ["castle"], "content": "Stone.", "insertion_order": 10},
        {"keys": [], "content": "Always.", "constant": True},
        {"keys": ["dragon"], "content": "Never.", "enabled": False},
        {"keys": ["dragon"], "content": "  "},
        {"keys": [7, "", " moat "], "content": "Water.", "insertion_order": True},
        "rubbish",
    )
    assert told(found, "The DRAGON, in its castle") == ["Stone.", "Fire.", "Always."]
    assert told(found, "A moat") == ["Always.", "Water."]
    assert told(found) == ["Always."]


@pytest.mark.parametrize(
    ("key", "text", "falls"),
    [
        ("cat", "A cat!", True),
        ("cat", "cat", True),
        ("cat", "catalog of a cat", True),
        ("cat", "catalog", False),
        ("cat", "wildcat", False),
        ("猫", "黒猫だ", True),
        ("c++", "I like c++.", True),
    ],
)
def test_words(key: str, text: str, falls: bool) -> None:
    assert bool(told(book({"keys": [key], "content": "x"}), text)) is falls


def test_worldinfo_regex_is_text() -> None:
    evil = {"keys": ["/(a+)+$/", ".*"], "use_regex": True, "content": "x"}
    assert told(book(evil), "a" * 5_000 + "!") == []
    assert told(book(evil), "He wrote /(a+)+$/ there") == ["x"]


def test_a_second_word_where_the_entry_wants_one() -> None:
    entry = {"keys": ["dragon"], "secondary_keys": ["gold"], "content": "x"}
    assert told(book({**entry, "selective": True}), "dragon") == []
    assert told(book({**entry, "selective": True}), "dragon, gold") == ["x"]
    assert told(book(entry), "dragon") == ["x"]


def test_exactly_as_written() -> None:
    for entry in ({"case_sensitive": True}, {"extensions": {"case_sensitive": True}}):
        found = book({"keys": ["Rose"], "content": "x", **entry})
        assert told(found, "a rose") == []
        assert told(found, "Rose came") == ["x"]


def test_only_in_the_newest_messages() -> None:
    lines = ["dragon", "1", "2", "3", "4"]
    assert told(book({"keys": ["dragon"], "content": "x"}), *lines) == []
    assert told(book({"keys": ["dragon"], "content": "x"}, scan_depth=5), *lines) == ["x"]
    assert told(book({"keys": ["4"], "content": "x"}, scan_depth=0), *lines) == []
    assert book(scan_depth=10**9).scan == 50


def test_what_is_too_much_is_left_out_and_constants_stay() -> None:
    found = book(
        {"keys": ["a"], "content": "12345", "insertion_order": 1},
        {"content": "67890", "constant": True, "insertion_order": 2},
        {"keys": ["a"], "content": "1", "insertion_order": 3},
    )
    assert told(found, "a", most=6) == ["67890", "1"]


def test_a_book_of_sillytavern_itself() -> None:
    found = read_book({"entries": {"0": {"key": ["a"], "content": "x", "order": 5, "position": 1, "disable": False}}})
    (entry,) = found.entries
    assert (entry.keys, entry.order, entry.first) == (("a",), 5.0, False)
    assert read_book({"entries": {"0": {"key": ["a"], "content": "x", "disable": True}}}).entries == ()


def test_what_is_no_book() -> None:
    assert read_book(None) is read_book([]) is NO_BOOK
    assert read_book({"entries": 7}) == NO_BOOK
    assert len(book(*({"content": "x"} for _ in range(MAX_ENTRIES + 1))).entries) == MAX_ENTRIES


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["entries", "keys", "content", "constant", "scan_depth"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON, st.lists(st.text(max_size=9), max_size=3), st.integers(0, 20))
def test_any_book_is_read(value: Any, lines: list[str], most: int) -> None:
    assert sum(map(len, told(read_book(value), *lines, most=most))) <= most
