"""Wire time (contract C9), and what a wall clock that jumps does: nothing (A29)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from twisted.internet.task import Clock

from hubkit import Kit, failure_of, result_of
from newage.domain.model import Role
from newage.errors import NotAuthorised
from newage.ports import Said
from newage.services.world import World, wall_clock

YEAR = 365 * 86_400.0


def test_a_world_is_what_it_was_given() -> None:
    world = World(clock=Clock(), wall=lambda: 1.5, new_id=lambda: "id")
    assert world.timestamp() == "1970-01-01T00:00:01.500Z"
    assert world.new_id() == "id"


def test_the_wall_clock_counts_from_the_epoch() -> None:
    assert abs(wall_clock() - datetime.now(UTC).timestamp()) < 60


# ------------------------------------------------------------------------------------- the wall clock is set (A29)

STEPS = (3600.0, -3600.0, 50 * YEAR, -50 * YEAR)


@pytest.fixture
def lounge(kit: Kit) -> Kit:
    """A room with its master and a guest, who are there; an extension; somebody away, with words in the own room."""
    for who in ("mas", "gue", "away"):
        kit.connect(who)
    kit.extension()
    kit.group("lounge", "mas", gue=Role.GUEST, away=Role.GUEST)
    kit.submit(kit.sessions.sids("away", "/llm")[0], "my words", "w")
    kit.streams.answered(Said("SillyTavern-8000"), "an answer")
    kit.disconnect_all("away")
    kit.clock.advance(2)
    kit.outbox.clear()
    return kit


def ask(kit: Kit, who: str, request_id: str) -> str:
    state: str = kit.submit(kit.sessions.sids(who, "/llm")[0], "hi", request_id, room="lounge")["state"]
    return state


@pytest.mark.parametrize("step", STEPS)
def test_nobody_is_forgotten_and_nothing_deleted(lounge: Kit, step: float) -> None:
    lounge.step(step)
    lounge.clock.pump([60] * 5)
    assert set(lounge.rooms.require("lounge").members) == {"mas", "gue", "away"}
    assert [message.text for message in lounge.stored("away")] == ["my words", "an answer"]
    assert lounge.outbox.sent == []


def test_absence_lasts_as_long_as_it_lasts(lounge: Kit) -> None:
    lounge.step(-50 * YEAR)
    lounge.clock.pump([3600] * 25)
    assert "away" in lounge.rooms.require("lounge").members, "it has said something"
    lounge.clock.advance(400 * 86_400)
    lounge.clock.advance(60)
    assert "away" not in lounge.rooms.require("lounge").members
    assert lounge.rooms.get("away") is None


@pytest.mark.parametrize("step", STEPS)
def test_a_request_runs_on(lounge: Kit, step: float) -> None:
    assert ask(lounge, "mas", "r1") == "forwarded"
    lounge.step(step)
    lounge.clock.pump([5] * 100)
    assert lounge.statuses(lounge.sessions.sids("mas", "/llm")[0]) == ["forwarded"]
    lounge.step(-step)
    lounge.clock.pump([5] * 20)
    assert lounge.statuses(lounge.sessions.sids("mas", "/llm")[0]) == ["forwarded", "expired"]


@pytest.mark.parametrize("step", STEPS)
def test_an_answer_without_a_label_still_finds_the_oldest(lounge: Kit, step: float) -> None:
    ask(lounge, "mas", "r1")
    ask(lounge, "mas", "r2")
    lounge.step(step)
    lounge.streams.answered(Said("SillyTavern-8000"), "yes")
    assert lounge.statuses(lounge.sessions.sids("mas", "/llm")[0], "r1")[-1] == "completed"


@pytest.mark.parametrize("step", STEPS)
def test_a_queue_keeps_what_waits_for_its_time(lounge: Kit, step: float) -> None:
    sid = lounge.sessions.sids("gue", "/llm")[0]
    assert ask(lounge, "gue", "q1") == "queued"
    lounge.step(step)
    lounge.clock.pump([5] * 719)
    assert lounge.statuses(sid) == ["queued"]
    lounge.clock.pump([5] * 2)
    assert lounge.statuses(sid) == ["queued", "expired"]


@pytest.mark.parametrize("step", STEPS)
def test_a_stream_runs_on(lounge: Kit, step: float) -> None:
    sid = lounge.sessions.sids("mas", "/llm")[0]
    ask(lounge, "mas", "r1")
    lounge.token("one ", "o1", request_id="r1")
    lounge.step(step)
    lounge.clock.advance(1)
    lounge.token("two", "o1", request_id="r1")
    lounge.clock.pump([1] * 10)
    assert [message.text for message in lounge.responses("lounge")] == ["one two"]
    assert lounge.statuses(sid)[-1] == "completed"


@pytest.mark.parametrize("step", STEPS)
def test_a_mute_lasts_as_long_as_it_was_given(lounge: Kit, step: float) -> None:
    actor = lounge.caller(lounge.sessions.sids("mas", "/llm")[0])
    result_of(lounge.moderation.mute(actor, "lounge", "gue", 100))
    lounge.step(step)
    lounge.clock.advance(99)
    assert isinstance(failure_of(lounge.ask(lounge.sessions.sids("gue", "/llm")[0], room="lounge")), NotAuthorised)
    lounge.clock.advance(1)
    assert ask(lounge, "gue", "q1") == "queued"


@pytest.mark.parametrize(("step", "left"), [(0, 60), (30, 30), (-3600, 100), (-50 * YEAR, 100), (50 * YEAR, 0)])
def test_over_a_restart_a_mute_has_never_more_left_than_its_length(
    lounge: Kit, make_kit: Callable[..., Kit], step: float, left: float
) -> None:
    actor = lounge.caller(lounge.sessions.sids("mas", "/llm")[0])
    result_of(lounge.moderation.mute(actor, "lounge", "gue", 100))
    lounge.clock.advance(40)
    lounge.step(step)
    after = make_kit(with_stores_of=lounge)
    for _ in range(2):
        after.clock.advance(max(0.0, left - 1) / 2)
        assert ("gue" in after.rooms.require("lounge").muted) == (left > 0)
        after.step(-step)
    after.clock.advance(1)
    assert "gue" not in after.rooms.require("lounge").muted


@pytest.mark.parametrize("step", STEPS)
def test_over_a_restart_nobody_is_forgotten(lounge: Kit, make_kit: Callable[..., Kit], step: float) -> None:
    lounge.step(step)
    after = make_kit(with_stores_of=lounge)
    after.clock.pump([60] * 5)
    after.step(-step)
    after.clock.pump([60] * 5)
    assert set(after.rooms.require("lounge").members) == {"mas", "gue", "away"}
    assert [message.text for message in after.stored("away")] == ["my words", "an answer"]


def test_a_hub_that_starts_with_its_machine_passes_over_nobody(lounge: Kit) -> None:
    """The steady clock is then a few seconds old: nothing may look recent because it never was."""
    assert lounge.clock.seconds() < 10
    ask(lounge, "mas", "r1")
    ask(lounge, "mas", "r2")
    lounge.streams.answered(Said("SillyTavern-8000"), "yes")
    assert lounge.statuses(lounge.sessions.sids("mas", "/llm")[0], "r1")[-1] == "completed"
