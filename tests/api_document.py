"""docs/api.md as the tests and docs/asyncapi.yaml read it: the events of each namespace, and what their tables know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from attrs import field, frozen

ROOT = Path(__file__).parents[1]
SEND, HEAR = "You send", "You hear"
Schema = dict[str, Any]

_CELL = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]*)`")
_NAME = re.compile(r"([A-Za-z]\w*)(\?)?")
_NAMED = re.compile(r'([A-Za-z]\w*): ?(true|\d+|"[^"]*")')
_NESTED = re.compile(r"([A-Za-z]\w*): (\{.*\})")
_PROSE = [["feature"], ["under"], ["with"], ["of"], ["the"], ["see"]]  # before what is no member
_RANGE = re.compile(r"\s+(\d+)-(\d+)")
_BEYOND = re.compile(r"\.?\s*Fails\b.*", re.DOTALL)
_WANTED = re.compile(r"\b(?:wants an|your) ack\b(?: `(\{[^`]*\})`)?")
_SENTENCE = re.compile(r"\.(?: |$)(?=[^`]*(?:`[^`]*`[^`]*)*$)")


@frozen(kw_only=True)
class Row:
    """One event of a namespace in one direction.

    :ivar said: the payload; ``more``: what the hub acks and how it fails, or who hears it when.
    """

    namespace: str
    direction: str
    event: str
    said: str
    more: str

    @property
    def failures(self) -> list[str]:
        """The words of the hub, where they are fixed."""
        beyond = _BEYOND.search(self.more)
        said = _CODE.findall(beyond.group()) if beyond else []
        return [words for words in said if words[:1].isupper() and not re.fullmatch(r"[A-Z_]+", words)]


@frozen(kw_only=True)
class Members:
    """Those of an object.

    :ivar closed: it is written as one, so that what is not optional is always there.
    """

    properties: Schema = field(factory=dict)
    required: tuple[str, ...] = ()

    def schema(self) -> Schema:
        made: Schema = {"type": "object"}
        if self.properties:
            made["properties"] = self.properties
        if self.required:
            made["required"] = list(self.required)
        return made


@frozen(slots=False)
class ApiDocument:
    text: str

    @cached_property
    def rows(self) -> list[Row]:
        return list(self._rows())

    @cached_property
    def titles(self) -> dict[str, str]:
        """Of the namespaces, in their order."""
        return dict(re.findall(r"^## `(/\w*)` — (.*)$", self.text, re.MULTILINE))

    def section(self, heading: str) -> str:
        """What stands below it, to the next of its kind."""
        found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## )", self.text, re.DOTALL | re.MULTILINE)
        assert found, heading
        return found.group(1).strip()

    @cached_property
    def auth(self) -> list[tuple[str, str, str]]:
        """Members of the auth object: (name, type, meaning)."""
        rows = [cells(line) for line in self.section("Connecting").splitlines() if line.startswith("| `")]
        found = []
        for row in rows:
            if len(row) == 3:
                found += [(name, row[1], row[2]) for name in _CODE.findall(row[0])]
        return found

    def _rows(self) -> Iterator[Row]:
        namespace = direction = ""
        for line in self.text.splitlines():
            if heading := re.match(r"## `(/\w*)`", line):
                namespace, direction = heading.group(1), ""
            elif line.startswith("#"):
                direction = line.lstrip("# ")
            elif namespace and direction in (SEND, HEAR) and line.startswith("| `"):
                name, said, more = cells(line)
                yield Row(namespace=namespace, direction=direction, event=name.strip("`"), said=said, more=more)


def cells(line: str) -> list[str]:
    """Of a row of a table."""
    return [cell.strip() for cell in _CELL.split(line)[1:-1]]


def plain(cell: str) -> str:
    """Without what stands in round brackets, which explains."""
    out, depth, code = "", 0, False
    for letter in cell:
        code ^= letter == "`"
        if letter == "(" and not code:
            depth += 1
            out = out.rstrip()
        if depth == 0:
            out += letter
        if letter == ")" and not code and depth:
            depth -= 1
    return out


def members(cell: str) -> Members:
    """What a cell names: `name`, `name?`, `name`: `one`, `other`; `name` 1-200; `name: true`; `{name, name?}`;
    `name`: a list of `{name, name?}`."""
    text = plain(_BEYOND.sub("", cell))
    text = text[: found.start()] if (found := _WANTED.search(text)) else text
    reading = _Reading()
    at = 0
    for code in _CODE.finditer(text):
        before, after = text[at : code.start()], text[code.end() :]
        reading.take(before, code.group(1), after)
        at = code.end()
    reading.beyond(text[at:])
    return Members(properties=reading.found, required=reading.required)


class _Reading:
    """From one piece of code in a cell to the next."""

    def __init__(self) -> None:
        self.found: Schema = {}
        self.required: tuple[str, ...] = ()
        self._objects = 0  # that the whole is
        self._name = ""  # of which what follows may say more

    def take(self, before: str, said: str, after: str) -> None:
        schema = self.found.get(self._name, {})
        if self._name and after[:1] != ":" and not after[:1].isalpha() and self._is_value(before, said):
            schema.setdefault("enum", []).append(said)
            return
        self.beyond(before)
        if said.startswith("{"):
            self._object(before, literal(said))
            self._name = ""
            return
        self._name = ""
        if after[:1].isalpha() or before.split()[-1:] in _PROSE or (said.isupper() and len(said) > 1):
            return
        if nested := _NESTED.fullmatch(said):
            self.found.setdefault(nested[1], literal(nested[2]).schema())
        elif named := _NAMED.fullmatch(said):
            self.found.setdefault(named[1], {})
        elif named := _NAME.fullmatch(said):
            bounds = _RANGE.match(after)
            self.found.setdefault(named[1], _between(bounds) if bounds else {})
            self._name = "" if bounds else named[1]

    def beyond(self, text: str) -> None:
        """Values that go on in words are not all there are."""
        if re.match(r",? or (?!`)\w|, or \w", text):
            self.found.get(self._name, {}).pop("enum", None)

    def _is_value(self, before: str, said: str) -> bool:
        begun = "enum" in self.found[self._name]
        wanted = r",? or |, " if begun else r": | "
        return re.fullmatch(wanted, before) is not None and re.fullmatch(r"\w+", said) is not None

    def _object(self, before: str, made: Members) -> None:
        if self._name and (between := re.match(r":(.*)", before)):
            many = re.search(r"\b(list|up to \d+|each)\b", between[1])
            self.found[self._name] = {"type": "array", "items": made.schema()} if many else made.schema()
            return
        self.found |= {name: schema for name, schema in made.properties.items() if name not in self.found}
        kept = tuple(name for name in made.required if not self._objects or name in self.required)
        self.required, self._objects = kept, self._objects + 1


def _between(bounds: re.Match[str]) -> Schema:
    return {"type": "integer", "minimum": int(bounds[1]), "maximum": int(bounds[2])}


def literal(text: str) -> Members:
    """`{a, b?, c: true, d: {e, f?}}`: what is not optional is required."""
    found: Schema = {}
    required = []
    for part in _parts(text[1:-1]):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if not (named := _NAME.fullmatch(name)):
            continue
        found[named[1]] = literal(value).schema() if value.startswith("{") else {}
        if not named[2]:
            required.append(named[1])
    return Members(properties=found, required=tuple(required))


def _parts(text: str) -> Iterator[str]:
    depth, part = 0, ""
    for letter in text:
        depth += (letter == "{") - (letter == "}")
        if letter == "," and not depth:
            yield part
            part = ""
        else:
            part += letter
    if part.strip():
        yield part


def acked(row: Row) -> Members:
    """What the hub acks: what the third column begins with, to the end of its sentence."""
    first = _SENTENCE.split(plain(row.more), maxsplit=1)[0]
    return members(first) if first.startswith("`") else Members()


def wanted_ack(row: Row) -> Members | None:
    """What the hub wants to be answered, where it does."""
    found = _WANTED.search(row.said) or _WANTED.search(row.more)
    if row.direction == SEND or found is None:
        return None
    return literal(found[1]) if found[1] else Members()
