"""Message objects, and the events and acks that hold them (contract 4.6-4.8)."""

from __future__ import annotations

import pytest
from attrs import evolve

from newage.dialect import Event, messages
from newage.domain.character import Character
from newage.domain.history import UNNAMED, Behind, Change, Earlier, Missed, Selection, Update
from newage.domain.model import Message, Room
from newage.protocol.json_text import dumps

ASKED = Message(
    message_id="m1",
    room="web1",
    seq=3,
    identity="web1-a",
    client_id="web1",
    role="master",
    text="hi",
    timestamp="2023-11-14T22:13:20.000Z",
    request_id="r1",
    target="SillyTavern-8000",
    extra={"temperature": 1, "seq": 99},
)
ANSWER = Message(
    message_id="m2",
    response_id="a1",
    room="web1",
    seq=4,
    identity="SillyTavern-8000",
    client_id="SillyTavern-8000",
    role="assistant",
    text="hello",
    data="hello",
    timestamp="2023-11-14T22:13:21.000Z",
    request_id="r1",
    output_id="o1",
    streamed=True,
)
NOTE = Message(
    message_id="m3", room="lounge", seq=5, identity="System", role="system", text="[System] x", timestamp="t"
)


def test_a_request() -> None:
    assert messages.body(ASKED) == {
        "temperature": 1,
        "messageId": "m1",
        "requestId": "r1",
        "roomName": "web1",
        "identity": "web1-a",
        "clientId": "web1",
        "role": "master",
        "fromClient": True,
        "fromLlm": False,
        "message": "hi",
        "data": "hi",
        "target": "SillyTavern-8000",
        "targetRoom": "web1",
        "requestType": "newMessage",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "seq": 3,
    }


def test_the_data_of_a_request_is_as_it_was_sent() -> None:
    sent = {"prompt": "hi", "history": []}
    assert messages.body(Message(message_id="m", room="r", seq=1, identity="i", text="hi", data=sent))["data"] == sent


def test_a_response() -> None:
    assert messages.body(ANSWER) == {
        "messageId": "m2",
        "responseId": "a1",
        "requestId": "r1",
        "outputId": "o1",
        "roomName": "web1",
        "identity": "SillyTavern-8000",
        "clientId": "SillyTavern-8000",
        "isResponse": True,
        "fromLlm": True,
        "fromClient": False,
        "message": "hello",
        "data": "hello",
        "role": "assistant",
        "streamed": True,
        "timestamp": "2023-11-14T22:13:21.000Z",
        "seq": 4,
    }


def test_a_failed_or_edited_response_says_so() -> None:
    body = messages.body(
        Message(message_id="m", room="r", seq=1, identity="i", role="assistant", failed=True, last_edited="t2")
    )
    assert (body["failed"], body["lastEdited"]) == (True, "t2")


def test_an_answer_with_thoughts_a_character_and_an_end_that_is_missing() -> None:
    told = evolve(ANSWER, reasoning="hm", partial=True, character=Character("c.png", "Cora", "5f"), origin="desk")
    who = {"id": "c.png", "name": "Cora", "avatar": "5f"}
    more = {"reasoning": "hm", "partial": True, "character": who, "origin": "desk"}
    assert messages.body(told) == {**messages.body(ANSWER), **more}
    assert messages.character(Character("c.png", "Cora")) == {"id": "c.png", "name": "Cora"}


def test_a_request_has_its_own_members_of_these_names() -> None:
    asked = evolve(ASKED, extra={"reasoning": {"effort": "low"}, "character": "Cora", "partial": 1})
    body = messages.body(asked)
    assert (body["reasoning"], body["character"], body["partial"]) == ({"effort": "low"}, "Cora", 1)


def test_a_system_message() -> None:
    assert messages.body(NOTE) == {
        "messageId": "m3",
        "roomName": "lounge",
        "identity": "System",
        "role": "system",
        "message": "[System] x",
        "data": "[System] x",
        "isSystem": True,
        "fromClient": False,
        "fromLlm": False,
        "timestamp": "t",
        "seq": 5,
    }


