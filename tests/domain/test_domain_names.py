"""Names that can be read and told apart: nothing invisible in new ones, but what a script or an emoji needs (A27)."""

from __future__ import annotations

from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.names import BRAILLE_BLANK, EMOJI_STYLE, IGNORABLE, ZWJ, ZWNJ, is_clear, is_readable

NEEDED = {
    "Persian": "می\u200cخو\u0627\u0647م",
    "Persian with a vowel sign": "کت\u0627ب\u200c\u0647\u0627َ",
    "eyelash ra": "क\u094d\u200dष",
    "a half form": "न\u094d\u200d",
    "an explicit virama": "क\u094d\u200cष",
    "a nukta before the virama": "ड\u093c\u094d\u200dय",
    "an accent after the virama": "क\u094d\u0951\u200dष",
    "Sinhala": "ශ\u0dca\u200dරී",
    "Bengali": "র\u200d\u09cdযাব",
    "a profession": "👩\u200d💻",
    "a tone of skin": "👩🏽\u200d🚀",
    "a family": "👨\u200d👩\u200d👧",
    "a flag": "🏳\ufe0f\u200d🌈",
    "a heart": "❤\ufe0f",
    "a keycap": "1\ufe0f\u20e3",
    "braille": "⠓\u2800⠓",
}
CLEAR = ("ann", "Die Runde", "a/b", "日本", "Zoë", "हिन्दी", "ά-2", "👍🏽", "x" * 500)
INVISIBLE = {
    "blank after": "carl ",
    "blank before": " carl",
    "no-break space": "carl\u00a0ann",
    "line separator": "carl\u2028",
    "hangul filler": "carl\u3164",
    "only a filler": "\u115f",
    "half-width filler": "a\uffa0b",
    "grapheme joiner": "ca\u034frl",
    "soft hyphen": "ca\u00adrl",
    "word joiner": "ca\u2060rl",
    "Mongolian selector": "carl\u180b",
    "variation selector": "carl\ufe0f",
    "variation selector after an emoji that needs none": "😀\ufe0f",
    "variation selector after a digit": "1\ufe0f",
    "text style": "❤\ufe0e",
    "ideographic selector": "葛\U000e0100",
    "tag": "a\U000e0061",
    "braille blank": "\u2800",
    "braille blank around": "⠓\u2800",
    "braille blank in Latin": "a\u2800b",
    "turned around": "a\u202eb",
    "right-to-left mark": "a\u200fb",
    "isolate": "\u2066a",
    "byte order mark": "\ufeffa",
    "joiner in Latin": "a\u200db",
    "joiner before": "\u200da",
    "joiner after": "a\u200d",
    "joiner alone": "\u200d",
    "non-joiner in Latin": "ab\u200ccd",
    "non-joiner alone": "\u200c",
    "non-joiner after a letter that does not join": "د\u200c\u0627",
    "non-joiner at the end": "می\u200c",
    "joiner without a virama": "क\u200dष",
    "joiner before a vowel sign": "क\u094d\u200dि",
    "virama without a letter": "\u094d\u200dक",
    "non-joiner before nothing": "क\u094d\u200c",
    "emoji that do not join": "😀\u200d😀",
    "emoji and nothing": "👩\u200d",
    "a decomposed letter": "e\u0301",
    "half a character": "\ud83d",
    "a line break": "a\nb",
}


@pytest.mark.parametrize("name", [*NEEDED.values(), *CLEAR], ids=[*NEEDED, *CLEAR[:-1], "long"])
def test_clear_names(name: str) -> None:
    assert is_clear(name)
    assert is_readable(name)


@pytest.mark.parametrize("name", INVISIBLE.values(), ids=INVISIBLE.keys())
def test_names_of_which_one_does_not_see_all(name: str) -> None:
    assert not is_clear(name)


@pytest.mark.parametrize("name", ["carl ", "carl\ufe0f", "\u3164", "\u2800", "ca\u034frl"])
def test_what_names_of_before_may_hold(name: str) -> None:
    assert is_readable(name)


@pytest.mark.parametrize("name", ["a\u200db", "a\u202eb", "e\u0301", "a\nb", "\ud83d", "ca\u00adrl"])
def test_what_no_name_ever_held(name: str) -> None:
    assert not is_readable(name)


letters = st.sampled_from("aß日\u06c1ب دकष\u094d\u0301👩💻❤1#⠓ \t")
anything = st.text(
    letters | st.sampled_from([ZWJ, ZWNJ, EMOJI_STYLE, BRAILLE_BLANK, "\u20e3", "\u3164", "\u202e"]) | st.characters(),
    max_size=8,
)


@given(anything)
def test_a_clear_name_looks_otherwise_without_whatever_of_it_is_ignorable(name: str) -> None:
    """What is taken of the ignorable stands where something is changed by it: never at a beginning, never twice."""
    name = normalize("NFC", name)
    if not is_clear(name):
        return
    assert is_readable(name)
    assert name == name.strip() == name.strip(BRAILLE_BLANK)
    for at, char in enumerate(name):
        if char in IGNORABLE:
            assert char in (ZWJ, ZWNJ, EMOJI_STYLE)
            assert at > 0
            assert name[at - 1] not in (ZWJ, ZWNJ)


@given(
    st.text(st.characters(codec="utf-8"), max_size=8),
    st.sampled_from(["\u3164", "\u2060", "\u034f", "\u200e"]),
    st.integers(0, 8),
)
def test_what_nobody_sees_makes_no_second_name(name: str, hidden: str, at: int) -> None:
    assert not is_clear(name[:at] + hidden + name[at:])


@given(st.text(st.sampled_from("abc xyzäß日本"), min_size=1, max_size=8))
def test_ordinary_names_are_clear_unless_blanks_are_around(name: str) -> None:
    assert is_clear(name) is (name == name.strip())
