"""docs/api.md and the code say the same: events, in both directions, and the words of failures."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from twisted.internet import reactor

from api_document import HEAR, SEND, ApiDocument
from newage.assembly.core import Core, make_core
from newage.config import Config, ServerSettings

ROOT = Path(__file__).parents[1]
API = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
SOURCES = sorted((ROOT / "src" / "newage").rglob("*.py"))


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Core:
    home = str(tmp_path_factory.mktemp("home"))
    config = Config(server=ServerSettings(home=home, ephemeral=True))
    return make_core(config, reactor, set_debug=lambda on: None, log_folder=None, port=lambda: 0)


def test_every_event_that_is_handled_is_documented_and_the_reverse(core: Core) -> None:
    documented = {(row.namespace, row.event) for row in ApiDocument(API).rows if row.direction == SEND}
    handled = {(namespace.path, event) for namespace in core.dispatcher.namespaces() for event in namespace.handlers}
    assert documented == handled


def literals() -> set[str]:
    """Every string in the source."""
    return {
        node.value
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def sent() -> set[str]:
    """The first string of every call of Event, emit, Emission, _publish: the events that leave."""
    found: set[str] = set()
    inside = {"dialect", "services", "namespaces", "gateway"}
    senders = [path for path in SOURCES if path.relative_to(ROOT / "src" / "newage").parts[0] in inside]
    for path in senders:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("Event", "emit", "Emission", "_publish"):
                strings = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                if any(re.fullmatch(r"[a-z]+\.[a-z]+", s) for s in strings):
                    continue  # a fact for the audit log (audit.emit)
                found.update(s for s in strings if re.fullmatch(r"\$?[A-Za-z][A-Za-z_-]+", s))
    return found


def test_every_event_that_leaves_is_documented() -> None:
    heard = {row.event for row in ApiDocument(API).rows if row.direction == HEAR}
    lower = {"member_role_changed", "new_message", "update_connected_clients"}  # made by .lower(), or listed in a loop
    assert heard - lower <= literals()
    events = {name for name in sent() if name.upper() == name or name.startswith(("$", "streamed"))}
    assert events <= heard, events - heard


def test_the_words_of_failures_are_those_of_the_code() -> None:
    known = literals()
    words = set(re.findall(r"`([A-Z][^`<>|]*?\.?)`", " ".join(re.findall(r"Fails[^|]*\|", API))))
    for sentence in words:
        whole = any(sentence in literal for literal in known)
        assert whole, sentence


def test_the_files_that_it_points_to_exist() -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", API):
        assert (ROOT / "docs" / link).exists(), link
