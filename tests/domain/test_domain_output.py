"""When an output is over (contract 5.6, 5.8): the machine by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import count
from typing import TypeVar

import pytest
from attrs import evolve
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from newage.domain.correlation import Nobody
from newage.domain.model import RequestMode, Role
from newage.domain.output import MAX_REFUSED, SIGN_SECONDS, Outputs, StreamSettings
from newage.domain.request import Ask, Request
from newage.domain.text import well_formed
from newage.domain.verdicts import (
    NEVER,
    Answered,
    Cancelled,
    Failed,
    Finished,
    Forgotten,
    Heard,
    Opened,
    Output,
    Refused,
    Verdict,
    Whole,
)
from newage.errors import CallFailed
from newage.settings import Live

GONE = CallFailed("gone")
V = TypeVar("V", bound=Verdict)


def request(request_id: str, room: str = "red") -> Request:
    return Request(
        request_id=request_id,
        identity="ann",
        client_id="ann",
        room=room,
        role=Role.GUEST,
        mode=RequestMode.IMMEDIATE,
        message_id=f"m-{request_id}",
        ask=Ask(request_id=request_id, text="hi"),
        created_at=0,
        active_at=0,
    )


class Asked:
    """The requests of an extension; one without a name answers the newest, as far as it is not over."""

    def __init__(self, *names: str) -> None:
        self.requests = {name: request(name) for name in names}
        self.over: set[str] = set()

    def label(self, request_id: str | None) -> Request | Nobody | None:
        return Nobody.OVER if request_id in self.over else self.requests.get(request_id or "")

    def whose(
        self, request_id: str | None, output_id: str | None, bound: Request | None, over: Collection[Request] = ()
    ) -> Request | Nobody:
        named = self.label(request_id) or bound
        if named is not None:
            return named
        waiting = [each for each in self.requests.values() if each not in over]
        return waiting[-1] if waiting else Nobody.NOTHING_ASKED


class Machine:
    """``Outputs`` with a time and requests; text goes the driver's way."""

    def __init__(self, *names: str, **settings: int) -> None:
        self.asked = Asked(*(names or ("r1",)))
        self.settings = Live(StreamSettings(**settings))
        self.outputs = Outputs(self.settings, self.asked.label, self.asked.whose)
        self.now = 100.0
        self.shown = ""

    def start(
        self, stream: str = "s1", output: str | None = "o1", request_id: str | None = None, socket: str = ""
    ) -> list[Verdict]:
        return self.outputs.started(stream, output, request_id, self.now, socket)

    def data(self, text: str, stream: str = "s1", index: int | None = None, request_id: str | None = None) -> str:
        found = self.outputs.find(stream, request_id)
        assert found is not None
        shown = self.outputs.take(found, index, text, self.now)
        self.shown += shown
        return shown

    def end(
        self,
        stream: str = "s1",
        output: str | None = "o1",
        request_id: str | None = None,
        final: bool | None = None,
    ) -> list[Verdict]:
        return self.outputs.ended(stream, output, request_id, final, self.now)

    def fail(self, stream: str = "s1", output: str | None = "o1", request_id: str | None = None) -> list[Verdict]:
        return self.outputs.stream_failed(stream, output, request_id, self.now)

    def answer(self, text: str, output: str | None = None, request_id: str | None = None) -> list[Verdict]:
        return self.outputs.answered(output, request_id, text, self.now, lambda: "made")

    def wait(self, seconds: float) -> list[Verdict]:
        """As the driver waits: a tick at each deadline."""
        end, verdicts = self.now + seconds, []
        while self.outputs.deadline <= end:
            self.now = max(self.now, self.outputs.deadline)
            verdicts += self.outputs.tick(self.now)
        self.now = end
        return verdicts


def only(kind: type[V], verdicts: list[Verdict]) -> V:
    assert [type(each) for each in verdicts] == [kind]
    (found,) = verdicts
    assert isinstance(found, kind)
    return found


def kinds(verdicts: list[Verdict]) -> list[tuple[type[Verdict], str]]:
    return [(type(each), "" if isinstance(each, Refused) else each.output.given_id) for each in verdicts]


def failure(verdicts: list[Verdict]) -> str:
    (why,) = [str(each.reason) for each in verdicts if isinstance(each, Failed)]
    return why


def opened(
    machine: Machine, stream: str = "s1", output: str = "o1", request_id: str | None = None, socket: str = ""
) -> Output:
    return only(Opened, machine.start(stream, output, request_id, socket)).output


# --------------------------------------------------------------------------------------------------- a stream per token


def test_a_stream_per_token_is_one_output_that_ends_when_no_more_comes() -> None:
    it = Machine()
    output = opened(it)
    for number in range(5):
        it.data("x", f"s{number + 1}")
        assert it.end(f"s{number + 1}") == []
        assert it.wait(1.9) == []
        assert [type(v) for v in it.start(f"s{number + 2}")] == [Heard]
    assert it.end("s6") == []
    assert it.wait(1.9) == []
    assert it.wait(0.1) == [Finished(output, "")]
    assert it.shown == "xxxxx"


def test_tokens_in_quick_succession_say_nothing() -> None:
    it = Machine()
    opened(it)
    assert it.end() == []
    it.now += SIGN_SECONDS / 2
    assert it.start("s2") == []


