"""UTF-16 repair: whatever way JavaScript cuts a text, it joins again; an orphan half becomes U+FFFD (contract C10)."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.text import REPLACEMENT, Joiner, is_high, well_formed

HIGH, LOW = "\ud83d", "\ude00"
SMILE = "\U0001f600"

# Texts as JavaScript has them: any sequence of UTF-16 code units, halves of pairs included and frequent.
units = st.lists(st.one_of(st.integers(0, 0xFFFF), st.integers(0xD800, 0xDFFF), st.integers(0x61, 0x66)))
whole_texts = st.text(st.characters(exclude_categories=["Cs"]))


def as_chunks(code_units: list[int], cuts: list[int]) -> list[str]:
    """Cut between any two code units, and keep each unit a character, as orjson and json.loads give them."""
    bounds = [0, *sorted(cut % (len(code_units) + 1) for cut in cuts), len(code_units)]
    return ["".join(map(chr, code_units[a:b])) for a, b in pairwise(bounds)]


def code_units_of(text: str) -> list[int]:
    raw = text.encode("utf-16-le", "surrogatepass")
    return [int.from_bytes(raw[i : i + 2], "little") for i in range(0, len(raw), 2)]


def has_surrogate(text: str) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in text)


@pytest.mark.parametrize(
    ("char", "high"),
    [
        ("\ud7ff", False),
        ("\ud800", True),
        (HIGH, True),
        ("\udbff", True),
        ("\udc00", False),
        (LOW, False),
        ("a", False),
    ],
)
def test_only_the_first_half_of_a_pair_is_high(char: str, high: bool) -> None:
    assert is_high(char) is high


@pytest.mark.parametrize(
    ("raw", "repaired"),
    [
        ("", ""),
        ("plain", "plain"),
        ("ünï" + SMILE, "ünï" + SMILE),
        (HIGH + LOW, SMILE),
        (f"a{HIGH}", f"a{REPLACEMENT}"),
        (f"{LOW}a", f"{REPLACEMENT}a"),
        (f"{HIGH}a{LOW}", f"{REPLACEMENT}a{REPLACEMENT}"),
        (LOW + HIGH, REPLACEMENT * 2),
        (HIGH + HIGH + LOW, REPLACEMENT + SMILE),
    ],
)
def test_well_formed_joins_pairs_and_replaces_orphans(raw: str, repaired: str) -> None:
    assert well_formed(raw) == repaired


@pytest.mark.parametrize(
    ("chunks", "shown", "rest"),
    [
        (["H", "i", "", " "], ["H", "i", "", " "], ""),
        ([HIGH, LOW], ["", SMILE], ""),
        ([f"a{HIGH}", "", f"{LOW}b"], ["a", "", f"{SMILE}b"], ""),
        ([HIGH, "a"], ["", f"{REPLACEMENT}a"], ""),
        ([HIGH, HIGH, LOW], ["", REPLACEMENT, SMILE], ""),
        ([LOW], [REPLACEMENT], ""),
        ([f"a{HIGH}"], ["a"], REPLACEMENT),
        ([f"a{HIGH}", ""], ["a", ""], REPLACEMENT),
        (["é", SMILE], ["é", SMILE], ""),
    ],
)
def test_a_trailing_first_half_waits_for_the_next_chunk(chunks: list[str], shown: list[str], rest: str) -> None:
    joiner = Joiner()
    assert [joiner.feed(chunk) for chunk in chunks] == shown
    assert joiner.flush() == rest
    assert joiner.flush() == ""


@given(whole_texts, st.lists(st.integers(0, 1000), max_size=12))
def test_any_utf16_split_of_any_text_joins_to_the_text(text: str, cuts: list[int]) -> None:
    joiner = Joiner()
    assert "".join(map(joiner.feed, as_chunks(code_units_of(text), cuts))) + joiner.flush() == text


@given(units, st.lists(st.integers(0, 1000), max_size=12))
def test_chunks_with_orphans_give_the_repair_of_the_whole(code_units: list[int], cuts: list[int]) -> None:
    joiner = Joiner()
    shown = [joiner.feed(chunk) for chunk in as_chunks(code_units, cuts)] + [joiner.flush()]
    assert not any(map(has_surrogate, shown))
    assert "".join(shown) == well_formed("".join(map(chr, code_units)))


@given(units)
def test_well_formed_is_encodable_and_idempotent(code_units: list[int]) -> None:
    repaired = well_formed("".join(map(chr, code_units)))
    repaired.encode("utf-8")
    assert well_formed(repaired) == repaired
    assert len(code_units_of(repaired)) == len(code_units)
