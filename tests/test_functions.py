"""Functions of the operator's own, by entry points."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
from twisted.logger import LogLevel

from logkit import Logged
from newage import functions
from newage.functions import GROUP, Function, installed_functions

GOOD = Function(lambda args: list(args), lambda caller, args: len(args))


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("newage_test_functions")
    module.good, module.other = GOOD, "no function"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "newage_test_functions", module)
    return module


def entry(name: str, attribute: str, module: str = "newage_test_functions") -> EntryPoint:
    return EntryPoint(name, f"{module}:{attribute}", GROUP)


def test_they_come_in_order_of_their_names(logged: Logged) -> None:
    found = [entry("roll", "good"), entry("draw", "good")]
    assert list(installed_functions(found=found)) == [("draw", GOOD), ("roll", GOOD)]
    assert logged.tags() == ["FUNCTION_REGISTER"] * 2


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (entry("x", "absent"), "function x of newage_test_functions:absent cannot be loaded"),
        (entry("x", "y", "newage_no_such_module"), "function x of newage_no_such_module:y cannot be loaded"),
        (entry("x", "other"), "newage_test_functions:other is no newage Function, so x is left out"),
        (entry("add", "good"), "there is another function add, so newage_test_functions:good is left out"),
    ],
)
def test_what_cannot_be_used_is_logged_and_left_out(logged: Logged, broken: EntryPoint, said: str) -> None:
    found = installed_functions(lambda name: name == "add", [broken, entry("roll", "good")])
    assert list(found) == [("roll", GOOD)]
    levels = {line: event["log_level"] for line, event in zip(logged(), logged.events, strict=True)}
    assert levels[said] in (LogLevel.error, LogLevel.critical)


def test_a_module_that_ends_the_process_does_not(logged: Logged) -> None:
    class Leaving(EntryPoint):
        def load(self) -> object:
            raise SystemExit(1)

    assert list(installed_functions(found=[Leaving("x", "y:z", GROUP)])) == []
    assert "function x of y:z cannot be loaded" in logged()


def test_of_two_packages_with_one_name_the_first_counts(logged: Logged) -> None:
    found = [entry("roll", "other"), entry("roll", "good")]
    assert list(installed_functions(found=found)) == [("roll", GOOD)]
    assert len(logged()) == 2


def test_what_is_installed_is_looked_up() -> None:
    assert all(isinstance(function, Function) for _, function in installed_functions())


def test_a_package_needs_nothing_but_this_module() -> None:
    assert all(hasattr(functions, name) for name in functions.__all__)
