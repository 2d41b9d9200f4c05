"""The bodies of OpenAI's API."""

from __future__ import annotations

from typing import Any

import orjson

from newage.dialect import openai
from newage.dialect.openai import Completion

HEAD = {"id": "chatcmpl-1", "created": 5, "model": "newage"}
USED = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def made(**more: Any) -> Completion:
    return Completion(id="chatcmpl-1", model="newage", created=5, **more)


def read(frames: bytes) -> list[Any]:
    found = []
    for each in frames.split(b"\n\n")[:-1]:
        assert each.startswith(b"data: ")
        found.append("[DONE]" if each == b"data: [DONE]" else orjson.loads(each[6:]))
    return found


def test_models() -> None:
    one = {"id": "newage", "object": "model", "created": 5, "owned_by": "newage"}
    assert openai.model("newage", 5) == one
    assert openai.models(["newage"], 5) == {"object": "list", "data": [one]}


def test_a_whole_answer() -> None:
    assert openai.usage(1, 2) == USED
    whole = made().whole("Hello", "", "stop", USED)
    assert whole == {
        **HEAD,
        "object": "chat.completion",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USED,
    }
    message = made().whole("Hello", "Hm", "stop", USED)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hello", "reasoning_content": "Hm"}
    legacy = made(legacy=True).whole("Hello", "Hm", "length", USED)
    assert (legacy["object"], legacy["choices"][0]["text"]) == ("text_completion", "Hello")
    assert "message" not in legacy["choices"][0]


def test_a_stream() -> None:
    completion = made()
    first, more, thought, last, done = read(
        completion.begins()
        + completion.text("Hel\n\u2028lo")
        + completion.reasoning("Hm")
        + completion.ends("stop", USED)
    )
    assert {name: first[name] for name in HEAD} == HEAD
    assert first["object"] == "chat.completion.chunk"
    assert [each["choices"][0]["delta"] for each in (first, more, thought, last)] == [
        {"role": "assistant", "content": ""},
        {"content": "Hel\n\u2028lo"},
        {"reasoning_content": "Hm"},
        {},
    ]
    assert [each["choices"][0]["finish_reason"] for each in (first, more, last)] == [None, None, "stop"]
    assert "usage" not in last
    assert done == "[DONE]"


def test_a_stream_with_usage() -> None:
    completion = made(usage=True)
    text, last, used, done = read(completion.text("a") + completion.ends("length", USED))
    assert (text["usage"], last["usage"]) == (None, None)
    assert (used["choices"], used["usage"], done) == ([], USED, "[DONE]")


def test_a_legacy_stream() -> None:
    completion = made(legacy=True)
    assert completion.begins() == completion.reasoning("Hm") == b""
    text, last, done = read(completion.text("a") + completion.ends("stop", USED))
    assert (text["object"], text["choices"][0]["text"], last["choices"][0]["text"], done) == (
        "text_completion",
        "a",
        "",
        "[DONE]",
    )


def test_a_cancelled_one() -> None:
    assert openai.cancelled("chatcmpl-1", "cancelled")["status"] == "cancelled"