def test_new_message_holds_the_object_and_its_members_flat() -> None:
    assert messages.added(ASKED).body == {
        "roomName": "web1",
        "seq": 3,
        "message": messages.body(ASKED),
        "messageId": "m1",
        "requestId": "r1",
        "identity": "web1-a",
        "clientId": "web1",
        "role": "master",
        "text": "hi",
        "timestamp": "2023-11-14T22:13:20.000Z",
        "fromClient": True,
        "fromLlm": False,
    }
    answer = messages.added(ANSWER).body
    assert (answer["responseId"], answer["fromClient"], answer["fromLlm"]) == ("a1", False, True)
    note = messages.added(NOTE).body
    assert (note["fromClient"], note["fromLlm"]) == (False, False)
    assert {"requestId", "responseId"}.isdisjoint(note)


# ------------------------------------------------------------------------------------------------------------- members

LOUNGE = Room(name="lounge", id="l1", seq=9)


def test_the_list_of_members_is_what_the_hub_writes() -> None:
    """Else a client's own member could stand in the place of one of the hub's."""
    edited = Message(message_id="m", room="r", seq=1, identity="i", last_edited="t")
    failed = Message(message_id="m", room="r", seq=1, identity="i", role="assistant", failed=True)
    again = Message(message_id="m", room="r", seq=1, identity="i", role="assistant", question_id="q", selected=True)
    told = evolve(failed, reasoning="hm", partial=True, character=Character("c", "C"), origin="desk")
    written = set().union(*(messages.body(message) for message in (ASKED, ANSWER, NOTE, edited, failed, again, told)))
    assert written - {"temperature"} == messages.MEMBERS | messages.ANSWERED


def test_sizes_are_of_texts_as_they_are_and_of_the_rest_as_json() -> None:
    assert messages.carried_bytes("\N{EURO SIGN}", None, {}) == 3
    assert messages.carried_bytes("hi", "hi", {}) == 2
    assert messages.carried_bytes("hi", {"a": 1}, {"b": 2}) == 2 + 7 + 7


def test_the_newest_that_fit_and_at_least_one() -> None:
    said = [Message(message_id=f"m{n}", room="r", seq=n, identity="i", text="x" * 100) for n in range(3)]
    size = len(dumps(messages.body(said[0])))
    assert messages.newest_within(said, 3 * size) == said
    assert messages.newest_within(said, 3 * size - 1) == said[1:]
    assert messages.newest_within(said, 1) == said[2:]
    assert messages.newest_within([], size) == []


# ------------------------------------------------------------------------------------------------------------- changes


def test_changes_are_told_with_the_seq_of_the_change() -> None:
    assert messages.updated(ANSWER, 8) == Event(
        "MESSAGE_UPDATED",
        {"roomName": "web1", "seq": 8, "message": messages.body(ANSWER), "messageId": "m2"},
    )
    assert messages.deleted(LOUNGE, ("m1", "m2"), 8) == Event(
        "MESSAGES_DELETED", {"roomName": "lounge", "seq": 8, "messageIds": ["m1", "m2"]}
    )
    assert messages.cleared(LOUNGE, 8, requests=True, responses=False) == Event(
        "MESSAGES_CLEARED", {"roomName": "lounge", "seq": 8, "clearedRequests": True, "clearedResponses": False}
    )


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        ({}, None),
        ({"message": "m", "data": "d", "text": "t"}, Change(text="m", data="d")),
        ({"message": 5, "text": "t"}, Change(text="t")),
        ({"data": None}, Change(data=None)),
        ({"data": {"prompt": "p"}, "n": 1}, Change(data={"prompt": "p"}, extra={"n": 1})),
        ({"target": "x", "requestType": "x"}, Change()),
        ({"messageId": "x", "identity": "x", "seq": 0}, Change()),
        ({"reasoning": "x", "partial": False, "character": {}, "origin": "desk"}, Change()),
    ],
)
def test_an_edit_as_clients_write_it(fields: dict[str, object], change: Change | None) -> None:
    assert messages.change(fields) == change


def test_an_edit_that_does_not_mention_the_data_leaves_them_unnamed() -> None:
    assert Change().data is UNNAMED


