"""The wire is spoken in ``dialect`` alone: no service writes one of its members, names an event or makes an emission.

Sentences may name members; labels of log lines (``tag=``) look like events and are none.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "newage"
SPOKEN = {"calls", "history", "home", "requests"}  # rooms of services/ that keep the rule
CAMEL = re.compile(r"[a-z]+[A-Z]\w*")
OF_TWISTED = {"consumeErrors"}  # arguments that others named


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def events() -> set[str]:
    """The name of each event that dialect makes."""
    calls = (node for path in SOURCE.joinpath("dialect").glob("*.py") for node in ast.walk(parsed(path)))
    first = (node.args[0] for node in calls if isinstance(node, ast.Call) and called(node) == "Event" and node.args)
    return {arg.value for arg in first if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}


EVENTS = events()


def wire_words(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Where a member or an event is written, and which."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if CAMEL.fullmatch(node.value) or node.value in EVENTS:
                yield node.lineno, repr(node.value)
        elif isinstance(node, ast.keyword) and node.arg not in OF_TWISTED and CAMEL.fullmatch(node.arg or ""):
            yield node.lineno, f"{node.arg}="
        elif isinstance(node, ast.Call) and called(node) == "Emission":
            yield node.lineno, "Emission("


def test_the_events_of_dialect_are_found() -> None:
    assert {"NEW_MESSAGE", "REQUEST_STATUS_UPDATE", "LLM_REQUEST"} <= EVENTS


@pytest.mark.parametrize("room", sorted(SPOKEN))
def test_services_speak_values(room: str) -> None:
    paths = sorted(SOURCE.joinpath("services", room).glob("*.py"))
    assert paths
    found = [f"{path.name}:{line} {word}" for path in paths for line, word in wire_words(parsed(path))]
    assert found == []


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ('body = {"roomName": name}', "'roomName'"),
        ("body.update(responseId=response_id)", "responseId="),
        ('outbox.emit(sid, "NEW_MESSAGE", body)', "'NEW_MESSAGE'"),
        ("outbox.publish(model.Emission('/llm', event, (), to))", "Emission("),
    ],
)
def test_the_rule_catches_what_it_forbids(code: str, word: str) -> None:
    assert [found for _, found in wire_words(ast.parse(code))] == [word]


def test_sentences_and_labels_are_not_caught() -> None:
    code = 'log.info("the member roomName of a {thing}", tag="LLM_RESPONSE_SENT", error_code=2)'
    assert list(wire_words(ast.parse(code))) == []
