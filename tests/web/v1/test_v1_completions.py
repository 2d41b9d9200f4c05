"""``POST /v1/chat/completions``: who breaks off, and rooms."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from apikit import CHAT, HI, ApiHouse, Model, Stream, nothing_is_left, question, say
from newage.domain.model import RequestMode, Role
from newage.services.accounts.api_limits import ApiSettings


@pytest.mark.parametrize("stream", [False, True])
def test_who_breaks_off_takes_it_back(hub: ApiHouse, model: Model, stream: bool) -> None:
    line = hub.send(CHAT, question(stream=stream))
    hub.clock.advance(0)
    line.transport.abortConnection()
    hub.clock.advance(0)
    assert model.stopped == [model.asked[0].request_id]
    nothing_is_left(hub)


@pytest.mark.parametrize("stream", [False, True])
def test_who_closes_his_half_and_is_gone_is_found_out(hub: ApiHouse, model: Model, stream: bool) -> None:
    line = hub.send(CHAT, question(stream=stream))
    hub.clock.advance(0)
    line.transport.take()
    line.protocol.readConnectionLost()
    assert line.transport.value() != b""  # asked whether it is there


def test_it_goes_on_where_that_is_wanted(hub: ApiHouse, model: Model) -> None:
    line = hub.send(CHAT, question(), X_Newage_On_Disconnect="finish")
    hub.clock.advance(0)
    line.transport.abortConnection()
    hub.clock.advance(0)
    assert model.stopped == []
    assert hub.core.people.presence.of("api-local") == 1
    say(hub, model, "x")
    nothing_is_left(hub)


def test_200_who_break_off_leave_nothing(hub: ApiHouse, model: Model) -> None:
    keys = [hub.key(f"bot{number}") for number in range(10)]
    for number in range(200):
        if number % 10 == 0:
            hub.clock.advance(1)
        line = hub.send(CHAT, question(stream=number % 2 == 0), keys[number % 10])
        if number % 3:
            hub.clock.advance(0)
        line.transport.abortConnection()
    nothing_is_left(hub)
    assert all(not hub.core.people.sessions.is_online(f"bot{number}") for number in range(10))


def test_one_may_be_taken_back_by_its_id(hub: ApiHouse, model: Model) -> None:
    key = hub.key()
    stream = Stream(hub, question(), key)
    say(hub, model, "Hel", end=False)
    completion_id = stream.frames[0]["id"]
    assert hub.ask(f"{CHAT}/{completion_id}/cancel", {}).status == 404  # another's
    told = hub.ask(f"{CHAT}/{completion_id}/cancel", {}, key)
    assert (told.status, told.json["status"]) == (200, "cancelled")
    assert stream.ended
    assert (stream.text, stream.error, stream.frames[-1]) == ("Hel", None, "[DONE]")
    assert hub.ask(f"{CHAT}/{completion_id}/cancel", {}, key).status == 200  # it is over
    nothing_is_left(hub)


def test_a_stream_that_is_taken_back_before_anything_came_ends_empty(hub: ApiHouse, model: Model) -> None:
    key = hub.key()
    stream = Stream(hub, question(), key)
    assert hub.ask(f"{CHAT}/{stream.frames[0]['id']}/cancel", {}, key).status == 200
    assert stream.ended
    assert (stream.text, stream.error, stream.frames[-1]) == ("", None, "[DONE]")


def test_one_that_is_taken_back_before_anything_came_is_409(hub: ApiHouse, model: Model) -> None:
    key = hub.key()
    line = hub.send(CHAT, question(), key)
    hub.clock.advance(0)
    request = hub.core.talk.ledger.live_requests_of("bot")[0]
    assert hub.ask(f"{CHAT}/chatcmpl-{request.request_id}/cancel", {}, key).status == 200
    assert [each.status for each in line.responses()] == [409]


def test_69_revoke_ends_v1_streams(hub: ApiHouse, model: Model) -> None:
    key = hub.key()
    stream, line = Stream(hub, question(), key), hub.send(CHAT, question(), key)
    say(hub, model, "Hel", end=False, number=0)
    Deferred.fromCoroutine(hub.core.accounts.revocation.of_client("bot"))
    hub.clock.advance(0)
    assert stream.ended
    assert (stream.error["code"], stream.frames[-1]) == ("invalid_api_key", "[DONE]")
    assert [each.status for each in line.responses()] == [401]
    assert len(model.stopped) == 2
    assert hub.ask(CHAT, question(), key).status == 401
    nothing_is_left(hub)


# --------------------------------------------------------------------------------------------------------------- rooms


@pytest.fixture
def lobby(hub: ApiHouse) -> str:
    """A room of ann's, in which the key is a guest."""
    hub.person("ann", "/llm")
    hub.room("lobby", "ann", bot=Role.GUEST)
    return "room:lobby"


def mode(hub: ApiHouse, name: RequestMode) -> None:
    ann = hub.core.people.sessions.all_callers("ann")[0]
    done = Deferred.fromCoroutine(hub.core.talk.moderation.set_mode(ann, "lobby", name))
    hub.clock.advance(0)
    assert done.called


TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Long ago"},
    {"role": "assistant", "content": "Yes"},
    {"role": "user", "content": "One"},
    {"role": "user", "content": "Two"},
]


