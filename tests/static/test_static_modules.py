"""The page's modules that need no browser, tested in Node."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodekit import as_package, name_of, run_suite, suites

HERE = Path(__file__).parent
STATIC = HERE.parent.parent / "static"
CLIENT = HERE.parent.parent / "clients" / "js"


@pytest.mark.integration
@pytest.mark.parametrize("suite", suites(HERE), ids=name_of)
def test_module(suite: Path, tmp_path: Path) -> None:
    run_suite(suite, STATIC=str(as_package(STATIC, tmp_path / "static")), CLIENT=str(CLIENT))
