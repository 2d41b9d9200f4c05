"""ARCHITECTURE.md's layers, kept by walking the AST: imports point down, siblings never import each other."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

CHECKOUT = Path(__file__).parent.parent
SOURCE = CHECKOUT / "src" / "newage"
PURE = {"dialect", "protocol", "domain", "errors", "settings"}
PURE_MAY_IMPORT = {"attrs", "orjson", "newage"}


class Import(NamedTuple):
    """One import statement: where it stands and what it names (``twisted.internet.reactor``)."""

    path: str
    line: int
    layer: str
    target: str


def layers() -> dict[str, int]:
    """Layer -> height, read from the drawing in ARCHITECTURE.md, so that it cannot lie."""
    text = (CHECKOUT / "ARCHITECTURE.md").read_text("utf-8")
    drawing = re.search(r"^## Layers\n.*?```text\n(.*?)```", text, re.DOTALL | re.MULTILINE)
    assert drawing is not None
    rows = [re.split(r"\s{2,}", row)[0].split(" | ") for row in drawing.group(1).splitlines() if row]
    return {name.strip(): height for height, row in enumerate(reversed(rows)) for name in row}


LAYERS = layers()


def imports_in(tree: ast.AST, path: str, layer: str) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(path, node.lineno, layer, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide the layer"
            for alias in node.names:
                yield Import(path, node.lineno, layer, f"{node.module}.{alias.name}")


def all_imports() -> list[Import]:
    found: list[Import] = []
    for path in sorted(SOURCE.rglob("*.py")):
        inside = path.relative_to(SOURCE)
        layer = inside.parts[0].removesuffix(".py")
        if layer != "__init__":
            found += imports_in(ast.parse(path.read_text("utf-8")), str(inside), layer)
    return found


IMPORTS = all_imports()


def breaks_layers(each: Import) -> bool:
    parts = each.target.split(".")
    if parts[0] != "newage" or len(parts) < 2 or parts[1] == each.layer:
        return False
    if parts[1] not in LAYERS:  # ``from newage import __version__``
        return (SOURCE / parts[1]).exists() or (SOURCE / f"{parts[1]}.py").exists()
    return LAYERS[parts[1]] >= LAYERS.get(each.layer, len(LAYERS))  # a layer not drawn is the test's before this one


def breaks_purity(each: Import) -> bool:
    top = each.target.split(".")[0]
    return each.layer in PURE and top not in PURE_MAY_IMPORT and top not in sys.stdlib_module_names


def brings_reactor(each: Import) -> bool:
    return each.layer not in ("tap", "cli") and each.target.startswith("twisted.internet.reactor")


def places(found: list[Import]) -> str:
    return "\n".join(f"{each.path}:{each.line} imports {each.target}" for each in found)


def test_every_module_has_a_layer() -> None:
    modules = {each.name.removesuffix(".py") for each in SOURCE.iterdir() if each.suffix == ".py" or each.is_dir()}
    missing = modules - set(LAYERS) - {"__init__", "__pycache__", "static"}
    assert not missing, f"add to the drawing in ARCHITECTURE.md: {missing}"


def test_imports_point_down() -> None:
    assert not places([each for each in IMPORTS if breaks_layers(each)])


def test_dialect_protocol_and_domain_are_pure() -> None:
    assert not places([each for each in IMPORTS if breaks_purity(each)])


def test_only_the_composition_root_imports_the_reactor() -> None:
    assert not places([each for each in IMPORTS if brings_reactor(each)])


@pytest.mark.parametrize(
    ("layer", "code", "rule"),
    [
        ("services", "from newage.gateway.socketio.hub import Hub", breaks_layers),
        ("services", "from newage.tap import build", breaks_layers),
        ("domain", "import newage.protocol.json_text", breaks_layers),
        ("ports", "from newage.services import rooms", breaks_layers),
        ("protocol", "from twisted.python import failure", breaks_purity),
        ("domain", "import autobahn", breaks_purity),
        ("gateway", "def late():\n    from twisted.internet import reactor", brings_reactor),
    ],
)
def test_the_rules_catch_what_they_forbid(layer: str, code: str, rule: object) -> None:
    (found,) = imports_in(ast.parse(code), "example.py", layer)
    assert callable(rule)
    assert rule(found)
