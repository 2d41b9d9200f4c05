"""Upstream streams as the real extension and the documentation send them (contract 5.5, 5.6, 5.8; scenarios 45-54)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from hubkit import Kit, Link, Sent, failure_of, result_of, utf16_units
from logkit import Logged
from newage.domain.history import Change
from newage.domain.model import Message, Role
from newage.domain.open_text import OpenText
from newage.domain.output import StreamSettings
from newage.domain.text import well_formed
from newage.ports import ISessionListener, IUpstream, Said
from newage.services.sessions.sessions import SessionSettings

X = "SillyTavern-8000"


@pytest.fixture
def link(kit: Kit) -> Link:
    return kit.extension(X, capacity=16)


@pytest.fixture
def sid(kit: Kit, link: Link) -> str:
    """A plain client with one request, r1, at the extension."""
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid, "question", "r1")
    kit.outbox.clear()
    return sid


def data(
    kit: Kit, text: str, stream: str = "s1", output: str | None = "o1", index: int | None = None, **more: Any
) -> None:
    kit.streams.stream_data(Said(more.get("who", X), stream, output, more.get("request")), index, text)


def start(kit: Kit, stream: str = "s1", output: str = "o1", request: str | None = None) -> None:
    kit.streams.stream_started(Said(X, stream, output, request))


def end(kit: Kit, stream: str = "s1", output: str = "o1", final: bool | None = None) -> None:
    kit.streams.stream_ended(Said(X, stream, output), final)


def docs_stream(kit: Kit, text: str, stream: str = "s1", output: str = "o1", chunks: int = 12) -> None:
    start(kit, stream, output)
    size = -(-len(text) // chunks)
    for index in range(chunks):
        data(kit, text[index * size : (index + 1) * size], stream, output, index)
    end(kit, stream, output)


def texts(kit: Kit, room: str = "web1") -> list[str]:
    return [message.text for message in kit.responses(room)]


def streamed(kit: Kit, sid: str) -> str:
    return "".join(body["data"] for body in kit.outbox.bodies(sid, "SERVER_STREAM_DATA"))


def ends(kit: Kit, sid: str) -> list[tuple[str, bool]]:
    return [(body["data"], body["failed"]) for body in kit.outbox.bodies(sid, "SERVER_STREAM_END")]


def test_it_is_the_upstream_and_listens(kit: Kit) -> None:
    for interface in (IUpstream, ISessionListener):
        assert verifyObject(interface, kit.streams)


# -------------------------------------------------------------------------------------------------- the real extension

TOKENS = ["Hi \U0001f600", "", ",", " wie", " geht's\U0001f468\u200d\U0001f469\u200d\U0001f467", "?", "\n", "ok"]


def test_a_stream_per_token_is_one_output(kit: Kit, sid: str) -> None:
    for token in TOKENS * 3:
        kit.token(token, "o1")
    whole = "".join(TOKENS * 3)
    assert streamed(kit, sid) == whole
    assert texts(kit) == []
    kit.clock.pump([0.25] * 9)
    assert texts(kit) == [whole]
    assert ends(kit, sid) == [(whole, False)]
    assert kit.statuses(sid) == ["completed"]
    assert kit.outbox.names(sid).count("LLM_RESPONSE") == kit.outbox.names(sid).count("NEW_MESSAGE") == 1


def test_nothing_empty_and_no_half_character_is_passed_on(kit: Kit, sid: str) -> None:
    kit.token("a\U0001f600b", "o1")
    chunks = [body["data"] for body in kit.outbox.bodies(sid, "SERVER_STREAM_DATA")]
    assert chunks == ["a", "\U0001f600", "b"]


def test_tokens_that_keep_coming_keep_the_output_open(kit: Kit, sid: str) -> None:
    for _ in range(10):
        kit.token("x", "o1")
        kit.clock.pump([0.25] * 7)
    assert texts(kit) == []
    kit.clock.advance(0.25)
    assert texts(kit) == ["x" * 10]


def test_the_idle_time_is_a_setting(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(stream_idle_finalize_ms=500))
    kit.extension(X)
    kit.submit(kit.connect("web1"))
    kit.token("x", "o1")
    kit.clock.pump([0.25] * 2)
    assert texts(kit) == ["x"]


def test_the_stored_answer_tells_where_it_comes_from(kit: Kit, sid: str) -> None:
    kit.token("answer", "o1")
    kit.clock.pump([0.25] * 9)
    message = kit.responses("web1")[0]
    assert (message.identity, message.client_id, message.role, message.streamed) == (X, X, "assistant", True)
    assert (message.request_id, message.output_id, message.data) == ("r1", "o1", "answer")
    response = kit.outbox.bodies(sid, "LLM_RESPONSE")[0]
    assert response == {
        "requestId": "r1",
        "responseId": message.response_id,
        "messageId": message.message_id,
        "outputId": "o1",
        "roomName": "web1",
        "identity": X,
        "clientId": X,
        "message": "answer",
        "data": "answer",
        "streamed": True,
    }


def test_the_next_output_ends_the_one_before_and_belongs_to_the_next_request(kit: Kit, sid: str) -> None:
    kit.submit(sid, "second", "r2")
    kit.token("first answer", "o1")
    kit.token("second answer", "o2")
    assert texts(kit) == ["first answer"]
    kit.clock.pump([0.25] * 9)
    assert [(m.request_id, m.text) for m in kit.responses("web1")] == [("r1", "first answer"), ("r2", "second answer")]


def test_an_answer_resumed_after_its_end_is_an_edit(kit: Kit, sid: str) -> None:
    kit.token("one", "o1")
    kit.clock.pump([0.25] * 9)
    kit.token(" two", "o1")
    kit.clock.pump([0.25] * 9)
    assert texts(kit) == ["one two"]
    assert kit.outbox.names(sid).count("NEW_MESSAGE") == kit.outbox.names(sid).count("LLM_RESPONSE") == 1
    update = kit.outbox.bodies(sid, "MESSAGE_UPDATED")[0]
    assert (update["message"]["message"], update["message"]["data"]) == ("one two", "one two")
    assert ends(kit, sid) == [("one", False), ("one two", False)]
    assert [b["chunkIndex"] for b in kit.outbox.bodies(sid, "SERVER_STREAM_DATA")] == list(range(7))
    assert [b.get("reopened") for b in kit.outbox.bodies(sid, "SERVER_STREAM_END")] == [None, True]
    assert kit.statuses(sid) == ["completed"]


def test_what_goes_on_before_it_is_stored_has_not_ended_to_its_readers(kit: Kit, sid: str) -> None:
    kit.gate.shut = True
    kit.token("one", "o1")
    kit.clock.pump([0.25] * 9)
    kit.token(" two", "o1")
    kit.gate.open()
    assert ends(kit, sid) == []
    kit.clock.pump([0.25] * 9)
    assert ends(kit, sid) == [("one two", False)]
    (end,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (end["stored"], end.get("reopened")) == (True, None)


def test_what_is_not_stored_says_so_at_its_end_and_the_next_one_is_stored_again(kit: Kit, sid: str) -> None:
    kit.gate.broken = True
    docs_stream(kit, "lost")
    kit.gate.broken = False
    kit.submit(sid, "again", "r2")
    docs_stream(kit, "kept", "s2", "o2")
    assert [(b["data"], b["failed"], b["stored"]) for b in kit.outbox.bodies(sid, "SERVER_STREAM_END")] == [
        ("lost", False, False),
        ("kept", False, True),
    ]
    assert texts(kit) == ["kept"]
    assert kit.statuses(sid, "r1")[-1] == "failed"
    assert [body["message"] for body in kit.outbox.bodies(sid, "ERROR")] == ["The answer could not be stored."]


def test_an_answer_resumed_before_it_is_stored_is_in_order(kit: Kit, sid: str) -> None:
    kit.gate.shut = True
    kit.token("one", "o1")
    kit.clock.pump([0.25] * 9)
    kit.token(" two", "o1")
    kit.clock.pump([0.25] * 9)
    kit.token(" three", "o1")
    kit.gate.open()
    kit.clock.pump([0.25] * 9)
    assert texts(kit) == ["one two three"]
    names = [n for n in kit.outbox.names(sid) if n in ("NEW_MESSAGE", "MESSAGE_UPDATED")]
    assert names == ["NEW_MESSAGE", "MESSAGE_UPDATED", "MESSAGE_UPDATED"]


def test_too_late_is_too_late(kit: Kit, sid: str) -> None:
    kit.token("one", "o1")
    kit.clock.pump([0.25] * 9)
    kit.clock.pump([1] * 62)
    kit.token(" two", "o1")
    kit.clock.pump([0.25] * 9)
    assert texts(kit) == ["one"]


def test_the_tail_is_a_setting(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(output_tail_seconds=5))
    kit.extension(X)
    kit.submit(kit.connect("web1"))
    docs_stream(kit, "x" * 12)
    kit.clock.pump([0.25] * 21)
    assert kit.clock.getDelayedCalls()  # the sweeps of others
    data(kit, "late", "s9", "o1")
    assert kit.streams.open_outputs == 0


# --------------------------------------------------------------------------------------------------- the documentation


def test_one_stream_of_twelve_chunks_is_stored_at_its_end(kit: Kit, sid: str) -> None:
    docs_stream(kit, "The quick brown fox jumps.")
    assert texts(kit) == ["The quick brown fox jumps."]
    assert ends(kit, sid) == [("The quick brown fox jumps.", False)]


def test_a_slow_stream_of_few_chunks_is_stored_at_its_end(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "slow")
    kit.clock.advance(0.2)
    end(kit)
    assert texts(kit) == ["slow"]


def test_a_short_quick_stream_waits(kit: Kit, sid: str) -> None:
    start(kit)
    for index in range(8):
        data(kit, "x", index=index)
    kit.clock.advance(0.19)
    end(kit)
    assert texts(kit) == []


def test_what_counts_as_long_are_settings(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(stream_long_chunks=1, stream_long_ms=50))
    kit.extension(X)
    sid = kit.connect("web1")
    kit.submit(sid, "a", "r1")
    docs_stream(kit, "ab", chunks=2)
    kit.submit(sid, "b", "r2")
    start(kit, "s2", "o2")
    data(kit, "c", "s2", "o2")
    kit.clock.advance(0.05)
    end(kit, "s2", "o2")
    assert texts(kit) == ["ab", "c"]


def test_an_end_may_be_declared_final_or_not(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "done")
    end(kit, final=True)
    assert texts(kit) == ["done"]
    kit.submit(sid, "second", "r2")
    start(kit, "s2", "o2")
    kit.clock.advance(1)
    data(kit, "not done", "s2", "o2")
    end(kit, "s2", "o2", final=False)
    assert texts(kit) == ["done"]
    kit.clock.pump([0.25] * 9)
    assert texts(kit) == ["done", "not done"]


def test_a_final_end_of_another_stream_ends_the_pending_output(kit: Kit, sid: str) -> None:
    kit.token("done", "o1")
    kit.streams.stream_ended(Said(X, "unheard-of", "o1"), True)
    assert texts(kit) == ["done"]


def test_parallel_outputs_do_not_end_each_other(kit: Kit, sid: str) -> None:
    kit.submit(sid, "second", "r2")
    start(kit, "s1", "o1", "r1")
    data(kit, "a", "s1", "o1")
    start(kit, "s2", "o2", "r2")
    data(kit, "b", "s2", "o2")
    data(kit, "A", "s1", "o1")
    data(kit, "B", "s2", "o2")
    assert kit.streams.open_outputs == 2
    end(kit, "s2", "o2", final=True)
    end(kit, "s1", "o1", final=True)
    assert [(m.request_id, m.text) for m in kit.responses("web1")] == [("r2", "bB"), ("r1", "aA")]


def test_two_streams_of_one_output_are_one_text_in_order_of_arrival(kit: Kit, sid: str) -> None:
    start(kit, "s1")
    start(kit, "s2")
    data(kit, "a", "s1")
    data(kit, "b", "s2")
    end(kit, "s1")
    kit.clock.pump([0.25] * 20)
    assert texts(kit) == []  # one is still open
    data(kit, "c", "s2")
    end(kit, "s2", final=False)
    kit.clock.pump([0.25] * 9)
    assert texts(kit) == ["abc"]


def test_the_downstream_form_names_the_first_upstream_stream(kit: Kit, sid: str) -> None:
    docs_stream(kit, "x" * 12, stream="first-stream")
    body = kit.outbox.bodies(sid, "SERVER_STREAM_DATA")[0]
    assert body == {
        "type": 2,
        "streamId": "first-stream",
        "outputId": "o1",
        "requestId": "r1",
        "source": "server",
        "roomName": "web1",
        "identity": X,
        "chunkIndex": 0,
        "data": "x",
    }


# ------------------------------------------------------------------------------------------------------- odd sequences


def test_data_of_an_unknown_stream_starts_it_if_the_output_is_named(kit: Kit, sid: str) -> None:
    data(kit, "hello", "s1", "o1", 0)
    data(kit, " you", "s1", None, 1)
    end(kit, final=True)
    assert texts(kit) == ["hello you"]


def test_data_of_an_unknown_stream_without_an_output_is_dropped(kit: Kit, sid: str) -> None:
    data(kit, "hello", "s1", None)
    assert kit.streams.open_outputs == 0
    assert streamed(kit, sid) == ""


def test_a_second_start_changes_nothing(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "a", index=0)
    start(kit)
    start(kit, output="another")
    data(kit, "a", index=0)
    data(kit, "b", index=1)
    end(kit, final=True)
    assert texts(kit) == ["ab"]


def test_a_second_end_changes_nothing(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "a")
    end(kit, final=True)
    end(kit, final=True)
    end(kit, "unknown")
    assert texts(kit) == ["a"]


def test_repeated_chunks_are_dropped_and_gaps_may_be_filled_once(kit: Kit, sid: str) -> None:
    start(kit)
    for index, text in [(0, "a"), (0, "a"), (3, "d"), (1, "b"), (1, "b"), (3, "d"), (4, "e")]:
        data(kit, text, index=index)
    assert streamed(kit, sid) == "adbe"


def test_chunks_without_an_index_are_appended(kit: Kit, sid: str) -> None:
    start(kit)
    for text in "aab":
        data(kit, text)
    assert streamed(kit, sid) == "aab"


def test_remembered_gaps_are_limited(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_chunk_gaps=3))
    kit.extension(X)
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid)
    start(kit)
    data(kit, "z", index=10**12)
    for index in (3, 1, 0, 0):
        data(kit, str(index), index=index)
    assert streamed(kit, sid) == "z310"
    for index in range(10**12 + 2, 10**12 + 9, 2):
        data(kit, "y", index=index)
    told_failed(kit, sid, "Too many chunks are missing.")


def test_an_orphan_half_is_replaced_when_the_output_ends(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "a\ud83d")
    assert streamed(kit, sid) == "a"
    end(kit, final=True)
    assert streamed(kit, sid) == "a\ufffd"
    assert texts(kit) == ["a\ufffd"]


def test_halves_join_across_streams(kit: Kit, sid: str) -> None:
    data(kit, "\ud83d", "s1", "o1", 0)
    end(kit)
    data(kit, "\ude00", "s2", "o1", 0)
    assert streamed(kit, sid) == "\U0001f600"


def test_an_output_outlives_what_is_known_of_its_request(kit: Kit, sid: str) -> None:
    """The first answer ends the request; the second goes on, named by it, when its tail is over."""
    kit.streams.stream_started(Said(X, "s0", "o1", "r1"))
    kit.streams.stream_started(Said(X, "s1", "o2", "r1"))
    kit.streams.stream_ended(Said(X, "s1", "o2", "r1"), True)
    for _ in range(80):
        data(kit, "x", "s0", "o1", request="r1")
        kit.streams.stream_ended(Said(X, "s0", "o1", "r1"), False)
        kit.streams.stream_started(Said(X, "s0", "o1", "r1"))
        kit.clock.pump([1])
        kit.ledger.sweep()
    kit.streams.stream_ended(Said(X, "s0", "o1", "r1"), True)
    assert kit.ledger.get("web1", "r1") is None
    assert texts(kit)[-1] == "x" * 80


def test_an_output_without_text_is_an_answer_all_the_same(kit: Kit, sid: str) -> None:
    start(kit)
    end(kit, final=True)
    assert texts(kit) == [""]
    assert kit.statuses(sid) == ["completed"]


def test_a_stream_for_no_request_is_dropped(kit: Kit, link: Link) -> None:
    docs_stream(kit, "unasked for")
    assert kit.streams.open_outputs == 0
    assert kit.responses("web1") == []


@given(st.text(), st.lists(st.integers(0, 200), max_size=20), st.booleans())
@hypothesis_settings(max_examples=40, deadline=None)
def test_any_text_cut_anywhere_arrives_whole(text: str, cuts: list[int], per_token: bool) -> None:
    kit = Kit()
    kit.extension(X)
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid, "question", "r1")
    units = utf16_units(text)
    bounds = sorted({0, len(units), *(cut % (len(units) + 1) for cut in cuts)})
    for number, (a, b) in enumerate(pairwise(bounds)):
        if per_token:
            kit.streams.stream_started(Said(X, f"s{number}", "o1"))
        data(kit, "".join(units[a:b]), f"s{number}" if per_token else "s", "o1", 0 if per_token else number)
        if per_token:
            end(kit, f"s{number}", final=False)
    if text:
        kit.streams.stream_ended(Said(X, "any", "o1"), True) if per_token else end(kit, "s", final=True)
        assert texts(kit) == [well_formed(text)]
        assert ends(kit, sid) == [(well_formed(text), False)]
    assert streamed(kit, sid) == text
    kit.close()


# -------------------------------------------------------------------------------------------------------------- limits


@st.composite
def interleavings(draw: st.DrawFn) -> tuple[list[tuple[str, bool]], list[int]]:
    """Up to 40 outputs, each its text and whether it has a stream per token, and whose turn it is to send a token."""
    outputs = draw(st.lists(st.tuples(st.text("aä\U0001f600", max_size=12), st.booleans()), min_size=1, max_size=40))
    turns = [number for number, (text, _) in enumerate(outputs) for _ in text]
    return outputs, draw(st.permutations(turns))


@given(interleavings(), st.integers(1, 4), st.integers(1, 6), st.sampled_from([9, 20, 1000]), st.integers(1, 50))
@hypothesis_settings(max_examples=60, deadline=None)
def test_what_is_completed_holds_all_that_was_sent(
    sent: tuple[list[tuple[str, bool]], list[int]], outputs: int, streams: int, max_bytes: int, ended: int
) -> None:
    """However many answers there are at once and however small the limits (A23)."""
    kit = Kit(
        streams=StreamSettings(
            max_outputs_per_extension=outputs,
            max_streams_per_extension=streams,
            max_output_bytes=max_bytes,
            max_ended_outputs_per_extension=ended,
        )
    )
    kit.extension(X, capacity=99)
    asked = [text for text, _ in sent[0]]
    for number in range(len(asked)):
        kit.submit(kit.connect(f"asker{number}"), "q", f"r{number}")
    said = [0] * len(asked)
    for count, number in enumerate(sent[1]):
        at, said[number] = said[number], said[number] + 1
        text, per_token = sent[0][number]
        stream = f"s{count}" if per_token else f"whole{number}"
        name = Said(X, stream, f"o{number}", f"r{number}")
        if per_token or at == 0:
            kit.streams.stream_started(name)
        kit.streams.stream_data(name, 0 if per_token else at, text[at])
        if per_token or said[number] == len(text):
            kit.streams.stream_ended(name, None if per_token else True)
    kit.clock.pump([1] * 130)
    for number, text in enumerate(asked):
        request = kit.ledger.get(f"asker{number}", f"r{number}")
        for response in kit.responses(f"asker{number}"):
            assert response.failed or response.text == text
            assert text.startswith(response.text)
        assert text == "" or request is None or not request.live
    kit.close()


def test_an_output_is_limited_in_bytes(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_output_bytes=10))
    kit.extension(X)
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid)
    start(kit)
    data(kit, "12345")
    data(kit, "äöü")
    data(kit, "more")
    assert kit.statuses(sid)[-1] == "failed"
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("12345äöü", True)]
    data(kit, "even more", "s2")
    assert kit.streams.open_outputs == 0


def test_an_output_that_is_resumed_again_and_again_is_limited_too(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_output_bytes=10))
    kit.extension(X)
    kit.submit(kit.connect("web1"))
    for number in range(8):
        start(kit, f"s{number}")
        data(kit, "äö", f"s{number}")
        end(kit, f"s{number}", final=True)
    assert len(texts(kit)[0].encode()) <= 16


def test_a_non_stream_answer_is_limited_in_bytes(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_output_bytes=10))
    kit.extension(X)
    kit.submit(kit.connect("web1"), "q", "r1")
    sid = kit.sessions.sids("web1", "/llm")[0]
    kit.streams.answered(Said(X, request="r1"), "äöüäöüäöü")
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("äöüäö", True)]
    assert kit.statuses(sid)[-1] == "failed"
    assert [body["message"] for body in kit.outbox.bodies(sid, "ERROR")] == ["The answer is too large."]


def told_failed(kit: Kit, sid: str, why: str) -> None:
    """END, status and ERROR say so, the last one in words."""
    assert [failed for _, failed in ends(kit, sid)] == [True]
    assert kit.statuses(sid)[-1] == "failed"
    assert [body["message"] for body in kit.outbox.bodies(sid, "ERROR")] == [why]


def test_an_output_with_too_many_streams_fails_in_words(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_streams_per_extension=2))
    kit.extension(X)
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid)
    for number in range(3):
        start(kit, f"s{number}")
        data(kit, str(number), f"s{number}")
    told_failed(kit, sid, "Too many streams at once.")
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("01", True)]


def test_an_output_too_many_fails_in_words_and_its_late_chunks_open_nothing(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_outputs_per_extension=2))
    kit.extension(X, capacity=16)
    sid = kit.connect("web1", stream_mode="plain")
    for number in range(3):
        kit.submit(sid, "q", f"r{number}")
    kit.outbox.clear()
    for number in range(3):
        kit.streams.stream_started(Said(X, f"s{number}", f"o{number}", f"r{number}"))
        data(kit, f"{number}a", f"s{number}", f"o{number}", request=f"r{number}")
    told_failed(kit, sid, "Too many answers at once.")
    for number in range(3):
        end(kit, f"s{number}", f"o{number}", final=True)
        data(kit, "late", "s2", "o2", request="r2")
    kit.clock.advance(200)
    data(kit, "very late", "s2", "o2", request="r2")
    kit.clock.pump([1] * 9)
    assert texts(kit) == ["0a", "1a"]


def test_late_data_that_finds_no_place_fail_what_seemed_complete(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_outputs_per_extension=1))
    kit.extension(X, capacity=16)
    sid = kit.connect("web1", stream_mode="plain")
    for number in (1, 2):
        kit.submit(sid, "q", f"r{number}")
    kit.streams.stream_started(Said(X, "s1", "o1", "r1"))
    data(kit, "half", "s1")
    end(kit, "s1", final=True)
    kit.streams.stream_started(Said(X, "s2", "o2", "r2"))
    data(kit, " rest", "s3")
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("half", True)]


def test_ended_outputs_are_remembered_up_to_a_number(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(max_ended_outputs_per_extension=2))
    kit.extension(X)
    sid = kit.connect("web1")
    for number in range(3):
        kit.submit(sid, "q", f"r{number}")
        docs_stream(kit, "x" * 12, f"s{number}", f"o{number}")
    for output in ("o0", "o2"):
        data(kit, "late", "s9", output)
    assert kit.streams.open_outputs == 1


def test_an_output_that_falls_silent_fails(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "half")
    kit.clock.pump([1] * 119)
    assert kit.streams.open_outputs == 1
    kit.clock.pump([1] * 2)
    assert ends(kit, sid) == [("half", True)]
    assert kit.statuses(sid) == ["failed"]
    assert kit.outbox.bodies(sid, "ERROR")[0]["message"] == "The extension fell silent."


def test_the_silence_is_a_setting(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(streams=StreamSettings(output_idle_seconds=2))
    kit.extension(X)
    kit.submit(kit.connect("web1"))
    start(kit)
    kit.clock.pump([0.25] * 8)
    assert kit.streams.open_outputs == 0


def test_a_shorter_silence_holds_for_outputs_that_are_open(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "half")
    kit.change("streams", output_idle_seconds=2)
    kit.clock.advance(2)
    assert ends(kit, sid) == [("half", True)]


def test_a_shorter_idle_time_holds_for_outputs_that_wait(kit: Kit, sid: str) -> None:
    kit.token("x", "o1")
    kit.change("streams", stream_idle_finalize_ms=100)
    kit.clock.advance(0.1)
    assert texts(kit) == ["x"]


def test_what_a_shorter_time_has_passed_already_is_over_at_once(kit: Kit, sid: str) -> None:
    kit.token("x", "o1")
    kit.clock.advance(1)
    kit.change("streams", stream_idle_finalize_ms=500, output_tail_seconds=1)
    assert texts(kit) == ["x"]
    kit.clock.advance(1)
    assert kit.streams.known_extensions == 0


def test_an_idle_hub_has_no_sweep(kit: Kit, sid: str, make_kit: Callable[..., Kit]) -> None:
    docs_stream(kit, "x" * 12)
    kit.clock.pump([1] * 70 + [600])  # the output is kept so long
    assert kit.streams.known_extensions == 0
    assert len(kit.clock.getDelayedCalls()) == len(make_kit().clock.getDelayedCalls())


# ------------------------------------------------------------------------------------------------------------ failures


def test_a_failed_stream_fails_the_output_and_keeps_what_came(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "half")
    kit.streams.stream_failed(Said(X, "s1", "o1"))
    kit.streams.stream_failed(Said(X, "s1", "o1"))
    assert ends(kit, sid) == [("half", True)]
    assert kit.statuses(sid) == ["failed"]
    assert len(kit.outbox.bodies(sid, "ERROR")) == 1
    message = kit.responses("web1")[0]
    assert (message.text, message.failed) == ("half", True)
    assert kit.outbox.bodies(sid, "NEW_MESSAGE")[0]["message"]["failed"] is True
    data(kit, "late", "s2")
    assert streamed(kit, sid) == "half"


def test_a_failed_stream_may_be_named_by_its_output(kit: Kit, sid: str) -> None:
    kit.token("half", "o1")
    kit.streams.stream_failed(Said(X, "unknown", "o1"))
    assert kit.statuses(sid) == ["failed"]
    kit.streams.stream_failed(Said(X, "unknown"))
    kit.streams.stream_failed(Said(X, "unknown", "unknown"))


def test_nothing_is_stored_of_nothing(kit: Kit, sid: str) -> None:
    start(kit)
    kit.streams.stream_failed(Said(X, "s1", "o1"))
    assert kit.responses("web1") == []


def test_an_error_of_the_extension_ends_its_stream(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "half")
    for _ in range(2):
        kit.streams.failed(Said(X, request="r1"), "CUDA out of memory", None)
    assert ends(kit, sid) == [("half", True)]
    assert kit.statuses(sid) == ["failed"]
    assert [b["message"] for b in kit.outbox.bodies(sid, "ERROR")] == ["CUDA out of memory"]


def test_an_error_of_one_request_leaves_the_other_alone(kit: Kit, sid: str) -> None:
    kit.submit(sid, "second", "r2")
    start(kit, "s1", "o1", "r1")
    start(kit, "s2", "o2", "r2")
    kit.streams.failed(Said(X, request="r1"), "no", None)
    assert kit.streams.open_outputs == 1


def test_an_extension_that_dies_in_the_middle(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "half")
    kit.disconnect_all(X)
    assert ends(kit, sid) == [("half", True)]
    assert [b["message"] for b in kit.outbox.bodies(sid, "ERROR")] == ["SillyTavern extension disconnected."]
    assert kit.statuses(sid) == ["failed"]
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("half", True)]
    kit.clock.pump([1] * 70)
    data(kit, "ghost")
    assert streamed(kit, sid) == "half"


def test_an_extension_that_dies_of_the_end_of_its_last_output_fails_the_next_one(kit: Kit, sid: str) -> None:
    """Its own socket may be cut off by what it is sent: the next output has begun by then."""
    kit.submit(sid, "second", "r2")
    kit.token("first", "o1")

    def sent(what: Sent) -> None:
        if what.event == "SERVER_STREAM_END":
            kit.outbox.on_sent = None
            kit.disconnect_all(X)

    kit.outbox.on_sent = sent
    start(kit, "s2", "o2")
    assert ends(kit, sid) == [("first", False), ("", True)]
    assert kit.streams.open_outputs == kit.downstream.open_forms == 0
    assert kit.statuses(sid, "r2")[-1] == "failed"


# ------------------------------------------------------------------------------------------------- a hub that is killed


def restarted(kit: Kit) -> Kit:
    """As it is after a kill: what was on its way is lost."""
    return Kit(with_stores_of=kit)


def test_what_a_killed_hub_was_in_the_middle_of_is_a_failed_answer(kit: Kit, sid: str) -> None:
    kit.token("half ", "o1")
    kit.clock.advance(1)
    kit.token("an answer", "o1")
    kit.clock.advance(1)
    kit.token(", lost", "o1")
    for _ in range(2):  # once
        again = restarted(kit)
        (found,) = again.responses("web1")
        assert (found.text, found.data, found.failed, found.streamed) == (
            "half an answer",
            "half an answer",
            True,
            True,
        )
        assert (found.identity, found.request_id, found.output_id, found.asker) == (X, "r1", "o1", "web1")
        assert found.question_id == again.stored("web1")[0].message_id
        again.close()


def test_a_killed_hub_finds_nothing_of_what_was_over(kit: Kit, sid: str) -> None:
    docs_stream(kit, "a whole answer")
    start(kit, "s2", "o2")
    kit.clock.advance(1)
    kit.streams.stream_failed(Said(X, "s2", "o2"))
    assert result_of(kit.open_output_store.load_texts()) == ()
    again = restarted(kit)
    assert [(m.text, m.failed) for m in again.responses("web1")] == [("a whole answer", False)]
    again.close()


@pytest.mark.parametrize(("how", "left"), [("nothing", ["half and more"]), ("edit", ["by hand"])])
def test_an_answer_that_was_going_on_when_the_hub_was_killed(kit: Kit, sid: str, how: str, left: list[str]) -> None:
    docs_stream(kit, "half")
    data(kit, " and more", "s2")
    kit.clock.advance(1)
    kit.open_gate.shut = True  # killed before more is put right
    if how != "nothing":
        by_hand(kit, how, kit.responses("web1")[0].message_id, sid)
    again = restarted(kit)
    assert [m.text for m in again.responses("web1")] == left
    again.close()


def test_what_is_left_of_a_room_that_is_gone_is_no_trouble(kit: Kit) -> None:
    answer = Message(message_id="m", room="gone", room_id="gone", seq=0, identity=X, role="assistant", output_id="o")
    result_of(kit.open_output_store.append_texts([OpenText("o", 0, "half", answer)]))
    again = restarted(kit)
    assert result_of(kit.open_output_store.load_texts()) == ()
    again.close()


# ------------------------------------------------------------------------------------------------------ sockets that go


def tab_token(kit: Kit, tab: str, text: str, number: int, output: str = "o1") -> None:
    """As the reference extension sends it, from one of its sockets."""
    name = Said(X, f"{output}-{number}", output, socket=tab)
    kit.streams.stream_started(name)
    kit.streams.stream_data(name, 0, text)
    kit.streams.stream_ended(name, None)


@pytest.fixture
def tabs(kit: Kit, sid: str) -> list[str]:
    """The sockets of two tabs of the extension; the second was there first."""
    kit.connect(X, client_type="SillyTavern", link=Link())
    first, second = kit.sessions.sids(X, "/llm")
    return [second, first]


def test_half_an_answer_is_not_complete_when_its_tab_closes_and_another_one_stays(
    kit: Kit, sid: str, tabs: list[str]
) -> None:
    tab_token(kit, tabs[0], "half", 1)
    kit.disconnect(tabs[0])
    kit.clock.pump([0.5] * 19)
    assert ends(kit, sid) == []
    kit.clock.advance(0.5)
    (last,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (last["data"], last["failed"], last["partial"], last["stored"]) == ("half", True, True, True)
    assert kit.statuses(sid)[-1] == "failed"
    assert [body["message"] for body in kit.outbox.bodies(sid, "ERROR")] == ["SillyTavern extension disconnected."]
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("half", True)]


def test_an_answer_that_goes_on_by_another_socket_within_the_grace_is_whole(
    kit: Kit, sid: str, tabs: list[str]
) -> None:
    tab_token(kit, tabs[0], "half", 1)
    kit.disconnect_all(X)
    kit.clock.pump([1] * 8)
    kit.connect(X, client_type="SillyTavern", link=Link())
    tab_token(kit, kit.sessions.sids(X, "/llm")[0], " and half", 2)
    kit.clock.pump([1] * 20)
    assert ends(kit, sid) == [("half and half", False)]
    assert kit.statuses(sid)[-1] == "completed"


def test_an_extension_that_does_not_come_back_fails_what_it_was_at(kit: Kit, sid: str, tabs: list[str]) -> None:
    tab_token(kit, tabs[0], "half", 1)
    kit.disconnect_all(X)
    kit.clock.pump([1] * 11)
    assert ends(kit, sid) == [("half", True)]
    assert kit.streams.open_outputs == 0


def test_without_a_grace_what_was_in_the_middle_fails_at_once(make_kit: Callable[..., Kit]) -> None:
    kit = make_kit(sessions=SessionSettings(extension_grace_ms=0))
    kit.extension(X)
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid, "q", "r1")
    tab_token(kit, kit.sessions.sids(X, "/llm")[0], "half", 1)
    kit.disconnect_all(X)
    assert ends(kit, sid) == [("half", True)]


@pytest.mark.parametrize(("instance", "over"), [("b", True), ("a", False), ("", False)])
def test_what_a_page_was_in_the_middle_of_fails_at_once_where_another_page_has_replaced_it(
    make_kit: Callable[..., Kit], instance: str, over: bool
) -> None:
    """The same page on a new line goes on with it; without an instance it may be the same one."""
    kit = make_kit()
    older = kit.connect(X, client_type="SillyTavern", link=Link(), exclusive=True, instance="a")
    sid = kit.connect("web1", stream_mode="plain")
    kit.submit(sid, "q", "r1")
    tab_token(kit, older, "half", 1)
    kit.connect(X, client_type="SillyTavern", link=Link(), exclusive=True, instance=instance)
    kit.disconnect(older)
    assert ends(kit, sid) == ([("half", True)] if over else [])


@pytest.fixture
def answered(kit: Kit, sid: str) -> Message:
    """The answer "half" is over and stored, for what follows to go on with."""
    docs_stream(kit, "half")
    kit.outbox.clear()
    return kit.responses("web1")[0]


def by_hand(kit: Kit, how: str, message_id: str, sid: str) -> None:
    """What people do to an answer."""
    who = kit.caller(sid)
    if how == "edit":
        result_of(kit.editing.edit(who, "web1", message_id, Change(text="by hand")))
    elif how == "delete":
        result_of(kit.editing.delete(who, "web1", [message_id]))
    else:
        result_of(kit.editing.clear(who, "web1", requests=False, responses=True))


HANDS = [("edit", ["by hand"]), ("delete", []), ("clear", [])]


@pytest.mark.parametrize(("how", "left"), HANDS)
def test_an_answer_stays_as_the_hand_left_it_whatever_comes_late(
    kit: Kit, sid: str, answered: Message, how: str, left: list[str]
) -> None:
    by_hand(kit, how, answered.message_id, sid)
    kit.outbox.clear()
    for number in range(3):
        kit.token(f" late {number}", "o1")
    kit.clock.pump([0.25] * 9)
    kit.streams.answered(Said(X, output="o1"), "all of it again")
    kit.clock.pump([0.25] * 9)
    assert texts(kit) == left
    assert {"SERVER_STREAM_DATA", "MESSAGE_UPDATED", "NEW_MESSAGE", "message"}.isdisjoint(kit.outbox.names(sid))


@pytest.mark.parametrize(("how", "left"), HANDS)
def test_an_answer_that_goes_on_ends_when_a_hand_takes_it(
    kit: Kit, sid: str, answered: Message, how: str, left: list[str]
) -> None:
    data(kit, " and", "s2")
    by_hand(kit, how, answered.message_id, sid)
    assert [failed for _, failed in ends(kit, sid)] == [True]
    data(kit, " more", "s2")
    end(kit, "s2", final=True)
    assert texts(kit) == left


@pytest.mark.parametrize(("how", "left"), HANDS)
def test_no_late_writer_wins_over_a_hand_however_slow_the_store(
    kit: Kit, sid: str, answered: Message, how: str, left: list[str]
) -> None:
    data(kit, " and more", "s2")
    kit.gate.shut = True
    write = {
        "edit": lambda: kit.editing.edit(kit.caller(sid), "web1", answered.message_id, Change(text="by hand")),
        "delete": lambda: kit.editing.delete(kit.caller(sid), "web1", [answered.message_id]),
        "clear": lambda: kit.editing.clear(kit.caller(sid), "web1", requests=False, responses=True),
    }[how]
    hand = Deferred.fromCoroutine(write())
    if how != "clear":
        kit.gate.step()  # it has been read; now both wait to be written
    end(kit, "s2", final=True)
    kit.gate.open()
    result_of(hand)
    assert texts(kit) == left


def test_an_edit_that_names_no_text_keeps_what_came_meanwhile(kit: Kit, sid: str, answered: Message) -> None:
    data(kit, " and more", "s2")
    kit.gate.shut = True
    edit = Deferred.fromCoroutine(
        kit.editing.edit(kit.caller(sid), "web1", answered.message_id, Change(extra={"star": 1}))
    )
    end(kit, "s2", final=True)
    kit.gate.step()
    kit.gate.open()
    result_of(edit)
    assert [(m.text, m.extra) for m in kit.responses("web1")] == [("half and more", {"star": 1})]


def test_a_hand_on_another_answer_or_in_another_room_ends_nothing(kit: Kit, sid: str, answered: Message) -> None:
    data(kit, " and", "s2")
    kit.connect("other")
    kit.streams.overwritten(kit.rooms.require("other"), None)
    kit.streams.overwritten(kit.rooms.require("web1"), ["another"])
    end(kit, "s2", final=True)
    assert texts(kit) == ["half and"]


def test_a_resumed_answer_that_fails_is_an_edit(kit: Kit, sid: str) -> None:
    docs_stream(kit, "x" * 12)
    data(kit, " and", "s2")
    kit.streams.stream_failed(Said(X, "s2", "o1"))
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("x" * 12 + " and", True)]
    assert kit.statuses(sid) == ["completed"]


def test_a_deleted_room_ends_its_streams(kit: Kit, link: Link) -> None:
    sid = kit.connect("ann", stream_mode="plain")
    kit.group("lounge", "ann")
    kit.submit(sid, "q", "r1", room="lounge")
    start(kit)
    data(kit, "half")
    result_of(kit.rooms.delete("lounge"))
    assert ends(kit, sid) == [("half", True)]
    data(kit, "more")
    end(kit, final=True)
    assert kit.streams.open_outputs == 0
    assert streamed(kit, sid) == "half"


def test_a_client_among_several_targets_hears_of_both(kit: Kit, sid: str) -> None:
    kit.extension("Other")
    kit.submit(sid, "both", "r2", targets=(X, "Other"))
    for who in (X, "Other"):
        kit.streams.stream_started(Said(who, "same-id", "same-output", "r2"))
        data(kit, f"{who} says", "same-id", "same-output", who=who)
        kit.streams.stream_ended(Said(who, "same-id", "same-output"), True)
    assert texts(kit) == [f"{X} says", "Other says"]
    assert kit.statuses(sid, "r2") == ["forwarded", "processing", "completed"]


# ---------------------------------------------------------------------------------------------------------- non-stream


def test_a_non_stream_answer_goes_to_the_room_under_the_original_id(kit: Kit, sid: str) -> None:
    kit.streams.answered(Said(X, output="o7", request="a-fresh-random-id"), "yes")
    message = kit.responses("web1")[0]
    assert kit.outbox.bodies(sid, "message") == [
        {
            "type": 0,
            "data": "yes",
            "source": "server",
            "requestId": "r1",
            "outputId": "o7",
            "roomName": "web1",
            "clientId": X,
            "identity": X,
            "responseId": message.response_id,
            "messageId": message.message_id,
        }
    ]
    names = [
        n for n in kit.outbox.names(sid) if n in ("NEW_MESSAGE", "message", "LLM_RESPONSE", "REQUEST_STATUS_UPDATE")
    ]
    assert names == ["NEW_MESSAGE", "message", "LLM_RESPONSE", "REQUEST_STATUS_UPDATE"]
    assert kit.outbox.bodies(sid, "LLM_RESPONSE")[0]["streamed"] is False
    assert message.output_id == "o7"


def test_an_answer_without_an_output_gets_one(kit: Kit, sid: str) -> None:
    kit.streams.answered(Said(X, request="r1"), "yes")
    assert len(kit.outbox.bodies(sid, "message")[0]["outputId"]) == 36


def test_an_answer_to_nothing_is_dropped(kit: Kit, link: Link) -> None:
    kit.streams.answered(Said(X, request="r9"), "yes")
    assert kit.outbox.emissions == []


def test_an_answer_ends_the_stream_of_its_output(kit: Kit, sid: str) -> None:
    kit.token("streamed", "o1")
    kit.streams.answered(Said(X, output="o1", request="r1"), "streamed")
    assert texts(kit) == ["streamed"]
    assert kit.outbox.bodies(sid, "message")[0]["data"] == "streamed"
    assert kit.statuses(sid) == ["completed"]


def test_an_answer_in_one_piece_completes_what_was_streamed_of_it(kit: Kit, sid: str) -> None:
    data(kit, "half")
    kit.streams.answered(Said(X, output="o1"), "half and half")
    assert (texts(kit), ends(kit, sid)) == (["half and half"], [("half and half", False)])
    assert streamed(kit, sid) == "half and half"
    kit.streams.answered(Said(X, output="o1"), "half and half")
    assert texts(kit) == ["half and half"]


def test_text_that_is_too_much_to_be_read_fails_what_it_may_be_of(kit: Kit, sid: str, logged: Logged) -> None:
    kit.streams.unreadable(Said(X, socket="tab"))
    assert len(logged()) == 1
    tab_token(kit, "tab", "half", 1)
    kit.streams.unreadable(Said(X, socket="another"))
    assert ends(kit, sid) == []
    kit.streams.unreadable(Said(X, socket="tab"))
    assert ends(kit, sid) == [("half", True)]
    assert [b["message"] for b in kit.outbox.bodies(sid, "ERROR")] == ["Part of the answer was too much to be read."]


def test_an_answer_under_another_output_ends_the_stream_and_is_a_second_response(kit: Kit, sid: str) -> None:
    kit.token("streamed", "o1")
    kit.streams.answered(Said(X, output="o2", request="r1"), "as a whole")
    assert texts(kit) == ["streamed", "as a whole"]
    assert kit.statuses(sid)[-1] == "completed"


def test_an_answer_for_a_failed_output_is_not_announced(kit: Kit, sid: str) -> None:
    start(kit)
    kit.streams.stream_failed(Said(X, "s1", "o1"))
    kit.streams.answered(Said(X, output="o1", request="r1"), "too late")
    assert kit.outbox.bodies(sid, "message") == []


def test_halves_in_an_answer_are_repaired(kit: Kit, sid: str) -> None:
    kit.streams.answered(Said(X, request="r1"), "a\ud83d\ude00b\ud83d")
    assert texts(kit) == ["a\U0001f600b\ufffd"]


# ------------------------------------------------------------------------------------------------------- presence, end


def test_stopping_to_process_ends_the_output(kit: Kit, sid: str) -> None:
    kit.submit(sid, "second", "r2")
    start(kit, "s1", "o1", "r1")
    start(kit, "s2", "o2", "r2")
    kit.streams.processing_stopped(Said(X, request="r1"))
    assert kit.streams.open_outputs == 1
    kit.streams.processing_stopped(Said(X))
    assert kit.streams.open_outputs == 0


def test_who_never_streamed_may_stop_and_leaves_no_trace(kit: Kit, sid: str) -> None:
    for stranger in ("web1", "web2"):
        kit.streams.processing_stopped(Said(stranger))
        kit.streams.stream_ended(Said(stranger, "s"), None)
        kit.streams.stream_failed(Said(stranger, "s"))
    assert kit.streams.known_extensions == 0


def test_the_room_sees_the_extension_idle_when_it_is_through(kit: Kit, sid: str) -> None:
    docs_stream(kit, "x" * 12)
    shown = [(b["identity"], b["status"]) for b in kit.outbox.bodies(sid, "MEMBER_STATUS_UPDATE")]
    assert shown == [(X, "idle")]


def test_draining_finalises_what_waits_for_its_next_stream(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "an answer")
    end(kit)
    kit.clock.rightNow += 2  # and before that was looked at, the end came
    result_of(kit.streams.drain())
    assert ends(kit, sid) == [("an answer", False)]
    assert [message.failed for message in kit.responses("web1")] == [False]


def test_draining_fails_what_may_go_on_however_its_frames_looked(kit: Kit, sid: str) -> None:
    kit.token("half an answer", "o1")
    kit.clock.advance(1.9)
    result_of(kit.streams.drain())
    (last,) = kit.outbox.bodies(sid, "SERVER_STREAM_END")
    assert (last["data"], last["failed"], last["partial"], last["stored"]) == ("half an answer", True, True, True)
    assert [(m.text, m.failed) for m in kit.responses("web1")] == [("half an answer", True)]
    assert [body["message"] for body in kit.outbox.bodies(sid, "ERROR")] == ["The server is stopping."]


def test_draining_fails_what_is_cut_off_and_waits_for_the_store(kit: Kit, sid: str) -> None:
    start(kit)
    data(kit, "half an answer")
    kit.gate.shut = True
    draining = Deferred.fromCoroutine(kit.streams.drain())
    done: list[object] = []
    draining.addCallback(done.append)
    assert kit.statuses(sid) == ["failed"]
    assert (done, ends(kit, sid)) == ([], []), "the end tells whether it is stored"
    kit.gate.open()
    assert done == [None]
    assert ends(kit, sid) == [("half an answer", True)]
    assert texts(kit) == ["half an answer"]


def test_draining_nothing_is_done_at_once(kit: Kit) -> None:
    assert result_of(kit.streams.drain()) is None


def test_draining_does_not_fail_with_the_store(kit: Kit, sid: str) -> None:
    start(kit)
    kit.gate.broken = True
    assert result_of(kit.streams.drain()) is None


def test_answers_are_stored_in_the_order_of_their_ends(kit: Kit, sid: str) -> None:
    kit.gate.shut = True
    asking = kit.ask(sid, "second", "r2")
    kit.gate.step()
    kit.gate.step()
    docs_stream(kit, "a" * 12, "s1", "o1")
    docs_stream(kit, "b" * 12, "s2", "o2")
    kit.gate.open()
    assert result_of(asking)["state"] == "queued"  # the extension was at work on the first
    assert texts(kit) == ["a" * 12, "b" * 12]


def test_a_group_hears_the_answer_and_only_the_requester_its_status(kit: Kit, link: Link) -> None:
    ann, bob = kit.connect("ann", stream_mode="plain"), kit.connect("bob", stream_mode="plain")
    kit.group("lounge", "ann", bob=Role.GUEST)
    kit.submit(ann, "q", "r1", room="lounge")
    docs_stream(kit, "x" * 12)
    for sid in (ann, bob):
        assert streamed(kit, sid) == "x" * 12
        assert len(kit.outbox.bodies(sid, "LLM_RESPONSE")) == 1
    assert (kit.statuses(ann), kit.statuses(bob)) == (["forwarded", "completed"], [])


def test_a_forged_id_of_another_extension_is_not_its_answer(kit: Kit, sid: str) -> None:
    kit.extension("Other")
    kit.streams.answered(Said("Other", request="r1"), "forged")
    assert texts(kit) == []
    assert failure_of(kit.ask(sid, "again", "r1")).error_code == 4


def test_packets_that_belong_to_nothing_fill_no_log(kit: Kit, logged: Logged) -> None:
    """The real extension may send seven of them for each token; each was a line once."""
    kit.extension()
    for number in range(100):
        kit.streams.stream_data(Said("SillyTavern-8000", "s"), number, "x")
        kit.streams.stream_started(Said("SillyTavern-8000", "s", "o"))
        kit.streams.answered(Said("SillyTavern-8000", request="nobody's"), "x")
        kit.streams.failed(Said("SillyTavern-8000", request="nobody's"), "x", None)
    lines = [line for line in logged() if line.startswith("dropped of SillyTavern-8000: ")]
    assert len(lines) == kit.streams.LOGGED_PER_SECOND
    kit.clock.advance(1)
    kit.streams.answered(Said("SillyTavern-8000", request="nobody's"), "x")
    assert logged()[-1] == (
        "dropped of SillyTavern-8000: an answer: nothing of it is unanswered (395 before were not logged)"
    )
