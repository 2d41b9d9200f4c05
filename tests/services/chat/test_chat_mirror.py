"""What happens in the chat of a linked room, shown in that room (contract 5.9, B17)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from twisted.logger import capturedLogs

from deskkit import X, at_a_desk, event
from hubkit import Kit, result_of
from newage.domain.character import Character
from newage.domain.chat import Op
from newage.domain.model import Caller

AVA = Character("ava.png", "Ava")


@pytest.fixture
def desk(kit: Kit) -> Caller:
    desk = at_a_desk(kit)
    kit.talk.chat.links.link(desk, "lounge")
    return desk


def said(kit: Kit, room: str = "lounge") -> list[str]:
    return [message.text for message in kit.stored(room) if message.origin]


def show(kit: Kit, desk: Caller, op: Op, line_id: str = "1", chat: str = "chat", **line: Any) -> None:
    kit.talk.chat.mirror.heard(desk, event(op, line_id, chat, **line))


def dropped(kit: Kit, desk: Caller, op: Op = Op.ADD, **line: Any) -> list[str]:
    """The lines in the log, of one event that leaves no trace."""
    before = said(kit)
    with capturedLogs() as events:
        show(kit, desk, op, **{"text": "more", "line_id": "dropped", **line})
    assert said(kit) == before
    return [str(each["why"]) if "why" in each else str(each["log_format"])[:40] for each in events]


def test_what_a_person_says_and_what_is_answered(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, "1", name="Me", is_user=True, text="hello", at="today", reasoning="no", character=AVA)
    show(kit, desk, Op.ADD, "2", name="Ava", text="hi", reasoning="hm", character=AVA, swipe=0, swipes=2)
    one, two = (body["message"] for body in kit.heard("NEW_MESSAGE")["gue/llm"])
    assert {"identity": X, "clientId": X, "role": "guest", "name": "Me", "message": "hello", "at": "today"}.items() <= (
        one.items()
    )
    assert (one["origin"], one["fromClient"], one.keys() & {"reasoning", "character"}) == ("desk", True, set())
    assert {"role": "assistant", "isResponse": True, "origin": "desk", "reasoning": "hm", "swipes": 2}.items() <= (
        two.items()
    )
    assert (two["character"], two["responseId"]) == ({"id": "ava.png", "name": "Ava"}, two["messageId"])
    assert "out/llm" not in kit.heard("NEW_MESSAGE")


def test_edits_and_swipes_find_their_message(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, text="hi", character=AVA)
    show(kit, desk, Op.EDIT, text="hey")
    kit.clock.advance(1)
    show(kit, desk, Op.SWIPE, text="well", reasoning="hm", swipe=1, swipes=2)
    kit.clock.advance(1)
    bodies = [body["message"] for body in kit.heard("MESSAGE_UPDATED")["gue/llm"]]
    assert [(body["message"], body["data"], body["origin"]) for body in bodies] == [
        ("hey", "hey", "desk"),
        ("well", "well", "desk"),
    ]
    assert (bodies[1]["reasoning"], bodies[1]["swipe"], bodies[1]["character"]["name"]) == ("hm", 1, "Ava")
    assert said(kit) == ["well"]


def test_what_changes_nothing_is_not_told(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, text="hi")
    for op in (Op.EDIT, Op.ADD):
        show(kit, desk, op, text="hi")
    show(kit, desk, Op.EDIT)
    assert (kit.heard("MESSAGE_UPDATED"), said(kit)) == ({}, ["hi"])


def test_a_deletion(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, "1", text="one")
    show(kit, desk, Op.ADD, "2", text="two")
    for _ in range(2):
        show(kit, desk, Op.DELETE, "1")
    (body,) = kit.heard("MESSAGES_DELETED")["gue/llm"]
    assert (body["origin"], len(body["messageIds"]), said(kit)) == ("desk", 1, ["two"])


@pytest.mark.parametrize("op", [Op.EDIT, Op.SWIPE, Op.DELETE])
def test_of_what_is_not_there_nothing_happens(kit: Kit, desk: Caller, op: Op) -> None:
    show(kit, desk, Op.ADD, "1", text="one")
    (message,) = (each for each in kit.stored("lounge") if each.origin)
    result_of(kit.editing.delete(kit.caller(kit.sessions.sids("mas", "/llm")[0]), "lounge", [message.message_id]))
    kit.outbox.clear()
    for line_id in ("1", "2"):
        show(kit, desk, op, line_id, text="more")
    assert (said(kit), kit.heard("MESSAGES_DELETED", "NEW_MESSAGE", "MESSAGE_UPDATED")) == ([], {})


def test_they_are_found_after_a_restart(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, text="hi")
    again = Kit(with_stores_of=kit)
    again.message_store = kit.message_store
    again.extension(X, features=desk.features)
    caller = again.caller(again.sessions.sids(X, "/llm")[0])
    again.talk.chat.links.link(caller, "lounge")
    show(again, caller, Op.EDIT, text="hey")
    again.clock.advance(1)
    assert said(again) == ["hey"]
    again.close()


def test_mirror_stops_when_desk_changes_chat(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.CHAT, chat="one")
    show(kit, desk, Op.ADD, chat="one", text="hi")
    assert dropped(kit, desk, chat="two") == ["another chat is shown"]
    show(kit, desk, Op.CHAT, chat="two")
    kit.clock.advance(1)
    assert dropped(kit, desk, chat="one") == ["another chat is shown"]
    show(kit, desk, Op.ADD, chat="two", text="ho")
    assert said(kit) == ["hi", "ho"]


def test_the_first_event_says_which_chat_it_is(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, chat="one", text="hi")
    assert dropped(kit, desk, chat="two") == ["another chat is shown"]


def test_only_the_extension_that_linked_it_and_only_if_it_declared_that(kit: Kit, desk: Caller) -> None:
    assert dropped(kit, evolve(desk, features=frozenset({"snapshot"}))) == ["no room is linked"]
    kit.clock.advance(1)
    kit.talk.chat.links.link(desk, None)
    assert dropped(kit, desk) == ["no room is linked"]


def test_who_is_muted_shows_nothing(kit: Kit, desk: Caller) -> None:
    kit.mute("lounge", X, 5)
    assert dropped(kit, desk) == ["it is muted"]
    kit.clock.advance(6)
    show(kit, desk, Op.ADD, text="hi")
    assert said(kit) == ["hi"]


def test_twenty_a_second_and_one_line(kit: Kit, desk: Caller) -> None:
    with capturedLogs() as events:
        for number in range(30):
            show(kit, desk, Op.ADD, str(number), text=str(number))
    assert said(kit) == [str(number) for number in range(20)]
    assert len([each for each in events if "does too much" in str(each.get("log_format"))]) == 1
    kit.clock.advance(0.05)
    show(kit, desk, Op.ADD, "30", text="30")
    assert said(kit)[-1] == "30"


def test_a_quarter_of_a_megabyte_in_ten_seconds(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, "1", text="a" * 200_000)
    assert len(dropped(kit, desk, text="b" * 100_000)) == 1
    kit.clock.advance(10)
    show(kit, desk, Op.ADD, "2", text="b" * 100_000)
    assert len(said(kit)) == 2


def test_no_message_larger_than_that_at_all(kit: Kit, desk: Caller) -> None:
    assert dropped(kit, desk, text="a" * 300_000) == ["it is too large"]


def test_they_are_stored_one_after_the_other_and_what_waits_is_bounded(kit: Kit, desk: Caller) -> None:
    kit.change("chat", mirror_backlog=2)
    kit.gate.shut = True
    show(kit, desk, Op.ADD, "1", text="one")
    show(kit, desk, Op.EDIT, "1", text="uno")
    show(kit, desk, Op.ADD, "2", text="two")
    with capturedLogs() as events:
        show(kit, desk, Op.ADD, "3", text="three")
        kit.talk.chat.mirror.unreadable(desk)
    assert [each["why"] for each in events] == ["mirror_backlog"]  # one line a second
    kit.gate.open()
    kit.clock.advance(1)
    assert said(kit) == ["uno", "two"]


def test_what_waits_when_the_room_is_unlinked_is_not_shown(kit: Kit, desk: Caller) -> None:
    kit.gate.shut = True
    show(kit, desk, Op.ADD, "1", text="one")
    show(kit, desk, Op.ADD, "2", text="two")
    kit.talk.chat.links.link(desk, None)
    kit.gate.open()
    assert said(kit) == ["one"]


def test_a_disk_that_is_full_is_a_line(kit: Kit, desk: Caller) -> None:
    kit.gate.broken = True
    with capturedLogs() as events:
        show(kit, desk, Op.ADD, text="one")
    assert len(events) == 1
    kit.gate.broken = False
    show(kit, desk, Op.ADD, text="one")
    assert said(kit) == ["one"]


def test_nothing_is_left_of_an_extension_that_went(kit: Kit, desk: Caller) -> None:
    show(kit, desk, Op.ADD, text="one")
    kit.disconnect(desk.sid)
    kit.clock.advance(60)
    assert kit.talk.chat.mirror._turns == {}
