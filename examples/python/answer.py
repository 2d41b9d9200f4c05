"""An extension: what people ask, a model server with OpenAI's API answers, as llama.cpp, Ollama, vLLM have it.

python answer.py     MODEL_URL=http://127.0.0.1:8080/v1  MODEL=...  MODEL_KEY=...  HUB=...  CLIENT_ID=SillyTavern-model

Its key lies in answer.key, in the folder where it is started; on another machine than the hub's the first start needs
PAIR=..., the six digits of ``newage pair``. Where an answer is stopped, the model is.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from newage_client import Failure, Reasoning, StateChange, Task, serve

MODEL_URL = os.environ.get("MODEL_URL", "http://127.0.0.1:8080/v1")
MODEL = os.environ.get("MODEL", "default")
HEADERS = {"Authorization": f"Bearer {os.environ.get('MODEL_KEY', 'none')}"}
PASSED_ON = ("temperature", "top_p", "max_tokens", "stop", "seed")  # what people may choose: never a destination
LINE_MOST = 1_048_576  # bytes
QUIET = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)  # seconds

hub = serve(
    os.environ.get("HUB", "http://127.0.0.1:4000"),
    client_id=os.environ.get("CLIENT_ID", "SillyTavern-model"),
    desc=f"{MODEL}, without a SillyTavern",
    key_file="answer.key",
    pair=os.environ.get("PAIR", ""),
    capacity=4,
)


@hub.answer
async def answer(task: Task) -> AsyncGenerator[str, None]:
    wishes = {name: task.options[name] for name in PASSED_ON if name in task.options}
    body = {**wishes, "model": MODEL, "messages": task.messages, "stream": True}
    try:
        async with (
            aiohttp.ClientSession(headers=HEADERS, timeout=QUIET, read_bufsize=LINE_MOST) as http,
            http.post(f"{MODEL_URL}/chat/completions", json=body, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise Failure(f"The model server refuses: {response.status} {response.reason}")
            async for line in response.content:
                said = line.decode("utf-8", "replace").strip().removeprefix("data:").strip()
                if said == "[DONE]":
                    return
                if said.startswith("{"):
                    for piece in pieces(task, json.loads(said)):
                        yield piece
    except (aiohttp.ClientError, OSError, ValueError) as error:
        print(f"{MODEL_URL}: {error!r}", file=sys.stderr)
        raise Failure("The model server cannot be reached, or said what cannot be read.") from error
    raise Failure("The model server broke off.")


def pieces(task: Task, frame: dict[str, Any]) -> list[str]:
    if "error" in frame:
        raise Failure("The model server reports an error.")
    found: list[str] = []
    for choice in frame.get("choices") or ():
        delta = choice.get("delta") or {}
        if delta.get("reasoning_content"):
            found.append(Reasoning(delta["reasoning_content"]))
        if delta.get("content"):
            found.append(delta["content"])
        if choice.get("finish_reason"):
            task.outlet.finish_reason = choice["finish_reason"]
    return found


def note(change: StateChange) -> None:
    print(change.state, change.message, file=sys.stderr)


if __name__ == "__main__":
    hub.on("state", note)
    try:
        asyncio.run(hub.run())
    except Failure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        pass
