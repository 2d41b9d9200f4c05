"""An answer as server-sent events: from its start or a position, for as long as one may read it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from web_doubles import LOCAL, WrittenRequest

from apikit import EXTENSION, ApiHouse, Flow, Model, events
from newage.domain.model import Caller, Role, Scope, Session
from newage.errors import AuthenticationFailed
from newage.services.accounts.api_limits import ApiSettings
from newage.services.streams.output_text import OutputText
from newage.services.world import World
from newage.web.api_v1.events import NO_POSITION, OutputEvents
from newage.web.api_v1.readers import Reader
from newage.web.api_v1.table import TOO_MANY, Call
from newage.web.json_api import Exchange


@pytest.fixture
def key(hub: ApiHouse) -> str:
    return hub.key(scope=Scope.ALL)


@pytest.fixture
def model(hub: ApiHouse, key: str) -> Model:
    """It has begun to answer in the room den."""
    model = hub.model()
    hub.person("ann")
    hub.room("den", "ann", bot=Role.SPECIAL)
    assert hub.ask("/api/v1/rooms/den/messages", {"text": "who?", "targets": [EXTENSION]}, key).status in (202, 403)
    if not model.asked:
        hub.ask("/api/v1/rooms", {"name": "own"}, key)
        assert hub.ask("/api/v1/rooms/own/messages", {"text": "who?", "targets": [EXTENSION]}, key).status == 202
    hub.core.talk.streams.stream_started(model.said())
    return model


def say(hub: ApiHouse, model: Model, text: str, index: int | None = None) -> None:
    hub.core.talk.streams.stream_data(model.said(), index, text)


def output_of(model: Model) -> str:
    return model.said().output or ""


def read(hub: ApiHouse, output: str, key: str, **headers: str) -> Flow:
    return Flow(hub, hub.send(f"/api/v1/outputs/{output}/events", key=key, **headers))


def text(flow: Flow) -> str:
    return "".join(body["data"] for name, body in events(flow) if name == "text")


def last_id(flow: Flow) -> str:
    return flow.body.decode().rsplit("id: ", 1)[1].split("\n")[0]


def test_it_comes_as_it_is_written_until_its_end(hub: ApiHouse, key: str, model: Model) -> None:
    say(hub, model, "Hel")
    flow = read(hub, output_of(model), key)
    assert b"text/event-stream" in flow.head
    assert text(flow) == "Hel"
    say(hub, model, "lo")
    assert text(flow) == "Hello"
    assert not flow.ended
    hub.core.talk.streams.stream_ended(model.said(), True)
    assert flow.ended
    assert events(flow)[-1][0] == "end"
    assert hub.core.people.presence.of("bot") == 0
    assert len(hub.core.talk.lookouts) == 0


def test_who_comes_back_gets_the_rest(hub: ApiHouse, key: str, model: Model) -> None:
    say(hub, model, "Hel")
    flow = read(hub, output_of(model), key)
    flow.line.transport.abortConnection()
    assert hub.core.people.presence.of("bot") == 0
    say(hub, model, "lo")
    again = read(hub, output_of(model), key, Last_Event_ID=last_id(flow))
    assert text(again) == "lo"
    hub.core.talk.streams.stream_ended(model.said(), True)
    assert text(read(hub, output_of(model), key, Last_Event_ID=last_id(again))) == ""
    assert text(read(hub, output_of(model), key)) == "Hello"


def test_what_is_only_in_the_history_is_read_from_there(hub: ApiHouse, key: str, model: Model) -> None:
    say(hub, model, "Hello")
    hub.core.talk.streams.stream_ended(model.said(), True)
    hub.core.talk.downstream.kept.forget(hub.core.talk.rooms.require(model.asked[-1].room).id, None)
    flow = read(hub, output_of(model), key)
    assert (text(flow), flow.ended) == ("Hello", True)


def test_68_sse_last_event_id_after_kick(hub: ApiHouse, key: str, model: Model) -> None:
    say(hub, model, "Hel")
    flow = read(hub, output_of(model), key)
    room = hub.core.talk.rooms.require(model.asked[-1].room)
    Deferred.fromCoroutine(hub.core.talk.rooms.remove(room.name, "bot", "kick"))
    assert (events(flow)[-1], flow.ended) == (("gone", {}), True)
    say(hub, model, "lo, secret")
    assert text(flow) == "Hel"
    refused = hub.ask(f"/api/v1/outputs/{output_of(model)}/events", key=key, Last_Event_ID=last_id(flow))
    assert (refused.status, refused.code) == (404, "not_found")


def test_who_has_no_key_any_more_reads_no_more(hub: ApiHouse, key: str, model: Model) -> None:
    flow = read(hub, output_of(model), key)
    (record,) = hub.core.accounts.keys.records("bot")
    hub.clock.until(Deferred.fromCoroutine(hub.core.accounts.revocation.of_key(record)))
    assert (events(flow)[-1], flow.ended) == (("gone", {}), True)
    assert hub.ask(f"/api/v1/outputs/{output_of(model)}/events", key=key).status == 401


def test_an_output_of_another_room_is_none(hub: ApiHouse, model: Model) -> None:
    other = hub.key("other", Scope.ALL)
    assert hub.ask(f"/api/v1/outputs/{output_of(model)}/events", key=other).status == 404
    assert hub.ask("/api/v1/outputs/none/events", key=other).status == 404
    assert hub.core.people.presence.of("other") == 0


def test_what_is_written_in_a_room_is_told_to_its_members(hub: ApiHouse, key: str, model: Model) -> None:
    room = model.asked[-1].room
    found = hub.ask(f"/api/v1/rooms/{room}/outputs", key=key).json["outputs"]
    assert [(each["outputId"], each["identity"]) for each in found] == [(output_of(model), EXTENSION)]
    assert found[0]["requestId"] == model.asked[-1].request_id
    assert hub.ask(f"/api/v1/rooms/{room}/outputs", key=hub.key("other", Scope.ALL)).status == 403
    assert hub.ask("/api/v1/rooms/none/outputs", key=key).status == 404


@pytest.mark.parametrize("written", ["x", "1.2", "1.2.3.4", "9999999999.0.0"])
def test_a_position_that_is_none(hub: ApiHouse, key: str, model: Model, written: str) -> None:
    told = hub.ask(f"/api/v1/outputs/{output_of(model)}/events", key=key, Last_Event_ID=written)
    assert (told.status, told.json["error"]["message"]) == (400, NO_POSITION)


def test_keep_alives_and_a_reader_who_takes_nothing(hub: ApiHouse, key: str, model: Model) -> None:
    flow = read(hub, output_of(model), key)
    before = flow.body.count(b": keep-alive")
    hub.clock.advance(16)
    assert flow.body.count(b": keep-alive") == before + 1
    producer: Any = flow.line.transport.producer
    producer.pauseProducing()
    hub.clock.advance(16)
    assert flow.body.count(b": keep-alive") == before + 1
    producer.resumeProducing()
    hub.clock.advance(16)
    assert flow.body.count(b": keep-alive") == before + 2
    producer.pauseProducing()
    hub.clock.advance(61)
    assert hub.core.people.presence.of("bot") == 0
    assert len(hub.core.talk.lookouts) == 0


def test_a_question_for_the_head_alone_ends_at_once(hub: ApiHouse, key: str, model: Model) -> None:
    flow = Flow(hub, hub.send(f"/api/v1/outputs/{output_of(model)}/events", key=key, method="HEAD"))
    assert b"text/event-stream" in flow.head
    assert hub.core.people.presence.of("bot") == 0


def test_one_client_has_so_many_at_once(hub: ApiHouse, key: str, model: Model) -> None:
    flows = [read(hub, output_of(model), key) for _ in range(ApiSettings().events_at_once)]
    told = hub.ask(f"/api/v1/outputs/{output_of(model)}/events", key=key)
    assert (told.status, told.json["error"]["message"]) == (429, TOO_MANY)
    assert all(not each.ended for each in flows)


def test_who_closes_his_half_is_asked_whether_he_is_there_and_gets_the_rest(
    hub: ApiHouse, key: str, model: Model
) -> None:
    flow = read(hub, output_of(model), key)
    before = flow.body.count(b": keep-alive")
    flow.line.transport.protocol.readConnectionLost()
    for _ in range(2):
        hub.clock.advance(6)
    assert flow.body.count(b": keep-alive") > before + 1
    say(hub, model, "Hello")
    hub.core.talk.streams.stream_ended(model.said(), True)
    assert (text(flow), flow.ended) == ("Hello", True)


class SlowText:
    """An output that is read from the disk."""

    def __init__(self) -> None:
        self.found = Deferred[tuple[str, Any]]()

    async def text_of(self, actor: Caller, output_id: str) -> tuple[str, Any]:
        return await self.found


@pytest.mark.parametrize("how", ["goes", "is put out"])
def test_who_goes_before_it_begins_leaves_nothing(hub: ApiHouse, how: str) -> None:
    request: Any = WrittenRequest()
    slow: Any = SlowText()
    lookouts, left = hub.core.talk.lookouts, list[str]()
    world = World(clock=hub.clock, wall=hub.clock.seconds, new_id=str)
    reader = Reader(Exchange(request, LOCAL), world, ApiSettings())
    reader.at_end(lambda: left.append("left"))
    caller = Caller(sid="s", namespace="/api/v1", session=Session(client_id="bot", identity="bot"), peer=LOCAL)
    events = OutputEvents(resuming=slow, lookouts=lookouts)
    sent = Deferred.fromCoroutine(events.send(caller, Call({"output": "o"}, None, None), reader))
    (reader.end if how == "goes" else reader.gone)()
    slow.found.callback(("room", OutputText()))
    assert isinstance(cast("Failure", sent.result).value, AuthenticationFailed)
    sent.addErrback(lambda _: None)
    assert (left, len(lookouts), request.written) == (["left"], 0, b"")
