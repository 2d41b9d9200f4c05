"""Character cards: JSON and PNG, of versions 1 to 3, read without looking at a pixel (B23).

A PNG has its card in a ``tEXt`` chunk: ``ccv3`` before ``chara``, base64 of JSON. What is packed (``zTXt``, ``iTXt``)
is refused: unpacked it may be of any size.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error
from collections.abc import Mapping
from typing import Any, Final

from attrs import frozen

from newage.domain.lore import NO_BOOK, Book, read_book
from newage.domain.text import well_formed
from newage.errors import InvalidRequest

MAX_PNG_BYTES: Final = 10_000_000
MAX_JSON_BYTES: Final = 1_000_000
MAX_NAME_CHARS: Final = 128
LORE_SHARE: Final = 0.25  # of the prompt, at most

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_WORDS: Final = (b"ccv3", b"chara")  # the first that is there counts
_MACRO: Final = re.compile(r"\{\{(char|user)\}\}|<(char|bot|user)>", re.IGNORECASE)


@frozen(kw_only=True)
class Card:
    """A character; each text as its author wrote it, macros included."""

    name: str
    description: str = ""
    personality: str = ""
    scenario: str = ""
    greeting: str = ""
    examples: str = ""
    system_prompt: str = ""
    last_words: str = ""  # told after the conversation
    book: Book = NO_BOOK

    def instructions(self, user: str, system_prompt: str, lines: list[str], most_chars: int) -> tuple[str, str]:
        """What the model is told before the conversation, and after it.

        :param user: the name of who asks. :param system_prompt: the operator's; the card's own stands for it where it
            has one, and may say ``{{original}}``. :param lines: what was said, oldest first. :param most_chars: of
            lore.
        """
        told = self.book.told(lines, most_chars)
        parts = [
            self.system_prompt.replace("{{original}}", system_prompt) if self.system_prompt else system_prompt,
            *(each.content for each in told if each.first),
            self.description,
            f"Personality of {self.name}: {self.personality}" if self.personality else "",
            f"Scenario: {self.scenario}" if self.scenario else "",
            *(each.content for each in told if not each.first),
            f"How {self.name} talks:\n{self.examples}" if self.examples else "",
            f"How {self.name} begins a conversation:\n{self.greeting}" if self.greeting else "",
        ]
        before = "\n\n".join(part.strip() for part in parts if part.strip())
        return self._named(before, user), self._named(self.last_words, user)

    def _named(self, text: str, user: str) -> str:
        """Macros are replaced once: what a name holds is text."""
        return _MACRO.sub(lambda found: user if "user" in found[0].lower() else self.name, text)


def read_card(data: bytes) -> Card:
    """:raises InvalidRequest: what is wrong with it, in words."""
    if data.startswith(_SIGNATURE):
        if len(data) > MAX_PNG_BYTES:
            raise InvalidRequest(f"A card may have {MAX_PNG_BYTES:,} bytes as PNG.")
        data = _unpack(_chunk(data))
    if len(data) > MAX_JSON_BYTES:
        raise InvalidRequest(f"A card may have {MAX_JSON_BYTES:,} bytes of JSON.")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise InvalidRequest("A card has to be a PNG with a card in it, or JSON.") from None
    return _card(value)


def _chunk(data: bytes) -> bytes:
    """The text of the chunk that holds the card."""
    found: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while at + 8 <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        word, _, text = data[at + 8 : at + 8 + size].partition(b"\0")
        if word.lower() in _WORDS:
            if kind in (b"zTXt", b"iTXt"):
                raise InvalidRequest("The card in this PNG is packed (zTXt or iTXt); save it again as a V2 card.")
            if kind == b"tEXt":
                found.setdefault(word.lower(), text)
        at += 12 + size
    for each in _WORDS:
        if each in found:
            return found[each]
    raise InvalidRequest("There is no card in this PNG.")


def _unpack(text: bytes) -> bytes:
    if len(text) > MAX_JSON_BYTES * 4 // 3 + 4:
        raise InvalidRequest(f"A card may have {MAX_JSON_BYTES:,} bytes of JSON.")
    try:
        return b64decode(text, validate=True)
    except (Error, ValueError):
        raise InvalidRequest("The card in this PNG is damaged.") from None


def _card(value: Any) -> Card:
    body = value.get("data") if isinstance(value, dict) and isinstance(value.get("data"), dict) else value
    if not isinstance(body, dict):
        raise InvalidRequest("A card has to be an object.")
    name = _text(body, "name").strip()
    if not name or len(name) > MAX_NAME_CHARS or not name.isprintable():
        raise InvalidRequest(f"A card has to have a name of at most {MAX_NAME_CHARS} characters.")
    return Card(
        name=name,
        description=_text(body, "description"),
        personality=_text(body, "personality"),
        scenario=_text(body, "scenario"),
        greeting=_text(body, "first_mes"),
        examples=_text(body, "mes_example"),
        system_prompt=_text(body, "system_prompt"),
        last_words=_text(body, "post_history_instructions"),
        book=read_book(body.get("character_book")),
    )


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return well_formed(value) if isinstance(value, str) else ""
