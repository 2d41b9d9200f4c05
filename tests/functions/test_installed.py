"""Functions and plug-ins of the operator's own, by entry points."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest
from twisted.logger import LogLevel

from logkit import Logged
from newage.functions.door import function
from newage.functions.installed import FUNCTIONS, PLUGINS, Installed, installed, report
from newage.services.calls.calls import Function

OLD = Function(lambda args: list(args), lambda caller, args: len(args))


@function
def new(x: int) -> int:
    return x


def setup(hub: object) -> None:
    pass


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("newage_test_functions")
    vars(module).update(new=new, old=OLD, other="no function", setup=setup)
    monkeypatch.setitem(sys.modules, "newage_test_functions", module)
    return module


def entry(name: str, attribute: str, group: str = FUNCTIONS, module: str = "newage_test_functions") -> EntryPoint:
    return EntryPoint(name, f"{module}:{attribute}", group)


def usable(found: Iterable[Installed]) -> list[tuple[str, object]]:
    return [(each.name, each.offered) for each in found if not each.problem]


def test_they_come_in_order_of_their_names_and_functions_first(logged: Logged) -> None:
    found = list(installed(found=[entry("bot", "setup", PLUGINS), entry("roll", "new"), entry("draw", "old")]))
    assert usable(found) == [("draw", OLD), ("roll", new), ("bot", setup)]
    assert [each.kind for each in found] == ["function", "function", "plug-in"]
    for each in found:
        report(each)
    assert logged.tags() == ["FUNCTION_REGISTER"] * 3
    assert "plug-in bot of newage_test_functions:setup" in logged()


def test_the_old_door_is_named_once_in_the_log(logged: Logged) -> None:
    for each in installed(found=[entry("draw", "old"), entry("roll", "new")]):
        report(each)
    warned = [line for line in logged() if "old door" in line]
    assert len(warned) == 1
    assert warned[0].startswith("function draw of newage_test_functions:old comes by the old door (Function, Caller)")


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (entry("x", "absent"), "function x of newage_test_functions:absent cannot be loaded"),
        (entry("x", "y", module="newage_no_such"), "function x of newage_no_such:y cannot be loaded"),
        (
            entry("x", "other"),
            "newage_test_functions:other is no newage Function, so x is left out: decorate it by @function",
        ),
        (entry("x", "other", PLUGINS), "newage_test_functions:other is no function setup(hub), so x is left out"),
        (entry("add", "new"), "there is another function add, so newage_test_functions:new is left out"),
        (
            entry("a/b", "setup", PLUGINS),
            "newage_test_functions:setup is left out: 'a/b' cannot be the name of a plug-in",
        ),
        (
            entry("x" * 65, "new"),
            f"newage_test_functions:new is left out: '{'x' * 65}' cannot be the name of a function",
        ),
    ],
)
def test_what_cannot_be_used_is_logged_and_left_out(logged: Logged, broken: EntryPoint, said: str) -> None:
    found = list(installed(lambda name: name == "add", [broken, entry("roll", "new")]))
    assert usable(found) == [("roll", new)]
    for each in found:
        report(each)
    levels = {line: event["log_level"] for line, event in zip(logged(), logged.events, strict=True)}
    assert levels[said] in (LogLevel.error, LogLevel.critical)


def test_a_module_that_ends_the_process_does_not() -> None:
    class Leaving(EntryPoint):
        def load(self) -> object:
            raise SystemExit(1)

    (left,) = installed(found=[Leaving("x", "y:z", FUNCTIONS)])
    assert left.problem == "function x of y:z cannot be loaded"


def test_of_two_packages_with_one_name_the_first_that_works_counts() -> None:
    found = [entry("roll", "other"), entry("roll", "new"), entry("roll", "old")]
    assert usable(installed(found=found)) == [("roll", new)]


def test_a_function_and_a_plugin_may_have_one_name() -> None:
    found = [entry("dice", "new"), entry("dice", "setup", PLUGINS)]
    assert [name for name, _ in usable(installed(lambda name: False, found))] == ["dice", "dice"]


class TestApi:
    @pytest.mark.parametrize("number", [None, 1])
    def test_what_this_newage_has_or_says_nothing(self, module: ModuleType, number: int | None) -> None:
        if number is not None:
            vars(module)["API"] = number
        assert usable(installed(found=[entry("bot", "setup", PLUGINS)])) == [("bot", setup)]

    def test_a_newer_one_is_refused_with_the_cure(self, module: ModuleType) -> None:
        vars(module)["API"] = 2
        (found,) = installed(found=[entry("bot", "setup", PLUGINS)])
        assert found.problem == (
            "plug-in bot of newage_test_functions:setup cannot be loaded: it is written for API 2 of newage.functions, "
            "and there is 1; install a newer newage, or an older newage_test_functions"
        )
        assert found.offered is None

    @pytest.mark.parametrize("number", ["1", True, 0, 1.0, None])
    def test_what_is_no_number(self, module: ModuleType, number: object) -> None:
        vars(module)["API"] = number
        (found,) = installed(found=[entry("roll", "new")])
        assert found.problem.endswith("its API is to be a number from 1 to 1")

    def test_the_package_around_a_module_may_say_it(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
        inner = ModuleType("newage_test_functions.inner")
        vars(inner)["setup"] = setup
        module.__path__ = []
        monkeypatch.setitem(sys.modules, "newage_test_functions.inner", inner)
        vars(module)["API"] = 7
        (found,) = installed(found=[entry("bot", "setup", PLUGINS, "newage_test_functions.inner")])
        assert "API 7" in found.problem

    def test_a_name_that_is_not_there_yet_is_the_same(self) -> None:
        class Newer(EntryPoint):
            def load(self) -> object:
                from newage.functions import of_tomorrow

                return of_tomorrow

        (found,) = installed(found=[Newer("x", "y:z", FUNCTIONS)])
        assert found.problem.startswith("function x of y:z cannot be loaded: cannot import name 'of_tomorrow'")
        assert found.problem.endswith("install a newer newage, or an older y")
        assert found.failure is None


def test_what_is_installed_is_looked_up() -> None:
    assert all(isinstance(each, Installed) for each in installed())
