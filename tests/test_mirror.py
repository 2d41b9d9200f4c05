"""The tests mirror the tree: who looks for the tests of a module finds them in the same folder under its name.

``services/rooms/rooms.py`` is tested by ``tests/services/rooms/test_rooms.py``; as pytest wants file names to be
different, a folder's name may stand before or after: ``test_web_site.py``, ``test_rooms_namespace.py``.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from rules import MODULES, Module, module

TESTS = Path(__file__).parent

# Implementations of one port, which pass one suite.
TOGETHER = {
    "storage/memory.py": "storage/test_store_contract.py",
    "storage/memory_rooms.py": "storage/test_store_contract.py",
    "storage/memory_webhooks.py": "storage/test_store_contract.py",
    "storage/sql.py": "storage/test_store_contract.py",
    "storage/sql_open.py": "storage/test_store_contract.py",
    "storage/sql_rooms.py": "storage/test_store_contract.py",
    "storage/sql_webhooks.py": "storage/test_store_contract.py",
    "storage/stores.py": "storage/test_store_contract.py",
}


def only_declares(source: Module) -> bool:
    """Names, types, interfaces and settings: nothing that runs and could be wrong."""
    functions = [node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return not any(_runs(line) for function in functions for line in function.body)


def _runs(line: ast.stmt) -> bool:
    return not (isinstance(line, ast.Pass) or (isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)))


def names_of_tests(path: str) -> Iterator[str]:
    """Where the tests of a module may be."""
    *folders, file = path.removesuffix(".py").split("/")
    if file == "__init__" and folders:
        file = folders[-1]
    around = [name for folder in folders for name in (folder, folder.removesuffix("s"))]
    for name in (file, *(f"{word}_{file}" for word in around), *(f"{file}_{word}" for word in around)):
        yield "/".join([*folders, f"test_{name}.py"])


def untested(sources: Iterable[Module], tests: set[str]) -> set[str]:
    return {
        source.path
        for source in sources
        if not only_declares(source)
        and not tests.intersection([TOGETHER.get(source.path, ""), *names_of_tests(source.path)])
    }


def test_every_module_that_does_something_has_its_tests() -> None:
    tests = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    assert not untested(MODULES, tests), "give it a test module of its name"


@pytest.mark.parametrize(
    ("path", "test"),
    [
        ("cli.py", "test_cli.py"),
        ("services/rooms/rooms.py", "services/rooms/test_rooms.py"),
        ("web/transports/engine.py", "web/transports/test_web_engine.py"),
        ("web/transports/polling.py", "web/transports/test_transport_polling.py"),
        ("namespaces/rooms.py", "namespaces/test_rooms_namespace.py"),
        ("storage/sql.py", "storage/test_store_contract.py"),
        ("dialect/__init__.py", "dialect/test_dialect.py"),
    ],
)
def test_tests_are_found_by_name(path: str, test: str) -> None:
    assert untested([module(path, "def f(): return 1")], {test}) == set()


def test_a_module_without_tests_is_caught() -> None:
    busy = "class A:\n    def f(self): return 1"
    assert untested([module("a/b.py", busy)], {"test_b.py", "a/test_c.py", "a/test_b_more.py"}) == {"a/b.py"}
    assert untested([module("a/__init__.py", busy)], {"a/test_b.py"}) == {"a/__init__.py"}


@pytest.mark.parametrize(
    ("code", "declares"),
    [
        ("LIMIT = 5\nclass A:\n    x: int = 5", True),
        ("class IPort(Interface):\n    def f():\n        '''What it does.'''", True),
        ("class A:\n    def f(self): ...\n    def g(self): pass", True),
        ("def f(): return 1", False),
        ("class A:\n    async def f(self):\n        '''Doc.'''\n        await g()", False),
    ],
)
def test_declarations_need_no_tests(code: str, declares: bool) -> None:
    assert only_declares(module("x.py", code)) is declares
