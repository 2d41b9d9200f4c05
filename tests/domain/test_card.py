"""Character cards: forms, limits, what is refused, and macros that are replaced once."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from zlib import compress, crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.card import MAX_JSON_BYTES, MAX_PNG_BYTES, Card, read_card
from newage.errors import InvalidRequest

V1 = {"name": "Ann", "description": "Old.", "first_mes": "Hi.", "mes_example": "<START>"}
V2 = {"spec": "chara_card_v2", "data": {**V1, "description": "New.", "system_prompt": "Be {{char}}."}}


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + crc32(kind + body).to_bytes(4, "big")


def png(*chunks: bytes) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(13)) + b"".join(chunks) + chunk(b"IEND", b"")


def text(word: str, value: Any) -> bytes:
    return chunk(b"tEXt", word.encode() + b"\0" + b64encode(json.dumps(value).encode()))


def test_json_of_every_version() -> None:
    assert read_card(json.dumps(V1).encode()) == Card(
        name="Ann", description="Old.", greeting="Hi.", examples="<START>"
    )
    assert read_card(b"\xef\xbb\xbf" + json.dumps(V2).encode()).description == "New."
    assert read_card(json.dumps({**V2, "spec": "chara_card_v3"}).encode()).system_prompt == "Be {{char}}."


def test_png() -> None:
    assert read_card(png(text("chara", V1))).description == "Old."
    assert read_card(png(text("chara", V1), text("ccv3", V2))).description == "New."
    assert read_card(png(chunk(b"abCD", b"chara\0x"), text("chara", V1))).name == "Ann"
    assert read_card(png(text("comment", 1), text("Chara", V1), text("chara", V2))).description == "Old."


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_card_ztxt_refused(kind: bytes) -> None:
    packed = chunk(kind, b"chara\0\0" + compress(b64encode(json.dumps(V1).encode())))
    with pytest.raises(InvalidRequest, match="packed"):
        read_card(png(packed, text("ccv3", V2)))
    other = chunk(kind, b"comment\0\0" + compress(b"x"))
    assert read_card(png(other, text("chara", V1))).name == "Ann"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "PNG with a card in it, or JSON"),
        (b"\xff", "PNG with a card in it, or JSON"),
        (b"[" * 100_000, "PNG with a card in it, or JSON"),
        (b"7", "has to be an object"),
        (b"{}", "has to have a name"),
        (json.dumps({"name": " "}).encode(), "has to have a name"),
        (json.dumps({"name": "x" * 129}).encode(), "has to have a name"),
        (json.dumps({"name": "a\nb"}).encode(), "has to have a name"),
        (b" " * (MAX_JSON_BYTES + 1), "1,000,000 bytes of JSON"),
        (png(), "no card in this PNG"),
        (png()[:20], "no card in this PNG"),
        (png(chunk(b"tEXt", b"chara\0!")), "damaged"),
        (png(chunk(b"tEXt", b"chara\0" + b"A" * (MAX_JSON_BYTES * 2))), "1,000,000 bytes of JSON"),
        (png() + bytes(MAX_PNG_BYTES), "10,000,000 bytes as PNG"),
    ],
)
def test_what_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        read_card(data)


def test_instructions() -> None:
    card = Card(
        name="Ann",
        description="{{char}} likes {{user}}.",
        personality="Kind",
        scenario="A <USER> meets <BOT>",
        greeting="Hi {{User}}!",
        examples="x",
        last_words="Stay {{CHAR}}.",
        book=read_card(
            json.dumps(
                {
                    "name": "x",
                    "character_book": {
                        "entries": [
                            {"keys": ["sea"], "content": "The sea is near {{user}}.", "position": "before_char"},
                            {"constant": True, "content": "Late.", "position": "after_char"},
                        ]
                    },
                }
            ).encode()
        ).book,
    )
    before, after = card.instructions("{{char}}", "Be brief.", ["To the sea!"], 1_000)
    assert before.split("\n\n") == [
        "Be brief.",
        "The sea is near {{char}}.",
        "Ann likes {{char}}.",
        "Personality of Ann: Kind",
        "Scenario: A {{char}} meets Ann",
        "Late.",
        "How Ann talks:\nx",
        "How Ann begins a conversation:\nHi {{char}}!",
    ], "what a name holds is not replaced again"
    assert after == "Stay Ann."


def test_a_system_prompt_of_its_own() -> None:
    card = Card(name="Ann", system_prompt="First. {{original}}")
    assert card.instructions("u", "Ours.", [], 0) == ("First. Ours.", "")
    assert Card(name="Ann", system_prompt="Mine.").instructions("u", "Ours.", [], 0) == ("Mine.", "")


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_card_or_refused(data: bytes, as_png: bool) -> None:
    try:
        read_card(png(data) if as_png else data)
    except InvalidRequest:
        return
