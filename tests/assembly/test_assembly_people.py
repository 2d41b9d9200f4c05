"""Who is here, put together: the order in which they are told is part of what they do."""

from __future__ import annotations

from pathlib import Path

from authkit import Gatehouse


def test_whom_sessions_tell_first(tmp_path: Path) -> None:
    listeners = Gatehouse(tmp_path).sessions.events._listeners
    names = [type(each).__name__ for each in listeners]
    assert names == ["SessionAudit", "ClientListService", "Replacing", "Companions", "Presence"]


def test_who_loses_his_key_or_trust_is_put_out(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path)
    assert house.accounts.events._listeners == [house.expulsion]
