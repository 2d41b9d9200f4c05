"""The desk of an extension, as people and extensions speak of it (contract 5.9)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from deskkit import AVA, X, asked, at_a_desk, caller
from hubkit import HandSocket, Kit, handled, result_of
from newage.domain.chat import ChatEvent, ChatLine, Op
from newage.errors import NewAgeError
from newage.gateway.socketio.dispatch import Later, Namespace, as_deferred
from newage.namespaces.llm_chat import (
    Casting,
    ChatEvents,
    Offer,
    Peek,
    Portrait,
    parse_casting,
    parse_chat_event,
    parse_link,
    parse_offer,
    parse_peek,
    parse_portrait,
)
from newage.namespaces.pacing import paced


@pytest.fixture
def llm(kit: Kit) -> Namespace:
    at_a_desk(kit)
    namespace = Namespace("/llm", connect=lambda *_: None, disconnected=lambda *_: None)
    chat = kit.talk.chat
    events = ChatEvents(links=chat.links, characters=chat.characters, reading=chat.reading, mirror=chat.mirror)
    namespace.add(paced(kit.talk.rates, events.handlers()))
    return namespace


def socket(kit: Kit, who: str) -> HandSocket:
    return HandSocket(kit, caller(kit, who).sid)


def begun(kit: Kit, llm: Namespace, who: str, event: str, body: Any) -> Deferred[Any]:
    """A question that holds up nothing else of who asks."""
    result = llm.handlers[event](socket(kit, who), [body], True)
    assert isinstance(result, Later)
    return as_deferred(result.result)


def ack(kit: Kit, llm: Namespace, who: str, event: str, body: Any, answer: Any) -> Any:
    question = begun(kit, llm, who, event, body)
    kit.outbox.acknowledge(answer)
    return result_of(question)[0]


@pytest.mark.parametrize(
    ("parse", "payload", "found"),
    [
        (parse_offer, None, Offer(None, None)),
        (parse_offer, "den", Offer("den", None)),
        (parse_offer, {"room": "den", "target": 7}, Offer("den", "7")),
        (parse_portrait, {"target": "X", "id": "a.png"}, Portrait("X", "a.png")),
        (parse_casting, {"targetRoom": "den", "id": "a.png"}, Casting("den", "a.png")),
        (parse_peek, "den", Peek("den", 50)),
        (parse_peek, {"roomName": "den", "limit": 200}, Peek("den", 200)),
        (parse_link, {"roomName": None}, None),
        (parse_link, {"roomName": "den"}, "den"),
        (parse_link, "den", "den"),
    ],
)
def test_what_is_read(parse: Any, payload: Any, found: Any) -> None:
    assert parse(payload) == found


REFUSED: list[tuple[Any, list[Any]]] = [
    (parse_offer, [7, [], {"roomName": []}, {"target": {}}, {"target": ""}]),
    (parse_portrait, [None, "X", {"target": "X"}, {"id": "a"}, {"target": "X", "id": []}]),
    (parse_casting, [None, "den", {"roomName": "den"}, {"id": "a"}]),
    (parse_peek, [None, {}, {"roomName": "den", "limit": 0}, {"roomName": "den", "limit": 201}]),
    (parse_link, [None, {}, 7, {"roomName": []}, {"room": ""}]),
]


@pytest.mark.parametrize(("parse", "payload"), [(parse, wrong) for parse, wrongs in REFUSED for wrong in wrongs])
def test_what_is_refused(parse: Any, payload: Any) -> None:
    with pytest.raises(NewAgeError):
        parse(payload)


@pytest.mark.parametrize("op", ["add", "edit", "swipe", "delete"])
def test_an_event(op: str) -> None:
    said = {"op": op, "chatId": "c", "id": "1", "text": "hi"}
    assert parse_chat_event(said) == ChatEvent(Op(op), "c", ChatLine(id="1", text="hi"))


def test_the_open_chat_needs_no_message() -> None:
    assert parse_chat_event({"op": "chat", "chatId": "c", "id": ""}) == ChatEvent(Op.CHAT, "c", ChatLine(id=""))


NO_EVENTS: list[Any] = [None, 7, "add", [], {}, {"op": "add"}, {"op": "add", "chatId": "c"}, {"op": "add", "id": "1"}]
NO_OPS: list[Any] = ["no", None, ["add"], {}]


@pytest.mark.parametrize("payload", [*NO_EVENTS, *({"op": op, "chatId": "c", "id": "1"} for op in NO_OPS)])
def test_no_event(payload: Any) -> None:
    assert parse_chat_event(payload) is None


def test_the_questions(kit: Kit, llm: Namespace) -> None:
    assert handled(llm, socket(kit, X), "SET_CHAT_ROOM", {"roomName": "lounge"}) == {
        "status": "ok",
        "success": True,
        "roomName": "lounge",
        "roomId": kit.room_id("lounge"),
    }
    body = ack(kit, llm, "gue", "LIST_CHARACTERS", {"roomName": "lounge"}, {"characters": [AVA]})
    assert (body["status"], body["extension"], body["characters"]) == ("ok", X, [AVA])
    body = ack(kit, llm, "gue", "GET_AVATAR", {"target": X, "id": "a"}, {"type": "image/png", "data": b"x"})
    assert (body["type"], body["data"], len(body["hash"])) == ("image/png", b"x", 64)
    body = ack(kit, llm, "mas", "SELECT_CHARACTER", {"roomName": "lounge", "id": "ava.png"}, {"character": AVA})
    assert body["character"] == {"id": "ava.png", "name": "Ava"}
    body = ack(kit, llm, "mas", "CHAT_SNAPSHOT", "lounge", {"chatId": "c", "messages": []})
    assert (body["chatId"], body["messages"], body["truncated"]) == ("c", [], False)
    assert handled(llm, socket(kit, X), "SET_CHAT_ROOM", {"roomName": None})["roomName"] is None


def test_a_failure_has_the_extensions_words(kit: Kit, llm: Namespace) -> None:
    handled(llm, socket(kit, X), "SET_CHAT_ROOM", "lounge")
    refusal = {"success": False, "errorCode": 9, "message": "Another chat is open."}
    body = ack(kit, llm, "mas", "CHAT_SNAPSHOT", "lounge", refusal)
    assert (body["status"], body["message"], body["errorCode"]) == ("error", "Another chat is open.", 9)


@pytest.mark.parametrize(("who", "code"), [("gue", 6), ("out", 6)])
def test_a_refusal_asks_nobody(kit: Kit, llm: Namespace, who: str, code: int) -> None:
    handled(llm, socket(kit, X), "SET_CHAT_ROOM", "lounge")
    for event, body in (("CHAT_SNAPSHOT", "lounge"), ("SELECT_CHARACTER", {"roomName": "lounge", "id": "a"})):
        (answer,) = result_of(begun(kit, llm, who, event, body))
        assert answer["errorCode"] == code
    assert asked(kit) == []
    assert handled(llm, socket(kit, who), "SET_CHAT_ROOM", "lounge")["errorCode"] == 6


@pytest.mark.parametrize("event", ["LIST_CHARACTERS", "GET_AVATAR", "CHAT_SNAPSHOT"])
def test_a_query_that_nobody_wants_answered(kit: Kit, llm: Namespace, event: str) -> None:
    assert llm.handlers[event](socket(kit, "mas"), [{"roomName": "lounge", "target": X, "id": "a"}], False) is None
    assert asked(kit) == []


def test_what_is_malformed_is_refused_at_once(kit: Kit, llm: Namespace) -> None:
    assert handled(llm, socket(kit, "mas"), "SELECT_CHARACTER", {})["errorCode"] == 4


def test_the_mirror(kit: Kit, llm: Namespace) -> None:
    desk = socket(kit, X)
    handled(llm, desk, "SET_CHAT_ROOM", "lounge")
    event = {"op": "add", "chatId": "c", "id": "1", "isUser": True, "name": "Me", "text": "hi"}
    assert handled(llm, desk, "CHAT_EVENT", event) is None
    (body,) = kit.heard("NEW_MESSAGE")["gue/llm"]
    assert (body["message"]["origin"], body["text"], body["name"]) == ("desk", "hi", "Me")


def test_nobody_else_mirrors_and_rubbish_is_a_line(kit: Kit, llm: Namespace) -> None:
    with capturedLogs() as events:
        assert handled(llm, socket(kit, "mas"), "CHAT_EVENT", {"op": "add", "chatId": "c", "id": "1"}) is None
        assert events == []
        for args in ([], [None], ["add"]):
            assert handled(llm, socket(kit, X), "CHAT_EVENT", *args) is None
    assert [event["why"] for event in events] == ["it makes no sense"]
    assert kit.heard("ERROR", "NEW_MESSAGE") == {}