def test_a_room_hears_what_is_new_and_all_of_it_hear_the_answer(hub: ApiHouse, model: Model, lobby: str) -> None:
    mode(hub, RequestMode.IMMEDIATE)
    line = hub.send(CHAT, {"model": lobby, "messages": TALK, "user": "Anna"}, hub.key())
    hub.clock.advance(0)
    (asked,) = model.asked
    assert (asked.room, asked.text) == ("lobby", "One\n\nTwo")
    said = asked.question.said  # type: ignore[union-attr]
    assert (said.name, said.identity, said.origin, said.data) == ("Anna (via bot)", "bot", "", None)
    say(hub, model, "Hello")
    assert [each.status for each in line.responses()] == [200]
    room = hub.core.talk.rooms.get("lobby")
    assert room is not None
    assert room.said
    nothing_is_left(hub)


def test_in_a_room_a_guest_waits_for_its_host(hub: ApiHouse, model: Model, lobby: str) -> None:
    key = hub.key()
    stream = Stream(hub, {"model": lobby, "messages": HI}, key)
    whole = hub.send(CHAT, {"model": lobby, "messages": HI}, key)
    for _ in range(2):
        hub.clock.advance(15)
    assert stream.body.count(b": keep-alive") == 3
    assert model.asked == []
    hub.clock.advance(ApiSettings().whole_answer_seconds)
    assert [each.status for each in whole.responses()] == [504]
    ann = hub.core.people.sessions.all_callers("ann")[0]
    Deferred.fromCoroutine(hub.core.talk.requests.submit_queue(ann, "lobby"))
    hub.clock.advance(0)
    say(hub, model, "At last")
    assert stream.ended
    assert stream.text == "At last"


def test_in_a_room_of_its_master_nobody_else_asks(hub: ApiHouse, model: Model, lobby: str) -> None:
    key = hub.key()
    for name in (RequestMode.MASTER_ONLY, RequestMode.CONVERSATIONAL):
        mode(hub, name)
        for stream in (False, True):
            told = hub.ask(CHAT, {"model": lobby, "messages": HI, "stream": stream}, key)
            assert (told.status, told.code) == (403, "forbidden")
            assert name.value in told.json["error"]["message"]


def test_in_a_room_where_others_watch_it_goes_on(hub: ApiHouse, model: Model, lobby: str) -> None:
    mode(hub, RequestMode.IMMEDIATE)
    stream = Stream(hub, {"model": lobby, "messages": HI}, hub.key())
    stream.line.transport.abortConnection()
    hub.clock.advance(0)
    assert model.stopped == []
    say(hub, model, "Hello")
    nothing_is_left(hub)


def test_a_room_hears_nothing_old(hub: ApiHouse, model: Model, lobby: str) -> None:
    told = hub.ask(CHAT, {"model": lobby, "messages": TALK[:3]}, hub.key())
    assert (told.status, told.code) == (400, "bad_request")


def test_whom_a_program_speaks_for(hub: ApiHouse, model: Model) -> None:
    for headers, body, name in (
        ({"X_OpenWebUI_User_Name": "Anna%20B."}, {"user": "x"}, "Anna B."),
        ({}, {"user": " Bob  B "}, "Bob B"),
        ({}, {"user": "x" * 65}, None),
        ({}, {"user": "a\u202eb"}, None),
    ):
        hub.send(CHAT, {**question(), **body}, **headers)
        hub.clock.advance(0)
        assert model.asked[-1].question.said.name == name  # type: ignore[union-attr]


def test_a_key_has_a_budget(tmp_path: Path) -> None:
    hub = ApiHouse(tmp_path, api=ApiSettings(tokens_per_day=3, requests_at_once=2))
    model, key = hub.model(), hub.key()
    first = Stream(hub, question(), key)
    gone = Stream(hub, question(), key)
    full = hub.ask(CHAT, question(), key)
    assert (full.status, full.code, full.response.headers["retry-after"]) == (429, "rate_limit_exceeded", "1")
    assert "at once" in full.json["error"]["message"]
    gone.line.transport.abortConnection()
    say(hub, model, "Hello", number=0)
    assert first.ended
    spent = hub.ask(CHAT, question(), key)
    assert (spent.status, "in a day" in spent.json["error"]["message"]) == (429, True)
    assert hub.ask("/v1/models", key=key).status == 200
    nothing_is_left(hub)
    hub.close()


def test_a_hub_that_stops_says_so_and_cuts_nothing(hub: ApiHouse, model: Model, lobby: str) -> None:
    key = hub.key()
    waits = Stream(hub, {"model": lobby, "messages": HI}, key)
    whole = hub.send(CHAT, {"model": lobby, "messages": HI}, key)
    runs = Stream(hub, question(), key)
    say(hub, model, "Hel", end=False)
    stopped = hub.life.stopService()
    for _ in range(60):
        hub.clock.advance(0.1)
    hub.clock.until(stopped)
    for stream in (waits, runs):
        assert stream.ended
        assert (stream.error["code"], stream.frames[-1]) == ("unavailable", "[DONE]")
    assert [each.status for each in whole.responses()] == [503]
    assert runs.text == "Hel"
