"""Who asked is told of the outputs of his own request, and of its end."""

from __future__ import annotations

import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from hubkit import Kit
from newage.domain.model import Role
from newage.domain.request import Request
from newage.ports import IRequestListener, Said
from newage.services.streams.answers import Answer
from newage.services.streams.own_outputs import IAsker, OwnOutputs


@implementer(IAsker)
class Asker:
    def __init__(self) -> None:
        self.opened: list[Answer] = []
        self.ended: list[tuple[str, str | None]] = []
        self.stopped = 0

    def output_opened(self, answer: Answer) -> None:
        self.opened.append(answer)

    def request_ended(self, request: Request, words: str | None) -> None:
        self.ended.append((request.state, words))

    def hub_stops(self) -> None:
        self.stopped += 1


@pytest.fixture
def asker() -> Asker:
    return Asker()


def test_it_is_a_listener(kit: Kit) -> None:
    assert verifyObject(IRequestListener, kit.talk.own_outputs)
    assert isinstance(kit.talk.own_outputs, OwnOutputs)


def test_a_stream_opens_and_ends(kit: Kit, asker: Asker) -> None:
    own = kit.talk.own_outputs
    link = kit.extension()
    sid = kit.connect("bot")
    own.watch("bot", "r1", asker)
    kit.submit(sid, request_id="r1")
    said = Said("SillyTavern-8000", "s", "o", link.forwarded[0]["requestId"])
    kit.streams.stream_started(said)
    (answer,) = asker.opened
    kit.streams.stream_data(said, 0, "Hello")
    assert answer.output.text.text() == "Hello"
    kit.streams.stream_ended(said, True)
    assert asker.ended == [("completed", None)]
    assert len(own) == 0


def test_an_answer_in_one_piece_opens_before_its_text(kit: Kit, asker: Asker) -> None:
    link = kit.extension()
    sid = kit.connect("bot")
    kit.talk.own_outputs.watch("bot", "r1", asker)
    kit.submit(sid, request_id="r1")
    kit.streams.answered(Said("SillyTavern-8000", "", "o", link.forwarded[0]["requestId"]), "All of it")
    assert [answer.text for answer in asker.opened] == ["All of it"]
    assert asker.ended == [("completed", None)]


def test_what_was_merged_into_anothers_is_answered_by_that(kit: Kit, asker: Asker) -> None:
    link = kit.extension()
    master, guest = kit.connect("boss"), kit.connect("bot")
    kit.group("lobby", "boss", bot=Role.GUEST)
    kit.talk.own_outputs.watch("bot", "r1", asker)
    kit.submit(guest, request_id="r1", room="lobby")
    kit.submit(master, request_id="r2", room="lobby")
    kit.streams.answered(Said("SillyTavern-8000", "", "o", link.forwarded[0]["requestId"]), "To both")
    assert [answer.text for answer in asker.opened] == ["To both"]
    assert [state for state, _ in asker.ended] == ["completed"]


def test_who_does_not_watch_or_not_any_more_is_told_nothing(kit: Kit, asker: Asker) -> None:
    link = kit.extension()
    sid = kit.connect("bot")
    own = kit.talk.own_outputs
    own.watch("bot", "r1", asker)
    for _ in range(2):
        own.forget("bot", "r1")
    own.watch("ann", "r1", asker)
    kit.submit(sid, request_id="r1")
    kit.streams.answered(Said("SillyTavern-8000", "", "o", link.forwarded[0]["requestId"]), "All of it")
    assert (asker.opened, asker.ended) == ([], [])


def test_when_the_hub_stops_nobody_waits_on(kit: Kit, asker: Asker) -> None:
    own = kit.talk.own_outputs
    own.watch("bot", "r1", asker)
    for _ in range(2):
        own.close()
    assert (asker.stopped, len(own)) == (1, 0)
