"""What extensions of ours say besides text: reasoning, resets, characters, several answers to one request (5.6)."""

from __future__ import annotations

from typing import Any

import pytest

from hubkit import Kit, Link, result_of
from newage.dialect import streams
from newage.domain.character import Character
from newage.domain.details import Details
from newage.domain.model import Message
from newage.domain.shown import OutputState
from newage.errors import NotFound
from newage.ports import Said
from newage.services.streams.cancelling import Which
from newage.services.streams.resuming import Wanted

X = "SillyTavern-8000"
CORA = Character("c.png", "Cora")


@pytest.fixture
def link(kit: Kit) -> Link:
    return kit.extension(X, capacity=16, features=frozenset({"reasoning", "reset", "groups"}))


@pytest.fixture
def sid(kit: Kit, link: Link) -> str:
    """A plain client with one request, r1, at the extension."""
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid, "question", "r1")
    kit.outbox.clear()
    return sid


def named(output: str = "o1", request: str | None = "r1") -> Said:
    return Said(X, f"s of {output}", output, request)


def begin(kit: Kit, text: str = "", output: str = "o1", details: Details | None = None) -> None:
    kit.streams.stream_started(named(output), details)
    if text:
        kit.streams.stream_data(named(output), None, text)


def end(kit: Kit, output: str = "o1", **details: Any) -> None:
    kit.streams.stream_ended(named(output), True, Details(**details) if details else None)


def only(kit: Kit) -> Message:
    (found,) = kit.responses("web1")
    return found


def chunks(kit: Kit, sid: str) -> list[str]:
    return [body["data"] for body in kit.outbox.bodies(sid, "SERVER_STREAM_DATA")]


# ---------------------------------------------------------------------------------------------------------- reasoning


def test_reasoning_is_stored_beside_the_text_and_is_no_part_of_it(kit: Kit, sid: str) -> None:
    for index, text in enumerate(("Let me ", "see \ud83d", "\ude00.")):
        kit.streams.stream_reasoning(named(), index, text)
    begin(kit, "Yes.")
    kit.streams.stream_reasoning(named(), 2, "again")
    assert chunks(kit, sid) == ["Yes."]
    end(kit)
    assert (only(kit).text, only(kit).reasoning) == ("Yes.", "Let me see \U0001f600.")
    (response,) = kit.outbox.bodies(sid, "LLM_RESPONSE")
    assert response["message"] == response["data"] == "Yes."
    assert kit.outbox.bodies(sid, "NEW_MESSAGE")[0]["message"]["reasoning"] == "Let me see \U0001f600."


def test_reasoning_of_nothing_is_dropped(kit: Kit) -> None:
    kit.streams.stream_reasoning(named(), 0, "hm")
    assert kit.streams.open_outputs == 0


def test_half_a_character_at_the_end_of_it_is_marked(kit: Kit, sid: str) -> None:
    kit.streams.stream_reasoning(named(), 0, "hm\ud83d")
    end(kit)
    assert (only(kit).text, only(kit).reasoning) == ("", "hm\ufffd")


def test_too_much_of_it_fails_the_answer(kit: Kit, sid: str) -> None:
    kit.change("streams", max_output_bytes=10)
    begin(kit, "so")
    kit.streams.stream_reasoning(named(), 0, "x" * 9)
    assert kit.statuses(sid)[-1] == "failed"
    assert (only(kit).failed, only(kit).partial, only(kit).text) == (True, True, "so")


def test_an_answer_in_one_piece_has_its_reasoning(kit: Kit, sid: str) -> None:
    kit.streams.answered(named(), "yes", Details(reasoning="hm\ud83d", character=CORA, extra={"model": "m"}))
    stored = only(kit)
    assert (stored.text, stored.reasoning, stored.character, stored.extra) == ("yes", "hm\ufffd", CORA, {"model": "m"})


