"""Pieces of JavaScript and Python in documents, made into programs that can be run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent

HUB = "http://localhost:4000"  # as documents call it


def snippets(document: Path, language: str = "js") -> dict[str, list[str]]:
    """The pieces below each heading of the second level that has any."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", document.read_text("utf-8"), flags=re.MULTILINE):
        pieces = re.findall(rf"^```{language}\n(.*?)^```", section, re.DOTALL | re.MULTILINE)
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
        return "\n".join((start, self.before, self._changed(body), self.after, end))

    def coroutine(self, pieces: list[str], start: str) -> str:
        """The same in Python: all of it is the end of what begins."""
        body = self._changed(f"\n{self.between}\n".join(pieces))
        return start + indent("\n".join((self.before, body, self.after)), 8 * " ") + "\n\nasyncio.run(main())\n"

    def _changed(self, body: str) -> str:
        for said, run in self.changes:
            assert said in body
            body = body.replace(said, run)
        return body
