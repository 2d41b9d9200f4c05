"""What chat programs send to ``/v1`` is answered well. None of them was run here, and these are no recordings.

Read were Continue's converter, a changed copy of LibreChat's ``llm.ts`` and excerpts of Open WebUI; the headers, much
of LibreChat's bodies and all of aider's are from knowledge of these programs.
"""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from attrs import field, frozen

from apikit import CHAT, ApiHouse, Model, Stream, nothing_is_left, say

SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
ASKED = {"role": "user", "content": "Why is the sky blue?"}
ANSWERED = {"role": "assistant", "content": "Rayleigh scattering."}
AGAIN = {"role": "user", "content": "And at dusk?"}
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "read_file",
        "description": "Reads a file",
        "parameters": {"type": "object", "properties": {}},
    },
}
CALL: Any = {"id": "call_1", "type": "function", "function": {"name": "read_file", "arguments": '{"path": "a.py"}'}}


@frozen(kw_only=True)
class Shape:
    """One request of a program.

    :ivar heard: the messages that the model is given; ``options`` what it is told to obey; ``name`` as whom it is said.
    """

    program: str
    body: dict[str, Any]
    heard: list[Any]
    headers: dict[str, str] = field(factory=dict)
    options: dict[str, Any] = field(factory=dict)
    name: str | None = None


# backend/open_webui: routers/openai.py sends what its page asked for, with the members of its own that it has not
# taken out; utils/headers.py adds who asks, percent-encoded; routers/tasks.py asks for titles, tags and follow-ups
# whole, in one message, with a limit of tokens.
WEBUI = {
    "User_Agent": "Python/3.11 aiohttp/3.12.15",
    "X_OpenWebUI_User_Name": "J%C3%BCrgen Maier",
    "X_OpenWebUI_User_Id": "1b0f6d0e-6f4e-4e0d-9e4e-0a4d9d0f1a11",
    "X_OpenWebUI_User_Email": "j%40example.org",
    "X_OpenWebUI_User_Role": "admin",
    "X_OpenWebUI_Chat_Id": "7a3f2c9e-31a0-4a48-8a9f-2f7d4bb8a001",
}
TASK = "### Task:\nGenerate a concise, 3-5 word title.\n<chat_history>\nUSER: Why is the sky blue?\n</chat_history>"
TITLE = {"role": "user", "content": TASK}

# packages/api/src/endpoints/openai/llm.ts and the @langchain/openai below it: camel case becomes OpenAI's names,
# content is parts, the person's id is `user`; titles are asked for whole, by a tool or in words.
LIBRECHAT = {
    "User_Agent": "ChatOpenAI/JS 4.104.0",
    "X_Stainless_Lang": "js",
    "X_Stainless_Retry_Count": "0",
    "X_Stainless_Runtime": "node",
}

# core/llm/openaiTypeConverters.ts: an empty text is a blank, undefined members are left out, its agent offers tools.
CONTINUE = {"User_Agent": "node-fetch", "Api_Key": "none", "X_Api_Key": "none"}

# aider, by litellm and openai for Python (from knowledge of it): turns are kept alternating by "Ok.", marks for caches
# are in the parts of a message.
AIDER = {
    "User_Agent": "OpenAI/Python 2.8.0",
    "X_Stainless_Lang": "python",
    "X_Stainless_Async": "false",
    "X_Stainless_Raw_Response": "true",
    "X_Stainless_Retry_Count": "0",
    "X_Stainless_Read_Timeout": "600.0",
}