def test_the_next_output_ends_the_one_that_is_between_two_streams() -> None:
    it = Machine("r1", "r2")
    opened(it, request_id="r1")
    it.end()
    verdicts = it.start("s2", "o2", "r2")
    assert kinds(verdicts) == [(Finished, "o1"), (Opened, "o2")]
    second = it.outputs.find("s2", None)
    assert second is not None
    assert second.output.request is it.asked.requests["r2"]


def test_what_ends_by_a_packet_does_not_get_that_packet() -> None:
    it = Machine("r1", "r2")
    assert opened(it).request is it.asked.requests["r2"]
    it.end()
    start = it.start("s2", "o2")
    assert isinstance(start[-1], Opened)
    assert start[-1].output.request is it.asked.requests["r1"]


def test_an_output_in_the_middle_of_a_stream_is_not_ended_by_another() -> None:
    it = Machine("r1", "r2")
    opened(it, "s1", "o1", "r1")
    opened(it, "s2", "o2", "r2")
    assert it.outputs.open_count == 2


# ------------------------------------------------------------------------------------------------ one stream per output


@pytest.mark.parametrize(("seconds", "chunks", "over"), [(0.19, 8, False), (0.2, 0, True), (0, 9, True)])
def test_the_end_of_a_long_stream_is_the_end_of_its_output(seconds: float, chunks: int, over: bool) -> None:
    it = Machine()
    it.now = 0.0
    opened(it)
    for index in range(chunks):
        it.data("x", index=index)
    it.now += seconds
    assert [type(v) for v in it.end()] == ([Finished] if over else [])


def test_an_end_says_whether_it_is_the_last_one() -> None:
    it = Machine()
    opened(it)
    it.now += 10
    assert it.end(final=False) == []
    it.start("s2")
    assert kinds(it.end("s2", final=True)) == [(Finished, "o1")]


def test_a_final_end_of_an_unknown_stream_ends_the_output_that_it_names() -> None:
    it = Machine()
    opened(it)
    it.end()
    assert it.end("s9", "o1") == []
    assert it.end("s9", "o9", final=True) == []
    assert kinds(it.end("s9", "o1", final=True)) == [(Finished, "o1")]
    assert it.end("s9", "o1", final=True) == []


def test_two_streams_of_one_output() -> None:
    it = Machine()
    opened(it)
    assert it.start("s2") == []
    it.data("a")
    it.end()
    it.data("b", "s2")
    assert it.wait(60) == []
    it.end("s2", final=False)
    assert kinds(it.wait(2)) == [(Finished, "o1")]
    assert it.shown == "ab"


# -------------------------------------------------------------------------------------------------------------- chunks


def test_a_chunk_counts_once() -> None:
    it = Machine()
    opened(it)
    for index, text in [(0, "a"), (0, "a"), (3, "d"), (1, "b"), (1, "b"), (3, "d"), (4, "e"), (None, "!"), (-1, "?")]:
        it.data(text, index=index)
    assert it.shown == "adbe!?"


def test_halves_of_a_character_are_joined_across_streams_and_an_orphan_is_replaced() -> None:
    it = Machine()
    output = opened(it)
    assert it.data("a\ud83d") == "a"
    it.end()
    it.start("s2")
    assert it.data("\ude00\ud83d", "s2") == "\U0001f600"
    assert it.end("s2", final=True) == [Finished(output, "\ufffd")]


def test_what_is_too_large_fails_after_the_chunk_that_makes_it_so() -> None:
    it = Machine(max_output_bytes=10)
    opened(it)
    it.data("12345")
    assert it.outputs.deadline > it.now
    assert it.data("äöü") == "äöü"
    assert it.outputs.deadline == it.now
    failed = only(Failed, it.wait(0))
    assert (str(failed.reason), failed.first) == ("The answer is too large.", True)


def test_what_goes_on_after_its_end_is_limited_as_a_whole_and_what_failed_anew() -> None:
    it = Machine(max_output_bytes=10)
    opened(it)
    it.data("123456")
    it.end(final=True)
    assert only(Opened, it.start("s2")).again
    it.data("78901", "s2")
    assert only(Failed, it.wait(0)).first
    assert only(Opened, it.start("s3")).again
    it.data("1234567890", "s3")
    assert it.wait(0) == []
    it.data("1", "s3")
    assert not only(Failed, it.wait(0)).first


# ----------------------------------------------------------------------------------------------------------------- time


def test_a_long_stream_is_a_sign_of_life_once_in_a_while() -> None:
    it = Machine()
    output = opened(it)
    signs = []
    for _ in range(100):
        it.now += 0.1
        it.data("x")
        signs += it.wait(0)
    assert signs == [Heard(output)] * 9


def test_what_falls_silent_fails() -> None:
    it = Machine()
    opened(it)
    it.now += 50
    it.data("x")
    assert [type(v) for v in it.wait(119.9)] == [Heard]
    failed = only(Failed, it.wait(0.1))
    assert str(failed.reason) == "The extension fell silent."


