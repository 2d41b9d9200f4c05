"""The model server of the tests does what a test wrote, and knows what was asked of it."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from fake_model import FakeModel, Script


def ask(
    model: FakeModel, words: str, stream: bool = True, path: str = "/v1/chat/completions"
) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection(urlsplit(model.url).netloc, timeout=5)
    prompt = {"messages": [{"role": "user", "content": words}]} if "chat" in path else {"prompt": words}
    connection.request("POST", path, json.dumps({"stream": stream, **prompt}))
    return connection, connection.getresponse()


def frames(answer: bytes) -> list[Any]:
    """The frames but the last, which has to be [DONE]."""
    lines = [line.removeprefix(b"data: ") for line in answer.split(b"\n\n") if line]
    assert lines.pop() == b"[DONE]"
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def server() -> Iterator[FakeModel]:
    model = FakeModel()
    yield model
    model.close()


@pytest.fixture
def own(server: FakeModel) -> FakeModel:
    server.reset()
    return server


def test_it_streams_reasoning_before_the_text_and_keeps_the_prompt(own: FakeModel) -> None:
    own.answers(Script(tokens=("a", "b"), reasoning=("hm",)))
    _, response = ask(own, "why?")
    deltas = [frame["choices"][0]["delta"] for frame in frames(response.read())]
    assert deltas == [{"reasoning_content": "hm"}, {"content": "a"}, {"content": "b"}, {}]
    assert (own.requests[0].words, own.requests[0].sent) == ("why?", 2)


def test_text_completions_and_whole_answers_have_their_shapes(own: FakeModel) -> None:
    own.answers(Script(tokens=("a", "b")))
    _, streamed = ask(own, "once", path="/v1/completions")
    assert [frame["choices"][0]["text"] for frame in frames(streamed.read())] == ["a", "b", ""]
    _, whole = ask(own, "once", stream=False, path="/v1/completions")
    assert json.loads(whole.read())["choices"][0]["text"] == "ab"
    _, chat = ask(own, "once", stream=False)
    assert json.loads(chat.read())["choices"][0]["message"]["content"] == "ab"


def test_scripts_are_found_by_the_prompt_and_the_last_one_stays(own: FakeModel) -> None:
    own.answers(Script(tokens=("first",)), Script(tokens=("later",)))
    own.answers(Script(tokens=("dragon",)), to="dragon")
    answers = [json.loads(ask(own, words, stream=False)[1].read()) for words in ("x", "a dragon", "x", "x")]
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == ["first", "dragon", "later", "later"]


@pytest.mark.parametrize("status", [429, 503])
def test_a_refusal_has_its_status_and_words(own: FakeModel, status: int) -> None:
    own.answers(Script(status=status))
    _, response = ask(own, "x")
    assert (response.status, "error" in json.loads(response.read())) == (status, True)


def test_an_error_frame_ends_the_stream(own: FakeModel) -> None:
    own.answers(Script(tokens=("a",), then="error"))
    _, response = ask(own, "x")
    assert b'"error"' in response.read()


def test_a_cut_stream_is_seen_as_one(own: FakeModel) -> None:
    own.answers(Script(tokens=("a",), then="cut"))
    _, response = ask(own, "x")
    with pytest.raises(http.client.IncompleteRead):
        response.read()


def test_what_is_held_goes_on_when_it_is_released(own: FakeModel) -> None:
    own.answers(Script(tokens=("a", "b"), held_after=1))
    _, response = ask(own, "x")
    assert b'"a"' in response.readline()
    own.wait(lambda asked: asked[0].sent == 1, "the first token")  # it is counted when it has left
    assert own.busy == 1
    own.release()
    assert b'"b"' in response.read()
    own.wait_idle()
    assert own.requests[0].state == "done"


def test_it_hears_that_the_asker_hung_up_even_in_silence(own: FakeModel) -> None:
    own.answers(Script(tokens=("a",), then="silence"))
    connection, response = ask(own, "x")
    assert b'"a"' in response.readline()
    assert own.busy == 1
    response.close()
    connection.close()
    own.wait_idle()
    assert own.requests[0].state == "gone"
