"""Files that people wrote with whatever editor they have."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.people_text import NotText, read_text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"a = 1\r\nb = 2\rc\n", "a = 1\nb = 2\nc\n"),
        (codecs.BOM_UTF8 + "é".encode(), "é"),
        (codecs.BOM_UTF16_LE + "é\r\n".encode("utf-16-le"), "é\n"),
        (codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "é"),
    ],
)
def test_marks_and_ends_of_lines_are_the_editors(content: bytes, text: str) -> None:
    assert read_text(content) == text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a\nb\ncaf\xe9\n", "line 3 is not UTF-8: save the file as UTF-8"),
        (codecs.BOM_UTF8 + b"\xff", "line 1 is not UTF-8: save the file as UTF-8"),
        (codecs.BOM_UTF16_LE + b"a", "line 1 is not UTF-16-LE: save the file as UTF-8"),
    ],
)
def test_what_is_no_text_is_named_with_its_line(content: bytes, words: str) -> None:
    with pytest.raises(NotText, match=words):
        read_text(content)


@given(st.binary())
def test_it_is_text_or_it_is_not(content: bytes) -> None:
    try:
        assert "\r" not in read_text(content)
    except NotText as error:
        assert str(error).startswith("line ")
