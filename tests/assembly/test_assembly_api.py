"""What answers over HTTP beside Socket.IO."""

from __future__ import annotations

from pathlib import Path

from corekit import ThreadedClock, ephemeral_core
from newage.assembly.api import make_apis
from newage.domain.urls import is_reserved


def test_it_is_below_reserved_paths(tmp_path: Path) -> None:
    apis = make_apis(ephemeral_core(tmp_path, ThreadedClock()))
    assert "v1" in apis
    assert all(is_reserved(f"/{segment}/x") for segment in apis)
