"""Services do not speak the wire: no member's name, no event's name and no ``Emission(`` outside ``dialect/``."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from rules import CHECKOUT, MODULES, Module, module

MEMBER = re.compile(r"[a-z]+[A-Z]\w*")  # roomName
EVENT = re.compile(r"\b(?:[A-Z]+(?:_[A-Z]+)+|ERROR|WARNING)\b")  # MEMBER_LEFT
LABELS = re.compile(r"^### 1\.5 EVENTS: labels of log entries.*?(?=^##)", re.DOTALL | re.MULTILINE)

# Words that stand there by right: labels of log entries that are events too, where a call takes them; Twisted's own.
LOG_CALLS = {"Recorder", "emit"}  # of telemetry.audit, imported by name
FOREIGN_KEYWORDS = {"consumeErrors"}


def events() -> set[str]:
    """Every event of the contract; labels of log entries, which its section 1.5 lists, are never on the wire."""
    contract, lists = LABELS.subn("", (CHECKOUT / "docs" / "wire.md").read_text("utf-8"))
    assert lists == 1
    return set(EVENT.findall(contract))


EVENTS = events()


def wire_words(source: Module) -> Iterator[str]:
    """``path:line: word`` of each member, event or ``Emission(`` in a module; sentences and docstrings are none."""
    labels = {id(label) for node in ast.walk(source.tree) for label in _labels(node)}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in labels:
            if MEMBER.fullmatch(node.value) or node.value in EVENTS:
                yield f"{source.path}:{node.lineno}: {node.value}"
        elif isinstance(node, ast.keyword) and node.arg and MEMBER.fullmatch(node.arg):
            if node.arg not in FOREIGN_KEYWORDS:
                yield f"{source.path}:{node.lineno}: {node.arg}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Emission":
            yield f"{source.path}:{node.lineno}: Emission("


def _labels(node: ast.AST) -> Iterator[ast.AST]:
    """The words of a call that writes to a log."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) in LOG_CALLS:
        yield from node.args
    elif isinstance(node, ast.keyword) and node.arg == "tag":
        yield from ast.walk(node.value)


def test_services_do_not_speak_the_wire() -> None:
    spoken = [word for source in MODULES if source.layer == "services" for word in wire_words(source)]
    assert not spoken, "it belongs into newage.dialect:\n" + "\n".join(spoken)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ('body = {"roomName": room.name}', "roomName"),
        ('request.get("clientHTML")', "clientHTML"),
        ("body = dict(roomName=room.name)", "roomName"),
        ('hub.emit(sid, "MEMBER_LEFT", body)', "MEMBER_LEFT"),
        ('LEFT = "ERROR"', "ERROR"),
        ('hub.publish(model.Emission("/", "x", ()))', "Emission("),
    ],
)
def test_a_word_of_the_wire_is_caught(code: str, word: str) -> None:
    assert list(wire_words(module("services/x.py", code))) == [f"services/x.py:1: {word}"]


@pytest.mark.parametrize(
    "code",
    [
        '"""The roomName of a room."""',
        'raise NotFound("There is no roomName.")',
        'log.info("{room} is gone", room=name, tag="MEMBER_LEFT")',
        'came = Recorder("connect", "CLIENT_CONNECTED")',
        'emit("login.unlock", "CLIENT_ADDED", OK)',
        'END_LABELS = {"completed": "LLM_RESPONSE_SENT"}',
        "gathered = gatherResults(all_of_them, consumeErrors=True)",
        'normalize("NFC", name)',
        'hub.publish(left(room, "kick"))',
    ],
)
def test_other_words_are_not(code: str) -> None:
    assert list(wire_words(module("services/x.py", code))) == []
