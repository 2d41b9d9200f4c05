"""A socket that follows an output over long polling, and is away (contract 5.7.7, A30)."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from hubkit import Kit, shown_output
from newage.services.streams.form import Form
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind
from newage.services.streams.polled_follower import PolledFollower

REASONING = TextKind.REASONING


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1", transport="polling", outputs=True)


def begun(kit: Kit, before: Form | None = None, output: OutputText | None = None) -> tuple[OutputText, Form]:
    output = output or OutputText()
    return output, kit.downstream.show(output, shown_output(kit), before)


def got(kit: Kit, sid: str) -> list[tuple[str, object, object]]:
    found = kit.outbox.got(sid, "SERVER_STREAM_DATA", "SERVER_STREAM_RESET", "SERVER_STREAM_END")
    return [(sent.event[14:], sent.body.get("at"), sent.body.get("data", sent.body.get("rev"))) for sent in found]


def test_it_is_a_reader(kit: Kit, sid: str) -> None:
    _, form = begun(kit)
    assert verifyObject(IOutputReader, PolledFollower(form, kit.outbox, sid))


def test_what_waits_is_one_event_of_each_kind(kit: Kit, sid: str) -> None:
    output, _ = begun(kit)
    output.push("one")
    kit.outbox.away(sid)
    for text in (" two", " three"):
        output.push(text)
        output.push("hm", REASONING)
    kit.outbox.fetch(sid)
    output.push("!")
    assert got(kit, sid) == [("DATA", 0, "one"), ("DATA", 0, "hmhm"), ("DATA", 3, " two three"), ("DATA", 13, "!")]
    texts = [body for body in kit.outbox.bodies(sid, "SERVER_STREAM_DATA") if body["kind"] == "text"]
    assert [body["chunkIndex"] for body in texts] == [0, 2, 3]


def test_what_became_void_meanwhile_is_said_once(kit: Kit, sid: str) -> None:
    output, _ = begun(kit)
    output.push("one two")
    output.push("hm", REASONING)
    kit.outbox.away(sid)
    output.reset(5)
    output.push("x")
    output.reset(3)
    output.reset(1, REASONING)
    output.push("!")
    kit.outbox.fetch(sid)
    assert got(kit, sid)[2:] == [("RESET", 3, 2), ("RESET", 1, 3), ("DATA", 3, "!")]


def test_what_it_had_not_fetched_and_is_void_never_comes(kit: Kit, sid: str) -> None:
    output, _ = begun(kit)
    kit.outbox.away(sid)
    output.push("one two")
    output.reset(3)
    kit.outbox.fetch(sid)
    assert got(kit, sid) == [("RESET", 0, 1), ("DATA", 0, "one")]


def test_what_waits_at_the_end_is_what_there_was_then(kit: Kit, sid: str) -> None:
    output, form = begun(kit)
    kit.outbox.away(sid)
    output.push("one")
    output.end(stored=True, message_id="m1")
    output.go_on()
    begun(kit, form, output)
    output.push(" two")
    kit.outbox.fetch(sid)
    assert got(kit, sid) == [("DATA", 0, "one"), ("END", None, "one"), ("DATA", 3, " two")]


def test_what_waits_is_not_for_who_left(kit: Kit, sid: str) -> None:
    output, _ = begun(kit)
    kit.outbox.away(sid)
    output.push("one")
    kit.downstream.member_left(kit.rooms.require("web1"), "web1", "kick")
    output.push("two")
    kit.outbox.fetch(sid)
    assert got(kit, sid) == []
