"""Real clients on both sides of a desk: its characters, its chat, and its mirror in a room (contract 5.9)."""

from __future__ import annotations

from typing import Any

from harness import Hub, Socket

AVA = {"id": "ava.png", "name": "Ava", "tags": ["kind"]}
PNG = b"\x89PNG\r\n" + b"\0" * 60_000


def desk(hub: Hub, room: str) -> tuple[str, Socket]:
    """An extension that has joined the room, and shows it in its chat."""
    me = f"SillyTavern-{hub.new_id('desk').removeprefix('desk-')}"
    engine = hub.engine()
    features = ["characters", "snapshot", "mirror"]
    auth = {"clientType": "SillyTavern", "clientId": me, "features": features, "capacity": 2, "exclusive": True}
    lines = [{"id": str(number), "name": "Ava", "isUser": False, "text": f"line {number}"} for number in range(3)]
    replies: dict[str, list[Any]] = {
        "LIST_CHARACTERS": [{"status": "ok", "success": True, "characters": [AVA, {"id": "no name"}], "secret": 1}],
        "GET_AVATAR": [{"type": "image/png", "hash": "mine", "data": PNG}],
        "SELECT_CHARACTER": [{"character": AVA}],
        "CHAT_SNAPSHOT": [{"chatId": "c", "messages": lines, "truncated": False}],
    }
    llm = hub.open("/llm", auth, engine=engine, replies=replies).connected()
    rooms = hub.open("/rooms", auth, engine=engine).connected()
    assert rooms.call("JOIN_ROOM", room)["status"] == "ok"
    assert llm.call("SET_CHAT_ROOM", {"roomName": room})["roomName"] == room
    return me, llm


def test_a_desk_and_its_room(hub: Hub) -> None:
    room, guest = hub.new_id("lounge"), hub.new_id("guest")
    assert hub.monitor("/rooms").call("CREATE_ROOM", room)["status"] == "ok"
    admin, person = hub.monitor(), hub.client(guest, auth={"sync": "incremental"})
    assert hub.client(guest, "/rooms").call("JOIN_ROOM", room)["status"] == "ok"
    me, extension = desk(hub, room)

    listed = person.call("LIST_CHARACTERS", {"roomName": room, "target": me})
    assert (listed["extension"], listed["characters"], listed["truncated"]) == (me, [AVA], False)
    assert "secret" not in listed
    picture = person.call("GET_AVATAR", {"target": me, "id": "ava.png"})
    assert (picture["type"], picture["data"], len(picture["hash"])) == ("image/png", PNG, 64)
    assert person.call("GET_AVATAR", {"target": me, "id": "ava.png"})["data"] == PNG
    assert len(extension.all("GET_AVATAR")) == 1

    for event in ("CHAT_SNAPSHOT", "SELECT_CHARACTER"):
        assert person.call(event, {"roomName": room, "id": "ava.png"})["errorCode"] == 6
        assert extension.all(event) == []
    chat = admin.call("CHAT_SNAPSHOT", {"roomName": room, "limit": 2})
    assert [line["text"] for line in chat["messages"]] == ["line 1", "line 2"]
    assert admin.call("SELECT_CHARACTER", {"roomName": room, "id": "ava.png"})["character"]["name"] == "Ava"
    changed = person.payload("CHARACTER_CHANGED")
    assert (changed["roomName"], changed["identity"], changed["character"]["id"]) == (room, me, "ava.png")

    said = {"op": "add", "chatId": "c", "id": "1", "name": "Me", "isUser": True, "text": "hello"}
    answer = {"op": "add", "chatId": "c", "id": "2", "name": "Ava", "isUser": False, "text": "hi", "character": AVA}
    extension.emit("CHAT_EVENT", {"op": "chat", "chatId": "c", "id": ""})
    events = [said, answer, {**answer, "op": "swipe", "text": "well", "swipe": 1, "swipes": 2}]
    extension.burst([["CHAT_EVENT", event] for event in [*events, {**said, "chatId": "private", "id": "9"}]])
    extension.emit("CHAT_EVENT", {"op": "delete", "chatId": "c", "id": "1"})
    deleted = person.payload("MESSAGES_DELETED")
    new = [body["message"] for body in person.payloads("NEW_MESSAGE") if body["message"].get("origin")]
    assert [(body["message"], body["name"], body["origin"]) for body in new] == [
        ("hello", "Me", "desk"),
        ("hi", "Ava", "desk"),
    ]
    assert (deleted["origin"], deleted["messageIds"]) == ("desk", [new[0]["messageId"]])
    updated = person.payload("MESSAGE_UPDATED")["message"]
    assert (updated["messageId"], updated["message"], updated["swipe"]) == (new[1]["messageId"], "well", 1)
    stored = [body for body in person.call("GET_MESSAGES", {"roomName": room})["messages"] if body.get("origin")]
    assert [(body["message"], body["character"]["name"]) for body in stored] == [("well", "Ava")]


def test_the_reference_extension_is_asked_nothing(hub: Hub) -> None:
    extension, guest = hub.extension().start_quickly(), hub.client(hub.new_id("guest"))
    refused = guest.call("LIST_CHARACTERS", {"target": extension.client_id})
    assert refused["errorCode"] == 9
    assert extension.llm.all("LIST_CHARACTERS") == []