def test_which_answer_counts() -> None:
    chosen = Selection(question_id="m1", message_id="m2", index=1, count=2)
    told = {"questionId": "m1", "messageId": "m2", "index": 1, "count": 2}
    assert messages.selection(chosen) == told
    assert messages.selected(LOUNGE, chosen, 8) == Event("RESPONSE_SELECTED", {"roomName": "lounge", **told, "seq": 8})


def test_acks_of_changes() -> None:
    assert messages.edit_ack(ASKED) == {"messageId": "m1"}
    assert messages.delete_ack(["m1"]) == {"deleted": ["m1"]}
    assert messages.delete_ack([])["deleted"] == []
    assert messages.clear_ack(2) == {}
    assert "message" in messages.clear_ack(0)


# --------------------------------------------------------------------------------------------------- pages, snapshots


def test_pages_repeat_what_the_ack_said() -> None:
    update = Update(update_id="u", room="web1", pages=(1, 1), messages=2)
    said = {"updateId": "u", "roomName": "web1", "totalPages": 2, "totalMessages": 2}
    assert messages.update_ack(update) == said
    first, last = (messages.page(update, number, [ASKED], 4) for number in (1, 2))
    assert first.name == last.name == "UPDATE_CONTEXT_PAGE"
    assert first.body == {
        **said,
        "pageNumber": 1,
        "isLastPage": False,
        "contextPage": [messages.body(ASKED)],
        "seq": 4,
    }
    assert (last.body["pageNumber"], last.body["isLastPage"]) == (2, True)


def test_a_snapshot() -> None:
    assert messages.snapshot(LOUNGE, [NOTE], 1_000, truncated=True) == Event(
        "UPDATE_CONTEXT",
        {"roomName": "lounge", "context": [messages.body(NOTE)], "truncated": True, "seq": 9},
    )
    none = {"roomName": "lounge", "context": [], "truncated": False, "seq": 9}
    assert messages.snapshot(LOUNGE, [], 1_000, truncated=False) == Event("UPDATE_CONTEXT", none)


def test_a_snapshot_holds_the_newest_that_fit_and_says_so() -> None:
    size = len(dumps(messages.body(NOTE))) + 1
    event = messages.snapshot(LOUNGE, [ASKED, NOTE], size, truncated=False)
    assert event is not None
    assert (event.body["context"], event.body["truncated"]) == ([messages.body(NOTE)], True)
    assert messages.snapshot(LOUNGE, [ASKED, NOTE], size - 1, truncated=False) is None, "not even the newest fits"


# ------------------------------------------------------------------------------------------------------------- missed


def test_what_was_missed_is_hinted_at_then_asked_for() -> None:
    hint = {"roomName": "lounge", "count": 3, "messages": [], "hasMore": True, "since": 5}
    assert messages.missed_hint(LOUNGE, 5, Behind(3, False, True)) == Event("OFFLINE_MESSAGES", hint)
    changed = {**hint, "count": 0, "hasMore": False, "changed": True}
    assert messages.missed_hint(LOUNGE, 5, Behind(0, True, False)) == Event("OFFLINE_MESSAGES", changed)


def test_a_page_of_what_was_missed_differs_between_ack_and_event() -> None:
    page = Missed(room="web1", messages=(ASKED, ANSWER), since=2, more=True, seq=9)
    both = {
        "roomName": "web1",
        "messages": messages.bodies([ASKED, ANSWER]),
        "count": 2,
        "hasMore": True,
        "nextSince": 4,
    }
    assert messages.missed(page) == Event("OFFLINE_MESSAGES", {**both, "since": 2})
    assert messages.missed_ack(page) == {**both, "seq": 9}
    more = evolve(page, changed=True, truncated=True)
    assert messages.missed_ack(more) == {**both, "seq": 9, "changed": True, "truncated": True}
    assert messages.missed(more).body == {**both, "since": 2, "changed": True, "truncated": True}


def test_a_page_backwards() -> None:
    page = Earlier(messages=(ASKED,), more=True, seq=9)
    assert messages.earlier_ack(page) == {"messages": messages.bodies([ASKED]), "hasMore": True, "seq": 9}


def test_after_an_empty_page_one_goes_on_where_one_was() -> None:
    assert Missed(room="web1", messages=(), since=7, more=False, seq=7).next_since == 7