def test_what_is_over_is_kept_for_late_chunks_and_then_forgotten() -> None:
    it = Machine()
    output = opened(it)
    it.end(final=True)
    assert it.wait(59.9) == []
    assert only(Opened, it.start("s2")) == Opened(output, "s2", again=True, unheard=False)
    it.end("s2", final=True)
    assert it.wait(59.9) == []
    assert it.outputs.knows("o1")
    assert it.wait(0.1) == [Forgotten(output)]
    assert not it.outputs.knows("o1")
    assert it.outputs.idle
    assert it.outputs.deadline == NEVER


def test_what_is_over_is_kept_up_to_a_number() -> None:
    it = Machine("r1", "r2", "r3", max_ended_outputs_per_extension=2)
    for number in "123":
        opened(it, f"s{number}", f"o{number}", f"r{number}")
        verdicts = it.end(f"s{number}", final=True)
    assert kinds(verdicts) == [(Finished, "o3"), (Forgotten, "o1")]
    it.settings.replace(evolve(it.settings.value, max_ended_outputs_per_extension=1))
    opened(it, "s4", "o4", "r3")
    it.end("s4", final=False)
    verdicts = it.start("s5", "o2")  # what goes on is not what is forgotten
    assert kinds(verdicts) == [(Finished, "o4"), (Forgotten, "o3"), (Opened, "o2")]
    assert isinstance(verdicts[-1], Opened)
    assert verdicts[-1].again


def test_a_tick_that_comes_early_changes_nothing() -> None:
    it = Machine()
    opened(it)
    it.end()
    due = it.outputs.deadline
    assert it.outputs.tick(it.now + 1) == []
    assert it.outputs.deadline == due


def test_times_and_limits_are_what_the_settings_say_now() -> None:
    it = Machine()
    opened(it)
    it.settings.replace(StreamSettings(stream_idle_finalize_ms=500))
    it.end()
    assert kinds(it.wait(0.5)) == [(Finished, "o1")]


# ------------------------------------------------------------------------------------------------------ what is refused


def test_a_second_start_changes_nothing() -> None:
    it = Machine()
    opened(it)
    assert it.start() == it.start(output="o9") == []


def test_data_of_an_unknown_stream_needs_an_output() -> None:
    assert only(Refused, Machine().start(output=None)).why == "data for an unknown stream"


def test_streams_and_outputs_are_limited() -> None:
    """What is too much fails in words, and what comes late of it opens nothing."""
    it = Machine("r1", "r2", "r3", max_streams_per_extension=2, max_outputs_per_extension=1)
    opened(it, request_id="r1")
    verdicts = it.start("s2", "o2", "r2")
    assert kinds(verdicts) == [(Opened, "o2"), (Failed, "o2")]
    assert failure(verdicts) == "Too many answers at once."
    it.start("s3")
    for late in (it.start("s2", "o2", "r2"), it.start("s9", "o2", "r2")):
        assert only(Refused, late).warning_code == 71
    verdicts = it.start("s4")
    assert kinds(verdicts) == [(Failed, "o1")]
    assert failure(verdicts) == "Too many streams at once."
    assert kinds(it.start("s5", "o3", "r3")) == [(Opened, "o3")]


def test_what_failed_goes_on_unheard_beside_what_did_not() -> None:
    it = Machine("r1", "r2", "r3", max_outputs_per_extension=1)
    for number in "12":
        opened(it, f"s{number}", f"o{number}", f"r{number}")
        it.fail(f"s{number}", f"o{number}")
    assert kinds(it.start("s1", "o1", "r1")) == [(Opened, "o1")]
    assert it.data("more", "s1") == ""
    assert only(Refused, it.start("s2", "o2", "r2")).why == "late data of a failed output: Too many answers at once."
    assert kinds(it.start("s3", "o3", "r3")) == [(Opened, "o3")]


def test_what_nobody_hears_and_finds_no_place_is_remembered_for_its_tail() -> None:
    it = Machine(max_outputs_per_extension=1)
    it.asked.requests["r1"].ignore("")
    assert kinds(it.start("s1", "o1", "r1")) == [(Opened, "o1")]
    for stream in ("s2", "s3"):
        only(Refused, it.start(stream, "o2", "r1"))
    assert it.outputs.knows("o2")
    it.data("late")
    assert [each.output.given_id for each in it.wait(60) if isinstance(each, Forgotten)] == ["o2"]
    assert not it.outputs.knows("o2")


def test_late_data_that_find_no_place_fail_what_seemed_complete() -> None:
    it = Machine("r1", "r2", max_outputs_per_extension=1)
    opened(it, request_id="r1")
    it.end(final=True)
    opened(it, "s2", "o2", "r2")
    assert kinds(it.start("s3", "o1", "r1")) == [(Opened, "o1"), (Failed, "o1")]


def test_more_gaps_than_can_be_remembered_fail_it() -> None:
    it = Machine(max_chunk_gaps=1)
    opened(it)
    it.data("b", index=1)
    it.data("d", index=3)
    assert failure(it.wait(0)) == "Too many chunks are missing."


