"""docs/scenarios.md out of the contract's table and the tests that are named for its rows.

    python tests/integration/scenarios/scenario_table.py > docs/scenarios.md

The table is section 13 of docs/wire.md. A test belongs to row 38 when it is called ``test_scenario_38_...``; what its
name goes on to say is its part of the row.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
CHECKOUT = FOLDER.parents[2]
CONTRACT = CHECKOUT / "docs" / "wire.md"
DOCUMENT = CHECKOUT / "docs" / "scenarios.md"
_NAME = re.compile(r"test_scenario_(\d\d)_\w+")
_BOTH = re.compile(r"(on_)?both|.*MODEL_SERVER")
_ASKS = re.compile(r"\.extension\(|two_and_three\(")  # a test that does has somebody who answers

HEAD = """# Acceptance scenarios

What a hub must do to stand in for the reference server, row by row, and the tests that show it: each starts the daemon
by `twistd` and talks to it through the real `socket.io-client` (`16` also through a browser, some of `2`-`4` and `70`
through a bare socket). Words of the table: EXT is a stand-in of the reference extension, packet for packet
(`tests/integration/extension.js`); WEB a client written from the published docs; MON the monitor page's handshake.

Made by `python tests/integration/scenarios/scenario_table.py > docs/scenarios.md`. `tests/test_scenarios_document.py`
fails when this file, the tests and the table differ, or when a row has no test. One row's tests:
`pytest tests/integration/scenarios -k scenario_38`.

Where an extension is asked, EXT is a model server of the configuration as well, in the same test (`[model-server]` in
its name; `tests/integration/support/answering.py`), but for those that the last section lists.
"""
ALONE = """## With the extension's own socket alone

A model server has none: it is there as long as the hub is, it is told words, and it says an answer.

| Test | About |
| --- | --- |
"""


class Row(NamedTuple):
    number: int
    given: str
    when: str
    then: str


def rows() -> list[Row]:
    """The contract's table."""
    _, _, section = CONTRACT.read_text("utf-8").partition("\n## 13. ")
    lines = re.findall(r"^\| (\d+) \| (.+) \| (.+) \| (.+) \|$", section.partition("\n## ")[0], re.MULTILINE)
    return [Row(int(number), given, when, then) for number, given, when, then in lines]


def tests() -> Mapping[int, Sequence[str]]:
    """Node ids by the row they are named for, in the order of files and lines."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in sorted(FOLDER.glob("test_*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and (match := _NAME.fullmatch(node.name)):
                found[int(match.group(1))].append(f"{path.relative_to(CHECKOUT)}::{node.name}")
    return found


def _reason(mark: ast.expr) -> str:
    """What ``of_its_socket`` says, if it is that."""
    match mark:
        case ast.Call(ast.Name("of_its_socket"), [ast.Constant(str(reason))]):
            return reason
    return ""


def with_a_stand_in_alone() -> Mapping[str, str]:
    """Tests that make an extension and do not run with a model server, and the reason that each is marked with."""
    found: dict[str, str] = {}
    for path in sorted(FOLDER.glob("test_*.py")):
        whole = ""  # the reason that holds for its whole module
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                whole = _reason(node.value)
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            both = any(_BOTH.match(ast.unparse(each)) for each in node.decorator_list)
            if not both and _ASKS.search(ast.unparse(node)):
                reasons = [*map(_reason, node.decorator_list), whole]
                found[f"{path.relative_to(CHECKOUT)}::{node.name}"] = next(filter(None, reasons), "")
    return found


def document() -> str:
    """The whole file."""
    named = tests()
    parts = [HEAD]
    for row in rows():
        parts.append(f"## {row.number}. {row.given}\n")
        told = row.then if row.when == "-" else f"When: {row.when}\n\nThen: {row.then}"
        parts.append(f"{told}\n")
        parts.append("".join(f"- `{test}`\n" for test in named.get(row.number, ())))
    parts.append(ALONE + "".join(f"| `{test}` | {why} |\n" for test, why in with_a_stand_in_alone().items()))
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(document())
