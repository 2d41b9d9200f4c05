"""What stands in the chat that a room is served in (contract 5.9, B17)."""

from __future__ import annotations

import pytest

from deskkit import X, asked, at_a_desk, begun, caller
from hubkit import Kit, failure_of, result_of
from newage.errors import NotAuthorised, NotFound


@pytest.mark.parametrize("who", ["mas", "man", "admin"])
def test_staff_read_it(kit: Kit, who: str) -> None:
    kit.talk.chat.links.link(at_a_desk(kit), "lounge")
    question = begun(kit.talk.chat.reading.snapshot(caller(kit, who), "lounge", 7))
    assert asked(kit) == [("CHAT_SNAPSHOT", {"roomName": "lounge", "limit": 7})]
    kit.outbox.acknowledge({"chatId": "c", "messages": [{"id": "1", "text": "hi"}], "truncated": True})
    found = result_of(question)
    assert (found.chat_id, [line.text for line in found.lines], found.truncated) == ("c", ["hi"], True)


@pytest.mark.parametrize(("who", "room"), [("gue", "lounge"), ("out", "lounge"), (X, "lounge"), ("mas", "nowhere")])
def test_the_desks_chat_is_private(kit: Kit, who: str, room: str) -> None:
    kit.talk.chat.links.link(at_a_desk(kit), "lounge")
    assert isinstance(failure_of(kit.talk.chat.reading.snapshot(caller(kit, who), room, 7)), NotAuthorised)
    assert asked(kit) == []


def test_only_of_the_linked_room(kit: Kit) -> None:
    kit.talk.chat.links.link(at_a_desk(kit), X)
    error = failure_of(kit.talk.chat.reading.snapshot(caller(kit, "mas"), "lounge", 7))
    assert (type(error), str(error)) == (NotFound, "This room is not linked with a chat.")
