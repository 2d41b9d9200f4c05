"""An answer that is sent as it grows."""

from __future__ import annotations

from typing import Any

from apikit import EXTENSION, ApiHouse, Model, Stream, nothing_is_left, question, say
from newage.domain.details import Details
from newage.services.accounts.api_limits import ApiSettings


def test_a_stream(hub: ApiHouse, model: Model) -> None:
    stream = Stream(hub, question(stream_options={"include_usage": True}), Accept="application/json")
    assert stream.head.startswith(b"HTTP/1.1 200 OK")
    for header in (b"Content-Type: text/event-stream", b"Cache-Control: no-cache", b"X-Accel-Buffering: no"):
        assert header in stream.head
    assert stream.body.startswith(b": keep-alive\n\n")
    assert stream.deltas == [{"role": "assistant", "content": ""}]
    say(hub, model, "Hel", end=False)
    assert stream.deltas[1:] == [{"content": "Hel"}]
    hub.core.talk.streams.stream_reasoning(model.said(), 0, "Hm")
    hub.core.talk.streams.stream_data(model.said(), 1, "lo")
    hub.core.talk.streams.stream_ended(model.said(), True)
    assert stream.ended
    *_, last, used, done = stream.frames
    assert stream.deltas[2:] == [{"reasoning_content": "Hm"}, {"content": "lo"}, {}]
    assert last["choices"][0]["finish_reason"] == "stop"
    assert (used["choices"], used["usage"]["total_tokens"], done) == ([], 4, "[DONE]")
    nothing_is_left(hub)


def test_who_waits_hears_that_the_hub_is_there(hub: ApiHouse, model: Model) -> None:
    stream = Stream(hub, question())
    for _ in range(3):
        hub.clock.advance(15)
    assert stream.body.count(b": keep-alive") == 4
    say(hub, model, "x")
    assert stream.ended


def test_an_error_after_the_first_byte_is_a_frame_and_the_end_is_clean(hub: ApiHouse, model: Model) -> None:
    stream = Stream(hub, question(EXTENSION))
    say(hub, model, "Hel", end=False)
    hub.core.talk.streams.failed(model.said(), "The model broke.", None)
    assert stream.ended
    assert stream.error["message"] == "The model broke."
    assert (stream.text, stream.frames[-1]) == ("Hel", "[DONE]")
    assert not stream.line.transport.disconnecting
    nothing_is_left(hub)


def test_an_extension_that_goes_ends_it_in_words(hub: ApiHouse, model: Model) -> None:
    stream = Stream(hub, question())
    say(hub, model, "Hel", end=False)
    sid = hub.core.people.sessions.newest(EXTENSION, "/llm")
    hub.core.people.sessions.detach(sid or "")
    hub.clock.advance(60)
    assert stream.ended
    assert stream.error
    assert stream.frames[-1] == "[DONE]"


def test_several_answers_come_one_after_the_other(hub: ApiHouse, model: Model) -> None:
    stream = Stream(hub, question())
    said, streams = model.said(), hub.core.talk.streams
    second = said._replace(stream="s2", output="o2")
    streams.stream_started(said, Details(more=True))
    streams.stream_data(said, 0, "One")
    streams.stream_ended(said, True, Details(more=True))
    streams.stream_started(second)
    streams.stream_data(second, 0, "Two")
    streams.stream_ended(second, True)
    assert stream.ended
    assert stream.text == "One\n\nTwo"


def test_a_slow_reader_is_paused_and_gets_all_of_it(hub: ApiHouse, model: Model) -> None:
    stream = Stream(hub, question())
    reader: Any = stream.line.transport.producer
    reader.pauseProducing()
    say(hub, model, "a" * 100_000, "b" * 100_000, "ä" * 50_000)
    assert stream.text == ""
    reader.resumeProducing()
    assert stream.ended
    assert stream.text == "a" * 100_000 + "b" * 100_000 + "ä" * 50_000
    nothing_is_left(hub)


def test_a_reader_who_takes_nothing_is_cut(hub: ApiHouse, model: Model) -> None:
    stream = Stream(hub, question())
    reader: Any = stream.line.transport.producer
    reader.pauseProducing()
    say(hub, model, "Hel", end=False)
    hub.clock.advance(ApiSettings().stall_seconds)
    assert stream.line.transport.aborted
    assert model.stopped
    nothing_is_left(hub)
