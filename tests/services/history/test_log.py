"""Messages stored, then shown; pages, snapshots, system messages (contract 4.6-4.8; scenarios 55 and 57)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from hubkit import Kit, Link, failure_of, faults, result_of
from newage.dialect import messages
from newage.domain.model import Message, Role
from newage.errors import NewAgeError, NotMember, RoomMissing
from newage.ports import IRoomListener
from newage.services.history.log import HistorySettings
from newage.services.streams.downstream import DownstreamSettings


def say(kit: Kit, text: str, room: str = "web1", **members: Any) -> Message:
    draft = {"message_id": kit.new_id(), "room": room, "seq": 0, "identity": "web1", "text": text, **members}
    message: Message = result_of(kit.history.add(Message(**draft)))
    return message


def texts(bodies: list[Any]) -> list[str]:
    return [body["message"] for body in bodies]


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1")


def test_it_listens_to_rooms(kit: Kit) -> None:
    assert verifyObject(IRoomListener, kit.history)


# ------------------------------------------------------------------------------------------------------------- writing


def test_listeners_are_told_what_was_stored_and_shown(kit: Kit, sid: str) -> None:
    told: list[tuple[Message, bool]] = []

    class Listener:
        def message_added(self, message: Message) -> None:
            told.append((message, bool(kit.outbox.bodies(sid, "NEW_MESSAGE"))))

    kit.history.add_listener(Listener())  # type: ignore[arg-type]
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
    result_of(kit.history.replace(evolve(message, text="ho")))
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
    changed = result_of(kit.history.replace(evolve(message, text="ho", data="ho")))
    assert changed.last_edited == "2023-11-14T22:13:21.000Z"
    body = kit.outbox.bodies(sid, "MESSAGE_UPDATED")[0]
    assert (body["roomName"], body["seq"], body["messageId"]) == ("web1", 2, message.message_id)
    assert (body["message"]["message"], body["message"]["seq"]) == ("ho", 1)
    assert [m.text for m in kit.stored("web1")] == ["ho"]


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


def fill(kit: Kit, count: int) -> None:
    for number in range(count):
        say(kit, str(number))
    kit.outbox.clear()


def push(kit: Kit, sid: str, room: str = "web1") -> dict[str, Any]:
    return messages.update_ack(result_of(kit.history.push_context(kit.caller(sid), room)))


def test_120_messages_are_three_pages(kit: Kit, sid: str) -> None:
    fill(kit, 120)
    ack = push(kit, sid)
    assert (ack["roomName"], ack["totalPages"], ack["totalMessages"]) == ("web1", 3, 120)
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []  # the ack goes first
    kit.clock.pump([0, 0.1, 0.1])
    pages = kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")
    assert [(p["pageNumber"], len(p["contextPage"]), p["isLastPage"]) for p in pages] == [
        (1, 50, False),
        (2, 50, False),
        (3, 20, True),
    ]
    assert texts([m for page in pages for m in page["contextPage"]]) == [str(n) for n in range(120)]
    assert {(p["updateId"], p["totalPages"], p["totalMessages"], p["seq"]) for p in pages} == {
        (ack["updateId"], 3, 120, 120)
    }


def test_pages_keep_their_distance(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.clock.pump([0, 0.09])
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 1
    kit.clock.advance(0.02)
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 2


def test_page_size_and_distance_are_settings(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(context_page_size=2, context_send_delay=0))
    sid = kit.connect("web1")
    fill(kit, 5)
    push(kit, sid)
    kit.clock.pump([0, 0, 0])
    assert [len(p["contextPage"]) for p in kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")] == [2, 2, 1]


def test_an_empty_history_is_one_empty_page(kit: Kit, sid: str) -> None:
    push(kit, sid)
    kit.settle()
    page = kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")[0]
    assert (page["pageNumber"], page["totalPages"], page["isLastPage"], page["contextPage"]) == (1, 1, True, [])


def test_only_members_and_administrators_read(kit: Kit, sid: str) -> None:
    stranger, monitor = kit.connect("stranger"), kit.connect("monitor", client_type="monitor")
    error = failure_of(kit.history.push_context(kit.caller(stranger), "web1"))
    assert isinstance(error, NotMember)
    assert str(error) == "You are not a member of room web1."
    missing = failure_of(kit.history.push_context(kit.caller(stranger), "nowhere"))
    assert str(missing) == "Could not retrieve context for room nowhere."
    assert push(kit, monitor)["totalMessages"] == 0


def test_a_second_request_restarts_the_pages(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    first = push(kit, sid)
    kit.settle()
    second = push(kit, sid)
    kit.clock.pump([0, 0.1, 0.1, 0.1])
    pages = [(p["updateId"], p["pageNumber"]) for p in kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")]
    assert pages == [(first["updateId"], 1), (second["updateId"], 1), (second["updateId"], 2)]


def test_pushes_are_limited_and_the_oldest_goes(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(max_page_pushes=2, context_page_size=1))
    sids = [kit.connect(f"w{n}") for n in range(3)]
    for n, sid in enumerate(sids):
        for text in "abc":
            say(kit, text, room=f"w{n}", identity=f"w{n}")
        push(kit, sid, f"w{n}")
    kit.clock.pump([0, 0.1, 0.1, 0.1])
    assert [len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) for sid in sids] == [0, 3, 3]


def test_pages_end_with_their_socket(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.disconnect(sid)
    kit.clock.pump([0, 0.1])
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []


def test_pages_end_with_the_membership(kit: Kit, sid: str) -> None:
    kit.connect("ann")
    kit.group("lounge", "ann", web1=Role.GUEST)
    kit.settle()
    for number in range(60):
        say(kit, str(number), room="lounge")
    kit.outbox.clear()
    push(kit, sid, "lounge")
    kit.settle()
    result_of(kit.rooms.remove("lounge", "web1", "kick"))
    kit.clock.pump([0.1, 0.1])
    assert [p["pageNumber"] for p in kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")] == [1]


def test_pages_end_with_the_room(kit: Kit, sid: str) -> None:
    kit.group("lounge", "web1")
    kit.settle()
    kit.outbox.clear()
    push(kit, sid, "lounge")
    result_of(kit.rooms.delete("lounge"))
    kit.clock.pump([0, 0.1])
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []


def test_a_store_that_fails_between_pages_ends_them(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.settle()
    kit.gate.broken = True
    kit.clock.advance(0.1)
    kit.gate.broken = False
    kit.clock.advance(1)
    assert len(kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")) == 1
    assert push(kit, sid)["totalPages"] == 2


def test_the_end_of_the_hub_ends_the_pages_even_in_a_slow_store(kit: Kit, sid: str) -> None:
    fill(kit, 60)
    push(kit, sid)
    kit.gate.shut = True
    kit.settle()
    kit.history.close()
    kit.gate.open()
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE") == []


# ----------------------------------------------------------------------------------------------------------- snapshots


def test_the_end_of_the_hub_ends_a_snapshot_under_way_and_asks_no_closed_store(kit: Kit, sid: str) -> None:
    say(kit, "a")
    kit.gate.shut = True
    kit.clock.advance(0.2)
    kit.gate.broken = True  # by the time it is read, the store is closed

    def end() -> None:
        kit.history.close()
        kit.gate.open()

    assert faults(end) == []
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []


def test_changes_within_150_ms_share_a_snapshot(kit: Kit, sid: str) -> None:
    message = say(kit, "a")
    kit.clock.advance(0.1)
    say(kit, "b")
    result_of(kit.history.replace(evolve(message, text="c")))
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []
    kit.clock.advance(0.05)
    snapshots = kit.outbox.bodies(sid, "UPDATE_CONTEXT")
    assert [(s["roomName"], texts(s["context"]), s["truncated"], s["seq"]) for s in snapshots] == [
        ("web1", ["c", "b"], False, 3)
    ]


def test_a_snapshot_is_bounded_and_says_so(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(history=HistorySettings(context_snapshot_max=2, context_snapshot_delay_ms=10))
    sid = kit.connect("web1")
    for text in "abc":
        say(kit, text)
    kit.clock.advance(0.01)
    snapshot = kit.outbox.bodies(sid, "UPDATE_CONTEXT")[0]
    assert (texts(snapshot["context"]), snapshot["truncated"]) == (["b", "c"], True)


def test_incremental_clients_and_extensions_get_no_snapshots(kit: Kit, sid: str) -> None:
    incremental = kit.connect("web1", incremental=True)
    extension = kit.connect("web1", client_type="SillyTavern", link=Link())
    say(kit, "hi")
    kit.clock.advance(0.15)
    assert [len(kit.outbox.bodies(s, "UPDATE_CONTEXT")) for s in (sid, incremental, extension)] == [1, 0, 0]


def test_no_snapshot_is_made_for_nobody(kit: Kit) -> None:
    kit.connect("web1", incremental=True)
    say(kit, "hi")
    kit.gate.broken = True  # looking would fail
    kit.clock.advance(1)
    assert [e.event for e in kit.outbox.emissions if e.event == "UPDATE_CONTEXT"] == []


def test_a_deleted_room_takes_its_snapshot_with_it(kit: Kit, sid: str) -> None:
    kit.group("lounge", "web1")
    result_of(kit.rooms.delete("lounge"))
    kit.clock.advance(1)
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []


def test_a_room_deleted_while_its_snapshot_is_read_gets_none(kit: Kit, sid: str) -> None:
    kit.group("lounge", "web1")
    kit.gate.shut = True
    kit.clock.advance(0.15)
    deleting = Deferred.fromCoroutine(kit.rooms.delete("lounge"))
    kit.gate.open()
    result_of(deleting)
    assert kit.outbox.bodies(sid, "UPDATE_CONTEXT") == []


def test_a_snapshot_that_cannot_be_read_is_left_out(kit: Kit, sid: str) -> None:
    say(kit, "hi")
    kit.gate.broken = True
    kit.clock.advance(0.15)
    kit.gate.broken = False
    say(kit, "ho")
    kit.clock.advance(0.15)
    assert [texts(s["context"]) for s in kit.outbox.bodies(sid, "UPDATE_CONTEXT")] == [["hi", "ho"]]


def test_a_full_disk_is_an_error_of_ours(kit: Kit, sid: str) -> None:
    kit.gate.broken = True
    assert type(failure_of(kit.history.push_context(kit.caller(sid), "web1"))) is NewAgeError
