"""World info of a character card: what the model is told when a word falls. Keys are plain text, no patterns (B23)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from attrs import frozen

MAX_ENTRIES: Final = 1_000
MAX_KEYS: Final = 50  # of one entry
MAX_KEY_CHARS: Final = 200
SCAN_LINES: Final = 4  # of the newest messages, where the book does not say how many
MOST_SCAN_LINES: Final = 50
SCAN_CHARS: Final = 20_000  # of these messages together, the newest


@frozen(kw_only=True)
class Entry:
    """``keys`` and ``others`` are lower case unless they are ``exact``. One of ``keys`` has to fall, and, where there
    are ``others``, one of these as well; ``constant`` needs no word. Smaller ``order`` comes first."""

    content: str
    keys: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    constant: bool = False
    exact: bool = False
    order: float = 100.0
    first: bool = True  # before the description of the character, else after it

    def falls_in(self, text: str, lowered: str) -> bool:
        said = text if self.exact else lowered
        return self.constant or (
            any(_mentions(said, key) for key in self.keys)
            and (not self.others or any(_mentions(said, key) for key in self.others))
        )


@frozen(kw_only=True)
class Book:
    """``scan`` is in how many of the newest messages words are looked for."""

    entries: tuple[Entry, ...] = ()
    scan: int = SCAN_LINES

    def told(self, lines: Sequence[str], most_chars: int) -> tuple[Entry, ...]:
        """What is to be told now, in its order; no more than that. Constants go first where there is too much.

        :param lines: what was said, oldest first.
        """
        text = "\n".join(lines[-self.scan :])[-SCAN_CHARS:] if self.scan else ""
        lowered = text.lower()
        fallen = [each for each in self.entries if each.falls_in(text, lowered)]
        kept, left = set(), most_chars
        for each in sorted(fallen, key=lambda entry: not entry.constant):
            left -= len(each.content)
            if left >= 0:
                kept.add(each)
            else:
                left += len(each.content)
        return tuple(sorted((each for each in fallen if each in kept), key=lambda entry: entry.order))


NO_BOOK: Final = Book()


def read_book(value: Any) -> Book:
    """``character_book`` of a card. Total: what is no entry is left out."""
    if not isinstance(value, dict):
        return NO_BOOK
    entries, depth = value.get("entries"), value.get("scan_depth")
    if isinstance(entries, dict):  # as SillyTavern's own files have them
        entries = list(entries.values())
    found = tuple(_entries(entries[:MAX_ENTRIES])) if isinstance(entries, list) else ()
    return Book(entries=found, scan=min(depth, MOST_SCAN_LINES) if type(depth) is int and depth >= 0 else SCAN_LINES)


def _entries(values: Iterable[Any]) -> Iterator[Entry]:
    for value in values:
        if not isinstance(value, dict) or value.get("enabled") is False or value.get("disable") is True:
            continue
        content = value.get("content")
        if not isinstance(content, str) or not content.strip():
            continue
        extensions = value.get("extensions")
        more = extensions if isinstance(extensions, dict) else {}
        exact = (value.get("case_sensitive") or more.get("case_sensitive")) is True
        order = value.get("insertion_order", value.get("order"))
        yield Entry(
            content=content,
            keys=_keys(value.get("keys", value.get("key")), exact=exact),
            others=_keys(value.get("secondary_keys"), exact=exact) if value.get("selective") is True else (),
            constant=value.get("constant") is True,
            exact=exact,
            order=float(order) if type(order) is int and abs(order) < 10**9 else 100.0,
            first=value.get("position") not in ("after_char", 1),
        )


def _keys(value: Any, *, exact: bool) -> tuple[str, ...]:
    words = value if isinstance(value, list) else []
    good = (each.strip() for each in words[:MAX_KEYS] if isinstance(each, str) and len(each) <= MAX_KEY_CHARS)
    return tuple(each if exact else each.lower() for each in good if each)


def _mentions(text: str, key: str) -> bool:
    """As a word: letters and digits of ASCII do not go on beside it."""
    at = text.find(key)
    while at >= 0:
        before, after = text[at - 1 : at] if at else "", text[at + len(key) : at + len(key) + 1]
        if not (_joins(before, key[0]) or _joins(key[-1], after)):
            return True
        at = text.find(key, at + 1)
    return False


def _joins(left: str, right: str) -> bool:
    return bool(left and right) and left.isascii() and right.isascii() and left.isalnum() and right.isalnum()
