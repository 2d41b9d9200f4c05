"""A question in a room by each door, Socket.IO, both client packages, ``/v1``, ``/api/v1``: the same for everybody."""

from __future__ import annotations

import asyncio
import json
import subprocess
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from answering import on_both
from harness import HERE, PATIENCE, Hub, new_key, until
from people import Person, boss, person, room_of

from newage_client import connect
from nodekit import node_program

QUESTION = "How many words are there?"
TOKENS = [f"{number} 😀é客\n" for number in range(30)]
ANSWER = "".join(TOKENS)
JAVASCRIPT = """
import { io } from 'socket.io-client';
import { connect } from '../../clients/js/index.js';
const [url, clientId, room, question] = process.argv.slice(1);
const hub = connect(url, { io, clientId });
await hub.ready;
await hub.join(room);
let text = '';
for await (const token of hub.ask(question, { room })) text += token;
await hub.close();
process.stdout.write(text);
"""
Door = Callable[[Person, str, str], str]  # the room's master, who asks, the room -> the text of the answer


def post(hub: Hub, path: str, key: str, body: Any, method: str = "POST") -> str:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(hub.daemon.url + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        return str(response.read().decode())


def by_javascript(owner: Person, client_id: str, room: str) -> str:
    command = [
        node_program(),
        "--input-type=module",
        "--eval",
        JAVASCRIPT,
        owner.hub.daemon.url,
        client_id,
        room,
        QUESTION,
    ]
    done = subprocess.run(command, cwd=HERE, capture_output=True, encoding="utf-8", timeout=2 * PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def by_python(owner: Person, client_id: str, room: str) -> str:
    async def asks() -> str:
        async with asyncio.timeout(2 * PATIENCE), connect(owner.hub.daemon.url, client_id=client_id) as me:
            await me.join(room)
            return "".join([token async for token in await me.ask(QUESTION, room=room)])

    return asyncio.run(asks())


def chat_program(owner: Person, client_id: str, room: str) -> str:
    """Its key: it can do nothing but ask, so somebody takes it into the room."""
    key = new_key(owner.hub.daemon, client_id, "--scope", "api")
    owner.does("ADD_CLIENT_TO_ROOM", {"identity": client_id, "roomName": room})
    return key


def by_v1(owner: Person, client_id: str, room: str) -> str:
    key = chat_program(owner, client_id, room)
    question = {"model": f"room:{room}", "messages": [{"role": "user", "content": QUESTION}]}
    return str(json.loads(post(owner.hub, "/v1/chat/completions", key, question))["choices"][0]["message"]["content"])


def by_v1_streamed(owner: Person, client_id: str, room: str) -> str:
    key = chat_program(owner, client_id, room)
    question = {"model": f"room:{room}", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    events = post(owner.hub, "/v1/chat/completions", key, question).split("\n\n")
    data = [event.removeprefix("data: ") for event in events if event.startswith("data: ")]
    assert data[-1] == "[DONE]"
    return "".join(json.loads(each)["choices"][0]["delta"].get("content") or "" for each in data[:-1])


def by_api_v1(owner: Person, client_id: str, room: str) -> str:
    key = new_key(owner.hub.daemon, client_id)
    post(owner.hub, f"/api/v1/rooms/{room}/members/me", key, None, "PUT")
    asked = json.loads(post(owner.hub, f"/api/v1/rooms/{room}/messages", key, {"text": QUESTION}))["requestId"]
    found: list[str] = []

    def answered() -> bool:
        headers = {"Authorization": f"Bearer {key}"}
        request = urllib.request.Request(f"{owner.hub.daemon.url}/api/v1/rooms/{room}/messages", headers=headers)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            messages = json.loads(response.read())["messages"]
        found[:] = [each["text"] for each in messages if each["role"] == "assistant" and each["requestId"] == asked]
        return bool(found)

    until(answered, "the answer is stored")
    return found[0]


@on_both
@pytest.mark.parametrize(
    "door",
    [by_javascript, by_python, by_v1, by_v1_streamed, by_api_v1],
    ids=["javascript", "python", "v1", "v1 streamed", "api v1"],
)
def test_the_same_text_and_one_stored_message_each(hub: Hub, door: Door) -> None:
    extension = hub.extension(kind="tokens", tokens=TOKENS, gap=5).start_quickly()
    owner, other = boss(hub), person(hub)
    room = room_of(owner, other, mode="Immediate")
    other.says(hub.new_id("r"), room, QUESTION)
    check(owner, room, [(other.me, QUESTION), (extension.client_id, ANSWER)])
    asker = hub.new_id("asker")
    assert door(owner, asker, room) == ANSWER
    check(
        owner,
        room,
        [(other.me, QUESTION), (extension.client_id, ANSWER), (asker, QUESTION), (extension.client_id, ANSWER)],
    )


def check(owner: Person, room: str, said: list[tuple[str, str]]) -> None:
    """That, and nothing else, is stored."""

    def stored() -> list[tuple[str, str]]:
        messages = owner.does("GET_MESSAGES", {"roomName": room}, "/llm")["messages"]
        return [(each["identity"], each["message"]) for each in messages if not each.get("isSystem")]

    until(lambda: len(stored()) >= len(said), "it is stored")
    assert stored() == said
