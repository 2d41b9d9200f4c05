"""All namespaces of the contract are served, and no other."""

from __future__ import annotations

from pathlib import Path

from corekit import ThreadedClock, ephemeral_core


def test_the_namespaces_of_the_contract(tmp_path: Path) -> None:
    core = ephemeral_core(tmp_path, ThreadedClock())
    assert {namespace.path for namespace in core.dispatcher.namespaces()} == {
        "/",
        "/auth",
        "/clients",
        "/sillytavern",
        "/function_call",
        "/llm",
        "/rooms",
        "/debug",
    }
