"""The desk of an extension (contract 5.9)."""

from __future__ import annotations

from newage.dialect import chat
from newage.domain.character import Character
from newage.domain.chat import Characters, ChatLine, Offered, Picture, Snapshot
from newage.domain.model import Room

ROOM = Room(name="den", id="room-1")
AVA = Character("ava.png", "Ava", "ab")


def test_what_an_extension_is_asked() -> None:
    assert chat.picture_of("a") == {"id": "a"}
    assert chat.character_for(ROOM, "a") == {"roomName": "den", "id": "a"}
    assert chat.newest_of(ROOM, 5) == {"roomName": "den", "limit": 5}


def test_the_linked_room() -> None:
    assert chat.linked(ROOM) == {"roomName": "den", "roomId": "room-1"}
    assert chat.linked(None) == {"roomName": None, "roomId": None}


def test_characters() -> None:
    found = Characters((Offered("a", "Ava", "ab", ("kind",)), Offered("b", "Bob")), "a", True)
    assert chat.characters("X", found) == {
        "extension": "X",
        "current": "a",
        "characters": [
            {"id": "a", "name": "Ava", "avatar": "ab", "tags": ["kind"]},
            {"id": "b", "name": "Bob", "tags": []},
        ],
        "truncated": True,
    }
    assert chat.characters("X", Characters(())) == {"extension": "X", "characters": [], "truncated": False}
    assert chat.picture(Picture("image/png", "ab", b"x")) == {"type": "image/png", "hash": "ab", "data": b"x"}
    assert chat.selected(AVA) == {"character": {"id": "ava.png", "name": "Ava", "avatar": "ab"}}
    event = chat.changed(ROOM, "X", AVA)
    assert (event.name, event.body) == ("CHARACTER_CHANGED", {"roomName": "den", "identity": "X", **chat.selected(AVA)})


def test_a_chat() -> None:
    full = ChatLine(
        id="1", name="Ava", text="hi", reasoning="hm", character=AVA, swipe=0, swipes=2, at="2026-01-01T00:00:00.000Z"
    )
    assert chat.snapshot(Snapshot("c", (ChatLine(id="0", is_user=True), full), True)) == {
        "chatId": "c",
        "messages": [
            {"id": "0", "name": "", "isUser": True, "text": ""},
            {
                "id": "1",
                "name": "Ava",
                "isUser": False,
                "text": "hi",
                "reasoning": "hm",
                "character": {"id": "ava.png", "name": "Ava", "avatar": "ab"},
                "swipe": 0,
                "swipes": 2,
                "at": "2026-01-01T00:00:00.000Z",
            },
        ],
        "truncated": True,
    }
