"""One module reads the wall clock (contract A29): whoever needs a stamp is given ``World.wall``, all else measures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
SOURCE = CHECKOUT / "src" / "newage"
READER = SOURCE / "services" / "world.py"

ALWAYS = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today"}
WITHOUT_ARGUMENTS = {"time.gmtime": 0, "time.localtime": 0, "time.ctime": 0, "time.asctime": 0, "time.strftime": 1}
OF_TWISTED = {"runtime.seconds", "platform.seconds"}


def reads_of(code: str) -> Iterator[str]:
    """Where a piece of Python asks what time it is."""
    tree = ast.parse(code)
    named: dict[str, str] = {}  # here -> its last two names
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {(alias.asname or alias.name): alias.name.rpartition(".")[2] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                named[alias.asname or alias.name] = whole if module == "time" else alias.name
                if whole in ALWAYS | OF_TWISTED:
                    yield f"{node.lineno}: {whole}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = f"{named.get(_last(node.value), _last(node.value))}.{node.attr}"
            if name in ALWAYS | OF_TWISTED:
                yield f"{node.lineno}: {name}"
        if isinstance(node, ast.Call):
            name = _called(node.func, named)
            if len(node.args) <= WITHOUT_ARGUMENTS.get(name, -1):
                yield f"{node.lineno}: {name}"


def _last(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _called(node: ast.AST, named: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{named.get(_last(node.value), _last(node.value))}.{node.attr}"
    return named.get(_last(node), _last(node))


@pytest.mark.parametrize(
    "code",
    [
        "import time\ntime.time()",
        "import time as t\nt.time()",
        "from time import time",
        "from time import monotonic, time_ns as now",
        "from datetime import datetime\ndatetime.now(UTC)",
        "import datetime\ndatetime.datetime.utcnow()",
        "from datetime import date as day\nday.today()",
        "import time\ntime.strftime('%H')",
        "from time import localtime\nlocaltime()",
        "from time import gmtime as g\ng()",
        "import time\ncall = time.time",
        "from twisted.python.runtime import seconds",
        "from twisted.python.runtime import platform\nplatform.seconds()",
    ],
)
def test_a_read_is_found(code: str) -> None:
    assert list(reads_of(code))


@pytest.mark.parametrize(
    "code",
    [
        "from time import monotonic\nmonotonic()",
        "from datetime import UTC, datetime\ndatetime.fromtimestamp(0.0, UTC)",
        "import time\ntime.gmtime(0)",
        "import time\ntime.strftime('%H', when)",
        "self.clock.seconds()",
        "world.wall()",
    ],
)
def test_what_is_no_read_is_left_alone(code: str) -> None:
    assert list(reads_of(code)) == []


def test_one_module_reads_the_wall_clock() -> None:
    paths = [*SOURCE.rglob("*.py"), *(CHECKOUT / "twisted").rglob("*.py")]
    found = {path: reads for path in paths if (reads := list(reads_of(path.read_text("utf-8"))))}
    assert set(found) == {READER}, found
    assert found[READER] == ["6: time.time"]


def test_no_statement_of_the_store_reads_it_but_an_upgrade_once() -> None:
    for path in (SOURCE / "storage").glob("*.py"):
        assert not re.search(r"CURRENT_TIME|'now'|unixepoch", path.read_text("utf-8")), path
