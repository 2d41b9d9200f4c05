"""Messages stored, then shown; system messages, contexts (contract 4.6-4.8; scenario 55)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface import implementer
from zope.interface.verify import verifyObject

from historykit import say, texts
from hubkit import Kit, failure_of, result_of
from newage.domain.model import Message, Role
from newage.errors import NewAgeError, RoomMissing
from newage.ports import IMessageListener, IRoomListener
from newage.services.history.limits import HistorySettings
from newage.services.streams.limits import DownstreamSettings


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1")


def test_it_listens_to_rooms(kit: Kit) -> None:
    assert verifyObject(IRoomListener, kit.history)


# ------------------------------------------------------------------------------------------------------------- writing


def test_listeners_are_told_what_was_stored_and_shown(kit: Kit, sid: str) -> None:
    told: list[tuple[Message, bool]] = []

    @implementer(IMessageListener)
    class Listener:
        def message_added(self, message: Message) -> None:
            told.append((message, bool(kit.outbox.bodies(sid, "NEW_MESSAGE"))))

    kit.talk.message_events.add(Listener())
    kit.gate.broken = True
    with pytest.raises(NewAgeError):
        say(kit, "lost")
    assert told == []
    kit.gate.broken = False
    message = say(kit, "hi")
    assert told == [(message, True)]


def test_a_message_is_numbered_dated_stored_and_shown(kit: Kit, sid: str) -> None:
    message = say(kit, "hi")
    assert (message.seq, message.timestamp) == (1, "2023-11-14T22:13:20.000Z")
    assert kit.stored("web1") == [message]
    body = kit.outbox.bodies(sid, "NEW_MESSAGE")[0]
    assert (body["seq"], body["message"]["message"], body["text"]) == (1, "hi", "hi")
    assert kit.outbox.bodies(sid, "new_message") == [body]
    assert kit.rooms.require("web1").seq == 1


def test_a_date_that_was_given_is_kept(kit: Kit, sid: str) -> None:
    assert say(kit, "hi", timestamp="2020-01-01T00:00:00.000Z").timestamp == "2020-01-01T00:00:00.000Z"


@pytest.mark.parametrize("mode", ["ss", "plain"])
def test_who_declared_a_form_gets_no_aliases(kit: Kit, mode: str) -> None:
    sid = kit.connect("web1", stream_mode=mode)
    say(kit, "hi")
    assert [name.lower() for name in kit.outbox.names(sid)] == ["new_message"]


def test_aliases_can_be_switched_off(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(downstream=DownstreamSettings(alias_events=False))
    sid = kit.connect("web1")
    say(kit, "hi")
    assert kit.outbox.names(sid) == ["NEW_MESSAGE"]


def test_extensions_that_serve_the_room_see_its_history_change(kit: Kit, sid: str) -> None:
    kit.extension("X")
    extension = kit.sessions.sids("X", "/llm")[0]
    message = say(kit, "hi")
    result_of(kit.history.replace(evolve(message, text="ho"), message))
    result_of(kit.history.remove(kit.rooms.require("web1"), [message.message_id]))
    assert kit.outbox.names(extension) == ["NEW_MESSAGE", "MESSAGE_UPDATED", "MESSAGES_DELETED"]


def test_a_message_is_shown_when_it_is_stored_and_not_before(kit: Kit, sid: str) -> None:
    kit.gate.shut = True
    adding = [
        Deferred.fromCoroutine(
            kit.history.add(Message(message_id=str(n), room="web1", seq=0, identity="web1", text=str(n)))
        )
        for n in range(3)
    ]
    assert kit.outbox.bodies(sid, "NEW_MESSAGE") == []
    kit.gate.open()
    assert [result_of(d).seq for d in adding] == [1, 2, 3]
    assert [body["text"] for body in kit.outbox.bodies(sid, "NEW_MESSAGE")] == ["0", "1", "2"]


def test_a_message_that_cannot_be_stored_is_not_shown(kit: Kit, sid: str) -> None:
    say(kit, "first")
    kit.outbox.clear()
    kit.gate.broken = True
    failure_of(kit.history.add(Message(message_id="m", room="web1", seq=0, identity="web1")))
    assert kit.outbox.bodies(sid, "NEW_MESSAGE") == []
    kit.gate.broken = False
    assert say(kit, "later").seq == 3


def test_a_message_for_no_room_fails(kit: Kit) -> None:
    error = failure_of(kit.history.add(Message(message_id="m", room="nowhere", seq=0, identity="web1")))
    assert isinstance(error, RoomMissing)


def test_a_changed_message_keeps_its_number_and_says_when(kit: Kit, sid: str) -> None:
    message = say(kit, "hi")
    kit.clock.advance(1)
    changed = result_of(kit.history.replace(evolve(message, text="ho", data="ho"), message))
    assert changed.last_edited == "2023-11-14T22:13:21.000Z"
    body = kit.outbox.bodies(sid, "MESSAGE_UPDATED")[0]
    assert (body["roomName"], body["seq"], body["messageId"]) == ("web1", 2, message.message_id)
    assert (body["message"]["message"], body["message"]["seq"]) == ("ho", 1)
    assert [m.text for m in kit.stored("web1")] == ["ho"]


def test_what_was_made_of_another_message_than_there_is_changes_nothing(kit: Kit, sid: str) -> None:
    message = say(kit, "hi")
    assert result_of(kit.history.replace(evolve(message, text="by hand"), message)) is not None
    kit.outbox.clear()
    assert result_of(kit.history.replace(evolve(message, text="late"), message)) is None
    assert kit.outbox.names(sid) == []
    assert [m.text for m in kit.stored("web1")] == ["by hand"]


def test_only_what_was_really_deleted_is_shown(kit: Kit, sid: str) -> None:
    ids = [say(kit, text).message_id for text in "abc"]
    assert result_of(kit.history.remove(kit.rooms.require("web1"), [ids[0], "unknown", ids[2]])) == (ids[0], ids[2])
    assert kit.outbox.bodies(sid, "MESSAGES_DELETED") == [
        {"roomName": "web1", "seq": 4, "messageIds": [ids[0], ids[2]]}
    ]
    assert result_of(kit.history.remove(kit.rooms.require("web1"), ["unknown"])) == ()
    assert len(kit.outbox.bodies(sid, "MESSAGES_DELETED")) == 1


def test_messages_are_cleared_by_kind(kit: Kit, sid: str) -> None:
    say(kit, "question")
    say(kit, "answer", role="assistant", response_id="a")
    assert result_of(kit.history.clear(kit.rooms.require("web1"), requests=False, responses=True)) == 1
    assert [m.text for m in kit.stored("web1")] == ["question"]
    assert kit.outbox.bodies(sid, "MESSAGES_CLEARED") == [
        {"roomName": "web1", "seq": 3, "clearedRequests": False, "clearedResponses": True}
    ]
    assert result_of(kit.history.clear(kit.rooms.require("web1"), requests=False, responses=True)) == 0
    assert len(kit.outbox.bodies(sid, "MESSAGES_CLEARED")) == 1


def test_old_messages_are_evicted_and_numbers_grow_on(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(max_messages_per_room=3))
    kit.connect("web1")
    for number in range(5):
        say(kit, str(number))
    assert [(m.seq, m.text) for m in kit.stored("web1")] == [(3, "2"), (4, "3"), (5, "4")]


def test_a_note_is_a_system_message(kit: Kit, sid: str) -> None:
    kit.history.note("web1", "[System] something.")
    body = kit.outbox.bodies(sid, "NEW_MESSAGE")[0]
    assert (body["message"]["isSystem"], body["role"], body["text"]) == (True, "system", "[System] something.")


def test_a_note_that_cannot_be_stored_hurts_nobody(kit: Kit, sid: str) -> None:
    kit.gate.broken = True
    kit.history.note("web1", "[System] something.")
    assert kit.outbox.bodies(sid, "NEW_MESSAGE") == []


# ------------------------------------------------------------------------------------------------------------- members


def test_joining_and_leaving_are_noted_in_the_contracts_words(kit: Kit) -> None:
    kit.connect("ann")
    kit.connect("bob")
    kit.group("lounge", "ann", bob=Role.SPECIAL)
    result_of(kit.rooms.remove("lounge", "bob", "leave"))
    assert [message.text for message in kit.stored("lounge")] == [
        "[System] ann has joined the room as master.",
        "[System] bob has joined the room as special.",
        "[System] bob has left the room.",
    ]


def test_nobody_is_left_to_note_the_last_one_leaving(kit: Kit) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    result_of(kit.rooms.remove("lounge", "ann", "leave"))
    assert [message.text for message in kit.stored("lounge")] == ["[System] ann has joined the room as master."]


def test_a_personal_room_of_one_has_no_system_messages(kit: Kit, sid: str) -> None:
    assert kit.stored("web1") == []


def test_who_joins_gets_the_whole_context(kit: Kit, sid: str) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann")
    say(kit, "before", room="lounge", identity="ann")
    result_of(kit.rooms.add("lounge", "web1"))
    kit.clock.advance(0)
    page = kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")[0]
    assert (page["roomName"], page["isLastPage"]) == ("lounge", True)
    assert "before" in texts(page["contextPage"])


# ------------------------------------------------------------------------------------------------------------- context


def test_the_context_is_the_last_messages_oldest_first(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(context_forward_limit=3))
    kit.connect("web1")
    for number in range(5):
        say(kit, str(number))
    assert [m.text for m in result_of(kit.history.context(kit.rooms.require("web1")))] == ["2", "3", "4"]


def test_a_separate_context_is_the_own_thread(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(context_forward_limit=3))
    kit.connect("web1")
    for number in range(4):
        same = f"r{number}"  # a requestId is the requester's own: others may use it, too
        mine = say(kit, f"mine {number}", request_id=same).message_id
        theirs = say(kit, f"theirs {number}", identity="other", request_id=same).message_id
        answers: dict[str, Any] = {"identity": "X", "role": "assistant", "request_id": same}
        say(kit, f"to them {number}", **answers, response_id=f"b{number}", asker="other", question_id=theirs)
        say(kit, f"to me {number}", **answers, response_id=f"a{number}", asker="web1", question_id=mine)
        kit.history.note("web1", "[System] noise")
    own = result_of(kit.history.context(kit.rooms.require("web1"), "web1"))
    assert [m.text for m in own] == ["to me 2", "mine 3", "to me 3"]


def test_a_full_disk_is_an_error_of_ours(kit: Kit, sid: str) -> None:
    kit.gate.broken = True
    assert type(failure_of(kit.pages.push(kit.caller(sid), "web1"))) is NewAgeError
