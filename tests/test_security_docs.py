"""docs/security.md: every row of its table is a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
DOCUMENT = (CHECKOUT / "docs" / "security.md").read_text("utf-8")
NAMED = re.findall(r"`(test_\w+)`", DOCUMENT)
# Rows of the contract's proof that concern what is built (docs/wire.md 16.4), by the words of their names.
ROWS = (
    "xss_at_root_gains_no_admin",
    "private_origin_is_remote",
    "other_uid_is_not_admin",
    "forwarded_loopback_is_remote",
    "http10_is_remote",
    "host_docker_internal_needs_key",
    "podman_loopback_is_remote",
)


def tests_of_the_table() -> set[str]:
    sources = (CHECKOUT / "tests" / "integration").glob("test_locality*.py")
    return {name for source in sources for name in re.findall(r"^def (test_\w+)", source.read_text("utf-8"), re.M)}


def test_each_row_is_a_test_and_each_test_is_a_row() -> None:
    assert sorted(NAMED) == sorted(tests_of_the_table())


@pytest.mark.parametrize("row", ROWS)
def test_the_rows_of_proof_are_there(row: str) -> None:
    assert f"test_{row}" in NAMED


def test_what_cannot_be_seen_is_said_in_bold() -> None:
    bold = " ".join(re.findall(r"\*\*(.+?)\*\*", DOCUMENT, re.S))
    assert "A raw tunnel that the hub's own system user runs" in bold
    readme = " ".join(re.findall(r"\*\*(.+?)\*\*", (CHECKOUT / "README.md").read_text("utf-8"), re.S))
    assert "raw tunnel" in readme
