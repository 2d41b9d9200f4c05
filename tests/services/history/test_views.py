"""Message objects and NEW_MESSAGE (contract 4.6)."""

from __future__ import annotations

from newage.domain.model import Message
from newage.services.history.views import message_body, new_message_body

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
    assert message_body(ASKED) == {
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
    assert message_body(Message(message_id="m", room="r", seq=1, identity="i", text="hi", data=sent))["data"] == sent


def test_a_response() -> None:
    assert message_body(ANSWER) == {
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
    body = message_body(
        Message(message_id="m", room="r", seq=1, identity="i", role="assistant", failed=True, last_edited="t2")
    )
    assert (body["failed"], body["lastEdited"]) == (True, "t2")


def test_a_system_message() -> None:
    assert message_body(NOTE) == {
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
    assert new_message_body(ASKED) == {
        "roomName": "web1",
        "seq": 3,
        "message": message_body(ASKED),
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
    answer = new_message_body(ANSWER)
    assert (answer["responseId"], answer["fromClient"], answer["fromLlm"]) == ("a1", False, True)
    note = new_message_body(NOTE)
    assert (note["fromClient"], note["fromLlm"]) == (False, False)
    assert {"requestId", "responseId"}.isdisjoint(note)
