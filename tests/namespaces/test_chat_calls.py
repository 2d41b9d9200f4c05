"""Whatever an extension answers is read member by member, within limits (contract 5.9)."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskkit import AVA, at_a_desk, begun, caller
from hubkit import Kit, failure_of, result_of
from newage.dialect import chat
from newage.domain.character import Character
from newage.domain.chat import Characters, ChatLine, Offered
from newage.errors import ClientMissing, NewAgeError, NotAuthorised, NotFound, TimedOut, Unavailable
from newage.namespaces.chat_calls import (
    NO,
    UNREADABLE,
    SocketChatCalls,
    characters_in,
    parse_chat_id,
    parse_line,
    picture_in,
    snapshot_in,
)
from newage.protocol.json_text import dumps

HASH = "ab" * 32


@pytest.fixture
def calls(kit: Kit) -> SocketChatCalls:
    at_a_desk(kit)
    return SocketChatCalls(kit.outbox, kit.live.chat)


@pytest.mark.parametrize("answer", [(), (None,), (7,), ("no",), ([],), ({},), ({"characters": {}},)])
def test_no_answer_that_can_be_read(kit: Kit, calls: SocketChatCalls, answer: tuple[Any, ...]) -> None:
    question = begun(calls.characters(caller(kit, "SillyTavern-8000").sid))
    kit.outbox.acknowledge(*answer)
    error = failure_of(question)
    assert (type(error), str(error)) == (Unavailable, UNREADABLE)


@pytest.mark.parametrize(
    ("refusal", "kind", "words"),
    [
        ({"success": False, "errorCode": 6, "message": "No."}, NotAuthorised, "No."),
        ({"status": "error", "errorCode": 7, "message": "None."}, NotFound, "None."),
        ({"success": False, "errorCode": 9, "message": "x" * 900}, Unavailable, "x" * 200),
        ({"success": False, "errorCode": 401, "message": "\ud800"}, Unavailable, "\ufffd"),
        ({"success": False, "errorCode": True, "message": {"a": 1}}, Unavailable, NO),
        ({"success": False, "errorCode": [6]}, Unavailable, NO),
    ],
)
def test_refusals(kit: Kit, calls: SocketChatCalls, refusal: Any, kind: type[NewAgeError], words: str) -> None:
    question = begun(calls.picture(caller(kit, "SillyTavern-8000").sid, "a"))
    kit.outbox.acknowledge(refusal)
    error = failure_of(question)
    assert (type(error), str(error)) == (kind, words)


def test_late_and_gone(kit: Kit, calls: SocketChatCalls) -> None:
    sid = caller(kit, "SillyTavern-8000").sid
    kit.change("chat", desk_call_timeout_ms=700)
    late = begun(calls.characters(sid))
    kit.clock.advance(0.7)
    assert (type(failure_of(late)), failure_of(calls.characters("nobody")).error_code) == (TimedOut, 401)
    gone = begun(calls.characters(sid))
    kit.disconnect(sid)
    assert isinstance(failure_of(gone), ClientMissing)


def test_the_four_questions(kit: Kit, calls: SocketChatCalls) -> None:
    sid, room = caller(kit, "SillyTavern-8000").sid, kit.rooms.require("lounge")
    answers: list[tuple[Any, Any]] = [
        (calls.characters(sid), {"characters": [AVA]}),
        (calls.picture(sid, "ava.png"), {"type": "image/png", "data": b"x"}),
        (calls.select(sid, room, "ava.png"), {"character": AVA}),
        (calls.snapshot(sid, room, 5), {"chatId": "c", "messages": []}),
    ]
    found = []
    for question, answer in answers:
        waiting = begun(question)
        kit.outbox.acknowledge(answer)
        found.append(result_of(waiting))
    assert found[2] == Character("ava.png", "Ava")
    assert (found[1].data, found[3].chat_id) == (b"x", "c")


def test_of_a_character_named_members_alone() -> None:
    said: list[Any] = [
        {"id": "a", "name": "Ava", "avatar": HASH, "tags": ["kind", 7, "", "t" * 99, *["x"] * 40], "prompt": "secret"},
        {"id": "a", "name": "Again"},
        {"id": "b", "name": "B\ud800" + "b" * 500, "avatar": "../../etc", "tags": "none"},
        *(None, 7, [], {}, {"id": "c"}, {"name": "C"}, {"id": "", "name": "C"}, {"id": [1], "name": "C"}),
    ]
    found = characters_in({"characters": said, "current": "b", "truncated": "yes"}, 500, 131_072)
    one, two = found.offered
    assert one == Offered("a", "Ava", HASH, ("kind", "t" * 64, *["x"] * 28))
    assert (two.id, len(two.name), two.name[:2], two.avatar, two.tags) == ("b", 128, "B\ufffd", "", ())
    assert (found.current, found.truncated) == ("b", False)


@pytest.mark.parametrize("current", [None, "z", 7, ["a"], {}])
def test_current_is_one_of_them(current: Any) -> None:
    found = characters_in({"characters": [AVA], "current": current, "truncated": True}, 500, 131_072)
    assert found == Characters((Offered("ava.png", "Ava", "", ("kind",)),), "", True)


def test_so_many_characters_and_bytes() -> None:
    said = [{"id": str(number), "name": "n" * 100} for number in range(600)]
    found = characters_in({"characters": said}, 500, 131_072)
    assert (len(found.offered), found.truncated) == (500, True)
    found = characters_in({"characters": said}, 500, 8_192)
    assert len(dumps(chat.characters("x" * 128, found))) <= 8_192
    assert (40 < len(found.offered) < 80, found.truncated) == (True, True)


def test_a_picture() -> None:
    found = picture_in({"type": "Image/PNG; q=1", "data": b"x" * 65_536, "hash": "mine"}, 65_536)
    assert (found.type, found.hash) == ("image/png", sha256(found.data).hexdigest())


@pytest.mark.parametrize("media", ["image/svg+xml", "text/html", "", None, ["image/png"]])
def test_no_picture_that_could_do_something(media: Any) -> None:
    with pytest.raises(Unavailable):
        picture_in({"type": media, "data": b"x"}, 10)


@pytest.mark.parametrize("data", [None, "x", b"", [1], {}])
def test_no_picture_at_all(data: Any) -> None:
    with pytest.raises(Unavailable):
        picture_in({"type": "image/png", "data": data}, 10)


def test_a_picture_that_is_too_large() -> None:
    with pytest.raises(NotFound, match=r"^The picture is too large\.$"):
        picture_in({"type": "image/png", "data": b"x" * 11}, 10)


def test_of_a_chat_the_newest_that_fit() -> None:
    said = [{"id": str(number), "text": "t" * 900} for number in range(60)]
    found = snapshot_in({"chatId": "c", "messages": [*said, None, {"text": "no id"}]}, 200, 262_144)
    assert ([line.id for line in found.lines], found.truncated) == ([str(number) for number in range(60)], False)
    found = snapshot_in({"chatId": "c", "messages": said}, 50, 262_144)
    assert ([line.id for line in found.lines], found.truncated) == ([str(number) for number in range(10, 60)], True)
    found = snapshot_in({"chatId": "c", "messages": said}, 50, 16_384)
    assert len(dumps(chat.snapshot(found))) <= 16_384
    assert (found.lines[-1].id, found.truncated, 10 < len(found.lines) < 20) == ("59", True, True)


@pytest.mark.parametrize(
    "body", [{"messages": []}, {"chatId": "", "messages": []}, {"chatId": "c"}, {"chatId": "c" * 257}]
)
def test_no_chat(body: Any) -> None:
    with pytest.raises(Unavailable):
        snapshot_in({"messages": [], **body} if "chatId" in body and len(body["chatId"]) > 1 else body, 50, 262_144)


def test_a_chats_name_is_that_of_a_file() -> None:
    assert parse_chat_id("Ava - 2026-01-01@00h00m") == "Ava - 2026-01-01@00h00m"
    assert [parse_chat_id(value) for value in (None, 7, ["c"], "c" * 257)] == [""] * 4


def test_of_a_line_what_has_the_right_type() -> None:
    wrong = {"id": 7, "name": 1, "isUser": "yes", "text": 2, "reasoning": [], "character": "a", "swipe": -1, "at": 5}
    assert parse_line({**wrong, "swipes": True}) == ChatLine(id="7")
    assert parse_line({"id": "1", "isUser": True, "text": "\ud800", "swipe": 0, "swipes": 2, "extra": 1}) == ChatLine(
        id="1", is_user=True, text="\ufffd", swipe=0, swipes=2
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["characters", "id", "name", "tags", "avatar", "current", "messages", "chatId", "text", "type"]
            )
            | st.sampled_from(["data", "swipe", "swipes", "isUser", "reasoning", "character", "at", "truncated"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["characters", "messages", "chatId", "type", "data", "current"]), JSON))
def test_whatever_it_is_it_is_read_or_refused(body: dict[str, Any]) -> None:
    for read, says in (
        (lambda: characters_in(body, 3, 2_000), lambda found: dumps(chat.characters("x", found))),
        (lambda: snapshot_in(body, 3, 2_000), lambda found: dumps(chat.snapshot(found))),
        (lambda: picture_in(body, 5), lambda found: found.data),
    ):
        try:
            assert len(says(read())) <= 2_000
        except NewAgeError as error:
            assert str(error)
