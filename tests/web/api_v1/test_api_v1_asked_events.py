"""A question and its answer in one request."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from apikit import EXTENSION, ApiHouse, Flow, Houses, Model, events
from apikit import say as say_all
from newage.domain.details import Details
from newage.domain.model import Role, Scope
from newage.services.accounts.api_limits import ApiSettings


@pytest.fixture
def key(hub: ApiHouse) -> str:
    return hub.key(scope=Scope.ALL)


@pytest.fixture
def model(hub: ApiHouse) -> Model:
    hub.person("ann")
    return hub.model()


def ask(hub: ApiHouse, key: str, room: str = "own", **body: Any) -> Flow:
    """In a room that is his."""
    hub.ask("/api/v1/rooms", {"name": "own"}, key)
    return Flow(hub, hub.send(f"/api/v1/rooms/{room}/messages/events", {"text": "who?", **body}, key))


def names(flow: Flow) -> list[str]:
    return [name for name, _ in events(flow)]


def text(flow: Flow) -> str:
    return "".join(body["data"] for name, body in events(flow) if name == "text")


def nothing_is_left(hub: ApiHouse) -> None:
    assert (len(hub.core.talk.own_outputs), len(hub.core.talk.lookouts)) == (0, 0)
    assert hub.core.people.presence.of("bot") == 0


def test_it_is_taken_answered_and_done(hub: ApiHouse, key: str, model: Model) -> None:
    flow = ask(hub, key, requestId="r1")
    assert b"HTTP/1.1 200 OK" in flow.head
    assert b"text/event-stream" in flow.head
    ((_, taken),) = events(flow)
    assert (taken["requestId"], taken["state"], taken["room"]) == ("r1", "forwarded", "own")
    say_all(hub, model, "Hel", end=False)
    assert events(flow)[1:] == [
        ("output", {"outputId": model.said().output, "identity": EXTENSION}),
        ("text", {"at": 0, "data": "Hel"}),
    ]
    hub.core.talk.streams.stream_data(model.said(), 1, "lo")
    hub.core.talk.streams.stream_ended(model.said(), True)
    assert flow.ended
    assert text(flow) == "Hello"
    assert events(flow)[-2:] == [("end", {"failed": False}), ("done", {"requestId": "r1", "state": "completed"})]
    nothing_is_left(hub)


def test_who_is_cut_off_reads_on_at_the_output(hub: ApiHouse, key: str, model: Model) -> None:
    flow = ask(hub, key)
    say_all(hub, model, "Hel", end=False)
    last = flow.body.decode().rsplit("id: ", 1)[1].split("\n")[0]
    flow.line.transport.abortConnection()
    assert hub.core.people.presence.of("bot") == 0
    assert not model.stopped
    hub.core.talk.streams.stream_data(model.said(), 1, "lo")
    again = Flow(hub, hub.send(f"/api/v1/outputs/{model.said().output}/events", key=key, Last_Event_ID=last))
    hub.core.talk.streams.stream_ended(model.said(), True)
    assert (text(again), again.ended) == ("lo", True)
    nothing_is_left(hub)


def test_a_question_that_waits_for_its_host(hub: ApiHouse, key: str, model: Model) -> None:
    hub.room("den", "ann", bot=Role.GUEST)
    hub.core.people.sessions.by_identity("ann")
    flow = ask(hub, key, "den", requestId="r1")
    assert events(flow)[0][1]["state"] == "queued"
    before = flow.body.count(b": keep-alive")
    for _ in range(3):
        hub.clock.advance(ApiSettings().keep_alive_seconds)
    assert flow.body.count(b": keep-alive") == before + 3
    submitted = hub.core.talk.requests.submit_queue(hub.person("ann", "/llm"), "den")
    Deferred.fromCoroutine(submitted)
    say_all(hub, model, "Yes")
    assert (text(flow), names(flow)[-1], flow.ended) == ("Yes", "done", True)
    nothing_is_left(hub)


def test_what_fails_is_said_in_words(hub: ApiHouse, key: str, model: Model) -> None:
    flow = ask(hub, key)
    say_all(hub, model, "Hel", end=False)
    hub.core.talk.streams.failed(model.said(), "The model broke.", None)
    assert flow.ended
    name, body = events(flow)[-1]
    assert (name, body["error"]["message"], body["error"]["code"]) == ("error", "The model broke.", "failed")
    assert not flow.line.transport.disconnecting
    nothing_is_left(hub)


def test_a_question_that_ends_before_its_answer_ends_that(hub: ApiHouse, key: str, model: Model) -> None:
    flow, ledger = ask(hub, key, requestId="r1"), hub.core.talk.ledger
    say_all(hub, model, "Hel", end=False)
    request = ledger.get("bot", "r1")
    assert request is not None
    ledger.end(request, "failed", "It broke.")
    assert (text(flow), names(flow)[-2:], flow.ended) == ("Hel", ["end", "error"], True)
    assert events(flow)[-2][1]["failed"] is True
    assert events(flow)[-1][1]["error"]["message"] == "It broke."


def test_what_is_taken_back_ends_where_it_is(hub: ApiHouse, key: str, model: Model) -> None:
    flow = ask(hub, key, requestId="r1")
    say_all(hub, model, "Hel", end=False)
    assert hub.ask("/api/v1/requests/r1/cancel", {}, key).json["state"] == "cancelled"
    assert flow.ended
    assert (text(flow), events(flow)[-1]) == ("Hel", ("done", {"requestId": "r1", "state": "cancelled"}))
    nothing_is_left(hub)


def test_several_answers_come_one_after_the_other(hub: ApiHouse, key: str, model: Model) -> None:
    flow, streams = ask(hub, key), hub.core.talk.streams
    said = model.said()
    second = said._replace(stream="s2", output="o2")
    streams.stream_started(said, Details(more=True))
    streams.stream_data(said, 0, "One")
    streams.stream_started(second)
    streams.stream_data(second, 0, "Two")
    assert text(flow) == "One"
    streams.stream_ended(said, True, Details(more=True))
    streams.stream_ended(second, True)
    assert flow.ended
    assert text(flow) == "OneTwo"
    assert names(flow) == ["taken", "output", "text", "end", "output", "text", "end", "done"]


def test_an_answer_that_goes_on_after_its_end(hub: ApiHouse, key: str, model: Model) -> None:
    flow, streams, said = ask(hub, key), hub.core.talk.streams, model.said()
    streams.stream_started(said)
    streams.stream_data(said, 0, "One")
    streams.stream_ended(said, None)
    streams.stream_data(said, 1, " two")
    streams.stream_ended(said, True)
    hub.clock.advance(0)
    assert text(flow).startswith("One")
    assert text(flow) in ("One", "One two")


def test_a_slow_reader_is_paused_and_gets_all_of_it(hub: ApiHouse, key: str, model: Model) -> None:
    flow = ask(hub, key)
    reader: Any = flow.line.transport.producer
    reader.pauseProducing()
    say_all(hub, model, "a" * 100_000, "b" * 100_000)
    assert (text(flow), flow.ended) == ("", False)
    reader.resumeProducing()
    assert flow.ended
    assert text(flow) == "a" * 100_000 + "b" * 100_000
    assert names(flow)[-1] == "done"
    nothing_is_left(hub)


def test_what_is_refused_is_refused_before_the_first_byte(hub: ApiHouse, key: str, model: Model) -> None:
    hub.room("den", "ann")
    for room, body, status in (("den", {}, 403), ("own", {"text": " "}, 400), ("own", {"targets": ["none"]}, 503)):
        told = ask(hub, key, room, **body)
        assert b"HTTP/1.1 %d " % status in told.head
        assert b"application/json" in told.head
    nothing_is_left(hub)


def test_what_nobody_is_asked_is_done(hub: ApiHouse, key: str, model: Model) -> None:
    hub.ask("/api/v1/rooms", {"name": "own"}, key)
    hub.ask("/api/v1/rooms/own/mode", {"mode": "Conversational"}, key, method="PUT")
    flow = ask(hub, key)
    assert [(name, body["state"]) for name, body in events(flow)] == [("taken", "recorded"), ("done", "recorded")]
    assert flow.ended


def test_who_is_put_out_of_the_room_reads_no_more_of_it(hub: ApiHouse, key: str, model: Model) -> None:
    hub.room("den", "ann", bot=Role.MANAGER)
    flow = ask(hub, key, "den")
    say_all(hub, model, "Hel", end=False)
    Deferred.fromCoroutine(hub.core.talk.rooms.remove("den", "bot", "kick"))
    hub.core.talk.streams.stream_data(model.said(), 1, "lo")
    assert (text(flow), names(flow)[-1], flow.ended) == ("Hel", "gone", True)


def test_69_revoke_ends_it(hub: ApiHouse, key: str, model: Model) -> None:
    flow = ask(hub, key)
    (record,) = hub.core.accounts.keys.records("bot")
    hub.clock.until(Deferred.fromCoroutine(hub.core.accounts.revocation.of_key(record)))
    assert (names(flow)[-1], flow.ended) == ("gone", True)


def test_a_hub_that_stops_says_so(hub: ApiHouse, key: str, model: Model) -> None:
    flow = ask(hub, key)
    say_all(hub, model, "Hel", end=False)
    hub.core.talk.own_outputs.close()
    name, body = events(flow)[-1]
    assert (name, body["error"]["code"], flow.ended) == ("error", "unavailable", True)


def test_it_spends_its_budget_until_it_is_over(houses: Houses) -> None:
    hub = houses(api=ApiSettings(requests_at_once=1, tokens_per_day=5))
    key, model = hub.key(scope=Scope.ALL), hub.model()
    flow = ask(hub, key)
    flow.line.transport.abortConnection()
    assert b"HTTP/1.1 429 Too Many Requests" in ask(hub, key).head
    say_all(hub, model, "a" * 100)
    told = hub.ask("/api/v1/rooms/own/messages", {"text": "x"}, key)
    assert (told.status, told.json["error"]["message"]) == (429, "Too many tokens: 5 in a day.")
