"""The client in JavaScript against sockets that it is given, in Node: ``clients/js/test``."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from nodekit import name_of, run_suite, suites

CLIENT = Path(__file__).parent.parent.parent / "clients" / "js"


@pytest.mark.integration
@pytest.mark.parametrize("suite", suites(CLIENT / "test"), ids=name_of)
def test_suite(suite: Path) -> None:
    run_suite(suite)


def test_core_imports_nothing_of_others() -> None:
    for module in [CLIENT / "index.js", *(CLIENT / "lib").glob("*.js")]:
        for source in re.findall(r"^(?:import|export) .*? from '([^']+)'", module.read_text("utf-8"), re.MULTILINE):
            assert source.startswith("./"), f"{module.name} imports {source}"


def test_what_is_published_is_there_and_typed() -> None:
    package = json.loads((CLIENT / "package.json").read_text("utf-8"))
    for name in package["files"]:
        assert (CLIENT / name).exists(), name
    types = (CLIENT / "index.d.ts").read_text("utf-8")
    exports = re.findall(
        r"^export (?:\{ (\w+) \}|function (\w+))", (CLIENT / "index.js").read_text("utf-8"), re.MULTILINE
    )
    typed = re.findall(r"^export (?:class|function) (\w+)", types, re.MULTILINE)
    assert sorted("".join(names) for names in exports) == sorted(typed)
