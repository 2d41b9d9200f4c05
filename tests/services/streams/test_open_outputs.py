"""The text of answers that are not over is kept once a second, and only while there are any (contract 5.3, A35)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail

from hubkit import Gate, GatedOpenOutputStore, Kit, faults, result_of
from newage.domain.model import Message
from newage.domain.open_text import OpenText
from newage.services.streams.open_outputs import OpenOutputs
from newage.services.streams.output_text import OutputText
from newage.storage.memory import MemoryOpenOutputStore

ANSWER = Message(message_id="m", room="den", room_id="id", seq=0, identity="X", role="assistant", output_id="o1")


class Counting(MemoryOpenOutputStore):
    """Writes down what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[Sequence[OpenText]] = []
        self.refusal: Exception | None = None

    def append_texts(self, texts: Sequence[OpenText]) -> Deferred[None]:
        self.pieces.append(texts)
        return super().append_texts(texts) if self.refusal is None else fail(self.refusal)


class Writer:
    def __init__(self, kit: Kit) -> None:
        self.clock = kit.clock
        self.before = len(kit.clock.getDelayedCalls())
        self.store = Counting()
        self.gate = Gate()
        self.writer = OpenOutputs(kit.world, GatedOpenOutputStore(self.store, self.gate))

    def begins(self, output_id: str = "o1") -> OutputText:
        output = OutputText()
        self.writer.begins(output_id, output, lambda: evolve(ANSWER, output_id=output_id))
        return output

    @property
    def kept(self) -> dict[str | None, str]:
        return {found.output_id: found.text for found in result_of(self.writer.cut_off())}

    @property
    def timers(self) -> int:
        return len(self.clock.getDelayedCalls()) - self.before


@pytest.fixture
def it(kit: Kit) -> Iterator[Writer]:
    writer = Writer(kit)
    yield writer
    writer.writer.close()


def test_only_what_is_new_is_written_once_a_second_and_nothing_where_nothing_grew(it: Writer) -> None:
    one, two = it.begins("o1"), it.begins("o2")
    one.push("one")
    assert it.kept == {}
    it.clock.advance(1)
    one.push(" more")
    two.push("two")
    it.clock.advance(1)
    it.clock.advance(1)
    said = [[(piece.output_id, piece.part, piece.text) for piece in pieces] for pieces in it.store.pieces]
    assert said == [[("o1", 0, "one")], [("o1", 1, " more"), ("o2", 0, "two")]]
    assert it.kept == {"o1": "one more", "o2": "two"}


def test_a_timer_exists_only_while_there_is_an_open_output(it: Writer) -> None:
    assert it.timers == 0
    it.begins("o1")
    it.begins("o1")
    it.begins("o2")
    assert it.timers == 1
    it.writer.over("o1")
    it.clock.pump([1, 1])
    assert it.timers == 1
    for output_id in ("o2", "o2", "unknown"):
        it.writer.over(output_id)
    assert it.timers == 0


def test_what_is_over_is_not_kept_any_more_even_if_it_was_being_written(it: Writer) -> None:
    one = it.begins()
    one.push("one")
    it.gate.shut = True
    it.clock.advance(1)
    it.writer.over("o1")
    it.gate.open()
    assert it.kept == {}


def test_one_write_is_under_way_at_a_time(it: Writer) -> None:
    one = it.begins()
    it.gate.shut = True
    for _ in range(5):
        one.push("x")
        it.clock.advance(1)
    assert len(it.gate.waiting) == 1
    it.gate.open()
    it.clock.advance(1)
    assert it.kept == {"o1": "xxxxx"}


def test_what_could_not_be_written_is_written_with_the_next(it: Writer) -> None:
    one = it.begins()
    one.push("a")
    it.clock.advance(1)
    it.gate.broken = True
    one.push("b")
    assert faults(lambda: it.clock.advance(1)) == [], "the store says so itself"
    it.gate.broken = False
    one.push("c")
    it.clock.advance(1)
    assert it.kept == {"o1": "abc"}
    it.writer.over("o1")
    assert it.kept == {}


def test_what_should_not_happen_is_told(it: Writer) -> None:
    it.store.refusal = ValueError("a bug")
    it.begins().push("a")
    assert len(faults(lambda: it.clock.advance(1))) == 1


def test_what_became_void_is_not_kept(it: Writer) -> None:
    one = it.begins()
    one.push("one two")
    it.clock.advance(1)
    one.reset(3)
    it.clock.advance(1)
    assert it.kept == {"o1": "one"}
