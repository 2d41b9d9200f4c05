"""settings/server_settings.json: defaults, merging, what is read, what may be written (contract 8.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import Gatehouse
from logkit import Logged
from newage.config.load import judge_members
from newage.dialect.files import DEFAULTS, merged, validated
from newage.errors import BadParameter
from newage.services.home.files import FileSettings
from newage.services.home.server_file import ServerFile

NAME = "settings/server_settings.json"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path)


def load(house: Gatehouse, overrides: dict[str, Any] | None = None) -> ServerFile:
    file = ServerFile(house.files, judge_members, overrides or {})
    file.load(write_missing=True)
    return file


def test_a_missing_file_is_written_once_with_the_defaults(house: Gatehouse) -> None:
    file = load(house)
    assert house.read(NAME) == dict(DEFAULTS) == file.values
    before = (house.home / NAME).stat()
    load(house)
    after = (house.home / NAME).stat()  # but for when it was read
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )


def test_not_when_nothing_may_be_written(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path)
    house.server_file.load(write_missing=False)
    read_only = Gatehouse(tmp_path, files=FileSettings(read_only=True))
    read_only.server_file.load(write_missing=True)
    assert list(tmp_path.iterdir()) == []
    assert read_only.server_file.values["serverPort"] == 4000


def test_the_file_is_merged_over_the_defaults(house: Gatehouse) -> None:
    house.write(NAME, {"serverPort": "5000", "queryParameters": {"a": 1}, "own": {"x": [1]}})
    file = load(house, {"timeout": 7})
    assert file.values["serverPort"] == "5000"
    assert file.values["contextPageSize"] == 50
    assert file.values["own"] == {"x": [1]}
    assert file.values["timeout"] == 7


@pytest.mark.parametrize("content", ["{ half", "[]", b"\xff"])
def test_an_unparsable_file_is_kept_and_reported(house: Gatehouse, content: str | bytes) -> None:
    path = house.write(NAME, content)
    before = path.read_bytes()
    with Logged() as logged:
        file = load(house)
    assert path.read_bytes() == before
    assert file.values == dict(DEFAULTS)
    assert [event.get("error_code") for event in logged.events if event.get("error_code")] == [104]


@pytest.mark.parametrize(("value", "safe"), [(True, True), (False, False), ("no", True), (None, True), (0, True)])
def test_network_safe(house: Gatehouse, value: object, safe: bool) -> None:
    house.write(NAME, {"networkSafe": value})
    assert load(house).network_safe is safe


def test_a_stronger_source_decides(house: Gatehouse) -> None:
    house.write(NAME, {"networkSafe": True})
    file = load(house, {"networkSafe": False})
    assert file.network_safe is False
    content, withheld = file.change({"networkSafe": True})
    file.adopt(content)
    assert (file.network_safe, withheld) == (False, ["networkSafe"])


def test_listeners_hear_of_changes(house: Gatehouse) -> None:
    file = load(house)
    heard: list[object] = []
    file.add_listener(lambda values: heard.append(values["timeout"]))
    file.adopt(file.change({"timeout": "9"})[0])
    assert heard == [9]


def test_a_change_creates_the_file(house: Gatehouse) -> None:
    house.server_file.change({"timeout": 9})
    assert house.read(NAME) == {**DEFAULTS, "timeout": 9}


def test_merging() -> None:
    defaults = {"a": {"b": 1, "c": {"d": 2}}, "l": [1], "s": "x"}
    given = {"a": {"c": {"e": 3}}, "l": [2], "s": {"t": 1}}
    assert merged(defaults, given) == {"a": {"b": 1, "c": {"d": 2, "e": 3}}, "l": [2], "s": {"t": 1}}
    assert defaults == {"a": {"b": 1, "c": {"d": 2}}, "l": [1], "s": "x"}


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("serverPort", "4000", 4000),
        ("serverPort", 0, 0),
        ("serverPort", 4000.0, 4000),
        ("timeout", " 5 ", 5),
        ("networkSafe", False, False),
        ("socketIOPath", "/x", "/x"),
        ("unknown", [{"a": None}], [{"a": None}]),
    ],
)
def test_valid(name: str, given: object, kept: object) -> None:
    found = validated({name: given})[name]
    assert found == kept
    assert type(found) is type(kept)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("serverPort", ""),
        ("serverPort", "-1"),
        ("serverPort", "4000x"),
        ("serverPort", "٤٠٠٠"),
        ("serverPort", "9" * 5000),
        ("serverPort", 4000.5),
        ("serverPort", None),
        ("serverPort", 65536),
        ("serverAddress", 7),
        ("networkSafe", 1),
        ("debugMode", "true"),
        ("socketIOPath", ""),
        ("socketIOPath", "/" + "x" * 300),
        ("Rooms", {}),
    ],
)
def test_invalid(name: str, given: object) -> None:
    with pytest.raises(BadParameter, match=f"^{name} must be "):
        validated({"timeout": 5, name: given})
