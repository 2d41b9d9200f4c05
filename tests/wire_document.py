"""docs/wire.md as the tests read it: its sections, labels and blocks; and who cites them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property

from attrs import frozen

MARK = "(from the next versions on)"
_HEADING = re.compile(r"#{2,4} (\d+(?:\.\d+)*)\.? ")
_REFERENCE = r"(?:\d{1,2}(?:\.\d{1,2}){0,2}(?![\w.]*\d)|[ABCH]\d{1,2}(?!\w))"
_LETTER = r"(?: ?\(?[a-f]\)?(?!\w))?"  # as in 5.6 (c)
_CITATION = re.compile(
    rf"\b(?:contract|amendments?)(?:'s)?\s+\(?({_REFERENCE}{_LETTER}"
    rf"(?:(?:,\s+|-|\s+and\s+|\s+with\s+){_REFERENCE}{_LETTER})*)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?<![\w%\\#&./'\"-])[ABCH][1-9]\d?(?![\w.(=])")
_BARE = re.compile(r"(?<!\w)\(([1-9]\d?\.\d{1,2}(?:\.\d{1,2})?)(?=[),;]| with )")
_SCENARIOS = re.compile(r"\bscenarios?\s+(\d{1,2}(?:(?:-|,\s+|\s+and\s+)\d{1,2})*)\b(?!\.\d)", re.IGNORECASE)
_QUOTED = re.compile(r"```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
_FAILURE = re.compile(r"(?<!\w)err`([^`]+)`")


@frozen
class Block:
    """A paragraph, list item or row of a table, or what of it precedes or follows the mark of what is not built yet."""

    section: str
    text: str
    marked: bool


@frozen(slots=False)
class WireDocument:
    text: str

    @cached_property
    def sections(self) -> list[str]:
        """The numbers of all headings, in the order of the text."""
        return [found.group(1) for line in self.text.splitlines() if (found := _HEADING.match(line))]

    @cached_property
    def places(self) -> frozenset[str]:
        """What a number may point to: a section, or a numbered row or item of one."""
        items = set()
        for block in self.blocks:
            if item := re.match(r"(?:\| )?(\d{1,2})(?:\. | \|)", block.text):
                items.add(f"{block.section}.{item.group(1)}")
        return frozenset(items | set(self.sections))

    @cached_property
    def labels(self) -> frozenset[str]:
        """``C5``, ``H11``, ``A13``, ``B2``: those that begin a row."""
        return frozenset(re.findall(r"^\| \**([ABCH]\d{1,2})\b", self.text, re.MULTILINE))

    @cached_property
    def blocks(self) -> list[Block]:
        found: list[Block] = []
        section, marked_heading = "", ""
        for chunk in re.split(r"\n\n+|\n(?=\||#|- |\d+\. )", self.text):
            if heading := _HEADING.match(chunk):
                section = heading.group(1)
                if MARK in chunk:
                    marked_heading = section
            under = bool(marked_heading) and (section + ".").startswith(marked_heading + ".")
            built, mark, later = chunk.partition(MARK)
            found.append(Block(section, built, under))
            if mark:
                found.append(Block(section, later, marked=True))
        return found

    @property
    def index(self) -> dict[str, list[str]]:
        """Label to sections, as the last section lists them."""
        last = self.text[self.text.rindex("\n## ") :]
        rows = re.findall(r"^\| \*\*([AB]\d+)\*\* \| [^|]+ \| ([\d., ]+) \|$", last, re.MULTILINE)
        return {label: where.split(", ") for label, where in rows}

    def section(self, number: str) -> str:
        """The text of one section, its subsections included."""
        inside = [block.text for block in self.blocks if (block.section + ".").startswith(number + ".")]
        return "\n".join(inside)

    def knows(self, reference: str) -> bool:
        return reference in (self.labels if reference[0].isalpha() else self.places)

    def order_faults(self) -> list[str]:
        """Headings that neither open a deeper level nor are the next of their own or a higher one."""
        numbers = [[int(part) for part in number.split(".")] for number in self.sections]
        pairs = zip([[-1], *numbers], numbers, strict=False)
        return [".".join(map(str, now)) for before, now in pairs if not _follows(before, now)]

    def own_references(self) -> set[str]:
        """Numbers with a dot in running text: the document's references to itself."""
        prose = _QUOTED.sub("", self.text)
        prose = re.sub(r"^#.*$", "", prose, flags=re.MULTILINE)
        return set(re.findall(r"(?<![\w.])\d{1,2}\.\d{1,2}(?:\.\d{1,2})?(?![\w%])", prose))

    def failures(self) -> Iterator[tuple[str, bool]]:
        """Every message of a failure, and whether its block is marked."""
        for block in self.blocks:
            for words in _FAILURE.findall(block.text):
                yield words, block.marked


def _follows(before: list[int], now: list[int]) -> bool:
    if len(now) > len(before):
        return now[:-1] == before and now[-1] in (0, 1)
    return now == [*before[: len(now) - 1], before[len(now) - 1] + 1]


def citations(text: str) -> set[str]:
    """Sections and labels that a text cites by the word contract or amendment."""
    found: set[str] = set()
    for citation in _CITATION.finditer(text):
        found |= set(re.findall(_REFERENCE, citation.group(1)))
    return found


def bare_citations(text: str) -> set[str]:
    """Labels anywhere, and section numbers alone in parentheses."""
    return set(_LABEL.findall(text)) | set(_BARE.findall(text))


def scenarios(text: str) -> set[int]:
    """Numbers of acceptance scenarios that a text names."""
    found: set[int] = set()
    for citation in _SCENARIOS.finditer(text):
        found |= {int(number) for number in re.findall(r"\d+", citation.group(1))}
    return found
