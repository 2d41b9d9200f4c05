"""Each timer outlasts what it waits for: hub longer than extension (contract 15.2, A32)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve

from newage.config.tables import Config
from newage.config.timers import LONGER, TIMERS, out_of_order, seconds

SECTION = re.compile(r"### 15\.2 Timers\n(.*?)\n## ", re.DOTALL)
WIRE = Path(__file__).parents[2] / "docs" / "wire.md"


def changed(key: str, value: int) -> Config:
    table, _, name = key.partition(".")
    config = Config()
    return evolve(config, **{table: evolve(getattr(config, table), **{name: value})})


def test_the_defaults_are_in_order() -> None:
    assert list(out_of_order(Config())) == []


def test_the_contract_has_all_of_them_with_their_values() -> None:
    found = SECTION.search(WIRE.read_text("utf-8"))
    assert found is not None
    for timer in TIMERS:
        for key, lasts in timer.hub(Config()):
            name = key.partition(".")[2]
            value = f"{round(lasts * 1000 if name.endswith('_ms') else lasts):,}"
            assert re.search(rf"`{name}`[^|]*?\({value}\)|`{name}`, {value}", found[1]), (name, value)


def test_a_unit_is_in_the_name() -> None:
    assert seconds(changed("streams.stream_idle_finalize_ms", 1500), "streams.stream_idle_finalize_ms") == 1.5


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "streams.output_idle_seconds",
            45,
            "streams.output_idle_seconds: 45 s is not longer than an extension takes, 45 s",
        ),
        (
            "requests.queue_ttl_seconds",
            600,
            "requests.queue_ttl_seconds: 600 s is not longer than requests.llm_request_timeout_seconds, 600 s",
        ),
    ],
)
def test_what_is_not_longer_is_named(key: str, value: int, line: str) -> None:
    assert list(out_of_order(changed(key, value))) == [line]


def test_no_grace_is_no_timer() -> None:
    assert list(out_of_order(changed("sessions.extension_grace_ms", 0))) == []


def test_each_relation_is_between_timers_of_the_table() -> None:
    keys = {key for timer in TIMERS for key in timer.keys}
    assert {key for pair in LONGER for key in pair} <= keys
