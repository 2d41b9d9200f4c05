"""The server that is measured answers what the load generator asks: one echo and one relay, over a real port."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import socketio

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 20  # seconds

pytestmark = pytest.mark.integration


@pytest.fixture
def url() -> Iterator[str]:
    """A running server."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "bench" / "generic_server.py"), "0"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        words = process.stdout.readline().split()
        assert words[0] == "ready"
        yield f"http://127.0.0.1:{words[1]}"
    finally:
        process.terminate()
        assert process.wait(PATIENCE) == 0


@pytest.fixture
def client(url: str) -> Iterator[socketio.Client]:
    client = socketio.Client(reconnection=False)
    client.connect(url, transports=["websocket"], wait_timeout=PATIENCE)
    yield client
    client.disconnect()


def test_echo_acks_its_argument(client: socketio.Client) -> None:
    assert client.call("echo", "hello", timeout=PATIENCE) == "hello"


def test_relay_reaches_the_room_and_nobody_else(url: str, client: socketio.Client) -> None:
    got: queue.Queue[Any] = queue.Queue()
    client.on("relayed", got.put)
    assert client.call("join", {"room": "a"}, timeout=PATIENCE) is True
    other = socketio.Client(reconnection=False)
    other.connect(url, transports=["websocket"], wait_timeout=PATIENCE)
    elsewhere: queue.Queue[Any] = queue.Queue()
    other.on("relayed", elsewhere.put)
    other.emit("relay", {"room": "a", "data": "one"})
    other.emit("relay", {"room": "b", "data": "nobody"})
    other.emit("relay", {"room": "a", "data": "two"})
    # the library hands each event to a thread of its own, so they come in any order
    assert sorted(got.get(timeout=PATIENCE) for _ in range(2)) == ["one", "two"]
    assert other.call("echo", "done", timeout=PATIENCE) == "done"
    assert elsewhere.empty()
    other.disconnect()
