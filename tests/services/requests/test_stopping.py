"""When an extension that shall stop gets its next request (contract 5.8, A20)."""

from __future__ import annotations

import pytest

from hubkit import Kit, Link, result_of
from newage.errors import TimedOut
from newage.ports import Said
from newage.services.streams.cancelling import Which

X = "SillyTavern-8000"


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1", stream_mode="plain")


def cancel(kit: Kit, sid: str) -> None:
    result_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r1")))


def say(kit: Kit, text: str) -> None:
    kit.streams.stream_data(Said(X, "so1", "o1", "r1"), 0, text)


def names(link: Link) -> list[str]:
    return [each["requestId"] for each in link.forwarded]


def test_one_that_says_that_it_stopped_then(kit: Kit, sid: str) -> None:
    link = kit.extension(X, features=("cancel",))
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    say(kit, "half")
    cancel(kit, sid)
    assert (link.stops, names(link)) == ([("r1", ["o1"], "cancelled")], ["r1"])
    kit.clock.pump([1] * 4)
    assert names(link) == ["r1"]
    link.stopping[0].callback(None)
    assert names(link) == ["r1", "r2"]


def test_one_that_does_not_say_so_when_it_was_quiet(kit: Kit, sid: str) -> None:
    link = kit.extension(X, features=("cancel",))
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    cancel(kit, sid)
    link.stopping[0].errback(TimedOut("No answer in time."))
    kit.clock.advance(1.9)
    assert names(link) == ["r1"]
    kit.clock.advance(0.1)
    assert names(link) == ["r1", "r2"]


def test_one_that_cannot_when_it_was_quiet(kit: Kit, sid: str) -> None:
    link = kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    kit.token("to", "o1")
    cancel(kit, sid)
    for _ in range(8):
        kit.clock.advance(0.5)
        kit.token("ken", "o1")
    kit.clock.advance(1.9)
    assert names(link) == ["r1"]
    kit.clock.advance(0.2)
    assert names(link) == ["r1", "r2"]
    assert link.stops == []
    kit.token("so", "o2")
    kit.clock.pump([1] * 3)
    assert [m.text for m in kit.responses("web1")] == ["to", "so"]


def test_one_that_is_done_with_it_at_once(kit: Kit, sid: str) -> None:
    link = kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    say(kit, "half")
    cancel(kit, sid)
    kit.streams.stream_ended(Said(X, "so1", "o1", "r1"), final=True)
    assert names(link) == ["r1", "r2"]


def test_what_it_says_without_a_name_may_be_the_old_one_still(kit: Kit, sid: str) -> None:
    """A31: it counts as unanswered; what was sent meanwhile it dropped."""
    link = kit.extension(X)
    kit.submit(sid, "q", "r1")
    kit.submit(sid, "q", "r2")
    cancel(kit, sid)
    kit.clock.advance(2)
    assert names(link) == ["r1", "r2"]
    kit.token("old", "o1")
    kit.clock.pump([1] * 3)
    assert names(link) == ["r1", "r2", "r2"]
    kit.token("new", "o2")
    kit.clock.pump([1] * 3)
    assert [m.text for m in kit.responses("web1")] == ["new"]


@pytest.mark.parametrize(("features", "told"), [(("cancel",), True), (("accept",), False)])
def test_time_and_a_deleted_room_tell_it_too(kit: Kit, features: tuple[str, ...], told: bool) -> None:
    link = kit.extension(X, features=features, capacity=3)
    sid = kit.connect("web1")
    kit.group("lounge", "web1")
    kit.submit(sid, "q", "r1")
    say(kit, "a sign")
    kit.submit(sid, "q", "r2", room="lounge")
    result_of(kit.rooms.delete("lounge"))
    kit.clock.pump([5] * 121)
    assert link.stops == ([("r2", [], "gone"), ("r1", ["o1"], "timeout")] if told else [])
