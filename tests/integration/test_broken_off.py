"""Two hundred who break off: nothing of them is left, neither at the model server nor in the hub."""

from __future__ import annotations

import json
import select
import socket
import struct
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from harness import BRISK, CHECKOUT, PATIENCE, Daemon, free_port, until
from prometheus_client.parser import text_string_to_metric_families

CLIENTS, PLACES = 200, 120  # what is beyond waits for its turn
LASTING, SHORT = "tokens=100000 rate=1", "tokens=3 rate=100"  # as the stand-in of a model server understands it
STORE = 12  # descriptors of the store's readers, opened when they are needed first
OPEN = "process_open_fds"
FIGURES = (
    "newage_sessions",
    "newage_connections",
    "newage_requests_in_progress",
    "newage_queue_length",
    "newage_outputs",
    "newage_outbound_bytes",
    "newage_rooms",
    OPEN,
)
SETTINGS = """
[metrics]
listen_port = {metrics}
[api]
requests_per_minute = 1000
requests_at_once = 1000
[requests]
request_rate = 1000
max_live_requests_per_identity = 1000
queue_size_per_identity = 1000
queue_size = 1000
extension_max_in_flight = 1000
[streams]
max_outputs_per_extension = {places}
max_streams_per_extension = {places}
[upstream.model]
url = "http://127.0.0.1:{model}/v1"
capacity = {places}
local_keyless = true
"""


class Served:
    """The hub, and the model server that it asks."""

    def __init__(self, daemon: Daemon, metrics: int, model: int) -> None:
        self.daemon = daemon
        self._metrics = metrics
        self._model = model

    def figures(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics}/metrics", timeout=PATIENCE) as response:
            families = text_string_to_metric_families(response.read().decode())
        return {each.name: sum(one.value for one in each.samples) for each in families if each.name in FIGURES}

    def answering(self) -> int:
        """Answers that the model server gives right now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._model}/v1/models", timeout=PATIENCE) as response:
            return int(json.load(response)["open_answers"])


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    metrics, model = free_port(), free_port()
    with ExitStack() as stack:
        command = [sys.executable, str(CHECKOUT / "bench" / "stand_in_model.py"), str(model)]
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"
        settings = BRISK + SETTINGS.format(metrics=metrics, model=model, places=PLACES)
        yield Served(stack.enter_context(Daemon.configured(tmp_path, settings)), metrics, model)


def asks(port: int, words: str) -> socket.socket:
    body = {"model": "llm:model", "stream": True, "messages": [{"role": "user", "content": words}]}
    data = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    return client


def read(clients: Sequence[socket.socket], heard: dict[socket.socket, bytes]) -> None:
    """What has come until now, of all of them."""
    ready: Any = select.select(clients, [], [], 0)[0]
    for client in ready:
        heard[client] = heard.get(client, b"") + client.recv(65_536)


def read_whole(client: socket.socket) -> None:
    """A short answer, to its end."""
    heard: dict[socket.socket, bytes] = {}

    def over() -> bool:
        read([client], heard)
        return b"[DONE]" in heard.get(client, b"")

    until(over, "an answer")
    client.close()


def breaks_off(client: socket.socket, *, reset: bool) -> None:
    """What it has been sent is read; else closing says a reset in any case."""
    if reset:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        client.shutdown(socket.SHUT_WR)
    client.close()


def test_nothing_is_left_of_two_hundred_who_break_off(served: Served) -> None:
    port = served.daemon.port
    alone = served.figures()["newage_sessions"]  # the model server's own
    read_whole(asks(port, SHORT))
    until(lambda: served.figures()["newage_sessions"] == alone, "nobody is here")
    before = served.figures()
    clients, heard = [asks(port, LASTING) for _ in range(CLIENTS)], dict[socket.socket, bytes]()

    def begun() -> bool:
        """All were answered with a head; as many as there are places have a token."""
        read(clients, heard)
        said = [heard.get(client, b"") for client in clients]
        assert not [each for each in said if each and not each.startswith(b"HTTP/1.1 200 ")]
        return all(said) and sum(b'"content":"0:' in each for each in said) == PLACES

    until(begun, "half of them are answered, the others wait")
    assert served.answering() == PLACES
    during = served.figures()
    assert (during["newage_outputs"], during["newage_requests_in_progress"]) == (PLACES, CLIENTS)
    assert during["newage_queue_length"] == CLIENTS - PLACES
    for number, client in enumerate(clients):
        breaks_off(client, reset=bool(number % 2))
    until(lambda: not served.answering(), "the model server is free")

    def as_before() -> bool:
        after.update(served.figures())
        return after.pop(OPEN) <= files + STORE and after == before

    after, files = dict[str, float](), before.pop(OPEN)
    with suppress(AssertionError):  # which tells less than the comparison
        until(as_before, "nothing is left", 2 * PATIENCE)
    assert after == before
    assert as_before()
    read_whole(asks(port, SHORT))
