"""Coming back to outputs: no gap, nothing twice, and only what is one's own now (contract 5.7.7, A21, B15)."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from twisted.internet.defer import Deferred

from followkit import Followed, Follower, units
from hubkit import Kit, failure_of, result_of, shown_output
from newage.dialect import streams
from newage.domain.history import Change
from newage.domain.model import Caller, Message, Role
from newage.domain.shown import ResumedOutput
from newage.errors import BadParameter, InvalidRequest
from newage.ports import Said
from newage.services.streams.cursor import Position
from newage.services.streams.form import Form
from newage.services.streams.output_text import OutputText, TextKind
from newage.services.streams.resuming import Wanted

TEXT, REASONING = TextKind.TEXT, TextKind.REASONING


def show(kit: Kit, output: OutputText, output_id: str = "o1", room: str = "web1", before: Form | None = None) -> Form:
    about = shown_output(kit, room, output_id=output_id, question_id="q1", requester="web1")
    return kit.downstream.show(output, about, before)


def begun(kit: Kit, *texts: str, output_id: str = "o1", room: str = "web1") -> OutputText:
    output = OutputText()
    show(kit, output, output_id, room)
    for text in texts:
        output.push(text)
    return output


def resume(
    kit: Kit, sid: str, *wanted: Wanted, room: str | None = None, epoch: str | None = None
) -> tuple[ResumedOutput, ...]:
    found: tuple[ResumedOutput, ...] = result_of(kit.talk.resuming.resume(kit.caller(sid), room, epoch, wanted))
    return found


def states(found: tuple[ResumedOutput, ...]) -> dict[str, str]:
    return {each.output_id: each.state.value for each in found}


def text_of(found: ResumedOutput) -> str:
    assert found.missed is not None
    return found.missed.text


@pytest.fixture
def sid(kit: Kit) -> str:
    return kit.connect("web1", outputs=True)


def wanted(at: int = 0, rev: int = 0, output_id: str = "o1", reasoning_at: int = 0) -> Wanted:
    return Wanted(output_id, Position(rev, at, reasoning_at))


# -------------------------------------------------------------------------------------------------------- what one gets


def test_what_was_missed_and_then_what_comes(kit: Kit, sid: str) -> None:
    output = begun(kit, "one \U0001f600", "two")
    output.push("hm", REASONING)
    kit.disconnect(sid)
    sid = kit.connect("web1", outputs=True)
    (found,) = resume(kit, sid, wanted(at=6))
    kit.outbox.clear()
    output.push("!")
    body = streams.resumed("e", [found])
    assert body == {
        "epoch": "e",
        "outputs": [
            {
                "outputId": "o1",
                "requestId": "r1",
                "questionId": "q1",
                "roomName": "web1",
                "state": "live",
                "rev": 0,
                "from": 6,
                "text": "two",
                "reasoningFrom": 0,
                "reasoning": "hm",
            }
        ],
    }
    assert [(each["at"], each["kind"], each["data"]) for each in kit.outbox.bodies(sid, "SERVER_STREAM_DATA")] == [
        (9, "text", "!")
    ]


def test_what_waits_for_who_polls_is_in_the_answer_alone(kit: Kit) -> None:
    sid = kit.connect("web1", transport="polling", outputs=True)
    output = begun(kit, "one")
    kit.outbox.away(sid)
    output.push(" two")
    (found,) = resume(kit, sid, wanted(at=3))
    assert text_of(found) == " two"
    output.push(" three")
    kit.outbox.fetch(sid)
    assert [(body["at"], body["data"]) for body in kit.outbox.bodies(sid, "SERVER_STREAM_DATA")] == [
        (0, "one"),
        (7, " three"),
    ]


def test_nothing_wanted_is_all_live_ones_of_his_rooms_from_their_start(kit: Kit, sid: str) -> None:
    kit.connect("other")
    kit.group("lounge", "other", web1=Role.GUEST)
    begun(kit, "one")
    begun(kit, "two", output_id="o2", room="lounge")
    begun(kit, "no", output_id="o3", room="other")
    over = begun(kit, "over", output_id="o4")
    over.end()
    found = resume(kit, sid)
    assert {each.output_id: text_of(each) for each in found} == {"o1": "one", "o2": "two"}
    assert states(resume(kit, sid, room="lounge")) == {"o2": "live"}
    assert resume(kit, sid, room="other") == ()
    assert resume(kit, sid, room="nowhere") == ()
    assert states(resume(kit, sid, wanted(output_id="o1"), room="lounge")) == {"o1": "gone"}


@pytest.mark.parametrize(
    ("failure", "cancelled", "state"), [(None, False, "ended"), ("no", False, "failed"), (None, True, "cancelled")]
)
def test_what_is_over_is_kept_for_a_while(kit: Kit, sid: str, failure: str | None, cancelled: bool, state: str) -> None:
    output = begun(kit, "one two")
    output.end(failure, stored=True, message_id="m1", cancelled=cancelled)
    (found,) = resume(kit, sid, wanted(at=4))
    assert (found.state.value, text_of(found), found.message_id) == (state, "two", "m1")
    kit.clock.advance(599)
    assert states(resume(kit, sid, wanted())) == {"o1": state}
    kit.clock.advance(1)
    assert states(resume(kit, sid, wanted())) == {"o1": "gone"}
    assert streams.resumed("e", resume(kit, sid, wanted())) == {
        "epoch": "e",
        "outputs": [{"outputId": "o1", "state": "gone"}],
    }


@pytest.mark.parametrize(("position", "epoch"), [(wanted(3, rev=2), None), (wanted(9), None), (wanted(3), "another")])
def test_who_has_something_else_gets_it_from_its_start(kit: Kit, sid: str, position: Wanted, epoch: str | None) -> None:
    begun(kit, "one two")
    (found,) = resume(kit, sid, position, epoch=epoch)
    assert text_of(found) == "one two"
    (found,) = resume(kit, sid, wanted(3), epoch=kit.downstream.epoch)
    assert text_of(found) == " two"


def test_an_output_that_goes_on_is_live_again(kit: Kit, sid: str) -> None:
    output = OutputText()
    first = show(kit, output)
    output.push("one")
    output.end(stored=True, message_id="m1")
    output.go_on()
    show(kit, output, before=first)
    output.push(" two")
    assert states(resume(kit, sid, wanted())) == {"o1": "live"}
    starts = [(body["at"], body["rev"]) for body in kit.outbox.bodies(sid, "SERVER_STREAM_START")]
    assert starts == [(0, 0), (3, 0)]
    output.end(stored=True, message_id="m1")
    (end, again) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["data"], again["data"], again["reopened"], again["messageId"]) == ("one", "one two", True, "m1")


# --------------------------------------------------------------------------------------------------------- its limits


def test_more_than_fits_is_asked_for_again_and_nothing_comes_before(make_kit: Any) -> None:
    kit = make_kit()
    kit.change("downstream", resume_output_bytes=6, resume_bytes=8)
    sid = kit.connect("web1", outputs=True)
    first, second = begun(kit, "x" * 10), begun(kit, "y" * 10, output_id="o2")
    found = resume(kit, sid, wanted(), wanted(output_id="o2"))
    assert [(text_of(each), each.missed.more) for each in found if each.missed] == [("x" * 6, True), ("", True)]
    kit.outbox.clear()
    first.push("z")
    second.reset(5)
    assert kit.outbox.bodies(sid, "SERVER_STREAM_DATA") == []
    assert [body["at"] for body in kit.outbox.bodies(sid, "SERVER_STREAM_RESET")] == [5]
    (rest,) = resume(kit, sid, wanted(6))
    assert (text_of(rest), rest.missed and rest.missed.more) == ("xxxxz", False)
    first.push("!")
    assert [body["at"] for body in kit.outbox.bodies(sid, "SERVER_STREAM_DATA")] == [11]
    second.end()
    assert [body["data"] for body in kit.outbox.bodies(sid, "SERVER_STREAM_END")] == ["yyyyy"]


def test_so_many_at_once(kit: Kit, sid: str) -> None:
    kit.change("downstream", resume_outputs=2)
    for output_id in ("o1", "o2", "o3"):
        begun(kit, "x", output_id=output_id)
    assert list(states(resume(kit, sid))) == ["o1", "o2"]
    many = [wanted(output_id=f"o{number}") for number in range(3)]
    error = failure_of(kit.talk.resuming.resume(kit.caller(sid), None, None, many))
    assert isinstance(error, BadParameter)
    assert str(error) == "At most 2 outputs at once."


def test_one_that_is_named_twice_is_said_once(kit: Kit, sid: str) -> None:
    begun(kit, "one")
    assert [text_of(each) for each in resume(kit, sid, wanted(1), wanted(2))] == ["ne"]


def test_who_did_not_declare_it_does_not_follow(kit: Kit) -> None:
    sid = kit.connect("web1", stream_mode="plain")
    error = failure_of(kit.talk.resuming.resume(kit.caller(sid), None, None, ()))
    assert isinstance(error, InvalidRequest)
    assert str(error) == "Only sockets that declared outputs:true follow outputs."


# ------------------------------------------------------------------------------------------- out of the history, B15


def answer(kit: Kit, output_id: str = "o1", *texts: str) -> None:
    """A question and its answer, by way of the extension's events."""
    said = Said("SillyTavern-8000", "s1", output_id, "r1")
    kit.streams.stream_started(said)
    for text in texts or ("hello",):
        kit.streams.stream_data(said, None, text)
    kit.streams.stream_ended(said, True)


