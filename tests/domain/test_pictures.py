"""Pictures that come with a question."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.pictures import REMOTE, STRANGE, check_picture, pictures_of
from newage.errors import InvalidRequest

PNG = b"\x89PNG\r\n\x1a\n rest"
KINDS = {"image/png": PNG, "image/jpeg": b"\xff\xd8\xff rest", "image/webp": b"RIFF\x04\x00\x00\x00WEBP rest"}


def url(data: bytes = PNG, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"


@pytest.mark.parametrize("kind", KINDS)
def test_three_kinds_by_their_first_bytes(kind: str) -> None:
    check_picture(url(KINDS[kind], kind), 100)
    check_picture(url(KINDS[kind], kind).replace("data:image", "DATA:Image", 1), 100)
    for other, data in KINDS.items():
        if other != kind:
            with pytest.raises(InvalidRequest, match="has to be a PNG"):
                check_picture(url(data, kind), 100)


@pytest.mark.parametrize("wrong", ["http://a.test/x.png", "https://a.test/x.png", "file:///etc/passwd", "", "x"])
def test_nothing_is_fetched(wrong: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_picture(wrong, 100)
    assert str(refused.value) == REMOTE


@pytest.mark.parametrize(
    "wrong",
    [
        "data:image/png;base64",
        "data:image/png," + "x",
        "data:image/svg+xml;base64," + b64encode(b"<svg/>").decode(),
        "data:image/png;base64,***",
        "data:image/png;base64,\u00e9",
        "data:image/png;base64,",
        "data:;base64,",
    ],
)
def test_what_is_none(wrong: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_picture(wrong, 100)
    assert str(refused.value) == STRANGE


def test_of_such_a_size() -> None:
    exact = url(PNG.ljust(100, b"x"))
    check_picture(exact, 100)
    for size in (101, 104, 1000):
        with pytest.raises(InvalidRequest, match="100 bytes at most"):
            check_picture(url(PNG.ljust(size, b"x")), 100)


@given(st.text(max_size=60) | st.text(max_size=60).map(lambda text: "data:image/png;base64," + text))
def test_whatever_comes_is_taken_or_refused_in_words(text: str) -> None:
    with suppress(InvalidRequest):
        check_picture(text, 40)


def test_those_among_the_parts_of_a_message() -> None:
    assert pictures_of("text") == ()
    parts: list[dict[str, Any]] = [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]
    assert pictures_of(parts) == ("u",)
