"""Whom an extension offers, and who chooses among them (contract 5.9, B17)."""

from __future__ import annotations

import pytest

from deskkit import AVA, X, asked, at_a_desk, begun, caller
from hubkit import Kit, failure_of, result_of
from newage.domain.character import Character
from newage.domain.chat import Offered
from newage.domain.model import Caller
from newage.errors import ClientMissing, NotAuthorised, NotFound, NotMember, RoomMissing, TimedOut, Unavailable
from newage.services.chat.characters import CharacterService

LISTED = {"characters": [AVA], "truncated": False}
PNG = {"type": "image/png", "data": b"\x89PNG"}


@pytest.fixture
def desk(kit: Kit) -> Caller:
    return at_a_desk(kit)


@pytest.fixture
def characters(kit: Kit, desk: Caller) -> CharacterService:
    return kit.talk.chat.characters


@pytest.mark.parametrize(
    ("who", "room", "target"),
    [
        ("gue", "lounge", None),
        ("gue", "lounge", X),
        ("gue", None, X),
        ("out", None, None),
        ("admin", "lounge", X),
        ("admin", None, X),
        ("admin", "lounge", None),
    ],
)
def test_people_of_a_room_that_it_serves(
    kit: Kit, characters: CharacterService, who: str, room: str | None, target: str | None
) -> None:
    question = begun(characters.offered(caller(kit, who), room, target))
    assert asked(kit) == [("LIST_CHARACTERS", {})]
    kit.outbox.acknowledge(LISTED)
    extension, found = result_of(question)
    assert (extension, found.offered) == (X, (Offered("ava.png", "Ava", "", ("kind",)),))


def test_and_nobody_else(kit: Kit, characters: CharacterService) -> None:
    out = caller(kit, "out")
    assert isinstance(failure_of(characters.offered(out, "lounge", None)), NotMember)
    assert isinstance(failure_of(characters.offered(out, "nowhere", None)), RoomMissing)
    for target in ("gue", "SillyTavern-1"):
        assert isinstance(failure_of(characters.offered(out, None, target)), ClientMissing)
    assert asked(kit) == []


def test_an_extension_that_serves_none_of_them_is_nobodys(kit: Kit, characters: CharacterService) -> None:
    kit.disconnect_all("out")
    alone = kit.connect("SillyTavern-9", client_type="SillyTavern")  # has no way down, so it serves nobody
    assert isinstance(failure_of(characters.offered(kit.caller(alone), "lounge", X)), NotMember)
    assert isinstance(failure_of(characters.picture(caller(kit, "gue"), "SillyTavern-9", "a")), ClientMissing)


def test_what_it_does_not_offer(kit: Kit) -> None:
    at_a_desk(kit, features=frozenset({"mirror"}))
    error = failure_of(kit.talk.chat.characters.offered(caller(kit, "gue"), "lounge", None))
    assert isinstance(error, Unavailable)
    assert asked(kit) == []


def test_a_list_is_kept_for_a_while(kit: Kit, characters: CharacterService, desk: Caller) -> None:
    gue = caller(kit, "gue")
    first, second = begun(characters.offered(gue, "lounge", None)), begun(characters.offered(gue, "lounge", X))
    assert len(asked(kit)) == 1
    kit.outbox.acknowledge(LISTED)
    assert result_of(first) == result_of(second) == result_of(characters.offered(gue, None, X))
    kit.disconnect(desk.sid)
    kit.extension(X, features=desk.features)
    again = begun(characters.offered(gue, "lounge", None))
    kit.outbox.acknowledge({"characters": []})
    assert result_of(again)[1].offered == ()


def test_late_and_gone(kit: Kit, characters: CharacterService, desk: Caller) -> None:
    late = begun(characters.offered(caller(kit, "gue"), "lounge", None))
    kit.clock.advance(5)
    assert isinstance(failure_of(late), TimedOut)
    gone = begun(characters.offered(caller(kit, "gue"), "lounge", None))
    kit.disconnect(desk.sid)
    assert isinstance(failure_of(gone), ClientMissing)