@pytest.fixture
def asked(kit: Kit) -> str:
    """The question of a member of a room in which there are others; it waits for its answer."""
    kit.extension()
    sid = kit.connect("web1", outputs=True)
    kit.connect("boss", outputs=True)
    kit.group("lounge", "boss", web1=Role.SPECIAL)
    kit.submit(kit.sessions.sids("boss", "/llm")[0], "hi", "r1", room="lounge")
    return sid


def caller(kit: Kit, who: str) -> Caller:
    return kit.caller(kit.sessions.sids(who, "/llm")[0])


def test_what_is_kept_no_more_is_read_from_the_history(kit: Kit, asked: str) -> None:
    answer(kit, "o1", "one", " two")
    (message,) = kit.responses("lounge")
    (kept,) = resume(kit, asked, wanted(3))
    assert (text_of(kept), kept.message_id) == (" two", message.message_id)
    kit.clock.advance(601)
    (found,) = resume(kit, asked, wanted(3))
    assert (found.state.value, text_of(found), found.message_id) == ("ended", "one two", message.message_id)
    assert found.about is not None
    assert (found.about.request_id, found.about.question_id) == ("r1", message.question_id)
    assert found.missed is not None
    (rest,) = resume(kit, asked, wanted(3, rev=found.missed.rev))
    assert text_of(rest) == " two"


