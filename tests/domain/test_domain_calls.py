"""What the audit log is told of a call."""

from __future__ import annotations

from typing import Any

import pytest

from newage.domain.calls import FunctionCall, subject_of, went_well


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("readJsonFromFile", ["a.json"], {"file": "a.json"}),
        ("saveJsonToFile", [["a", "b.json"], {}], {"file": ["a", "b.json"]}),
        ("readJsonFromFile", [{"secret": 1}], {"file": "dict"}),
        ("readJsonFromFile", [], {}),
        ("addStaticResources", [None, {"/a": "x", "/b": "y"}], {"routes": ["/a", "/b"]}),
        ("add", [1, 2], {}),
    ],
)
def test_the_file_or_the_routes_and_nothing_else(name: str, args: list[Any], told: dict[str, Any]) -> None:
    assert subject_of(FunctionCall(name=name, args=args)) == told


def test_of_another_client_nothing() -> None:
    assert subject_of(FunctionCall(name="readJsonFromFile", args=["a.json"], target="bob")) == {}


@pytest.mark.parametrize(
    ("result", "well"), [(None, True), ({}, True), ({"success": True}, True), ({"success": False}, False)]
)
def test_a_failure_may_be_a_result(result: object, well: bool) -> None:
    assert went_well(result) is well
