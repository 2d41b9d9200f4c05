"""Texts of the client in Python: put together from pieces whose places count as JavaScript counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage_client._pieces import WAITING_MOST, Pieces, head, same, tail, units

TEXTS = st.text(st.sampled_from("ab é😀"), max_size=20)


def wide(text: str) -> list[bytes]:
    """Its units."""
    data = text.encode("utf-16-le")
    return [data[at : at + 2] for at in range(0, len(data), 2)]


def narrow(pieces: list[bytes]) -> str:
    return b"".join(pieces).decode("utf-16-le", "surrogatepass")


def split(text: str, size: int) -> Iterator[tuple[int, str]]:
    """Pieces of that many units: characters are split, too."""
    for at in range(0, len(wide(text)), size):
        yield at, narrow(wide(text)[at : at + size])


@given(TEXTS, st.integers(0, 40))
def test_heads_and_tails_are_counted_in_units(text: str, at: int) -> None:
    assert (head(text, at), tail(text, at)) == (narrow(wide(text)[:at]), narrow(wide(text)[at:]))
    assert units(text) == len(wide(text))


@given(TEXTS, TEXTS)
def test_what_two_texts_share_ends_with_a_whole_character(one: str, other: str) -> None:
    at = same(one, other)
    assert head(one, at) == head(other, at)
    rest = (tail(one, at), tail(other, at))
    assert not all(rest) or rest[0][0] != rest[1][0]


@given(TEXTS, st.integers(1, 5), st.randoms(use_true_random=False))
def test_pieces_in_any_order_and_twice_are_one_text(text: str, size: int, chance: object) -> None:
    said = list(split(text, size)) * 2
    chance.shuffle(said)  # type: ignore[attr-defined]
    pieces, seen = Pieces(), ""
    for at, data in said:
        seen += pieces.add(at, data)
        assert seen == pieces.text
        assert text.startswith(seen)
    assert (pieces.text, pieces.units, pieces.gap) == (text, units(text), False)


@given(TEXTS, TEXTS, st.integers(0, 40), st.integers(1, 5))
def test_what_is_cut_is_gone_and_what_comes_instead_is_there(text: str, more: str, at: int, size: int) -> None:
    pieces = Pieces()
    for begin, data in reversed(list(split(text, size))):
        pieces.add(begin, data)
    shorter = pieces.cut(at)
    assert shorter == (at < units(text))
    kept = wide(text)[:at]
    pieces.add(len(kept), more)
    assert pieces.units == len(kept) + units(more)
    if narrow(kept).isprintable():
        assert pieces.text == narrow([*kept, *wide(more)])


@given(TEXTS, TEXTS)
def test_the_whole_text_tells_where_it_differs(text: str, whole: str) -> None:
    pieces = Pieces()
    pieces.add(0, text)
    pieces.add(1000, "waits")
    at = pieces.become(whole)
    pieces.cut(at)
    pieces.add(0, whole)
    assert (pieces.text, pieces.gap) == (whole, False)
    assert whole.startswith(head(text, at))


def test_half_a_character_is_not_shown() -> None:
    pieces = Pieces()
    assert (pieces.add(0, "a\ud83d"), pieces.text, pieces.units) == ("a", "a", 2)
    assert (pieces.add(2, "\ude00b"), pieces.text, pieces.units) == ("😀b", "a😀b", 4)


@pytest.mark.parametrize("number", [1, 2])
def test_what_waits_is_bounded(number: int) -> None:
    pieces = Pieces()
    half = "x" * (WAITING_MOST // 2)
    for at in range(1, 4):
        pieces.add(at * WAITING_MOST, half)
    assert pieces._waiting_units == 2 * len(half)
    pieces.cut(number * WAITING_MOST + 5)
    assert pieces._waiting_units == (number - 1) * len(half) + 5
    assert pieces.add(0, "y" * WAITING_MOST) == "y" * WAITING_MOST + "x" * ([5, len(half)][number - 1])
