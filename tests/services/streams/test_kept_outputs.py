"""Outputs that are over, within their limits (contract 5.7.7, A21)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import evolve
from twisted.internet.task import Clock

from newage.domain.shown import OutputState, ShownOutput
from newage.services.streams.kept_outputs import OVERHEAD, KeptOutputs
from newage.services.streams.limits import DownstreamSettings
from newage.services.streams.output_text import OutputText, TextKind
from newage.services.world import World
from newage.settings import Live

ABOUT = ShownOutput(
    stream_id="s1", output_id="o1", request_id="r1", room="lounge", room_id="R", client_id="X", identity="X"
)
LIMITS = DownstreamSettings(kept_output_seconds=10, kept_output_bytes=8, kept_outputs_bytes=2 * (OVERHEAD + 4))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def kept(clock: Clock) -> Iterator[KeptOutputs]:
    made = KeptOutputs(World(clock=clock, wall=clock.seconds, new_id=lambda: "id"), Live(LIMITS))
    yield made
    made.close()
    assert clock.getDelayedCalls() == []


def ended(text: str = "text", message_id: str = "m1", failure: str | None = None) -> OutputText:
    output = OutputText()
    output.push(text)
    output.end(failure, stored=bool(message_id), message_id=message_id)
    return output


def keep(
    kept: KeptOutputs, output_id: str = "o1", room_id: str = "R", text: str = "text", message_id: str = "m1"
) -> None:
    kept.keep(evolve(ABOUT, output_id=output_id, room_id=room_id), ended(text, message_id))


def ids(kept: KeptOutputs) -> list[str]:
    return [output_id for output_id in ("o1", "o2", "o3") for _ in kept.find(output_id)]


def test_it_is_there_for_its_time(kept: KeptOutputs, clock: Clock) -> None:
    keep(kept)
    clock.advance(4)
    keep(kept, "o2")
    (found,) = kept.find("o1")
    assert (found.state, found.message_id, found.output.text.text()) == (OutputState.ENDED, "m1", "text")
    clock.advance(6)
    assert ids(kept) == ["o2"]
    clock.advance(4)
    assert (ids(kept), len(kept), kept.size) == ([], 0, 0)
    assert clock.getDelayedCalls() == []


def test_the_oldest_go_first_when_there_are_too_many_bytes(kept: KeptOutputs) -> None:
    for output_id in ("o1", "o2", "o3"):
        keep(kept, output_id)
    assert ids(kept) == ["o2", "o3"]
    assert kept.size == LIMITS.kept_outputs_bytes
    keep(kept, "o1", text="longer")
    assert ids(kept) == ["o1"]


def test_one_that_is_too_long_is_not_kept(kept: KeptOutputs) -> None:
    keep(kept, text="x" * 9)
    assert len(kept) == 0
    output = OutputText()
    output.push("x" * 4)
    output.push("x" * 5, TextKind.REASONING)
    output.end()
    kept.keep(ABOUT, output)
    assert len(kept) == 0


def test_one_that_goes_on_is_kept_no_more(kept: KeptOutputs) -> None:
    keep(kept)
    kept.goes_on(ABOUT)
    kept.goes_on(ABOUT)
    assert (ids(kept), kept.size) == ([], 0)


def test_one_that_ends_again_is_kept_as_it_is_then(kept: KeptOutputs) -> None:
    keep(kept)
    kept.keep(ABOUT, ended("other", failure="no"))
    (found,) = kept.find("o1")
    assert (found.state, found.output.text.text(), len(kept)) == (OutputState.FAILED, "other", 1)


def test_what_is_changed_or_deleted_is_dropped(kept: KeptOutputs) -> None:
    keep(kept, "o1", message_id="m1")
    keep(kept, "o2", message_id="m2")
    kept.forget("R", ["m1", "m9"])
    kept.forget("another", ["m2"])
    assert ids(kept) == ["o2"]
    kept.forget("R", None)
    assert ids(kept) == []
    output = ended()
    output.overwrite()
    kept.keep(ABOUT, output)
    assert ids(kept) == []


def test_two_rooms_may_have_outputs_of_one_id(kept: KeptOutputs) -> None:
    keep(kept, room_id="R")
    keep(kept, room_id="S")
    assert sorted(found.about.room_id for found in kept.find("o1")) == ["R", "S"]
    kept.forget("R", None)
    assert [found.about.room_id for found in kept.find("o1")] == ["S"]
