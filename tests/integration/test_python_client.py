"""python-socketio's client, end to end: a second implementation of the protocol agrees with the daemon."""

from __future__ import annotations

import queue
from collections.abc import Sequence
from typing import Any

import pytest
import socketio
from harness import ALL_TRANSPORTS, PATIENCE, Hub, request

TOKENS = ("Hi 😀", " from", " the", " other", " 客户端")


def collect(seen: queue.SimpleQueue[tuple[str, dict[str, Any]]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """All chunks in their order, and the end. The library hands every event to a thread of its own, in any order."""
    chunks: list[dict[str, Any]] = []
    end: dict[str, Any] | None = None
    while end is None or len(chunks) < end["chunks"]:
        event, payload = seen.get(timeout=PATIENCE)
        if event == "SERVER_STREAM_END":
            end = payload
        else:
            chunks.append(payload)
    return sorted(chunks, key=lambda chunk: int(chunk["chunkIndex"])), end


ANSWERS: dict[str, tuple[dict[str, Any], str]] = {
    "tokens": ({"kind": "tokens", "tokens": TOKENS, "gap": 5}, "".join(TOKENS)),
    # more than the 16 packets that python-engineio takes in one polling answer
    "burst": ({"kind": "docs", "chunks": [f"{n} " for n in range(60)]}, "".join(f"{n} " for n in range(60))),
}


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
@pytest.mark.parametrize(("answer", "text"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_stream_reaches_python_socketio(
    hub: Hub, transports: Sequence[str], answer: dict[str, Any], text: str
) -> None:
    asked_id = hub.new_id("py")
    extension = hub.extension(**answer).start_quickly()
    client = socketio.Client(reconnection=False)
    seen: queue.SimpleQueue[tuple[str, dict[str, Any]]] = queue.SimpleQueue()
    for event in ("SERVER_STREAM_DATA", "SERVER_STREAM_END"):
        client.on(event, lambda payload, event=event: seen.put((event, payload)), namespace="/llm")

    me = hub.new_id("python")
    auth = {"clientId": me, "clientType": "web-app", "streamMode": "plain"}
    client.connect(hub.daemon.url, auth=auth, namespaces=["/llm"], transports=list(transports), wait_timeout=PATIENCE)
    try:
        reply = client.call("LLM_REQUEST", request(asked_id, extension.client_id), namespace="/llm", timeout=PATIENCE)
        assert (reply["status"], reply["roomName"]) == ("ok", me), reply
        chunks, end = collect(seen)
    finally:
        client.disconnect()
    assert "".join(chunk["data"] for chunk in chunks) == text
    assert [chunk["chunkIndex"] for chunk in chunks] == list(range(end["chunks"]))
    assert (end["data"], end["failed"]) == (text, False)


def test_it_acts_as_an_extension_and_sends_binary(hub: Hub) -> None:
    """The roles changed: python-socketio answers, socket.io-client asks."""
    port = "29999"
    client = socketio.Client(reconnection=False)

    def on_request(payload: dict[str, Any]) -> None:
        answer = {"type": 0, "data": f"echo: {payload['message']}", "requestId": payload["requestId"], "outputId": "o"}
        client.emit("message", answer, namespace="/llm")

    client.on("LLM_REQUEST", on_request, namespace="/llm")
    auth = {"clientId": f"SillyTavern-{port}", "clientType": "SillyTavern"}
    client.connect(hub.daemon.url, auth=auth, namespaces=["/llm"], wait_timeout=PATIENCE)
    try:
        client.emit("NO_SUCH_EVENT", {"bytes": b"\x00\x01\xff"}, namespace="/llm")
        web = hub.client(hub.new_id())
        assert web.call("LLM_REQUEST", request("py2", f"SillyTavern-{port}", "hello"))["status"] == "ok"
        assert web.payload("message")["data"] == "echo: hello"
    finally:
        client.disconnect()
