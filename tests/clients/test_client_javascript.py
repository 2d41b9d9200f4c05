"""The client in JavaScript against sockets that it is given, in Node: ``clients/js/test``."""

from __future__ import annotations

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
    for module in [CLIENT / "connect.js", CLIENT / "index.js", *(CLIENT / "lib").glob("*.js")]:
        for source in re.findall(r"^(?:import|export) .*? from '([^']+)'", module.read_text("utf-8"), re.MULTILINE):
            assert source.startswith("./"), f"{module.name} imports {source}"
