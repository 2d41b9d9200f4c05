"""langchain-openai and litellm at ``/v1``; ``make nightly`` installs them, and NEWAGE_SDKS is the Python that has them.

An extension on ``clients/python`` answers, so it is known what reached it, how often, and what was stopped.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import threading
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import PATIENCE, Daemon, new_key, until

from newage_client import Failure, Reasoning, Task, serve

HELLO = "Hello from the hub."

LANGCHAIN = """
import asyncio, json, sys
from contextlib import aclosing
from langchain_openai import ChatOpenAI

def chat(**more):
    return ChatOpenAI(base_url=sys.argv[1], api_key=sys.argv[2], model="newage", stream_usage=True, **more)

async def broken():
    async with aclosing(chat().astream("slow, broken off")) as chunks:
        async for chunk in chunks:
            if chunk.content:
                return

def failure(ask):
    try:
        ask()
    except Exception as error:
        return [type(error).__name__, getattr(error, "status_code", 0), str(error)]

whole = chat().invoke("Hello?")
chunks = list(chat().stream("Hello?"))
asyncio.run(broken())
print(json.dumps({
    "whole": whole.content,
    "finish": whole.response_metadata["finish_reason"],
    "usage": whole.usage_metadata["total_tokens"],
    "streamed": "".join(chunk.content for chunk in chunks),
    "streamed usage": sum(chunk.usage_metadata["total_tokens"] for chunk in chunks if chunk.usage_metadata),
    "parts": len([chunk for chunk in chunks if chunk.content]),
    "fail": failure(lambda: chat().invoke("fail, whole")),
    "fail late": failure(lambda: list(chat().stream("fail, streamed"))),
    "timeout": failure(lambda: chat(timeout=3, max_retries=0).invoke("slow, timed out")),
}))
"""

LITELLM = """
import asyncio, json, sys
import litellm

def ask(text, **more):
    messages = [{"role": "user", "content": text}]
    return dict(model="openai/newage", messages=messages, api_base=sys.argv[1], api_key=sys.argv[2], **more)

async def broken():
    stream = await litellm.acompletion(**ask("slow, broken off", stream=True))
    async for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    await stream.aclose()

def failure(ask):
    try:
        ask()
    except Exception as error:
        return [type(error).__name__, getattr(error, "status_code", 0), str(error)]

whole = litellm.completion(**ask("Hello?"))
chunks = list(litellm.completion(**ask("Hello?", stream=True, stream_options={"include_usage": True})))
texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
asyncio.run(broken())
print(json.dumps({
    "whole": whole.choices[0].message.content,
    "finish": whole.choices[0].finish_reason,
    "usage": whole.usage.total_tokens,
    "streamed": "".join(texts),
    "streamed usage": chunks[-1].usage.total_tokens,
    "parts": len(texts),
    "fail": failure(lambda: litellm.completion(**ask("fail, whole"))),
    "fail late": failure(lambda: list(litellm.completion(**ask("fail, streamed", stream=True)))),
    "timeout": failure(lambda: litellm.completion(**ask("slow, timed out", timeout=3, max_retries=0))),
}))
"""


class Answering:
    """An extension in a thread: ``asked`` is what reached it, ``stopped`` what was not wanted any more."""

    def __init__(self, url: str) -> None:
        self.asked: list[str] = []
        self.stopped: list[str] = []
        self._hub = serve(url, client_id="SillyTavern-sdks", capacity=4)
        self._hub.answer(self._answer)
        self._ready = threading.Event()
        self._hub.on("state", lambda change: self._ready.set() if change.state == "connected" else None)
        self._loop = asyncio.new_event_loop()
        self._running: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Answering:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(lambda: self._running and self._running.cancel())
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        async def serving() -> None:
            self._running = asyncio.current_task()
            await self._hub.run()

        try:
            self._loop.run_until_complete(serving())
        except asyncio.CancelledError:
            self._loop.close()

    async def _answer(self, task: Task) -> AsyncGenerator[str, None]:
        self.asked.append(task.text)
        if task.text.startswith("fail"):
            if "streamed" in task.text:
                yield "So far "
                await asyncio.sleep(0.5)  # for what was said to have gone out
            raise Failure("The model is asleep.")
        yield Reasoning("because")
        try:
            for word in HELLO.split(" ") if task.text == "Hello?" else ["slow "] * 10_000:
                await asyncio.sleep(0.05)
                yield word if word.endswith((".", " ")) else f"{word} "
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped.append(task.text)
            raise


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("sdks") / "home") as daemon:
        yield daemon


@pytest.mark.parametrize(
    ("name", "program"), [("langchain", LANGCHAIN), ("litellm", LITELLM)], ids=["langchain", "litellm"]
)
def test_an_sdk_gets_answers_and_failures_once(daemon: Daemon, tmp_path: Path, name: str, program: str) -> None:
    (tmp_path / "ask.py").write_text(program, "utf-8")
    quiet = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "LANGSMITH_TRACING": "false"}
    command = [
        os.environ["NEWAGE_SDKS"],
        str(tmp_path / "ask.py"),
        f"{daemon.url}/v1",
        new_key(daemon, name, "--scope", "api"),
    ]
    with Answering(daemon.url) as extension:
        done = subprocess.run(
            command, env={**os.environ, **quiet}, capture_output=True, text=True, timeout=3 * PATIENCE, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        assert (said["whole"], said["streamed"], said["finish"]) == (HELLO, HELLO, "stop")
        assert said["parts"] > 1
        assert min(said["usage"], said["streamed usage"]) > 0
        kind, status, words = said["fail"]
        assert (status, "asleep" in words) == (502, True), kind
        assert "asleep" in said["fail late"][2]
        assert "imeout" in said["timeout"][0]
        # tried once each, though both try twice more by themselves
        slow = ["slow, broken off", "slow, timed out"]
        assert sorted(extension.asked) == ["Hello?", "Hello?", "fail, streamed", "fail, whole", *slow]
        until(lambda: sorted(extension.stopped) == slow, "what was broken off is stopped")
    daemon.check_log()