def test_reasoning_has_an_order_of_its_own_and_takes_room() -> None:
    it = Machine(max_output_bytes=6, max_chunk_gaps=1)
    opened(it)
    found = it.outputs.find("s1", None)
    assert found is not None
    think = it.outputs.think
    assert [think(found, index, "ä", it.now) for index in (0, 0, None)] == ["ä", "", "ä"]
    assert it.data("a", index=0) == "a"
    assert think(found, 1, "\ud83d", it.now) == ""
    finished = it.end(final=True)[0]
    assert isinstance(finished, Finished)
    assert (finished.rest, finished.thoughts) == ("", "\ufffd")
    opened(it, "s2", "o2")
    found = it.outputs.find("s2", None)
    assert found is not None
    it.now += 1
    think(found, 0, "äää", it.now)
    assert only(Heard, it.outputs.tick(it.now))
    think(found, 1, "a", it.now)
    assert failure(it.wait(0)) == "The answer is too large."


def test_missing_reasoning_fails_it_as_missing_text_does() -> None:
    it = Machine(max_chunk_gaps=1)
    opened(it)
    found = it.outputs.find("s1", None)
    assert found is not None
    it.outputs.think(found, 1, "b", it.now)
    it.outputs.think(found, 3, "d", it.now)
    assert failure(it.wait(0)) == "Too many chunks are missing."
    opened(it, "s2", "o2", socket="before")
    it.outputs.socket_lost("before", it.now, GRACE)
    found = it.outputs.find("s2", None)
    assert found is not None
    it.now += 1
    it.outputs.think(found, 2, "b", it.now)
    assert failure(it.wait(0)) == "Part of the answer was lost on the way."


def test_what_failed_thinks_unheard() -> None:
    it = Machine()
    opened(it)
    it.fail()
    it.start("s2")
    found = it.outputs.find("s2", None)
    assert found is not None
    assert it.outputs.think(found, 0, "hm", it.now) == ""


def test_what_is_void_takes_no_room_and_half_a_character_of_it_is_nothing() -> None:
    it = Machine(max_output_bytes=4)
    output = opened(it)
    it.data("abcd\ud83d")
    assert it.outputs.meant("s1", "o1", None) is it.outputs.meant("x", "o1", None) is output
    assert it.outputs.is_heard(output)
    it.outputs.cut(output, 1, it.now, "", reasoning=False)
    assert it.data("xyz") == "xyz"
    assert it.wait(0) == []
    assert it.end(final=True) == [Finished(output)]
    assert not it.outputs.is_heard(output)


def test_an_open_output_goes_on_by_another_socket_from_where_it_was_shown_to() -> None:
    it = Machine("r1")
    output = opened(it, socket="before")
    it.data("ab\ud83d", index=7)
    it.outputs.socket_lost("before", it.now, GRACE)
    it.now += 1
    assert it.outputs.resume("s1", "o1", "r1", it.now, "after") is output
    assert it.data("\U0001f600", index=0) == "\U0001f600"
    assert it.data("x", index=0) == ""
    found = it.outputs.find("s1", None)
    assert found is not None
    assert output.only == "after"
    assert it.outputs.meant("s1", "o1", "r1", "before") is None
    assert it.outputs.meant("s1", "o1", "r1", "after") is output
    assert it.outputs.started("s2", "o1", "r1", it.now, "before") == []
    assert it.outputs.find("s2", None) is None
    for stream in ("s1", "s2"):
        assert it.outputs.ended(stream, "o1", "r1", True, it.now, "before") == []
        assert it.outputs.stream_failed(stream, "o1", "r1", it.now, "before") == []
    assert it.wait(GRACE) == []
    it.outputs.socket_lost("before", it.now, GRACE)
    assert it.wait(GRACE) == []
    assert kinds(it.outputs.ended("s1", "o1", "r1", True, it.now, "after")) == [(Finished, "o1")]


def test_what_is_over_failed_or_unknown_does_not_go_on() -> None:
    it = Machine("r1", "r2")
    resume = it.outputs.resume
    assert resume("s1", "o1", None, it.now, "") is None
    opened(it)
    it.end(final=True)
    assert resume("s1", "o1", None, it.now, "") is None
    opened(it, "s2", "o2")
    it.fail("s2", "o2")
    it.start("s2", "o2")
    assert resume("s2", "o2", None, it.now, "") is None


def test_a_stream_id_of_another_output_is_no_hindrance() -> None:
    it = Machine("r1", "r2")
    opened(it, "s1", "o1", "r1")
    second = opened(it, "s2", "o2", "r2")
    assert it.outputs.resume("s1", "o2", "r2", it.now, "") is second
    first, other = it.outputs.find("s1", "r1"), it.outputs.find("s1", "r2")
    assert first is not None
    assert other is not None
    assert (first.output.given_id, other.output) == ("o1", second)


def test_what_somebody_changed_meanwhile_is_over_and_goes_on_unheard() -> None:
    changed = CallFailed("changed")
    it = Machine("r1", "r2")
    output = opened(it, request_id="r1")
    it.end(final=True)
    assert it.outputs.overwritten(output, changed, it.now) == []
    assert kinds(it.start("s2", "o1", "r1")) == [(Opened, "o1")]
    assert it.data("late", "s2") == ""
    other = opened(it, "s3", "o2", "r2")
    assert failure(it.outputs.overwritten(other, changed, it.now)) == "changed"


