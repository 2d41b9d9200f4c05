"""OpenAI's own clients, for Python and for Node, and curl as docs/openai.md writes it, against the daemon."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import CHECKOUT, HERE, PATIENCE, Daemon, new_key, operator
from openai import APIStatusError, AuthenticationError, NotFoundError, OpenAI

GUIDE = (CHECKOUT / "docs" / "openai.md").read_text("utf-8")
HI: Any = [{"role": "user", "content": "Hello?"}]
LONG: Any = [{"role": "user", "content": "Hello? " * 1000}]  # the answer quotes it: it lasts until it is broken off
BOT = "bot"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("openai")
    pace = "token_interval_ms = 5\nfirst_token_ms = 5\nquote_chars = 10000\n"
    (folder / "quick.toml").write_text(f"[demo]\n{pace}", "utf-8")
    with Daemon(folder / "home", "--demo", "--config", str(folder / "quick.toml")) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def key(demo: Daemon) -> str:
    return new_key(demo, BOT, "--scope", "api")


def logged(demo: Daemon, line: re.Pattern[str]) -> bool:
    return demo.log is not None and demo.log.wait_for(line, PATIENCE) is not None


def client(demo: Daemon, key: str = "none", **more: Any) -> OpenAI:
    return OpenAI(base_url=f"{demo.url}/v1", api_key=key, **more)


def test_python_gets_a_whole_answer_and_a_streamed_one(demo: Daemon, key: str) -> None:
    for each in ("none", key):
        openai = client(demo, each)
        assert [model.id for model in openai.models.list()] == ["newage", "SillyTavern-demo"]
        assert openai.models.retrieve("SillyTavern-demo").owned_by == "newage"
        whole = openai.chat.completions.create(model="newage", messages=HI)
        text = whole.choices[0].message.content
        assert text
        assert "demo" in text
        assert whole.choices[0].finish_reason == "stop"
        assert whole.usage is not None
        assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
        chunks = list(
            openai.chat.completions.create(
                model="SillyTavern-demo", messages=HI, stream=True, stream_options={"include_usage": True}
            )
        )
        *texts, used = chunks
        assert "".join(chunk.choices[0].delta.content or "" for chunk in texts)
        assert texts[-1].choices[0].finish_reason == "stop"
        assert used.usage is not None
        old = openai.completions.create(model="newage", prompt="Hello?")
        assert "demo" in old.choices[0].text


def test_python_raises_what_went_wrong_and_does_not_try_again(demo: Daemon) -> None:
    openai = client(demo)  # which tries twice more by itself, unless it is told not to
    with pytest.raises(NotFoundError) as missing:
        openai.chat.completions.create(model="gpt-5", messages=HI)
    assert missing.value.code == "model_not_found"
    for stream in (False, True):
        with pytest.raises(APIStatusError) as away:
            openai.chat.completions.create(model="SillyTavern-9999", messages=HI, stream=stream)
        assert (away.value.status_code, away.value.code) == (503, "no_extension")
        assert away.value.response.request.headers["x-stainless-retry-count"] == "0"
    with pytest.raises(AuthenticationError):
        client(demo, "sk-newage-zzzzzzzz-" + "a" * 26).models.list()
    with pytest.raises(NotFoundError):
        openai.responses.create(model="newage", input="Hello?")


def test_what_python_breaks_off_is_taken_back_and_what_is_revoked_ends(demo: Daemon) -> None:
    key = new_key(demo, "leaver", "--scope", "api")
    openai = client(demo, key, max_retries=0)
    stream = openai.chat.completions.create(model="newage", messages=LONG, stream=True)
    next(iter(stream))
    stream.close()
    assert logged(demo, re.compile(r"leaver: request \S+ in room leaver: cancelled"))
    chunks = iter(openai.chat.completions.create(model="newage", messages=LONG, stream=True))
    first = next(chunks)
    cancelled = openai.post(f"/chat/completions/{first.id}/cancel", body={}, cast_to=object)
    assert cancelled == {"id": first.id, "object": "chat.completion.cancelled", "status": "cancelled"}
    assert list(chunks)[-1].choices[0].finish_reason == "stop"
    operator(demo, "keys", "revoke", "leaver").communicate(timeout=30)
    with pytest.raises(AuthenticationError):
        openai.models.list()


NODE = """
import OpenAI from 'openai';
const [baseURL, apiKey] = process.argv.slice(2);
const openai = new OpenAI({ baseURL, apiKey });
const messages = [{ role: 'user', content: 'Hello?' }];
const said = {};
for await (const model of await openai.models.list()) (said.models ??= []).push(model.id);
const whole = await openai.chat.completions.create({ model: 'newage', messages });
said.whole = whole.choices[0].message.content;
said.streamed = '';
for await (const chunk of await openai.chat.completions.create({ model: 'newage', messages, stream: true })) {
  said.streamed += chunk.choices[0]?.delta?.content ?? '';
  said.finish = chunk.choices[0]?.finish_reason ?? said.finish;
}
for (const model of ['gpt-5', 'SillyTavern-9999']) {
  const asked = openai.chat.completions.create({ model, messages });
  await asked.catch((error) => (said[model] = [error.status, error.code]));
}
const long = [{ role: 'user', content: 'Hello? '.repeat(1000) }];
const stream = await openai.chat.completions.create({ model: 'newage', messages: long, stream: true });
for await (const chunk of stream) {
  said.id = chunk.id;
  break;
}
stream.controller.abort();
console.log(JSON.stringify(said));
"""


def test_node_gets_a_whole_answer_a_streamed_one_and_errors(demo: Daemon, key: str, tmp_path: Path) -> None:
    (tmp_path / "ask.mjs").write_text(NODE, "utf-8")
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    command = ["node", str(tmp_path / "ask.mjs"), f"{demo.url}/v1", key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["models"] == ["newage", "SillyTavern-demo"]
    assert "demo" in said["whole"]
    assert "demo" in said["streamed"]
    assert said["finish"] == "stop"
    assert (said["gpt-5"], said["SillyTavern-9999"]) == ([404, "model_not_found"], [503, "no_extension"])
    gone = re.escape(said["id"].removeprefix("chatcmpl-"))
    assert logged(demo, re.compile(rf"{BOT}: request {gone} in room {BOT}: cancelled"))


@pytest.mark.parametrize("command", re.findall(r"^```sh\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE))
def test_curl_as_the_guide_writes_it(demo: Daemon, command: str) -> None:
    shell = command.replace("http://localhost:4000", demo.url)
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0
    assert '"newage"' in done.stdout
    assert "stream" not in command or done.stdout.endswith("data: [DONE]\n\n")
