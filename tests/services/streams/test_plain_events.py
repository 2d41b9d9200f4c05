"""The plain receivers of one output (contract 5.7.6, 5.7.7)."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from hubkit import Kit
from newage.domain.shown import ShownOutput
from newage.services.streams.form import Form
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind
from newage.services.streams.plain_events import PlainEvents

ABOUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="web1", client_id="X", identity="X")


class Room:
    """Two sockets, the second of which gets other names, too."""

    def __init__(self, kit: Kit) -> None:
        self.outbox = kit.outbox
        self.one, self.two = (kit.connect("web1", stream_mode="plain") for _ in range(2))
        self.output = OutputText()
        self.form = Form(self.output, ABOUT)
        self.events = PlainEvents(self.form, kit.outbox)

    def got(self, sid: str) -> list[tuple[str, object, str]]:
        bodies = [(sent.event, sent.body) for sent in self.outbox.got(sid)]
        return [(event, body.get("chunkIndex", body.get("chunks")), body["data"]) for event, body in bodies]


@pytest.fixture
def room(kit: Kit) -> Room:
    return Room(kit)


def test_all_get_the_same_and_some_under_two_names(room: Room) -> None:
    assert verifyObject(IOutputReader, room.events)
    room.events.add(room.one, [], alias=False)
    room.events.add(room.two, [], alias=True)
    room.output.push("a")
    room.output.push("hm", TextKind.REASONING)
    room.output.end()
    assert room.got(room.one) == [("SERVER_STREAM_DATA", 0, "a"), ("SERVER_STREAM_END", 1, "a")]
    assert room.got(room.two) == [
        ("SERVER_STREAM_DATA", 0, "a"),
        ("streamed_data", 0, "a"),
        ("SERVER_STREAM_END", 1, "a"),
        ("streamed_end", 1, "a"),
    ]


def test_who_comes_later_gets_what_was_in_the_pieces_that_are_wanted(room: Room) -> None:
    for text in ("one", " two", " three"):
        room.output.push(text)
    room.events.add(room.one, [7, 13], alias=False)
    room.events.add(room.two, [], alias=False)
    room.output.push("!")
    assert room.got(room.one) == [
        ("SERVER_STREAM_DATA", 1, "one two"),
        ("SERVER_STREAM_DATA", 2, " three"),
        ("SERVER_STREAM_DATA", 3, "!"),
    ]
    assert room.got(room.two) == [("SERVER_STREAM_DATA", 3, "!")]


def test_who_left_gets_nothing_more_and_nobody_is_no_reader(room: Room) -> None:
    room.events.add(room.one, [], alias=False)
    room.events.remove(room.one)
    room.events.remove(room.two)
    assert room.one not in room.events
    room.output.push("a")
    room.output.end()
    assert room.got(room.one) == []


def test_whose_text_became_wrong_is_told_the_whole_at_the_end(room: Room) -> None:
    room.events.add(room.one, [], alias=False)
    room.output.push("one two")
    room.output.push("hm", TextKind.REASONING)
    room.output.reset(0, TextKind.REASONING)
    room.output.reset(3)
    room.events.add(room.two, [3], alias=False)
    room.output.push("!")
    room.output.end("no")
    assert room.got(room.one) == [("SERVER_STREAM_DATA", 0, "one two"), ("SERVER_STREAM_END", 2, "one!")]
    assert room.got(room.two) == [
        ("SERVER_STREAM_DATA", 0, "one"),
        ("SERVER_STREAM_DATA", 1, "!"),
        ("SERVER_STREAM_END", 2, "one!"),
    ]