def test_an_output_outlives_what_is_known_of_its_request() -> None:
    it = Machine("r1")
    opened(it, request_id="r1")
    it.end(request_id="r1", final=False)
    it.asked.over.add("r1")
    assert it.start("s2", "o1", "r1") == []
    assert it.start("s3", "o2", "r1") == [Refused(f"a stream: {Nobody.OVER.value}", 72)]
    it.end("s2", final=False)
    assert kinds(it.end("s9", "o1", "r1", final=True)) == [(Finished, "o1")]


def test_what_began_for_nobody_is_not_begun_in_the_middle() -> None:
    it = Machine("r1")
    for number in range(MAX_REFUSED + 1):
        it.asked.over.add("old")
        assert only(Refused, it.start(f"s{number}", f"o{number}", "old")).warning_code == 72
    it.now += 1.9
    verdicts = it.start("s", f"o{MAX_REFUSED}", "r1")
    assert kinds(verdicts) == [(Opened, f"o{MAX_REFUSED}"), (Failed, f"o{MAX_REFUSED}")]
    assert failure(verdicts) == "The answer began without naming its request."
    assert kinds(it.start("s0", "o0", "r1")) == [(Opened, "o0")], "forgotten"
    it.now += 0.1
    assert kinds(it.start("s1", "o1", "r1")) == [(Opened, "o1")], "another answer under its id"


def test_a_stream_for_no_request_is_refused_and_ends_what_it_ends_all_the_same() -> None:
    it = Machine("r1")
    opened(it)
    it.end()
    verdicts = it.start("s2", "o2")
    assert [type(each) for each in verdicts] == [Refused, Finished]
    assert verdicts[0] == Refused("a stream: nothing of it is unanswered", 72)


def test_an_id_that_is_over_belongs_to_nothing() -> None:
    it = Machine("r1", "r2")
    opened(it, request_id="r1")
    it.asked.over.add("r2")
    assert it.outputs.find("s1", "r2") is None
    assert it.end(request_id="r2", final=True) == it.fail(request_id="r2") == []


# ------------------------------------------------------------------------------------------------------------- same ids


def test_one_stream_id_for_two_requests_at_once() -> None:
    it = Machine("r1", "r2")
    opened(it, "s", "o", "r1")
    again = only(Opened, it.start("s", "o", "r2"))
    assert again.output.reused
    for request_id in ("r1", "r2"):
        found = it.outputs.find("s", request_id)
        assert found is not None
        assert found.output.request is it.asked.requests[request_id]
    assert it.end("s", "o", "r1", final=True) != []
    assert kinds(it.fail("s", "o", "r2")) == [(Failed, "o")]
    assert kinds(it.start("s9", "o", "r1")) == [(Opened, "o")]
    assert it.outputs.open_count == 1


def test_packets_may_begin_to_name_their_request_or_name_one_that_nobody_gave() -> None:
    it = Machine("r1")
    opened(it)
    named = it.outputs.find("s1", "r1")
    assert named is it.outputs.find("s1", None) is it.outputs.find("s1", "mine")


# ---------------------------------------------------------------------------------------------------------- bad endings


def test_a_failed_stream_fails_its_output_once() -> None:
    it = Machine()
    output = opened(it)
    failed = only(Failed, it.fail())
    assert (failed.output, str(failed.reason)) == (output, "The extension reported a failed stream.")
    assert it.fail() == []
    assert it.fail("s9", "o9") == []


def test_a_failed_request_fails_its_outputs() -> None:
    it = Machine("r1", "r2")
    opened(it, "s1", "o1", "r1")
    opened(it, "s2", "o2", "r2")
    assert kinds(it.outputs.failed(it.asked.requests["r1"], GONE, it.now)) == [(Failed, "o1")]


def test_stopping_completes_what_is_open_of_a_request_of_a_room_or_at_all() -> None:
    it = Machine("r1", "r2", "r3", "r4")
    it.asked.requests["r2"].room = "blue"
    for number in "1234":
        opened(it, f"s{number}", f"o{number}", f"r{number}")
    assert kinds(it.outputs.stopped(it.asked.requests["r1"], None, it.now)) == [(Finished, "o1")]
    assert kinds(it.outputs.stopped(None, "blue", it.now)) == [(Finished, "o2")]
    assert kinds(it.outputs.stopped(None, None, it.now)) == [(Finished, "o3"), (Finished, "o4")]


def test_a_hub_that_goes_fails_all_that_may_not_be_complete() -> None:
    it = Machine("r1", "r2", "r3")
    opened(it, "s1", "o1", "r1")
    it.end("s1", final=False)
    assert kinds(it.start("s2", "o2", "r2")) == [(Finished, "o1"), (Opened, "o2")]
    it.end("s2", final=False)
    it.now += 1.9
    assert kinds(it.outputs.cut_off(GONE, it.now)) == [(Failed, "o2")]
    late = Machine("r1")
    opened(late)
    late.end(final=False)
    late.now += 2
    assert kinds(late.outputs.cut_off(GONE, late.now)) == [(Finished, "o1")]


# ------------------------------------------------------------------------------------------------------ sockets that go

GRACE = 10.0


