"""``conf/newage.toml``: written from the settings classes, and true."""

from __future__ import annotations

import tomllib
from pathlib import Path
from runpy import run_module

import attrs
import pytest

from newage.config import Config, load, sample, sections
from newage.config.values import toml_value

SAMPLE = Path(__file__).parents[2] / "conf" / "newage.toml"
ALL_KEYS = [(name, each.name) for name, cls in sections().items() for each in attrs.fields(cls)]


def test_it_is_written_from_the_classes() -> None:
    assert SAMPLE.read_text("utf-8") == sample(), "python -m newage.config > conf/newage.toml"


def test_it_says_exactly_the_defaults() -> None:
    config = load(config_file=str(SAMPLE))
    assert config == attrs.evolve(Config(), server=attrs.evolve(Config().server, home=str(config.home)))


def test_it_holds_every_key() -> None:
    tables = tomllib.loads(SAMPLE.read_text("utf-8"))
    assert {(table, key) for table, keys in tables.items() for key in keys} == {(t, k) for t, k in ALL_KEYS}


def test_it_values_are_toml() -> None:
    for table, key in ALL_KEYS:
        text = toml_value(getattr(sections()[table](), key))
        assert tomllib.loads(f"x = {text}")


def test_the_command_prints_it(capfd: pytest.CaptureFixture[str]) -> None:
    run_module("newage.config", run_name="__main__")
    assert capfd.readouterr().out == sample()