def test_an_answer_in_one_piece_completes_the_reasoning_that_was_streamed(kit: Kit, sid: str) -> None:
    begin(kit, "ye")
    kit.streams.stream_reasoning(named(), 0, "h")
    kit.streams.answered(named(), "yes", Details(reasoning="hm"))
    assert (only(kit).text, only(kit).reasoning) == ("yes", "hm")


def test_a_failed_answer_that_has_only_reasoning_is_kept(kit: Kit, sid: str) -> None:
    kit.streams.stream_reasoning(named(), 0, "hm")
    kit.streams.stream_failed(named())
    assert (only(kit).text, only(kit).reasoning, only(kit).partial) == ("", "hm", True)


def test_reasoning_and_text_of_what_was_cut_off_are_kept_once(kit: Kit, sid: str) -> None:
    begin(kit, "so", details=Details(character=CORA))
    kit.streams.stream_reasoning(named(), 0, "hm")
    kit.clock.advance(1)
    (found,) = result_of(kit.open_output_store.load_texts())
    assert (found.text, found.reasoning, found.partial, found.character) == ("so", "hm", True, CORA)


# -------------------------------------------------------------------------------------------------------------- reset


def test_what_is_void_is_gone_from_what_is_stored_and_from_what_is_kept(kit: Kit, sid: str) -> None:
    begin(kit, "\U0001f600 wrong end")
    kit.streams.stream_reasoning(named(), 0, "hm")
    kit.clock.advance(1)
    kit.streams.stream_reset(named(), 2, False)
    kit.streams.stream_data(named(), None, " right end, which is longer")
    kit.clock.advance(1)
    (found,) = result_of(kit.open_output_store.load_texts())
    assert (found.text, found.reasoning) == ("\U0001f600 right end, which is longer", "hm")
    kit.streams.stream_reset(named(), 0, True)
    end(kit)
    assert (only(kit).text, only(kit).reasoning) == ("\U0001f600 right end, which is longer", "")
    assert chunks(kit, sid) == ["\U0001f600 wrong end"]
    (over,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert over["data"] == "\U0001f600 right end, which is longer"


def test_a_reset_to_nothing_leaves_nothing_for_a_hub_that_dies(kit: Kit, sid: str) -> None:
    begin(kit, "wrong")
    kit.clock.advance(1)
    kit.streams.stream_reset(named(), 0, False)
    kit.clock.advance(1)
    (found,) = result_of(kit.open_output_store.load_texts())
    assert found.text == ""


def test_a_reset_beyond_the_end_or_of_what_is_not_open_changes_nothing(kit: Kit, sid: str) -> None:
    begin(kit, "text")
    kit.streams.stream_reset(named(), 5, False)
    kit.streams.stream_reset(named(), 1, True)
    kit.streams.stream_reset(named("o2"), 0, False)
    kit.streams.stream_reset(Said("SillyTavern-9", "s", "o1"), 0, False)
    kit.streams.stream_data(named(), None, "!")
    end(kit)
    kit.streams.stream_reset(named(), 0, False)
    assert only(kit).text == "text!"
    assert chunks(kit, sid) == ["text", "!"]


def test_a_reset_of_what_nobody_hears_any_more_takes_nothing_from_what_is_kept(kit: Kit, sid: str) -> None:
    follower = kit.connect("web1", outputs=True)
    begin(kit, "text")
    kit.streams.stream_failed(named())
    begin(kit, " late")
    kit.streams.stream_reset(named(), 1, False)
    (found,) = result_of(kit.talk.resuming.resume(kit.caller(follower), None, None, [Wanted("o1")]))
    assert (found.state, found.missed and (found.missed.rev, found.missed.text)) == (OutputState.FAILED, (0, "text"))


# -------------------------------------------------------------------------------------------------------------- groups


def test_a_request_goes_on_until_an_end_says_that_nothing_follows(kit: Kit, sid: str) -> None:
    begin(kit, "I am Cora", "o1", Details(character=CORA))
    end(kit, "o1", more=True)
    assert kit.statuses(sid) == ["processing"]
    assert kit.outbox.bodies(sid, "REQUEST_STATUS_UPDATE")[0]["remaining"] == 1
    begin(kit, "I am Dan", "o2", Details(character=Character("d", "Dan")))
    end(kit, "o2", extra={"finishReason": "stop"})
    assert kit.statuses(sid) == ["processing", "completed"]
    found = [(m.text, m.character and m.character.name, dict(m.extra)) for m in kit.responses("web1")]
    assert found == [("I am Cora", "Cora", {}), ("I am Dan", "Dan", {"finishReason": "stop"})]
    assert len(kit.outbox.bodies(sid, "LLM_RESPONSE")) == 2
    assert result_of(kit.request_store.load_requests()) == ()


def test_its_extension_is_at_work_until_then(make_kit: Any) -> None:
    kit = make_kit()
    link = kit.extension(X, features=frozenset({"groups"}))
    sid = kit.connect("web1")
    kit.submit(sid, "one", "r1")
    kit.submit(sid, "two", "r2")
    begin(kit, "a")
    end(kit, more=True)
    assert [each["requestId"] for each in link.forwarded] == ["r1"]
    begin(kit, "b", "o2")
    end(kit, "o2")
    assert [each["requestId"] for each in link.forwarded] == ["r1", "r2"]


@pytest.mark.parametrize(("request_id", "room"), [("r1", None), (None, "web1"), (None, None)])
def test_who_says_that_he_has_stopped_ends_it_too(kit: Kit, sid: str, request_id: str | None, room: str | None) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.streams.processing_stopped(Said(X, request=request_id), "elsewhere" if room is None and request_id else room)
    assert kit.statuses(sid)[-1] == "completed"
    assert len(kit.responses("web1")) == 1
    kit.streams.processing_stopped(Said(X, request="r1"))
    assert kit.statuses(sid).count("completed") == 1


def test_the_last_answer_is_told_before_the_end_of_the_request(kit: Kit, sid: str) -> None:
    kit.gate.shut = True
    begin(kit, "a")
    end(kit, more=True)
    kit.streams.processing_stopped(Said(X, request="r1"))
    assert kit.outbox.names(sid).count("LLM_RESPONSE") == 0
    assert "completed" not in kit.statuses(sid)
    kit.gate.open()
    names = [n for n in kit.outbox.names(sid) if n in ("LLM_RESPONSE", "REQUEST_STATUS_UPDATE")]
    assert names[0] == "LLM_RESPONSE"
    assert kit.statuses(sid)[-1] == "completed"


@pytest.mark.parametrize("final", [True, None])
@pytest.mark.parametrize("details", [None, Details(extra={"finishReason": "stop"})])
def test_an_end_without_more_of_an_output_that_is_over_ends_it_too(
    kit: Kit, sid: str, details: Details | None, final: bool | None
) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.streams.stream_ended(named(), True, Details(more=True))
    assert kit.statuses(sid) == ["processing"]
    kit.streams.stream_ended(named(), final, details)
    assert kit.statuses(sid) == ["processing", "completed"]
    kit.streams.stream_ended(named(), final, details)
    assert kit.statuses(sid) == ["processing", "completed"]
    assert [m.text for m in kit.responses("web1")] == ["a"]
    assert result_of(kit.request_store.load_requests()) == ()


def test_but_not_of_one_that_others_have_followed(kit: Kit, sid: str) -> None:
    begin(kit, "a", "o1")
    end(kit, "o1", more=True)
    begin(kit, "b", "o2")
    end(kit, "o1")
    assert kit.statuses(sid) == ["processing"], "the second is open"
    end(kit, "o2", more=True)
    end(kit, "o1")
    assert kit.statuses(sid) == ["processing"] * 2, "the second says what follows"
    end(kit, "o2")
    assert kit.statuses(sid)[-1] == "completed"


def test_stopping_elsewhere_ends_nothing(kit: Kit, sid: str) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.streams.processing_stopped(Said(X), "elsewhere")
    assert "completed" not in kit.statuses(sid)


def test_an_extension_that_goes_between_two_answers_fails_the_request(kit: Kit, sid: str) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.disconnect_all(X)
    kit.clock.pump([1.0] * 45)
    assert kit.statuses(sid)[-1] == "failed"
    assert [m.text for m in kit.responses("web1")] == ["a"]


@pytest.mark.parametrize("heard", [False, True])
def test_a_page_that_is_loaded_again_between_two_answers_fails_it_unless_it_goes_on(
    kit: Kit, sid: str, tab: str, heard: bool
) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.disconnect(tab)
    kit.clock.pump([1.0] * 3)
    kit.extension(X, features=frozenset({"groups"}))
    if heard:
        begin(kit, "b", "o2")
    kit.clock.pump([1.0] * 5)
    assert "failed" not in kit.statuses(sid)
    kit.clock.pump([1.0] * 3)
    assert ("failed" in kit.statuses(sid)) is not heard
    if heard:
        end(kit, "o2")
        assert kit.statuses(sid)[-1] == "completed"


def test_two_pages_that_go_between_two_answers_fail_both_requests(kit: Kit, sid: str, tab: str) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.extension(X, capacity=16, features=frozenset({"groups"}))
    kit.submit(sid, "another", "r2")
    request = kit.ledger.get("web1", "r2")
    assert request is not None
    kit.streams.stream_data(named("o2", "r2"), None, "b")
    kit.streams.stream_ended(named("o2", "r2"), True, Details(more=True))
    kit.extension(X, features=frozenset({"groups"}))
    kit.disconnect(tab)
    kit.clock.pump([1.0] * 3)
    kit.disconnect(request.places[X])
    kit.clock.pump([1.0] * 11)
    assert kit.statuses(sid, "r1")[-1] == "failed"
    assert kit.statuses(sid, "r2")[-1] == "failed"


def test_what_waits_for_its_page_is_given_up_with_the_hub(kit: Kit, sid: str, tab: str) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.disconnect(tab)
    kit.streams.close()
    kit.clock.pump([1.0] * 3)
    assert "failed" not in kit.statuses(sid)


def test_a_pause_longer_than_the_tail_forgets_nothing(kit: Kit, sid: str) -> None:
    begin(kit, "a")
    end(kit, more=True)
    kit.clock.pump([1.0] * 70)
    kit.streams.processing_stopped(Said(X, request="r1"))
    assert kit.statuses(sid)[-1] == "completed"


def test_a_failure_ends_it(kit: Kit, sid: str) -> None:
    begin(kit, "a")
    end(kit, more=True)
    begin(kit, "b", "o2")
    kit.streams.failed(named("o2"), "no", None)
    assert kit.statuses(sid)[-1] == "failed"
    assert [(m.text, m.partial) for m in kit.responses("web1")] == [("a", False), ("b", True)]


# -------------------------------------------------------------------------------------------------------------- resume


def said_by(sid: str, output: str = "o1") -> Said:
    return Said(X, f"s of {output}", output, "r1", sid)


@pytest.fixture
def tab(kit: Kit, sid: str) -> str:
    """The extension's socket."""
    (caller,) = kit.sessions.callers(X, "/llm")
    return caller.sid


def test_an_output_goes_on_by_another_socket_and_nothing_is_doubled(kit: Kit, sid: str, tab: str) -> None:
    kit.streams.stream_data(said_by(tab), 0, "one \U0001f600 t")
    kit.streams.stream_reasoning(said_by(tab), 0, "hm")
    kit.disconnect(tab)
    kit.clock.pump([1.0] * 9)
    kit.extension(X, capacity=16, features=frozenset({"resume"}))
    (after,) = kit.sessions.callers(X, "/llm")
    text = kit.streams.resume(said_by(after.sid))
    assert (text.text.units, text.reasoning.units, text.rev) == (8, 2, 0)
    kit.streams.stream_data(said_by(tab), 1, "what the old line had still to say")
    kit.streams.stream_reasoning(said_by(tab), 1, "as well")
    kit.streams.stream_data(said_by(after.sid), 0, "wo")
    kit.clock.pump([1.0] * 9)
    kit.streams.stream_ended(said_by(after.sid), True)
    assert (only(kit).text, only(kit).reasoning, only(kit).failed) == ("one \U0001f600 two", "hm", False)
    assert chunks(kit, sid) == ["one \U0001f600 t", "wo"]
    assert kit.statuses(sid)[-1] == "completed"


def test_its_request_is_not_asked_again_and_keeps_its_place(kit: Kit, sid: str, tab: str) -> None:
    kit.streams.stream_data(said_by(tab), 0, "one")
    kit.disconnect(tab)
    kit.clock.pump([1.0] * 3)
    link = kit.extension(X, features=frozenset({"resume"}))
    (after,) = kit.sessions.callers(X, "/llm")
    kit.streams.resume(said_by(after.sid))
    kit.submit(sid, "another", "r2")
    kit.clock.pump([1.0] * 3)
    assert link.forwarded == []
    kit.streams.stream_ended(said_by(after.sid), True)
    assert [each["requestId"] for each in link.forwarded] == ["r2"]


@pytest.mark.parametrize("stream", ["s of o1", "another"])
@pytest.mark.parametrize("what", ["data", "reset", "end", "more", "failed"])
def test_what_another_socket_still_says_of_it_is_dropped(kit: Kit, sid: str, tab: str, what: str, stream: str) -> None:
    kit.streams.stream_data(said_by("before"), 0, "one ")
    kit.streams.resume(said_by(tab))
    old = said_by("before")._replace(stream=stream)
    match what:
        case "data":
            kit.streams.stream_started(old)
            kit.streams.stream_data(old, 1, "what the old line had still to say")
            kit.streams.stream_reasoning(old, 0, "as well")
        case "reset":
            kit.streams.stream_reset(old, 0, False)
        case "end":
            kit.streams.stream_ended(old, True)
        case "more":
            kit.streams.stream_ended(old, True, Details(more=True, extra={"n": 1}))
        case _:
            kit.streams.stream_failed(old)
    assert kit.streams.open_outputs == 1
    kit.streams.stream_data(said_by(tab), 0, "two")
    kit.streams.stream_ended(said_by(tab), True)
    stored = only(kit)
    assert (stored.text, stored.reasoning, stored.failed, stored.extra) == ("one two", "", False, {})
    assert kit.statuses(sid)[-1] == "completed"


OLD_WORDS = ["message", "error", "stop of the request", "stop of the room", "stop of all", "another output"]


@pytest.mark.parametrize("what", OLD_WORDS)
def test_only_the_socket_by_which_it_goes_on_speaks_for_its_request(kit: Kit, sid: str, tab: str, what: str) -> None:
    kit.streams.stream_data(said_by("before"), 0, "one ")
    kit.streams.resume(said_by(tab))
    old = Said(X, "", None, "r1", "before")
    match what:
        case "message":
            kit.streams.answered(old, "what the old line had still to say")
            kit.streams.answered(old._replace(output="o1"), "as well")
        case "error":
            kit.streams.failed(old, "no model", None)
        case "stop of the request":
            kit.streams.processing_stopped(old)
        case "stop of the room":
            kit.streams.processing_stopped(old._replace(request=None), "web1")
        case "stop of all":
            kit.streams.processing_stopped(old._replace(request=None))
        case _:
            kit.streams.stream_data(Said(X, "s2", "o2", "r1", "before"), 0, "what the old line had still to say")
            kit.streams.stream_ended(Said(X, "s2", "o2", "r1", "before"), True)
    assert (kit.streams.open_outputs, kit.outbox.bodies(sid, "ERROR"), kit.responses("web1")) == (1, [], [])
    kit.streams.stream_data(said_by(tab), 0, "two")
    kit.streams.stream_ended(said_by(tab), True)
    assert (only(kit).text, kit.statuses(sid)[-1]) == ("one two", "completed")


def test_where_that_socket_is_gone_too_any_may_speak_again(kit: Kit, sid: str, tab: str) -> None:
    kit.streams.stream_data(said_by("before"), 0, "one")
    kit.streams.resume(said_by(tab))
    kit.disconnect(tab)
    kit.streams.failed(Said(X, "", None, "r1", "after"), "no model", None)
    assert kit.statuses(sid)[-1] == "failed"


@pytest.mark.parametrize("what", ["stop of the request", "another stream"])
def test_where_that_socket_is_gone_too_any_may_end_it(kit: Kit, sid: str, tab: str, what: str) -> None:
    kit.streams.stream_data(said_by("before"), 0, "one")
    kit.streams.resume(said_by(tab))
    kit.disconnect(tab)
    kit.clock.advance(1)
    if what == "stop of the request":
        kit.streams.processing_stopped(Said(X, "", None, "r1", "after"))
    else:
        kit.streams.stream_started(Said(X, "s9", "o1", "r1", "after"))
        kit.streams.stream_data(Said(X, "s9", "o1", "r1", "after"), 0, " two")
        kit.streams.stream_ended(Said(X, "s9", "o1", "r1", "after"), True)
    assert only(kit).text == ("one" if what == "stop of the request" else "one two")
    assert kit.statuses(sid)[-1] == "completed"


@pytest.mark.parametrize("stream", ["s1", "s9"])
def test_a_stream_of_before_is_not_heard_where_that_socket_is_gone_too(
    kit: Kit, sid: str, tab: str, stream: str
) -> None:
    kit.streams.stream_data(said_by("before"), 0, "one")
    kit.streams.resume(said_by(tab)._replace(stream="s5"))
    kit.streams.stream_data(said_by("before"), 1, " lost")
    kit.streams.stream_data(said_by(tab)._replace(stream="s5"), 0, " two")
    kit.disconnect(tab)
    kit.clock.advance(1)
    before = Said(X, stream, "o1", "r1", "before")
    for index in (None, 0, 2):
        kit.streams.stream_data(before, index, " of before")
        kit.streams.stream_reasoning(before, index, "of before")
    kit.streams.stream_ended(before, True)
    assert (kit.streams.open_outputs, kit.responses("web1")) == (1, [])
    kit.streams.resume(said_by("after"))
    kit.streams.stream_data(said_by("after"), 0, " three")
    kit.streams.stream_ended(said_by("after"), True)
    assert (only(kit).text, only(kit).reasoning) == ("one two three", "")


def test_who_stops_it_is_heard_by_the_socket_by_which_it_goes_on(kit: Kit, sid: str, tab: str) -> None:
    kit.streams.stream_data(said_by(tab), 0, "one")
    kit.disconnect(tab)
    link = kit.extension(X, features=frozenset({"resume", "cancel"}))
    (after,) = kit.sessions.callers(X, "/llm")
    kit.streams.resume(said_by(after.sid))
    result_of(kit.cancelling.cancel(kit.caller(sid), Which(request_id="r1")))
    assert link.stops == [("r1", ["o1"], "cancelled")]


def test_what_is_over_or_was_never_begun_is_unknown(kit: Kit, sid: str, tab: str) -> None:
    for output in ("o1", "o9"):
        with pytest.raises(NotFound, match="Unknown output"):
            kit.streams.resume(said_by(tab, output))
        begin(kit, "text")
        end(kit)
    kit.submit(sid, "another", "r2")
    kit.streams.stream_data(Said(X, "s", "o2", "r2", tab), 0, "a")
    kit.disconnect(tab)
    kit.clock.pump([1.0] * 40)
    with pytest.raises(NotFound, match="Unknown output"):
        kit.streams.resume(Said(X, "s", "o2", "r2", "new"))


def test_a_hub_that_was_restarted_knows_none(kit: Kit, make_kit: Any, sid: str, tab: str) -> None:
    begin(kit, "text")
    after = make_kit(with_stores_of=kit)
    after.extension(X)
    with pytest.raises(NotFound, match="Unknown output"):
        after.streams.resume(named())


# --------------------------------------------------------------------------------------------------- further members


def test_further_members_are_kept_unless_they_are_too_large(kit: Kit, sid: str) -> None:
    begin(kit, "a")
    end(kit, "o1", extra={"tokens": 3})
    assert kit.outbox.bodies(sid, "NEW_MESSAGE")[0]["message"]["tokens"] == 3
    kit.change("streams", max_answer_extra_bytes=20)
    kit.submit(sid, "again", "r2")
    kit.streams.stream_started(named("o2", "r2"))
    kit.streams.stream_ended(named("o2", "r2"), True, Details(extra={"tokens": "x" * 30}))
    assert dict(kit.responses("web1")[1].extra) == {}


@pytest.mark.parametrize(("said", "shown"), [("length", "length"), (7, None)])
def test_why_it_ended_is_told_who_follows_outputs_and_nobody_else(
    kit: Kit, sid: str, said: object, shown: str | None
) -> None:
    follower, listener = kit.connect("web1", outputs=True), kit.connect("web1", stream_mode="plain")
    begin(kit, "a")
    end(kit, extra={"finishReason": said})
    (told,), (plain,) = (kit.outbox.bodies(each, "SERVER_STREAM_END") for each in (follower, listener))
    assert (told.get("finishReason"), plain.get("finishReason", "absent")) == (shown, "absent")
    for seconds in (0, 601):  # kept, then in the history
        kit.clock.advance(seconds)
        (found,) = result_of(kit.talk.resuming.resume(kit.caller(follower), None, None, [Wanted("o1")]))
        assert streams.resumed("e", [found])["outputs"][0].get("finishReason") == shown


def test_an_answer_that_goes_on_keeps_what_was_said_of_it(kit: Kit, sid: str) -> None:
    begin(kit, "a", details=Details(character=CORA))
    end(kit, extra={"n": 1})
    begin(kit, "b")
    kit.streams.stream_reasoning(named(), 0, "hm")
    end(kit)
    stored = only(kit)
    assert (stored.text, stored.reasoning, stored.character, stored.extra) == ("ab", "hm", CORA, {"n": 1})


def test_half_a_character_of_reasoning_beside_an_end_is_harmless(kit: Kit, sid: str) -> None:
    """An END has no reasoning: it was streamed."""
    begin(kit)
    kit.streams.stream_ended(named(), False, Details(reasoning="\ud83d"))
    kit.streams.answered(named(), "yes")
    assert (only(kit).text, only(kit).reasoning) == ("yes", "")


def test_an_answer_that_goes_on_and_ends_with_no_more_to_follow_ends_the_request(kit: Kit, sid: str) -> None:
    begin(kit, "a")
    end(kit, more=True)
    begin(kit, "b")
    end(kit)
    assert (only(kit).text, kit.statuses(sid)[-1]) == ("ab", "completed")


def test_a_reset_of_the_reasoning_leaves_half_a_character_of_the_text(kit: Kit, sid: str) -> None:
    begin(kit, "a\ud83d")
    kit.streams.stream_reasoning(named(), 0, "hm")
    kit.streams.stream_reset(named(), 0, True)
    kit.streams.stream_data(named(), None, "\ude00")
    end(kit)
    assert (only(kit).text, only(kit).reasoning) == ("a\U0001f600", "")


@pytest.mark.parametrize("reasoning", [False, True])
def test_who_takes_back_the_second_half_of_a_character_says_another(kit: Kit, sid: str, reasoning: bool) -> None:
    say = kit.streams.stream_reasoning if reasoning else kit.streams.stream_data
    say(named(), None, "a\U0001f600")
    kit.streams.stream_reset(named(), 2, reasoning)
    say(named(), None, "\ude01")
    end(kit)
    assert (only(kit).reasoning if reasoning else only(kit).text) == "a\U0001f601"


def test_what_is_said_of_no_output_is_nothing(kit: Kit, sid: str) -> None:
    kit.streams.stream_ended(named("o9", None), True, Details(more=True))
    kit.streams.stream_started(Said(X, "s", "o", "unknown"), Details(character=CORA))
    assert kit.responses("web1") == []