def test_what_came_by_a_socket_that_went_fails_after_the_grace_however_it_looked() -> None:
    it = Machine("r1", "r2", "r3")
    opened(it, "s1", "o1", "r1", socket="tab1")
    it.end("s1", "o1", "r1", final=False)
    it.outputs.socket_lost("tab1", it.now, GRACE)
    it.now += 1
    opened(it, "s2", "o2", "r2", socket="tab2")  # the START of another output does not complete it
    it.end("s2", "o2", "r2", final=False)
    it.outputs.socket_lost("tab1", it.now, GRACE)  # once
    assert kinds(it.outputs.stopped(None, None, it.now)) == [(Finished, "o2")]
    assert kinds(it.answer("whole", "o3", "r1")) == [(Answered, "o3")]
    assert it.wait(8.9) == []
    verdicts = it.wait(0.1)
    assert kinds(verdicts) == [(Failed, "o1")]
    assert failure(verdicts) == "SillyTavern extension disconnected."


def test_an_extension_that_is_not_waited_for_any_longer_fails_all() -> None:
    it = Machine("r1", "r2")
    opened(it, "s1", "o1", "r1")
    opened(it, "s2", "o2", "r2")
    it.end("s1", final=False)
    assert kinds(it.outputs.gone(GONE, it.now)) == [(Failed, "o1"), (Failed, "o2")]


def test_what_goes_on_by_another_socket_within_the_grace_lives() -> None:
    it = Machine("r1", "r2")
    opened(it, "s1", "o1", "r1", socket="before")
    opened(it, "s2", "o2", "r2", socket="before")
    it.outputs.socket_lost("before", it.now, GRACE)
    it.now += 5
    it.start("s3", "o1", "r1", "after")
    it.data("more", "s2", request_id="r2")
    assert {kind for kind, _ in kinds(it.wait(60))} <= {Heard}
    assert it.outputs.open_count == 2
    it.end("s3", "o1", "r1", final=False)
    assert kinds(it.wait(2)) == [(Finished, "o1")]


def test_a_gap_after_a_loss_says_that_something_is_missing() -> None:
    it = Machine("r1")
    opened(it, socket="before")
    it.data("a", index=0)
    it.data("c", index=2)
    it.outputs.socket_lost("before", it.now, GRACE)
    it.now += 1
    it.data("b", index=1)
    it.data("d", index=3)
    assert only(Heard, it.wait(0))
    it.data("f", index=5)
    assert failure(it.wait(0)) == "Part of the answer was lost on the way."


def test_who_says_that_it_is_complete_is_believed() -> None:
    for request_id in ("r1", None):
        it = Machine("r1")
        opened(it, request_id="r1", socket="before")
        it.outputs.socket_lost("before", it.now, GRACE)
        request = it.asked.requests["r1"] if request_id else None
        assert kinds(it.outputs.stopped(request, None, it.now)) == ([(Finished, "o1")] if request_id else [])
    it.now += 1
    assert kinds(it.end("s9", final=True)) == [(Finished, "o1")]


# ------------------------------------------------------------------------------------------------- answers in one piece


def test_an_answer_in_one_piece_is_an_output_that_is_over() -> None:
    it = Machine()
    answered = only(Answered, it.answer("aä\ud83d"))
    assert (answered.text, answered.output.given_id, answered.repeated) == ("aä\ufffd", "made", False)
    assert it.outputs.knows("made")


def test_an_answer_in_one_piece_that_is_too_large_fails_and_some_of_it_is_kept() -> None:
    it = Machine(max_output_bytes=4)
    failed = only(Failed, it.answer("aää"))
    assert (failed.text, failed.first, str(failed.reason)) == ("aä", True, "The answer is too large.")
    assert kinds(it.start("s", "made")) == [(Opened, "made")]
    assert it.data("late", "s") == ""
    verdicts = it.outputs.answered(None, None, "ab", it.now, lambda: "other", 3)
    assert kinds(verdicts) == [(Finished, "made"), (Failed, "other")]


def test_an_answer_ends_what_is_streamed_for_its_request_and_may_repeat_it() -> None:
    it = Machine("r1", "r2")
    opened(it, "s1", "o1", "r1")
    opened(it, "s2", "o2", "r2")
    assert kinds(it.answer("whole", "o3", "r1")) == [(Finished, "o1"), (Answered, "o3")]
    verdicts = it.answer("whole \ud83d", "o2", "r2")
    assert kinds(verdicts) == [(Whole, "o2"), (Finished, "o2"), (Answered, "o2")]
    assert kinds(it.answer("again", "o2", "r2")) == [(Answered, "o2")]
    assert verdicts[-1] == Answered(verdicts[0].output, "whole \ufffd", repeated=True)  # type: ignore[union-attr]


def test_a_packet_that_is_too_much_fails_all_that_it_may_belong_to() -> None:
    it = Machine("r1", "r2")
    opened(it, "s1", "o1", "r1", socket="one")
    opened(it, "s2", "o2", "r2", socket="other")
    verdicts = it.outputs.unreadable("one", it.now)
    assert kinds(verdicts) == [(Failed, "o1")]
    assert failure(verdicts) == "Part of the answer was too much to be read."


