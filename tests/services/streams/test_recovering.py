"""What there was of answers when the hub died is stored once, at its next start (contract 5.3, A35)."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred

from historykit import say
from hubkit import Kit, result_of
from newage.domain.model import Message
from newage.domain.open_text import OpenText
from newage.services.streams.open_outputs import GROWS, OpenOutputs
from newage.services.streams.recovering import Recovery
from newage.storage.memory import MemoryOpenOutputStore


class Killed:
    """A hub that died in the middle of one answer, and starts."""

    def __init__(self, kit: Kit) -> None:
        self.kit = kit
        self.store = MemoryOpenOutputStore()

    def in_the_middle_of(self, answer: Message, text: str, reasoning: str = "") -> None:
        output_id = answer.output_id or ""
        pieces = [OpenText(output_id, 0, text, answer)]
        if reasoning:
            pieces.append(OpenText(output_id, 1, reasoning, None, True))
        result_of(self.store.append_texts(pieces))

    def starts(self) -> None:
        recovery = Recovery(self.kit.history, OpenOutputs(self.kit.world, self.store))
        result_of(Deferred.fromCoroutine(recovery.recover()))
        assert result_of(self.store.load_texts()) == ()

    def stored(self, answer: Message) -> Message | None:
        found = result_of(Deferred.fromCoroutine(self.kit.history.said(answer.room_id, [answer.message_id])))
        kept: Message | None = found.get(answer.message_id)
        return kept


@pytest.fixture
def it(kit: Kit) -> Killed:
    kit.connect("web1")
    return Killed(kit)


def answered(it: Killed, text: str, reasoning: str = "") -> Message:
    return say(it.kit, text, role="assistant", output_id="o1", reasoning=reasoning)


def test_what_nobody_had_stored_is_stored(it: Killed) -> None:
    answer = evolve(say(it.kit, "what?"), message_id=it.kit.new_id(), output_id="o1", text="", data="")
    it.in_the_middle_of(answer, "half of", "let me see")
    it.starts()
    found = it.stored(answer)
    assert found is not None
    assert (found.text, found.reasoning) == ("half of", "let me see")


@pytest.mark.parametrize(("text", "reasoning"), [(" more", ""), (" more", "hm"), ("", "hm")])
def test_an_answer_that_grew_keeps_what_it_grew_by(it: Killed, text: str, reasoning: str) -> None:
    answer = answered(it, "some")
    it.in_the_middle_of(evolve(answer, request_type=GROWS), text, reasoning)
    it.starts()
    found = it.stored(answer)
    assert found is not None
    assert (found.text, found.reasoning, found.partial) == ("some" + text, reasoning, True)


def test_what_it_grew_by_is_not_added_twice(it: Killed) -> None:
    answer = answered(it, "some more", "hm")
    it.in_the_middle_of(evolve(answer, request_type=GROWS), " more", "hm")
    it.starts()
    assert it.stored(answer) == answer


def test_what_was_stored_is_completed_and_what_somebody_wrote_over_it_stays(it: Killed) -> None:
    answer = answered(it, "half")
    it.in_the_middle_of(answer, "half of")
    it.starts()
    found = it.stored(answer)
    assert found is not None
    assert (found.text, found.failed, found.partial) == ("half of", True, True)
    it.in_the_middle_of(answer, "quite another")
    it.starts()
    assert it.stored(answer) == found


def test_an_answer_that_was_deleted_while_it_grew_stays_so(it: Killed) -> None:
    answer = evolve(answered(it, "some"), message_id=it.kit.new_id(), request_type=GROWS)
    it.in_the_middle_of(answer, " more")
    it.starts()
    assert it.stored(answer) is None
