"""The client in JavaScript against sockets that it is given, in Node: ``clients/js/test``."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CLIENT = Path(__file__).parent.parent.parent / "clients" / "js"
SUITES = sorted(path.name for path in (CLIENT / "test").glob("*.test.mjs"))


@pytest.mark.integration
@pytest.mark.parametrize("suite", SUITES)
def test_suite(suite: str) -> None:
    node = shutil.which("node")
    assert node, "Node 20 is needed for the tests of the client"
    done = subprocess.run(
        [node, "--test", str(CLIENT / "test" / suite)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "# pass 0" not in done.stdout


def test_core_imports_nothing_of_others() -> None:
    for module in [CLIENT / "index.js", *(CLIENT / "lib").glob("*.js")]:
        for source in re.findall(r"^(?:import|export) .*? from '([^']+)'", module.read_text("utf-8"), re.MULTILINE):
            assert source.startswith("./"), f"{module.name} imports {source}"


def test_what_is_published_is_there_and_typed() -> None:
    package = json.loads((CLIENT / "package.json").read_text("utf-8"))
    for name in package["files"]:
        assert (CLIENT / name).exists(), name
    types = (CLIENT / "index.d.ts").read_text("utf-8")
    exported = re.findall(
        r"^export (?:\{ (\w+) \}|function (\w+))", (CLIENT / "index.js").read_text("utf-8"), re.MULTILINE
    )
    for names in exported:
        name = "".join(names)
        assert re.search(rf"^export (?:class|function) {name}\b", types, re.MULTILINE), name