def test_what_may_go_on_is_not_forgotten_for_a_new_one() -> None:
    """One that said that it is over goes first; when all may go on, the new one fails in words."""
    it = Machine("r1", "r2", "r3", "r4", max_ended_outputs_per_extension=2)
    for number in "12":
        opened(it, f"s{number}", f"o{number}", f"r{number}")
        it.end(f"s{number}", final=False)
        assert kinds(it.wait(2)) == [(Finished, f"o{number}")]
    verdicts = it.start("s3", "o3", "r3")
    assert kinds(verdicts) == [(Opened, "o3"), (Failed, "o3"), (Forgotten, "o3")]
    assert failure(verdicts) == "Too many answers in a short time."
    assert kinds(it.start("s1", "o1", "r1")) == [(Opened, "o1")]
    assert kinds(it.end("s1", final=True)) == [(Finished, "o1")]
    assert kinds(it.start("s4", "o4", "r4")) == [(Opened, "o4")]
    assert kinds(it.end("s4", final=False)) == []
    assert kinds(it.wait(2)) == [(Finished, "o4"), (Forgotten, "o1")]


def test_an_answer_to_nothing_is_refused() -> None:
    it = Machine()
    it.asked.over.add("r1")
    it.asked.requests.clear()
    assert only(Refused, it.answer("x", request_id="r1")).warning_code == 72


# ---------------------------------------------------------------------------------------------------------------- model