def test_a_restarted_hub_has_it_in_the_history(kit: Kit, asked: str, make_kit: Any) -> None:
    answer(kit)
    after = make_kit(with_stores_of=kit)
    sid = after.connect("web1", outputs=True)
    (found,) = resume(after, sid, wanted(5), epoch=kit.downstream.epoch)
    assert after.downstream.epoch != kit.downstream.epoch
    assert (found.state.value, text_of(found)) == ("ended", "hello")


def test_of_long_ones_in_the_history_the_first_are_said(kit: Kit, asked: str) -> None:
    for number in range(3):
        text = "x" * 10
        message = Message(
            message_id=f"m{number}",
            room="lounge",
            room_id=kit.room_id("lounge"),
            seq=0,
            identity="X",
            role="assistant",
            text=text,
            output_id=f"o{number}",
            failed=number == 1,
            partial=number < 2,
        )
        result_of(kit.history.add(message))
    kit.change("downstream", resume_bytes=15)
    found = resume(kit, asked, *(wanted(output_id=f"o{number}") for number in range(3)))
    said = [(each.state.value, text_of(each), each.missed.more) for each in found if each.missed]
    assert said == [("cancelled", "", True), ("failed", "x" * 10, False), ("ended", "xxxxx", True)]


def test_of_two_of_one_id_in_the_history_the_newest_of_his_rooms_is_said(kit: Kit, asked: str) -> None:
    for number, room in enumerate(("lounge", "web1", "boss")):
        message = Message(
            message_id=f"m{number}",
            room=room,
            room_id=kit.room_id(room),
            seq=0,
            identity="X",
            role="assistant",
            text=room,
            output_id="o1",
        )
        result_of(kit.history.add(message))
    assert [text_of(each) for each in resume(kit, asked, wanted(), room="lounge")] == ["lounge"]
    assert len(resume(kit, asked, wanted())) == 1
    assert text_of(resume(kit, asked, wanted())[0]) in ("lounge", "web1"), "the third room is another's"


