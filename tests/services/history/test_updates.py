"""MESSAGE_UPDATED of a message that changes again and again (A39)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from historykit import say
from hubkit import OPERATOR, Kit, failure_of, result_of
from newage.domain.history import Change
from newage.domain.model import Message
from newage.errors import Unavailable


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1")


def change(kit: Kit, message: Message, text: str) -> Message:
    changed: Message = result_of(kit.history.replace(evolve(message, text=text, data=text), message))
    return changed


def updates(kit: Kit, sid: str) -> list[Any]:
    return [(body["message"]["message"], body["seq"]) for body in kit.outbox.bodies(sid, "MESSAGE_UPDATED")]


def test_the_first_change_is_seen_at_once_and_the_last_one_always(kit: Kit, sid: str) -> None:
    message = say(kit, "0")
    for number in range(1, 47):
        message = change(kit, message, str(number))
    assert updates(kit, sid) == [("1", 2)]
    kit.clock.advance(0.5)
    assert updates(kit, sid) == [("1", 2), ("46", 47)]
    kit.clock.advance(5)
    assert len(updates(kit, sid)) == 2
    change(kit, message, "later")
    assert updates(kit, sid)[2:] == [("later", 48)]


def test_other_messages_do_not_wait(kit: Kit, sid: str) -> None:
    one, two = say(kit, "one"), say(kit, "two")
    change(kit, one, "1")
    change(kit, two, "2")
    assert [text for text, _ in updates(kit, sid)] == ["1", "2"]


@pytest.mark.parametrize("how", ["deleted", "cleared", "room deleted", "stopped"])
def test_what_is_gone_is_not_shown_again(kit: Kit, sid: str, how: str) -> None:
    kit.group("lounge", "web1")
    message = say(kit, "0", room="lounge")
    change(kit, change(kit, message, "1"), "2")
    room = kit.rooms.require("lounge")
    if how == "deleted":
        result_of(kit.history.remove(room, [message.message_id]))
    elif how == "cleared":
        result_of(kit.history.clear(room, True, False))
    elif how == "room deleted":
        result_of(kit.rooms.delete("lounge"))
    else:
        kit.history.close()
    kit.clock.advance(2)
    assert [text for text, _ in updates(kit, sid)] == ["1"]


def test_what_others_said_is_still_shown(kit: Kit, sid: str) -> None:
    one, answer = say(kit, "one"), say(kit, "an answer", role="assistant", response_id="a")
    for message in (one, answer):
        change(kit, change(kit, message, "1"), "2")
    result_of(kit.history.clear(kit.rooms.require("web1"), True, False))
    kit.clock.advance(1)
    assert [text for text, _ in updates(kit, sid)] == ["1", "1", "2"]


def sizes(kit: Kit, sid: str) -> list[int]:
    return [len(body["message"]["message"]) for body in kit.outbox.bodies(sid, "MESSAGE_UPDATED")]


def test_a_guest_who_edits_a_large_message_all_the_time(kit: Kit, sid: str) -> None:
    """What was seen: 240 KB, 46 times a second, to ten members."""
    message, refused = say(kit, "x" * 240_000), 0
    for number in range(46 * 6):
        try:
            result_of(
                kit.editing.edit(kit.caller(sid), "web1", message.message_id, Change(text=f"{number:06}" * 40_000))
            )
        except Unavailable as error:
            assert str(error) == "Too many events."
            refused += 1
        kit.clock.advance(1 / 46)
    assert refused == 46 * 6 - 1
    assert sizes(kit, sid) == [240_000]


def test_a_small_change_of_a_large_message_costs_the_whole_of_it(kit: Kit, sid: str) -> None:
    """It is taken; but what others get by it is no more, and the last state arrives."""
    several = [say(kit, "x" * 120_000) for _ in range(4)]
    for number in range(20):
        for message in several:
            small = Change(text=None, extra={"mood": str(number)})
            result_of(kit.editing.edit(kit.caller(sid), "web1", message.message_id, small))
        kit.clock.advance(0.25)
    assert sizes(kit, sid) == [120_000] * 2
    kit.clock.pump([0.5] * 60)
    assert sum(sizes(kit, sid)) <= 262_144 * 4
    last = {body["messageId"]: body["message"]["mood"] for body in kit.outbox.bodies(sid, "MESSAGE_UPDATED")}
    assert last == {message.message_id: "19" for message in several}


def test_an_answer_that_grows_on_has_no_such_rate(kit: Kit, sid: str) -> None:
    message = say(kit, "x" * 240_000, role="assistant")
    for number in range(4):
        message = change(kit, message, f"{number}" * 240_000)
        kit.clock.advance(0.5)
    assert len(sizes(kit, sid)) == 4


def test_ids_that_are_told_are_weighed_too(kit: Kit, sid: str) -> None:
    ids = [say(kit, str(number)).message_id for number in range(40)]
    kit.change("rates", told_bytes_rate=36 * 30)
    assert len(result_of(kit.editing.delete(kit.caller(sid), "web1", ids[:30]))) == 30
    assert str(failure_of(kit.editing.delete(kit.caller(sid), "web1", ids[30:]))) == "Too many events."
    assert len(result_of(kit.editing.delete(OPERATOR, "web1", ids[30:]))) == 10
