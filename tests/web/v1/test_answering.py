"""An answer in one piece: what it says, and what its failure does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from apikit import CHAT, EXTENSION, HI, ApiHouse, Model, nothing_is_left, question, say
from newage.domain.details import Details
from newage.services.accounts.api_limits import ApiSettings


def test_a_whole_answer(hub: ApiHouse, model: Model) -> None:
    line = hub.send(CHAT, question(temperature=0.5, custom_url="http://evil"), hub.key())
    hub.clock.advance(0)
    (asked,) = model.asked
    assert (asked.text, asked.context, asked.room, asked.failover) == ("Hi", (), "bot", True)
    said = asked.question.said  # type: ignore[union-attr]
    assert said.data == {"messages": HI, "options": {"temperature": 0.5}}
    assert (said.origin, said.extra, said.name) == ("openai", {"options": {"temperature": 0.5}}, None)
    say(hub, model, "Hel", "lo")
    (response,) = line.responses()
    told = orjson.loads(response.body)
    assert response.status == 200
    assert told["id"] == "chatcmpl-" + response.headers["x-request-id"]
    assert (told["object"], told["model"]) == ("chat.completion", "newage")
    assert told["choices"][0]["message"] == {"role": "assistant", "content": "Hello"}
    assert told["choices"][0]["finish_reason"] == "stop"
    assert told["usage"] == {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    nothing_is_left(hub)
    room = hub.core.talk.rooms.get("bot")
    assert room is not None
    assert not room.said  # stateless: nothing was stored


def test_what_the_model_server_counts_is_passed_on(hub: ApiHouse, model: Model) -> None:
    line = hub.send(CHAT, question())
    hub.clock.advance(0)
    used = {"prompt_tokens": 7, "completion_tokens": 9, "more": 1}
    say(hub, model, "x", details=Details(extra={"usage": used, "finishReason": "length"}))
    told = orjson.loads(line.responses()[0].body)
    assert told["usage"] == {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}
    assert told["choices"][0]["finish_reason"] == "length"


def test_an_answer_in_one_piece_with_its_thoughts(hub: ApiHouse, model: Model) -> None:
    line = hub.send(CHAT, question())
    hub.clock.advance(0)
    hub.core.talk.streams.answered(model.said(), "All", Details(reasoning="Hm"))
    hub.clock.advance(0)
    message = orjson.loads(line.responses()[0].body)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "All", "reasoning_content": "Hm"}


def test_the_legacy_form(hub: ApiHouse, model: Model) -> None:
    line = hub.send("/v1/completions", {"model": EXTENSION, "prompt": "Hi"})
    hub.clock.advance(0)
    say(hub, model, "Hello")
    told = orjson.loads(line.responses()[0].body)
    assert (told["object"], told["choices"][0]["text"], told["id"][:4]) == ("text_completion", "Hello", "cmpl")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"model": "newage"}, 400, "bad_request"),
        (question("gpt-5"), 404, "model_not_found"),
        (question(n=3), 400, "bad_request"),
        (question("SillyTavern-1"), 503, "no_extension"),
        (question("room:lobby"), 403, "forbidden"),
        (
            {**question(), "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}]},
            400,
            "bad_request",
        ),
    ],
)
def test_errors_before_the_first_byte(hub: ApiHouse, model: Model, body: Any, status: int, code: str) -> None:
    for stream in (False, True):
        told = hub.ask(CHAT, {**body, "stream": stream})
        assert (told.status, told.code) == (status, code)
    assert model.asked == []
    nothing_is_left(hub)


def test_without_an_extension_nobody_tries_again(hub: ApiHouse) -> None:
    for stream in (False, True):
        told = hub.ask(CHAT, question(stream=stream))
        assert (told.status, told.code) == (503, "no_extension")
        assert told.response.headers["x-should-retry"] == "false"
        assert told.response.headers["retry-after"] == "5"


def test_a_failure_of_what_was_forwarded_is_not_to_be_tried_again(hub: ApiHouse, model: Model) -> None:
    line = hub.send(CHAT, question(EXTENSION))
    hub.clock.advance(0)
    hub.core.talk.streams.failed(model.said(), "No model is loaded.", None)
    (response,) = line.responses()
    assert (response.status, response.headers["x-should-retry"]) == (502, "false")
    assert orjson.loads(response.body)["error"]["message"] == "No model is loaded."
    nothing_is_left(hub)


def test_a_whole_answer_has_its_time(hub: ApiHouse, model: Model) -> None:
    line = hub.send(CHAT, question())
    hub.clock.advance(ApiSettings().whole_answer_seconds)
    hub.clock.advance(0)
    (response,) = line.responses()
    assert (response.status, response.headers["x-should-retry"]) == (504, "false")
    assert model.stopped == [model.asked[0].request_id]
    nothing_is_left(hub)


def test_too_many_requests_of_any_sort_are_429(tmp_path: Path) -> None:
    hub = ApiHouse(tmp_path, api=ApiSettings(requests_at_once=1000))
    hub.model()
    for _ in range(hub.core.basis.config.requests.request_rate):
        hub.send(CHAT, question())
    told = hub.ask(CHAT, question())
    hub.close()
    assert (told.status, told.code, told.response.headers["retry-after"]) == (429, "rate_limit_exceeded", "5")
