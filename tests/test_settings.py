"""Fields of settings classes, and the cells that a reload fills again."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from newage.settings import Live, limit, switch, text, texts


def short(values: tuple[str, ...]) -> None:
    """:raises ValueError: there are too many."""
    if len(values) > 2:
        raise ValueError("must be two at most")


@attrs.frozen(kw_only=True)
class Example:
    rooms: int = limit(5, "rooms")
    pause_seconds: float = limit(0.5, "pause")
    kept_files: int = limit(2, "files kept", least=0)
    rounds: int = limit(10, "rounds", least=4, most=14)
    wait_seconds: float = limit(2.0, "seconds between two looks", zero="never", most=60)
    is_open: bool = switch(False, "anybody may come in")
    name: str = text("x", "what it is called", empty=False)
    motto: str = text("", "what is said of it")
    hosts: tuple[str, ...] = texts((), "host names", check=short)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rooms", 1),
        ("pause_seconds", 0.001),
        ("kept_files", 0),
        ("rounds", 4),
        ("rounds", 14),
        ("wait_seconds", 0),
        ("wait_seconds", 60),
        ("motto", ""),
        ("hosts", ("a", "b")),
    ],
)
def test_what_is_in_range(key: str, value: Any) -> None:
    assert getattr(Example(**{key: value}), key) == value


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("rooms", 0, ">= 1: 0"),
        ("rooms", -1, ">= 1: -1"),
        ("pause_seconds", 0, "> 0: 0"),
        ("kept_files", -1, ">= 0: -1"),
        ("rounds", 3, ">= 4: 3"),
        ("rounds", 15, "<= 14: 15"),
        ("wait_seconds", -0.5, ">= 0"),
        ("wait_seconds", 61, "<= 60: 61"),
        ("name", "", "must be >= 1"),
        ("hosts", ("a", "b", "c"), "two at most"),
    ],
)
def test_what_is_not(key: str, value: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Example(**{key: value})


def test_nothing_said_is_in_range() -> None:
    assert Example() == Example(rooms=5, wait_seconds=2.0, hosts=())


def test_what_zero_means_is_part_of_the_explanation() -> None:
    docs = {each.name: each.metadata["doc"] for each in attrs.fields(Example)}
    assert docs["wait_seconds"] == "seconds between two looks; 0 = never"
    assert docs["rooms"] == "rooms"
    assert (docs["is_open"], docs["name"], docs["hosts"]) == ("anybody may come in", "what it is called", "host names")


def test_one_text_is_as_good_as_several() -> None:
    hosts: Any = "a.example"
    assert Example(hosts=hosts).hosts == ("a.example",)
    hosts = ["a", "b"]
    assert Example(hosts=hosts).hosts == ("a", "b")


def test_a_cell_holds_what_it_was_given_last_and_tells() -> None:
    cell = Live(Example())
    told: list[int] = []
    cell.on_change(lambda now: told.append(now.rooms))
    assert (cell.value.rooms, told) == (5, [])
    cell.replace(Example(rooms=7))
    assert (cell.value.rooms, told) == (7, [7])