SHAPES = [
    Shape(
        program="Open WebUI, a message",
        headers=WEBUI,
        body={
            "stream": True,
            "model": "newage",
            "messages": [
                SYSTEM,
                ASKED,
                {**ANSWERED, "content": "Rayleigh."},
                {"role": "assistant", "content": ""},
                AGAIN,
            ],
            "stream_options": {"include_usage": True},
            "temperature": 0.7,
            "top_k": 40,
            "min_p": 0.05,
            "function_calling": "native",
            "tools": [TOOL],
        },
        heard=[SYSTEM, ASKED, {**ANSWERED, "content": "Rayleigh."}, AGAIN],
        options={"temperature": 0.7},
        name="Jürgen Maier",
    ),
    Shape(
        program="Open WebUI, a title",
        headers=WEBUI,
        body={
            "model": "newage",
            "messages": [TITLE],
            "stream": False,
            "max_completion_tokens": 1000,
            "metadata": {
                "task": "title_generation",
                "chat_id": "7a3f2c9e",
                "task_body": {"messages": [ASKED, ANSWERED]},
            },
        },
        heard=[TITLE],
        options={"max_tokens": 1000},
        name="Jürgen Maier",
    ),
    Shape(
        program="Open WebUI, tags",
        headers=WEBUI,
        body={"model": "newage", "messages": [TITLE], "stream": False, "metadata": {"task": "tags_generation"}},
        heard=[TITLE],
        name="Jürgen Maier",
    ),
    Shape(
        program="LibreChat, a message",
        headers=LIBRECHAT,
        body={
            "model": "newage",
            "temperature": 1,
            "top_p": 1,
            "presence_penalty": 0,
            "frequency_penalty": 0,
            "user": "66f0a2b1c3d4e5f601234567",
            "stream": True,
            "stream_options": {"include_usage": True},
            "messages": [
                {"role": "system", "content": SYSTEM["content"], "name": "instructions"},
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "Why is "}, {"type": "text", "text": "the sky blue?"}],
                },
            ],
        },
        heard=[{**SYSTEM, "name": "instructions"}, ASKED],
        options={"temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0},
        name="66f0a2b1c3d4e5f601234567",
    ),
    Shape(
        program="LibreChat, a title",
        headers=LIBRECHAT,
        body={
            "model": "newage",
            "temperature": 0.2,
            "stream": False,
            "messages": [TITLE],
            "tools": [TOOL],
            "tool_choice": {"type": "function", "function": {"name": "read_file"}},
            "parallel_tool_calls": False,
        },
        heard=[TITLE],
        options={"temperature": 0.2},
    ),
    Shape(
        program="Continue, a chat",
        headers=CONTINUE,
        body={
            "messages": [SYSTEM, ASKED, {"role": "assistant", "content": " "}, AGAIN],
            "model": "newage",
            "max_tokens": 4096,
            "stream": True,
            "stream_options": {"include_usage": True},
        },
        heard=[SYSTEM, ASKED, {"role": "assistant", "content": " "}, AGAIN],
        options={"max_tokens": 4096},
    ),
    Shape(
        program="Continue, its agent after a tool",
        headers=CONTINUE,
        body={
            "messages": [
                ASKED,
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "content": "print('blue')", "tool_call_id": "call_1"},
            ],
            "model": "newage",
            "stream": True,
            "tools": [TOOL],
            "parallel_tool_calls": False,
            "prediction": {"type": "content", "content": "print('blue')"},
        },
        heard=[ASKED, {"role": "tool", "content": "print('blue')"}],
    ),
    Shape(
        program="aider, an edit",
        headers=AIDER,
        body={
            "model": "newage",
            "temperature": 0,
            "stream": True,
            "messages": [
                {
                    "role": "system",
                    "content": [
                        {"type": "text", "text": SYSTEM["content"], "cache_control": {"type": "ephemeral"}},
                    ],
                },
                {"role": "user", "content": "I have *added these files to the chat*."},
                {"role": "assistant", "content": "Ok."},
                ASKED,
            ],
        },
        heard=[
            SYSTEM,
            {"role": "user", "content": "I have *added these files to the chat*."},
            {"role": "assistant", "content": "Ok."},
            ASKED,
        ],
        options={"temperature": 0},
    ),
    Shape(
        program="aider, a commit message",
        headers=AIDER,
        body={"model": "newage", "temperature": 0, "stream": False, "messages": [SYSTEM, ASKED]},
        heard=[SYSTEM, ASKED],
        options={"temperature": 0},
    ),
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.program)
def test_a_program_is_answered(hub: ApiHouse, model: Model, shape: Shape) -> None:
    key = hub.key()
    streamed = Stream(hub, shape.body, key, **shape.headers) if shape.body["stream"] else None
    line = None if streamed else hub.send(CHAT, shape.body, key, **shape.headers)
    hub.clock.advance(0)
    (asked,) = model.asked
    assert asked.question is not None
    said = asked.question.said
    assert said.data == {"messages": shape.heard, "options": shape.options}
    assert said.name == shape.name
    say(hub, model, "Because ", "of the air.")
    if streamed is not None:
        assert streamed.ended
        assert (streamed.text, streamed.frames[-1]) == ("Because of the air.", "[DONE]")
        with_usage = [frame for frame in streamed.frames if isinstance(frame, dict) and frame.get("usage")]
        assert len(with_usage) == ("stream_options" in shape.body)
        assert all("tool_calls" not in delta for delta in streamed.deltas)
    if line is not None:
        (response,) = line.responses()
        told = orjson.loads(response.body)["choices"][0]
        assert (response.status, told["finish_reason"]) == (200, "stop")
        assert told["message"] == {"role": "assistant", "content": "Because of the air."}
    nothing_is_left(hub)


def test_what_programs_look_for_before_they_ask(hub: ApiHouse, model: Model) -> None:
    """Open WebUI and LibreChat fetch the list with their key and headers of their own."""
    key = hub.key()
    for headers in (WEBUI, LIBRECHAT, CONTINUE):
        told = hub.ask("/v1/models", key=key, **headers)
        assert (told.status, told.json["data"][0]["id"]) == (200, "newage")


def test_continue_asks_models_of_some_names_elsewhere_and_is_told_so(hub: ApiHouse, model: Model) -> None:
    told = hub.ask("/v1/responses", {"model": "newage", "input": "Hi"}, hub.key(), **CONTINUE)
    assert (told.status, told.code) == (404, "not_found")
