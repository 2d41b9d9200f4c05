"""The folder of characters: what is read, what is left out, and how one gets there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from twisted.logger import capturedLogs

from newage.bridge import cards
from newage.bridge.cards import Cards, add_card
from newage.domain.card import Card
from newage.errors import ConfigError, InvalidRequest


def write(path: Path, name: str = "Ann") -> Path:
    path.write_text(json.dumps({"name": name}))
    return path


def test_each_is_called_by_its_file(tmp_path: Path) -> None:
    write(tmp_path / "ann.json")
    write(tmp_path / "notes.txt", "Nobody")
    (tmp_path / "broken.PNG").write_text("no card")
    (tmp_path / "folder.json").mkdir()
    found = Cards(tmp_path)
    with capturedLogs() as logged:
        found.load(("ann",))
    assert found.get("ann") == Card(name="Ann")
    assert found.get("broken") is found.get("notes") is found.get("") is None
    assert sorted(Path(event["path"]).name for event in logged) == ["broken.PNG", "folder.json"]


def test_one_that_is_needed_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no character 'ann'"):
        Cards(tmp_path / "absent").load(("ann",))
    Cards(tmp_path / "absent").load(())


def test_so_many_are_read_and_those_that_are_needed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards, "MAX_CARDS", 2)
    for name in ("a", "b", "z"):
        write(tmp_path / f"{name}.json", name)
    found = Cards(tmp_path)
    with capturedLogs() as logged:
        found.load(("z",))
    assert [name for name in ("a", "b", "z") if found.get(name)] == ["a", "z"]
    assert logged[0]["most"] == 2


def test_added(tmp_path: Path) -> None:
    folder = tmp_path / "characters"
    name, card = add_card(folder, write(tmp_path / "x.json", "Ann of the Sea / ☃"))
    assert (name, card.name) == ("ann-of-the-sea", "Ann of the Sea / ☃")
    (folder / "ann-of-the-sea.png").write_text("an older one")
    add_card(folder, write(tmp_path / "x.json", "Ann of the Sea"))
    assert [path.name for path in folder.iterdir()] == ["ann-of-the-sea.json"]
    assert add_card(folder, write(tmp_path / "x.json", "☃"))[0] == "character"


def test_what_is_no_card_is_not_added(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("x")
    with pytest.raises(InvalidRequest):
        add_card(tmp_path / "characters", tmp_path / "x.png")
    assert not (tmp_path / "characters").exists()
    with pytest.raises(OSError, match="absent"):
        add_card(tmp_path, tmp_path / "absent")
