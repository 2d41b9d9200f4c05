"""docs/operations.md: its table of the audit log is complete, its lists are the code's, its backup works."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from newage.config import load, sections
from newage.config.live import BUILT_IN, LIVE, RELOADABLE
from newage.domain.logs import FILES
from newage.telemetry.audit import AUDIT_FILE
from newage.telemetry.logs import LogSettings

CHECKOUT = Path(__file__).parent.parent
TEXT = (CHECKOUT / "docs" / "operations.md").read_text("utf-8")
SOURCES = "".join(path.read_text("utf-8") for path in sorted((CHECKOUT / "src").rglob("*.py")))
LABELS = re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b")


def rows() -> list[tuple[set[str], set[str]]]:
    """(actions, labels) of each row of the table."""
    found = re.findall(r"^\| ((?:`[a-z.]+`(?:, )?)+) \| ([A-Z_, ]+) \|", TEXT, re.MULTILINE)
    return [(set(re.findall(r"`([a-z.]+)`", actions)), set(LABELS.findall(labels))) for actions, labels in found]


def recorded() -> set[str]:
    """Every action that the code records."""
    plain = re.findall(r'(?<![.\w])(?:Recorder|emit)\(\s*"([a-z]+(?:\.[a-z]+)?)"', SOURCES)
    parts = re.findall(r'"action": "([a-z.]+)"', SOURCES)
    rooms = [f"room.{action}" for action in re.findall(r'[^_]noted\("([a-z]+)"', SOURCES)]
    members = [f"member.{action}" for action in re.findall(r'_noted\("([a-z]+)"', SOURCES)]
    return {*plain, *parts, *rooms, *members} - {"llm.request", "extension.settings"}  # in the log files alone


def test_the_table_names_every_action_and_no_other() -> None:
    assert {action for actions, _ in rows() for action in actions} == recorded()


def test_the_labels_are_the_codes() -> None:
    labels = {label for _, labels in rows() for label in labels}
    assert len(labels) > 30
    assert {label for label in labels if f'"{label}"' not in SOURCES} == set()


def test_what_is_reloadable() -> None:
    paragraph = re.search(r"^Taken over are.*?\n\n", TEXT, re.DOTALL | re.MULTILINE)
    assert paragraph is not None
    named = re.findall(r"`([a-z_.]+)`", paragraph.group().replace("\n", " "))
    assert [name for name in named if "." not in name] == list(RELOADABLE)
    keys = {name for name in named if "." in name and not name.endswith(".toml")}
    assert keys == {f"{table}.{key}" for table, key in BUILT_IN | LIVE}
    for key in keys:
        table, _, name = key.partition(".")
        assert name in sections()[table].__annotations__


def test_the_log_files() -> None:
    for name in (*FILES, AUDIT_FILE):
        assert f"`{name}`" in TEXT
    settings = LogSettings()
    assert (settings.rotate_bytes, settings.kept_files) == (20 * 1024 * 1024, 2)


def test_the_examples_can_be_read() -> None:
    for block in re.findall(r"^```json\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        assert set(json.loads(block)) >= {"at", "action", "outcome", "identity", "address"}
    for block in re.findall(r"^```toml\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE):
        for table, keys in tomllib.loads(block).items():
            assert set(keys) <= set(sections()[table].__annotations__)
    assert f"ssh -p {load().manhole.manhole_port} " in TEXT


@pytest.mark.parametrize("journal", ["WAL", "DELETE"])
def test_the_backup_is_whole_while_somebody_writes(tmp_path: Path, journal: str) -> None:
    command = re.search(r"^python3 -c .*?sqlite3$", TEXT, re.DOTALL | re.MULTILINE)
    assert command is not None
    words = shlex.split(command.group().replace("\\\n", ""))
    source, target = tmp_path / "source", tmp_path / "target"
    with sqlite3.connect(source, isolation_level=None) as writer:
        writer.execute(f"PRAGMA journal_mode = {journal}")
        writer.execute("CREATE TABLE t (x)")
        writer.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(1000)])
        subprocess.run([sys.executable, *words[1:3], str(source), str(target)], check=True, timeout=60)
    with sqlite3.connect(target) as copy:
        assert copy.execute("SELECT count(*), sum(x) FROM t").fetchone() == (1000, 499500)


def test_each_row_of_what_breaks_is_a_test_and_each_test_is_a_row() -> None:
    table = TEXT.partition("## When something breaks")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith(("| What", "|---"))]
    assert all(re.search(r"`test_\w+`", row) for row in rows)
    named = set(re.findall(r"`(test_\w+)`", table))
    folder = CHECKOUT / "tests" / "integration"
    written = {
        path: set(re.findall(r"^def (test_\w+)", path.read_text("utf-8"), re.MULTILINE))
        for path in folder.rglob("test_*.py")
        if "node_modules" not in path.parts
    }
    assert named <= set().union(*written.values())
    assert written[folder / "test_breakage.py"] <= named