def test_resume_after_kick_gone(kit: Kit, asked: str) -> None:
    """Live, kept or stored: nothing of it, and what comes does not come to who was put out."""
    said = Said("SillyTavern-8000", "s1", "o1", "r1")
    kit.streams.stream_started(said)
    kit.streams.stream_data(said, None, "secret")
    assert states(resume(kit, asked, wanted())) == {"o1": "live"}
    result_of(kit.moderation.kick(caller(kit, "boss"), "lounge", "web1"))
    kit.outbox.clear()
    kit.streams.stream_data(said, None, " words")
    assert states(resume(kit, asked, wanted())) == {"o1": "gone"}
    kit.streams.stream_ended(said, True)
    assert states(resume(kit, asked, wanted())) == {"o1": "gone"}
    kit.clock.advance(601)
    assert states(resume(kit, asked, wanted())) == {"o1": "gone"}
    assert states(resume(kit, asked, wanted(), room="lounge")) == {"o1": "gone"}
    assert resume(kit, asked, room="lounge") == ()
    assert not {sent.event for sent in kit.outbox.got(asked)} & {"SERVER_STREAM_DATA", "SERVER_STREAM_END"}
    assert states(resume(kit, caller(kit, "boss").sid, wanted())) == {"o1": "ended"}


def test_who_goes_while_the_history_is_read_gets_nothing(kit: Kit, asked: str) -> None:
    answer(kit)
    kit.clock.advance(601)
    kit.gate.shut = True
    reading = Deferred.fromCoroutine(kit.talk.resuming.resume(kit.caller(asked), None, None, [wanted()]))
    leaving = Deferred.fromCoroutine(kit.rooms.remove("lounge", "web1", "leave"))
    kit.gate.open()
    result_of(leaving)
    assert states(result_of(reading)) == {"o1": "gone"}


def test_resume_after_delete_gone(kit: Kit, asked: str) -> None:
    answer(kit)
    (message,) = kit.responses("lounge")
    assert states(resume(kit, asked, wanted())) == {"o1": "ended"}
    result_of(kit.editing.delete(caller(kit, "boss"), "lounge", [message.message_id]))
    assert states(resume(kit, asked, wanted())) == {"o1": "gone"}
    assert len(kit.downstream.kept) == 0


def test_resume_after_delete_gone_when_all_is_cleared_or_the_room_deleted(kit: Kit, asked: str) -> None:
    answer(kit)
    result_of(kit.editing.clear(caller(kit, "boss"), "lounge", requests=True, responses=False))
    assert states(resume(kit, asked, wanted())) == {"o1": "ended"}
    result_of(kit.editing.clear(caller(kit, "boss"), "lounge", requests=False, responses=True))
    assert states(resume(kit, asked, wanted())) == {"o1": "gone"}
    kit.submit(caller(kit, "boss").sid, "hi", "r1", room="lounge")
    answer(kit, "o2")
    result_of(kit.room_service.delete(caller(kit, "boss"), "lounge"))
    assert states(resume(kit, asked, wanted(output_id="o2"))) == {"o2": "gone"}
    assert len(kit.downstream.kept) == 0


def test_what_was_edited_is_told_as_it_is_now(kit: Kit, asked: str) -> None:
    answer(kit)
    (message,) = kit.responses("lounge")
    result_of(kit.editing.edit(caller(kit, "boss"), "lounge", message.message_id, Change(text="other")))
    (found,) = resume(kit, asked, wanted(5))
    assert (found.state.value, text_of(found)) == ("ended", "other")


def test_what_goes_on_after_its_message_was_deleted_is_kept_nowhere(kit: Kit, asked: str) -> None:
    answer(kit)
    (message,) = kit.responses("lounge")
    said = Said("SillyTavern-8000", "s2", "o1", "r1")
    kit.streams.stream_started(said)
    kit.streams.stream_data(said, None, " more")
    result_of(kit.editing.delete(caller(kit, "boss"), "lounge", [message.message_id]))
    assert states(resume(kit, asked, wanted())) == {"o1": "gone"}
    assert [body["failed"] for body in kit.outbox.bodies(asked, "SERVER_STREAM_END")] == [False, True]


# ------------------------------------------------------------------------------------------- whatever comes in between

WORDS = st.text(st.sampled_from("ab é\U0001f600中"), min_size=1, max_size=6)


