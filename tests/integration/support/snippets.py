"""Pieces of JavaScript in documents, made into programs that can be run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

HUB = "http://localhost:4000"  # as documents call it


def snippets(document: Path) -> dict[str, list[str]]:
    """The pieces below each heading of the second level that has any."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", document.read_text("utf-8"), flags=re.MULTILINE):
        pieces = re.findall(r"^```js\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
        if pieces:
            found[section.partition("\n")[0]] = pieces
    return found


@dataclass(frozen=True)
class Stage:
    """What stands around the pieces of one section.

    :ivar before: runs before the first one.
    :ivar between: runs between each and the next.
    :ivar after: runs after the last one.
    :ivar shows: what the program prints, in this order.
    :ivar changes: what is another thing in a test: (as the document has it, as it is run).
    """

    before: str = ""
    between: str = ""
    after: str = ""
    shows: tuple[str, ...] = ()
    changes: tuple[tuple[str, str], ...] = ()

    def program(self, pieces: list[str], start: str, end: str) -> str:
        """All of it; each piece has names of its own."""
        body = f"\n{self.between}\n".join(f"{{\n{piece}}}" for piece in pieces)
        for said, run in self.changes:
            assert said in body
            body = body.replace(said, run)
        return "\n".join((start, self.before, body, self.after, end))
