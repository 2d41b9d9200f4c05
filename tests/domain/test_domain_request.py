"""A request's bookkeeping (contract 5.3, 5.4)."""

from __future__ import annotations

import pytest

from newage.domain.model import RequestMode, Role
from newage.domain.policy import Verdict
from newage.domain.request import Ask, merge_text
from requestkit import make


def test_an_ask_is_sealed_and_modest_by_default() -> None:
    extra = {"temperature": 1}
    ask = Ask(request_id="r", text="hi", extra=extra)
    extra["temperature"] = 2
    assert (ask.targets, ask.room, ask.role_hint, ask.request_type) == (None, None, None, "newMessage")
    assert ask.extra == {"temperature": 1}


@pytest.mark.parametrize(
    ("finished", "answered", "failed", "awaits_a", "remaining"),
    [
        (set(), set(), set(), True, 2),
        ({"A"}, set(), set(), False, 2),
        ({"A"}, {"A"}, set(), False, 1),
        (set(), set(), {"A"}, False, 1),
        ({"A", "B"}, {"A", "B"}, set(), False, 0),
        ({"B"}, {"B"}, {"A"}, False, 0),
    ],
)
def test_a_request_counts_its_targets(
    finished: set[str], answered: set[str], failed: set[str], awaits_a: bool, remaining: int
) -> None:
    request = make(targets=("A", "B"), finished=finished, answered=answered, failed=failed)
    assert request.awaits("A") is awaits_a
    assert request.awaits("stranger") is False
    assert request.remaining == remaining


def test_its_time_runs_when_every_extension_that_owes_an_answer_was_given_it() -> None:
    request = make(targets=("a", "b"))
    assert not request.timed
    request.sent.add("a")
    assert not request.timed
    request.failed.add("b")
    assert request.timed
    request.failed.clear()
    request.sent.add("b")
    assert request.timed


def test_an_ask_can_be_kept_without_its_words() -> None:
    kept = Ask(request_id="r", text="secret", data={"prompt": "secret"}, targets=("x",), extra={"a": 1}).wishes
    assert (kept.text, kept.data, dict(kept.extra), kept.targets, kept.request_id) == ("", None, {}, ("x",), "r")


def test_a_request_lives_until_it_has_ended() -> None:
    request = make()
    assert request.live
    request.ended_at = 0.0
    assert not request.live


@pytest.mark.parametrize(
    ("texts", "merged"),
    [
        (["a", "b"], "a\n\nb"),
        ([" a \n", "", "  \t", "b"], "a\n\nb"),
        (["a\n\nb", "c"], "a\n\nb\n\nc"),
        ([""], ""),
        ([], ""),
    ],
)
def test_texts_merge_trimmed_with_a_blank_line_between(texts: list[str], merged: str) -> None:
    assert merge_text(texts) == merged


# ------------------------------------------------------------------------------------------------- what becomes of one


def test_the_mode_in_force_decides() -> None:
    request = make(role=Role.GUEST)
    assert request.decide(RequestMode.IMMEDIATE) is Verdict.FORWARD
    assert request.decide(RequestMode.DEFAULT) is Verdict.QUEUE
    assert request.mode is RequestMode.DEFAULT
    request.queue()
    assert request.state == "queued"


def test_what_waited_is_merged_and_told_with_it() -> None:
    request, over, waiting = make("r"), make("over"), make("waiting")
    request.route(("x",), [over, waiting])
    assert [each.state for each in (request, over, waiting)] == ["recorded", "merged", "merged"]
    over.end("expired", 1.0)
    request.drop_ended()
    assert request.merged == [waiting]
    assert request.give()
    assert not request.give(), "another extension was told it before"
    assert (request.state, request.given, waiting.given, over.given) == ("forwarded", True, True, False)


def test_its_time_begins_when_it_is_sent_and_is_taken_back_from_whom_it_is_not() -> None:
    request = make()
    request.route(("x", "y"))
    request.send_to("x", 5.0)
    request.send_to("y", 6.0)
    assert (request.sent, request.active_at) == ({"x", "y"}, 6.0)
    request.unsend("x", "nobody")
    assert request.sent == {"y"}
    request.heard(4.0)
    assert request.active_at == 6.0
    request.heard(8.0)
    assert request.active_at == 8.0


def test_it_ends_when_all_have_answered_or_failed() -> None:
    request = make()
    request.route(("x", "y"))
    request.finish("x")
    request.finish("stranger")
    assert (request.finished, request.outcome) == ({"x"}, None)
    request.answer("x", "a1")
    assert request.outcome is None
    assert request.fail("y")
    assert not request.fail("y"), "only the first time counts"
    assert request.outcome == "completed"


def test_it_fails_when_nobody_answered() -> None:
    request = make()
    request.route(("x",))
    request.finish("x")
    assert not request.fail("x"), "its output is whole"
    request.lose("x")
    assert request.fail("x")
    assert request.outcome == "failed"


def test_late_answers_are_kept_but_change_nothing() -> None:
    request, merged = make("r"), make("m")
    request.route(("x",), [merged])
    request.answer("x", "a1")
    request.end("completed", 3.0)
    assert (request.state, request.ended_at, merged.responses) == ("completed", 3.0, ["a1"])
    assert merged.live, "who keeps the account ends it"
    request.answer("y", "a2")
    assert (request.responses, request.answered) == (["a1", "a2"], {"x"})
    assert not request.fail("y")
    request.lose_room()
    assert request.gone


def test_it_follows_an_extension_to_its_new_line_and_none_that_was_not_asked() -> None:
    request = make()
    request.route(("x",))
    request.send_to("x", 1.0, "old")
    request.goes_to("x", "new")
    request.goes_to("y", "other")
    assert request.places == {"x": "new"}
