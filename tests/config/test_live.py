"""What a reload may change: the cells are the reloadable tables, and the reloadable tables are the cells."""

from __future__ import annotations

from typing import get_args, get_origin, get_type_hints

import attrs

from newage.config import Config, sections
from newage.config.live import BUILT_IN, LIVE, RELOADABLE, LiveTables, is_reloadable
from newage.settings import Live


def test_each_cell_holds_the_table_of_its_name() -> None:
    hints = get_type_hints(LiveTables)
    assert tuple(hints) == RELOADABLE
    for name, hint in hints.items():
        assert (get_origin(hint), get_args(hint)) == (Live, (sections()[name],)), name


def test_a_reload_fills_every_cell() -> None:
    before, after = Config(), Config()
    live = LiveTables.of(before)
    assert all(getattr(live, name).value is getattr(before, name) for name in RELOADABLE)
    live.replace(after)
    assert all(getattr(live, name).value is getattr(after, name) for name in RELOADABLE)


def test_the_exceptions_exist() -> None:
    known = {(table, each.name) for table, cls in sections().items() for each in attrs.fields(cls)}
    assert known >= BUILT_IN | LIVE
    assert {table for table, _ in BUILT_IN} <= set(RELOADABLE)
    assert not {table for table, _ in LIVE} & set(RELOADABLE)


def test_which_are_reloadable() -> None:
    assert is_reloadable(("requests", "request_rate"))
    assert is_reloadable(("auth", "network_safe"))
    assert not is_reloadable(("auth", "bcrypt_rounds"))
    assert not is_reloadable(("downstream", "alias_events"))
