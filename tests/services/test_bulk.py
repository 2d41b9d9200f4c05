"""Long messages: nobody sends so much at once that slower readers of a room lose their connection (contract 4.1)."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from hubkit import Kit, failure_of, result_of
from newage.dialect import messages
from newage.domain.model import Message, Role
from newage.errors import InvalidRequest, NotAuthorised, Unavailable
from newage.services.history.pages import paged

LIMIT = 1000


@pytest.fixture
def room(kit: Kit) -> str:
    """``ann`` and ``bob`` in a room of messages of 300 bytes each, of which three fit into what is sent at once."""
    for who in ("ann", "bob"):
        kit.connect(who, "/llm")
        kit.connect(who, "/rooms")
    kit.group("den", "ann", bob=Role.GUEST)
    kit.change("history", context_max_bytes=LIMIT, context_send_delay=0)
    kit.settle()
    result_of(Deferred.fromCoroutine(kit.history.clear(kit.rooms.require("den"), True, True)))
    for number in range(10):
        say(kit, f"{number}" * 300)
    kit.settle()
    kit.outbox.clear()
    return "den"


def say(kit: Kit, text: str, **members: Any) -> Message:
    draft = {"message_id": kit.new_id(), "room": "den", "seq": 0, "identity": "bob", "text": text, **members}
    message: Message = result_of(kit.history.add(Message(**draft)))
    return message


def firsts(bodies: list[Any]) -> str:
    return "".join(body["message"][0] for body in bodies)


def sid_of(kit: Kit, who: str) -> str:
    return kit.sessions.sids(who, "/llm")[0]


def test_pages_are_planned_by_number_and_by_weight() -> None:
    assert paged([], 50, LIMIT) == (0,)
    assert paged([1] * 120, 50, LIMIT) == (50, 50, 20)
    assert paged([300] * 7, 50, LIMIT) == (3, 3, 1)
    assert paged([5000, 5000, 1, 1], 50, LIMIT) == (1, 1, 2)
    assert paged([1, 5000, 1], 50, LIMIT) == (1, 1, 1)


def test_the_history_comes_in_pages_that_fit(kit: Kit, room: str) -> None:
    sid = sid_of(kit, "bob")
    update = result_of(kit.pages.push(kit.caller(sid), room))
    kit.settle()
    pages = kit.outbox.bodies(sid, "UPDATE_CONTEXT_PAGE")
    assert (len(update.pages), update.messages) == (4, 10)
    assert [firsts(page["contextPage"]) for page in pages] == ["012", "345", "678", "9"]
    assert [page["isLastPage"] for page in pages] == [False, False, False, True]


def test_a_snapshot_shows_the_newest_that_fit_and_says_so(kit: Kit, room: str) -> None:
    kit.change("history", context_push_bytes=3_500)  # as JSON, and each text is in it twice
    say(kit, "x" * 300)
    kit.clock.advance(1)
    snapshot = kit.outbox.bodies(sid_of(kit, "bob"), "UPDATE_CONTEXT")[-1]
    assert (firsts(snapshot["context"]), snapshot["truncated"]) == ("89x", True)


@pytest.mark.parametrize("only", [None, "bob"])
def test_a_context_for_an_extension_holds_the_newest_that_fit(kit: Kit, room: str, only: str | None) -> None:
    context = result_of(Deferred.fromCoroutine(kit.history.context(kit.rooms.require(room), only)))
    assert firsts(messages.bodies(context)) in ("789", "89")  # of an own thread, whole messages are counted


def test_a_single_message_that_does_not_fit_is_sent_nevertheless(kit: Kit, room: str) -> None:
    say(kit, "L" * 5000)
    for only in (None, "bob"):
        context = result_of(Deferred.fromCoroutine(kit.history.context(kit.rooms.require(room), only)))
        assert firsts(messages.bodies(context)) == "L"


def test_what_was_missed_comes_in_pages_that_fit(kit: Kit, room: str) -> None:
    caller, since, seen = kit.caller(sid_of(kit, "bob")), 0, []
    for _ in range(4):
        page = result_of(Deferred.fromCoroutine(kit.missed.missed(caller, room, since, 500)))
        seen.append((firsts(messages.bodies(page.messages)), len(page.messages), page.more))
        since = page.next_since
    assert seen == [("012", 3, True), ("345", 3, True), ("678", 3, True), ("9", 1, False)]


def test_one_identity_may_say_so_much_in_ten_seconds(kit: Kit) -> None:
    sid = kit.connect("web1", "/llm")
    kit.extension()
    kit.change("requests", request_bytes_rate=LIMIT)
    for _ in range(3):
        kit.submit(sid, text="x" * 300)
    refused = failure_of(kit.ask(sid, text="x" * 300))
    assert (type(refused), str(refused)) == (Unavailable, "Too many requests.")
    kit.clock.advance(10)
    kit.submit(sid, text="x" * 300)


# ------------------------------------------------------------------------------------------------------------- editing


def edit(kit: Kit, who: str, message: Message, fields: dict[str, Any]) -> Deferred[Message]:
    caller = kit.caller(sid_of(kit, who))
    return Deferred.fromCoroutine(kit.editing.edit(caller, "den", message.message_id, messages.change(fields)))


@pytest.mark.parametrize("member", ["message", "data", "anything"])
def test_an_edit_makes_no_message_too_large(kit: Kit, room: str, member: str) -> None:
    kit.change("requests", max_request_bytes=LIMIT)
    message = say(kit, "short")
    refused = failure_of(edit(kit, "bob", message, {member: "y" * (LIMIT + 1)}))
    assert (type(refused), str(refused)) == (InvalidRequest, "The message would be too large.")
    assert kit.stored(room)[-1] == message
    result_of(edit(kit, "bob", message, {member: "y" * (LIMIT - 100)}))


def test_edits_do_not_add_up(kit: Kit, room: str) -> None:
    kit.change("requests", max_request_bytes=LIMIT)
    message = say(kit, "short")
    result_of(edit(kit, "bob", message, {"one": "y" * 600}))
    assert isinstance(failure_of(edit(kit, "bob", message, {"two": "y" * 600})), InvalidRequest)


def test_what_is_large_already_may_become_smaller(kit: Kit, room: str) -> None:
    message = say(kit, "z" * 3 * LIMIT)
    kit.change("requests", max_request_bytes=LIMIT)
    result_of(edit(kit, "bob", message, {"message": "z" * 2 * LIMIT}))


def test_who_was_kicked_changes_nothing_any_more(kit: Kit, room: str) -> None:
    """Else a kicked member would go on talking in the room by what it had said there."""
    message = say(kit, "mine")
    result_of(edit(kit, "bob", message, {"message": "still mine"}))
    bob, ann = kit.caller(sid_of(kit, "bob")), kit.caller(sid_of(kit, "ann"))
    result_of(Deferred.fromCoroutine(kit.moderation.kick(ann, room, "bob")))
    refused = failure_of(edit(kit, "bob", message, {"message": "hear me"}))
    assert (type(refused), str(refused)) == (NotAuthorised, "Permission denied to edit this message.")
    deletion = Deferred.fromCoroutine(kit.editing.delete(bob, room, [message.message_id]))
    assert str(failure_of(deletion)) == "Permission denied to delete these messages."
    assert kit.stored(room)[-2].text == "still mine"