class OutputsMachine(RuleBasedStateMachine):
    """Any packets in any order: each output is opened and closed in turn, all its text is shown, nothing stays."""

    LIMITS = StreamSettings(
        max_output_bytes=60,
        max_streams_per_extension=4,
        max_outputs_per_extension=2,
        max_ended_outputs_per_extension=3,
        max_chunk_gaps=2,
        output_idle_seconds=20,
        output_tail_seconds=10,
    )

    def __init__(self) -> None:
        super().__init__()
        self.asked = Asked("r1", "r2", "r3")
        self.outputs = Outputs(Live(self.LIMITS), self.asked.label, self.asked.whose)
        self.now = 0.0
        self.state: dict[Output, str] = {}
        self.sent: dict[Output, str] = {}  # since it was opened
        self.shown: dict[Output, str] = {}
        self.ids = count()

    def obey(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            match verdict:
                case Opened(output, _, again, _):
                    assert self.state.get(output) == ("ended" if again else None)
                    self.state[output] = "open"
                    self.sent[output] = self.shown[output] = ""
                case Whole(output, _):
                    assert self.state[output] == "open"
                case Finished(output, rest):
                    assert self.state[output] == "open"
                    self.state[output] = "ended"
                    assert self.shown[output] + rest == ("" if output.failed else well_formed(self.sent[output]))
                case Failed(output, _, _, kept):
                    assert self.state.get(output) == (None if kept else "open")
                    self.state[output] = "ended"
                    assert well_formed(self.sent.get(output, "")).startswith(self.shown.get(output, ""))
                case Answered(output, _, repeated):
                    assert self.state.get(output) == ("ended" if repeated else None)
                    self.state[output] = "ended"
                case Heard(output):
                    assert self.state[output] == "open"
                case Forgotten(output):
                    assert self.state.pop(output) == "ended"
                case Refused(why, code):
                    assert why
                    assert code in (71, 72)

    names = st.sampled_from([None, "r1", "r2", "r3", "x"])

    sockets = st.sampled_from(["", "", "", "other"])

    @rule(stream=st.sampled_from("abcde"), output=st.sampled_from(["o1", "o2", "o3", None]), name=names, socket=sockets)
    def start(self, stream: str, output: str | None, name: str | None, socket: str) -> None:
        there = {each: each.only for each in self.state if each.only not in ("", socket) and each.lost_at is None}
        self.obey(self.outputs.started(stream, output, name, self.now, socket))
        for each, by in there.items():
            assert each.only == by, "while its socket is there, no other one goes on with it"

    @rule(
        stream=st.sampled_from("abcde"),
        output=st.sampled_from(["o1", "o2", None]),
        name=names,
        index=st.one_of(st.none(), st.integers(0, 4)),
        text=st.text("aä\ud83d\ude00", max_size=6),
        socket=sockets,
    )
    def data(
        self, stream: str, output: str | None, name: str | None, index: int | None, text: str, socket: str
    ) -> None:
        found = self.outputs.find(stream, name)
        if found is None and output is not None:
            elsewhere = {each: each.only for each in self.state if each.only not in ("", socket)}
            self.obey(self.outputs.started(stream, output, name, self.now, socket, by_data=True))
            for each, by in elsewhere.items():
                assert each.only == by, "nor does anything but a START, once that has gone"
            found = self.outputs.find(stream, name)
            assert found is None or found.output not in elsewhere
        if found is None or found.output.only not in ("", socket):  # as the driver
            return
        accepted = found.order.accepted
        shown = self.outputs.take(found, index, text, self.now)
        if found.order.accepted > accepted:
            self.sent[found.output] += text
        else:
            assert shown == ""
        self.shown[found.output] += shown
        if self.outputs.deadline <= self.now:
            self.obey(self.outputs.tick(self.now))

    @rule(
        stream=st.sampled_from("abcde"), index=st.one_of(st.none(), st.integers(0, 4)), text=st.text("aä", max_size=6)
    )
    def think(self, stream: str, index: int | None, text: str) -> None:
        found = self.outputs.find(stream, None)
        if found is not None:
            assert self.outputs.think(found, index, text, self.now) in ("", text)
            if self.outputs.deadline <= self.now:
                self.obey(self.outputs.tick(self.now))

    @rule(
        stream=st.sampled_from("abcde"),
        output=st.sampled_from(["o1", "o2", None]),
        name=names,
        final=st.sampled_from([None, None, True, False]),
        socket=sockets,
    )
    def end(self, stream: str, output: str | None, name: str | None, final: bool | None, socket: str) -> None:
        verdicts = self.outputs.ended(stream, output, name, final, self.now, socket)
        assert all(each.output.only in ("", socket) for each in verdicts if isinstance(each, Finished))
        self.obey(verdicts)

    @rule(stream=st.sampled_from("abcde"), output=st.sampled_from(["o1", "o2", None]), name=names)
    def fail(self, stream: str, output: str | None, name: str | None) -> None:
        self.obey(self.outputs.stream_failed(stream, output, name, self.now))

    @rule(output=st.sampled_from(["o1", "o2", None]), name=names, text=st.sampled_from(["whole", "too large" * 9]))
    def answer(self, output: str | None, name: str | None, text: str) -> None:
        self.obey(self.outputs.answered(output, name, text, self.now, lambda: f"m{next(self.ids)}"))

    @rule(name=st.sampled_from(["r1", "r2"]), room=st.sampled_from([None, "red", "blue"]))
    def stop(self, name: str, room: str | None) -> None:
        request = self.asked.requests[name] if room is None else None
        self.obey(self.outputs.stopped(request, room, self.now))

    @rule(name=st.sampled_from(["r1", "r2"]))
    def error(self, name: str) -> None:
        self.obey(self.outputs.failed(self.asked.requests[name], GONE, self.now))

    @rule(which=st.integers(0, 5))
    def overwrite(self, which: int) -> None:
        for output in list(self.state)[which : which + 1]:
            self.obey(self.outputs.overwritten(output, GONE, self.now))

    @rule(
        stream=st.sampled_from("abcde"),
        output=st.sampled_from(["o1", "o2", None]),
        name=names,
        socket=st.sampled_from(["", "other"]),
    )
    def resume(self, stream: str, output: str | None, name: str | None, socket: str) -> None:
        found = self.outputs.resume(stream, output, name, self.now, socket)
        if found is not None:
            assert self.state[found] == "open"
            assert (found.only, found.lost_at) == (socket, None)
            self.sent[found] = self.shown[found]

    @rule(output=st.sampled_from(["o1", "o2"]), index=st.one_of(st.none(), st.integers(0, 4)))
    def be_passed_over(self, output: str, index: int | None) -> None:
        """An output goes on by another socket, which goes, and the first one has something to say still."""
        self.resume("e", output, None, "other")
        self.lose_sockets("other", 3.0)
        self.data("d", output, None, index, "of before", "")

    @rule(socket=st.sampled_from(["", "other"]), grace=st.sampled_from([0.0, 3.0]))
    def lose_sockets(self, socket: str, grace: float) -> None:
        self.outputs.socket_lost(socket, self.now, grace)

    @rule(how=st.sampled_from([Outputs.gone, Outputs.cut_off]))
    def leave(self, how: Callable[..., list[Verdict]]) -> None:
        self.obey(how(self.outputs, GONE, self.now))
        assert self.outputs.open_count == 0

    @rule(seconds=st.sampled_from([0.1, 0.5, 1.0, 2.0, 9.0, 30.0]))
    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while self.outputs.deadline <= end:
            self.now = max(self.now, self.outputs.deadline)
            self.obey(self.outputs.tick(self.now))
            assert self.outputs.deadline > self.now
        self.now = end

    @precondition(lambda self: self.outputs.deadline > self.now)
    @rule()
    def tick_early(self) -> None:
        assert all(isinstance(verdict, Heard) for verdict in self.outputs.tick(self.now))

    @invariant()
    def what_is_open_is_what_was_said(self) -> None:
        states = list(self.state.values())
        assert states.count("open") == self.outputs.open_count <= self.LIMITS.max_streams_per_extension + 1
        assert states.count("ended") <= self.LIMITS.max_ended_outputs_per_extension
        assert self.outputs.idle is (not states)

    def teardown(self) -> None:
        self.wait(60)
        assert self.state == {}
        assert self.outputs.idle
        assert self.outputs.deadline == NEVER


OutputsMachine.TestCase.settings = hypothesis_settings(max_examples=150, stateful_step_count=40, deadline=None)
TestOutputs = OutputsMachine.TestCase


# -------------------------------------------------------------------------------------------------------------- cancel


def test_what_is_cancelled_ends_as_it_is_and_what_had_ended_goes_on_unheard() -> None:
    it = Machine()
    before = opened(it)
    it.data("one")
    it.end(final=True)
    output = opened(it, "s2", "o2")
    it.data("half \ud83d", "s2")
    assert it.outputs.cancelled(it.asked.requests["r1"], it.now) == [Cancelled(output, "\ufffd")]
    assert it.outputs.cancelled(it.asked.requests["r1"], it.now) == []
    for stream, name, each in (("s3", "o1", before), ("s4", "o2", output)):
        assert it.start(stream, name) == [Opened(each, stream, again=True, unheard=True)]
        assert it.data("late", stream) == ""
        assert it.end(stream, name, final=True) == [Finished(each)]
    assert it.shown == "onehalf "
