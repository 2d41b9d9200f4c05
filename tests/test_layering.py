"""ARCHITECTURE.md's layers, kept by walking the AST: imports point down, no siblings import each other, no circles."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import pytest

from rules import CHECKOUT, MODULES, SOURCE, Module, module

PURE = {"dialect", "protocol", "domain", "errors", "settings"}
PURE_MAY_IMPORT = {"attrs", "orjson", "newage"}
# What may lie at the root of newage: the two doors of an operator, and what all layers share.
ROOT = {"__init__", "tap", "cli", "errors", "settings"}


class Import(NamedTuple):
    """One import statement: where it stands and what it names (``twisted.internet.reactor``)."""

    source: Module
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source.path}:{self.line} imports {self.target}"


def drawing(number: int) -> str:
    """A drawing below "Layers" in ARCHITECTURE.md, by which the rules go, so that it cannot lie."""
    text = (CHECKOUT / "ARCHITECTURE.md").read_text("utf-8")
    section = re.search(r"^## Layers\n(.*?)^## ", text, re.DOTALL | re.MULTILINE)
    assert section is not None
    found: list[str] = re.findall(r"```text\n(.*?)```", section.group(1), re.DOTALL)
    return found[number]


def layers() -> dict[str, int]:
    """Layer -> height, of the first drawing: a line each, the highest first."""
    rows = [re.split(r"\s{2,}", row)[0].split(" | ") for row in drawing(0).splitlines() if row]
    return {name.strip(): height for height, row in enumerate(reversed(rows)) for name in row}


def rooms() -> dict[str, dict[str, int]]:
    """Layer -> its rooms -> height, of the second drawing: ``inside services: streams > history | calls``."""
    orders: dict[str, dict[str, int]] = {}
    for layer, order in re.findall(r"^inside (\w+):\s+(.+)$", drawing(1), re.MULTILINE):
        rows = [row.split(" | ") for row in order.split(" > ")]
        orders[layer] = {name.strip(): height for height, row in enumerate(reversed(rows)) for name in row}
    return orders


LAYERS = layers()
ROOMS = rooms()


def imports_of(source: Module) -> Iterator[Import]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(source, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source.path}:{node.lineno}: relative imports hide the layer"
            for alias in node.names:
                yield Import(source, node.lineno, f"{node.module}.{alias.name}")


IMPORTS = [each for source in MODULES if source.path != "__init__.py" for each in imports_of(source)]


def breaks_layers(each: Import) -> bool:
    parts = each.target.split(".")
    if parts[0] != "newage" or len(parts) < 2 or parts[1] == each.source.layer:
        return False
    if parts[1] not in LAYERS:  # ``from newage import __version__``
        return (SOURCE / parts[1]).exists() or (SOURCE / f"{parts[1]}.py").exists()
    return LAYERS[parts[1]] >= LAYERS.get(each.source.layer, len(LAYERS))  # a layer not drawn is the test's before this


def breaks_rooms(each: Import) -> bool:
    order = ROOMS.get(each.source.layer)
    here, there = each.source.name.split("."), each.target.split(".")
    if order is None or len(here) < 3 or there[:2] != here[:2] or len(there) < 3 or there[2] == here[2]:
        return False
    return order.get(there[2], len(order)) >= order.get(here[2], len(order))


def breaks_purity(each: Import) -> bool:
    top = each.target.split(".")[0]
    return each.source.layer in PURE and top not in PURE_MAY_IMPORT and top not in sys.stdlib_module_names


def brings_reactor(each: Import) -> bool:
    return each.source.layer not in ("tap", "cli") and each.target.startswith("twisted.internet.reactor")


def module_named(target: str, names: Iterable[str]) -> str | None:
    """Which module an import leads to: ``newage.errors`` for ``newage.errors.NewAgeError``."""
    return next((name for name in (target, target.rpartition(".")[0]) if name in names), None)


def circles(sources: Iterable[Module]) -> set[str]:
    """Modules that import each other on whatever way, a line for each circle; every import counts, late ones too."""
    sources = list(sources)
    names = {source.name for source in sources}
    graph: dict[str, set[str]] = {}
    for source in sources:
        targets = {module_named(each.target, names) for each in imports_of(source)}
        graph[source.name] = {target for target in targets if target is not None and target != source.name}
    reached = {name: _reached(name, graph) for name in graph}
    return {
        ", ".join(sorted(other for other in reached[name] if name in reached[other]))
        for name in graph
        if name in reached[name]
    }


def _reached(start: str, graph: Mapping[str, set[str]]) -> set[str]:
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        new = graph[waiting.pop()] - reached
        reached |= new
        waiting += new
    return reached


def test_every_module_has_a_layer() -> None:
    missing = {source.layer for source in MODULES} - set(LAYERS) - {"__init__"}
    assert not missing, f"add to the drawing in ARCHITECTURE.md: {missing}"


@pytest.mark.parametrize("layer", ROOMS)
def test_every_module_of_an_ordered_layer_has_a_room(layer: str) -> None:
    there = {source.name.split(".")[2] for source in MODULES if source.layer == layer and source.name.count(".") > 1}
    assert there == set(ROOMS[layer]), "the second drawing in ARCHITECTURE.md is not what is there"


def test_nothing_lies_loose_at_the_root() -> None:
    loose = {source.path.removesuffix(".py") for source in MODULES if "/" not in source.path}
    assert not loose - ROOT, "it belongs into a folder"


def test_imports_point_down() -> None:
    assert not [str(each) for each in IMPORTS if breaks_layers(each)]


def test_imports_point_down_inside_services_and_gateway_too() -> None:
    assert not [str(each) for each in IMPORTS if breaks_rooms(each)]


def test_no_modules_import_each_other() -> None:
    assert not circles(MODULES)


def test_dialect_protocol_and_domain_are_pure() -> None:
    assert not [str(each) for each in IMPORTS if breaks_purity(each)]


def test_only_the_composition_root_imports_the_reactor() -> None:
    assert not [str(each) for each in IMPORTS if brings_reactor(each)]


@pytest.mark.parametrize(
    ("path", "code", "rule"),
    [
        ("services/x.py", "from newage.gateway.socketio.hub import Hub", breaks_layers),
        ("services/x.py", "from newage.tap import build", breaks_layers),
        ("domain/x.py", "import newage.protocol.json_text", breaks_layers),
        ("ports/stores.py", "from newage.services import rooms", breaks_layers),
        ("services/home/x.py", "from newage.services.rooms.rooms import RoomService", breaks_rooms),
        ("services/calls/x.py", "from newage.services import history", breaks_rooms),
        ("services/world.py", "def late():\n    import newage.services.home.files", breaks_rooms),
        ("services/streams/x.py", "from newage.services.kitchen import sink", breaks_rooms),
        ("gateway/engineio/x.py", "from newage.gateway.socketio.hub import Hub", breaks_rooms),
        ("protocol/x.py", "from twisted.python import failure", breaks_purity),
        ("domain/x.py", "import autobahn", breaks_purity),
        ("gateway/x.py", "def late():\n    from twisted.internet import reactor", brings_reactor),
    ],
)
def test_the_rules_catch_what_they_forbid(path: str, code: str, rule: Callable[[Import], bool]) -> None:
    (found,) = imports_of(module(path, code))
    assert rule(found)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("services/streams/x.py", "from newage.services.requests.ledger import RequestLedger"),
        ("services/rooms/x.py", "from newage.services.rooms import rooms"),
        ("services/home/x.py", "from newage.services.world import World"),
        ("gateway/socketio/x.py", "from newage.gateway.engineio import engines"),
        ("gateway/socketio/x.py", "import attrs"),
    ],
)
def test_and_allow_what_points_down(path: str, code: str) -> None:
    (found,) = imports_of(module(path, code))
    assert not breaks_rooms(found)
    assert not breaks_layers(found)


def test_a_circle_is_found_through_whatever_import() -> None:
    sources = [
        module("a.py", "from newage.b import B"),
        module("b.py", "if TYPE_CHECKING:\n    from newage import c"),
        module("c.py", "def late():\n    import newage.a"),
        module("d.py", "from newage.a import A"),
        module("e/__init__.py", "from newage.e.f import F"),
        module("e/f.py", "import newage.e"),
    ]
    assert circles(sources) == {"newage.a, newage.b, newage.c", "newage.e, newage.e.f"}
    assert circles(sources[1:4]) == set()
