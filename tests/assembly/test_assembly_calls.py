"""Functions and plug-ins, put together."""

from __future__ import annotations

from pathlib import Path

from authkit import Gatehouse
from newage.namespaces.function_call import BUILTINS


def test_the_hubs_own_functions_are_there(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path)
    assert all(map(house.calls.offers, BUILTINS))