class Interleaved(RuleBasedStateMachine):
    """One output, clients over both transports that lose their lines: each has its text in the end, byte for byte."""

    HOW: ClassVar[tuple[str, str]] = ("websocket", "polling")

    def __init__(self) -> None:
        super().__init__()
        self.kit = Kit()
        self.kit.change("downstream", resume_output_bytes=12)
        self.kit.connect("anchor")
        self.clients = {how: Follower() for how in self.HOW}
        self.sids: dict[str, str] = {}
        self.seen: dict[str, int] = {}
        for how in self.HOW:
            self.come(how)
        self.output = OutputText()
        self.form = show(self.kit, self.output)

    def come(self, how: str) -> None:
        self.sids[how] = self.kit.connect("web1", transport=how, outputs=True)
        self.seen[how] = 0

    def look(self, how: str, count: int | None = None) -> None:
        """It takes notice of so many events of those that have arrived."""
        events = self.kit.outbox.got(self.sids[how])
        end = len(events) if count is None else min(len(events), self.seen[how] + count)
        for sent in events[self.seen[how] : end]:
            if sent.event == "ack":
                self.clients[how].resumed(sent.body)
            else:
                self.clients[how].take(sent.event, sent.body)
        self.seen[how] = end

    def ask(self, how: str) -> None:
        wishes = self.clients[how].wishes()
        listed = [
            Wanted(each["outputId"], Position(each["rev"], each["at"], each["reasoningAt"]))
            for each in wishes["outputs"]
        ]
        found = resume(self.kit, self.sids[how], *listed, epoch=wishes["epoch"])
        body = {"status": "ok", **streams.resumed(self.kit.downstream.epoch, found)}
        self.kit.outbox.emit(self.sids[how], "ack", body)

    @precondition(lambda self: not self.output.ended)
    @rule(text=WORDS, reasoning=st.booleans())
    def grow(self, text: str, reasoning: bool) -> None:
        self.output.push(text, REASONING if reasoning else TEXT)

    @precondition(lambda self: not self.output.ended)
    @rule(part=st.floats(0, 1), reasoning=st.booleans())
    def reset(self, part: float, reasoning: bool) -> None:
        kind = REASONING if reasoning else TEXT
        self.output.reset(int(part * self.output.part(kind).units), kind)

    @rule(how=st.sampled_from(HOW), heard=st.integers(0, 4))
    def lose_the_line(self, how: str, heard: int) -> None:
        """What was on its way is lost, but for the first of it."""
        self.look(how, heard)
        self.kit.disconnect(self.sids[how])
        self.come(how)

    @rule(how=st.sampled_from(HOW), heard=st.none() | st.integers(0, 4))
    def resume(self, how: str, heard: int | None) -> None:
        """It asks knowing only that much of what has come."""
        self.look(how, heard)
        self.ask(how)

    @rule(how=st.sampled_from(HOW))
    def hear(self, how: str) -> None:
        self.look(how)

    @rule()
    def go_away(self) -> None:
        self.kit.outbox.away(self.sids["polling"])

    @rule()
    def fetch(self) -> None:
        self.kit.outbox.fetch(self.sids["polling"])

    @precondition(lambda self: not self.output.ended)
    @rule(failure=st.none() | st.just("no"), cancelled=st.booleans())
    def end(self, failure: str | None, cancelled: bool) -> None:
        self.output.end(failure, stored=True, message_id="m1", cancelled=cancelled)

    @precondition(lambda self: self.output.ended)
    @rule()
    def go_on(self) -> None:
        self.output.go_on()
        self.form = show(self.kit, self.output, before=self.form)

    def teardown(self) -> None:
        self.fetch()
        for how in self.HOW:
            self.look(how)
            self.clients[how].outputs.setdefault("o1", Followed())  # it may have heard of nothing
            self.ask(how)
            self.look(how)
            for _ in range(100):
                if all(each.whole for each in self.clients[how].outputs.values()):
                    break
                self.ask(how)
                self.look(how)
            else:
                raise AssertionError("it never has all of it")
            had = self.clients[how].outputs["o1"]
            assert had.text == {"text": self.output.text.text(), "reasoning": self.output.reasoning.text()}
            assert units(had.text["text"]) == self.output.text.units
        self.kit.close()


TestInterleaved = Interleaved.TestCase
TestInterleaved.settings = hypothesis_settings(max_examples=80, stateful_step_count=30, deadline=None)
