"""A plain receiver over long polling (contract 5.7.6, A30)."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from hubkit import Kit
from newage.domain.shown import ShownOutput
from newage.services.streams.form import Form
from newage.services.streams.output_text import IOutputReader, OutputText, TextKind
from newage.services.streams.polled_reader import PolledReader

ABOUT = ShownOutput(stream_id="s1", output_id="o1", request_id="r1", room="web1", client_id="X", identity="X")


class Away:
    """A socket that is between two polls."""

    def __init__(self, kit: Kit, *before: str, alias: bool = False) -> None:
        self.outbox = kit.outbox
        self.sid = kit.connect("web1", stream_mode="plain", transport="polling")
        self.output, ends = OutputText(), []
        form = Form(self.output, ABOUT)
        for text in before:
            self.output.push(text)
            ends.append(form.size)
        self.outbox.away(self.sid)
        self.reader = PolledReader(form, kit.outbox, self.sid, ends, alias=alias)
        self.output.add(self.reader)

    def fetched(self) -> list[tuple[str, object, str]]:
        before = len(self.outbox.got(self.sid))
        self.outbox.fetch(self.sid)
        self.outbox.away(self.sid)
        bodies = [(sent.event, sent.body) for sent in self.outbox.got(self.sid)[before:]]
        return [(event, body.get("chunkIndex", body.get("chunks")), body["data"]) for event, body in bodies]


@pytest.fixture
def away(kit: Kit) -> Away:
    return Away(kit)


def test_what_waits_is_one_event_and_the_end_counts_what_it_got(away: Away) -> None:
    assert verifyObject(IOutputReader, away.reader)
    away.output.push("one")
    away.output.push(" two")
    away.output.push("hm", TextKind.REASONING)
    assert away.fetched() == [("SERVER_STREAM_DATA", 0, "one two")]
    away.output.push("!")
    away.output.end()
    assert away.fetched() == [("SERVER_STREAM_DATA", 1, "!"), ("SERVER_STREAM_END", 2, "one two!")]


def test_what_was_there_before_comes_first_and_under_both_names(kit: Kit) -> None:
    away = Away(kit, "one", " two", alias=True)
    away.output.push(" three")
    away.output.end()
    assert away.fetched() == [
        ("SERVER_STREAM_DATA", 0, "one two three"),
        ("streamed_data", 0, "one two three"),
        ("SERVER_STREAM_END", 1, "one two three"),
        ("streamed_end", 1, "one two three"),
    ]


def test_whose_text_became_wrong_gets_no_more_of_it(away: Away) -> None:
    away.output.push("one two")
    away.fetched()
    away.output.reset(0, TextKind.REASONING)
    away.output.reset(3)
    away.output.push("!")
    assert away.fetched() == []
