"""What model names mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newage.domain.model_names import ModelName, character_model, parse_model, room_model


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("newage", ModelName()),
        ("SillyTavern-8000", ModelName(extension="SillyTavern-8000")),
        ("SillyTavern-8000/Seraphina", ModelName("SillyTavern-8000", "Seraphina")),
        ("SillyTavern-8000/a/b.png", ModelName("SillyTavern-8000", "a/b.png")),
        ("room:lobby", ModelName(room="lobby")),
        ("room:a/b:c", ModelName(room="a/b:c")),
        ("llm:local", ModelName(extension="llm-local")),
        ("llm:Not A Name", ModelName(extension="llm:Not A Name")),
        ("room:", None),
        ("", None),
        ("/x", None),
        ("x/", None),
    ],
)
def test_they_mean_five_things(name: str, meant: ModelName | None) -> None:
    assert parse_model(name) == meant


@given(st.text())
def test_any_text_is_one_or_none(name: str) -> None:
    meant = parse_model(name)
    assert meant is None or sum((bool(meant.room), bool(meant.extension), name == "newage")) == 1


@given(st.text(min_size=1))
def test_what_is_offered_is_understood(name: str) -> None:
    assert parse_model(room_model(name)) == ModelName(room=name)
    assert parse_model(character_model("SillyTavern-1", name)) == ModelName("SillyTavern-1", name)