def test_a_picture_is_kept_for_a_while(kit: Kit, characters: CharacterService) -> None:
    gue = caller(kit, "gue")
    question = begun(characters.picture(gue, X, "ava.png"))
    assert asked(kit) == [("GET_AVATAR", {"id": "ava.png"})]
    kit.outbox.acknowledge(PNG)
    found = result_of(question)
    assert found.data == b"\x89PNG"
    assert result_of(characters.picture(caller(kit, "admin"), X, "ava.png")) is found
    assert isinstance(failure_of(characters.picture(gue, "SillyTavern-1", "ava.png")), ClientMissing)


@pytest.mark.parametrize("who", ["mas", "man", "admin"])
def test_staff_choose_and_the_room_is_told(kit: Kit, characters: CharacterService, desk: Caller, who: str) -> None:
    kit.talk.chat.links.link(desk, "lounge")
    listed = begun(characters.offered(caller(kit, who), "lounge", None))
    kit.outbox.acknowledge(LISTED)
    result_of(listed)
    kit.outbox.clear()
    question = begun(characters.select(caller(kit, who), "lounge", "ava.png"))
    assert asked(kit) == [("SELECT_CHARACTER", {"roomName": "lounge", "id": "ava.png"})]
    kit.outbox.acknowledge({"character": {"id": "ava.png", "name": "Ava", "prompt": "secret"}})
    assert result_of(question) == Character("ava.png", "Ava")
    told = {"roomName": "lounge", "identity": X, "character": {"id": "ava.png", "name": "Ava"}}
    heard = kit.heard("CHARACTER_CHANGED")
    assert heard == {f"{who}/llm": [told] for who in ("mas", "man", "gue", X)}
    begun(characters.offered(caller(kit, who), "lounge", None)).addErrback(lambda failure: None)
    assert asked(kit) == [("LIST_CHARACTERS", {})]  # ``current`` is another one


@pytest.mark.parametrize(("who", "room"), [("gue", "lounge"), ("out", "lounge"), (X, "lounge"), ("mas", "nowhere")])
def test_nobody_else_chooses(kit: Kit, characters: CharacterService, desk: Caller, who: str, room: str) -> None:
    kit.talk.chat.links.link(desk, "lounge")
    assert isinstance(failure_of(characters.select(caller(kit, who), room, "ava.png")), NotAuthorised)
    assert asked(kit) == []


def test_no_chat_is_the_rooms(kit: Kit, characters: CharacterService) -> None:
    assert isinstance(failure_of(characters.select(caller(kit, "mas"), "lounge", "ava.png")), NotFound)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"success": False, "errorCode": 6, "message": "No."}, NotAuthorised, "No."),
        ({"status": "error", "errorCode": 9, "message": "Somebody is at work."}, Unavailable, "Somebody is at work."),
        (
            {"character": {"id": "eve.png", "name": "Eve"}},
            Unavailable,
            "The extension gave no answer that can be read.",
        ),
    ],
)
def test_what_it_refuses_nobody_hears_of(
    kit: Kit, characters: CharacterService, desk: Caller, answer: object, error: type, words: str
) -> None:
    kit.talk.chat.links.link(desk, "lounge")
    question = begun(characters.select(caller(kit, "mas"), "lounge", "ava.png"))
    kit.outbox.acknowledge(answer)
    failure = failure_of(question)
    assert (type(failure), str(failure)) == (error, words)
    assert kit.heard("CHARACTER_CHANGED") == {}


def test_a_room_that_went_meanwhile_is_told_nothing(kit: Kit, characters: CharacterService, desk: Caller) -> None:
    kit.talk.chat.links.link(desk, "lounge")
    question = begun(characters.select(caller(kit, "mas"), "lounge", "ava.png"))
    kit.make_again("lounge", "mas")
    kit.outbox.acknowledge({"character": AVA})
    assert result_of(question) == Character("ava.png", "Ava")
    assert kit.heard("CHARACTER_CHANGED") == {}
