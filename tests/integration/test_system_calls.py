"""What the daemon asks of the kernel for each token and each echo, counted by strace: the guard of ``tests/speed`` with
everything that twistd adds.

A closed loop: the next one is sent when the last one has arrived everywhere, so nothing can share a read or a write.
Reads and writes are exact; timers of the hub that fire meanwhile are calls, too, so the sum has room for those.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Daemon
from rawsocket import RawWebSocket

WARM, ROUNDS, RECEIVERS = 20, 300, 3
SLACK = 0.05  # calls of each round that are forgiven
TIMERS = 40  # calls in a second that timers may make
CALL = re.compile(r"(\d+\.\d+) (\w+)\(")


class TracedDaemon(Daemon):
    """A daemon whose system calls are written to a file, each with its time; strace is no parent of it."""

    @property
    def trace(self) -> Path:
        return self.home.with_suffix(".strace")

    def command(self) -> list[str]:
        return ["strace", "-D", "-f", "-qq", "-ttt", "-s", "0", "-o", str(self.trace), *super().command()]

    def between(self, begin: float, end: float) -> Counter[str]:
        """What it called, by name; read after it has ended, so that all is written."""
        calls = (CALL.search(line) for line in self.trace.read_text("utf-8", "replace").splitlines())
        return Counter(call[2] for call in calls if call is not None and begin <= float(call[1]) <= end)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[TracedDaemon]:
    daemon = TracedDaemon(tmp_path / "home", "--ephemeral")
    daemon.start()
    yield daemon
    daemon.end()


class Peer:
    """One socket on ``/llm``."""

    def __init__(self, daemon: Daemon, **auth: str) -> None:
        self.socket = RawWebSocket(daemon.port)
        self.socket.receive_text()
        self.socket.send(f"40/llm,{json.dumps(auth)}")
        self.heard("40/llm,")

    def say(self, name: str, body: object, ack: str = "") -> None:
        self.socket.send(f"42/llm,{ack}{json.dumps([name, body])}")

    def heard(self, start: str) -> None:
        """Wait for a packet that begins so."""
        while not self.socket.receive_text().startswith(start):
            pass

    def ask(self, request_id: str, extension: str) -> None:
        self.say("LLM_REQUEST", {"requestId": request_id, "target": extension, "message": "go", "isStreaming": True})


def judge(daemon: TracedDaemon, begin: float, end: float, rounds: int, bound: dict[str, int]) -> None:
    """:param bound: system calls of one round; the daemon has no others to make."""
    calls = daemon.between(begin, end)
    room = rounds * SLACK + TIMERS * (end - begin)
    told = {name: count / rounds for name, count in calls.items()}
    assert {name: calls[name] for name in ("recvfrom", "sendto")} == {
        name: bound[name] * rounds for name in ("recvfrom", "sendto")
    }, told
    assert rounds <= calls["epoll_wait"] + SLACK * rounds, "the trace is whole"
    assert calls.total() <= sum(bound.values()) * rounds + room, told


def test_a_token_costs_one_look_one_read_and_a_write_for_each_receiver(daemon: TracedDaemon) -> None:
    extension = Peer(daemon, clientId="SillyTavern-1", clientType="SillyTavern", streamMode="output")
    receivers = [Peer(daemon, clientId="ann", clientType="web-app", streamMode="plain") for _ in range(RECEIVERS)]
    receivers[0].ask("r-1", "SillyTavern-1")
    extension.heard('42/llm,["LLM_REQUEST"')
    ids = {"streamId": "st-1", "outputId": "out-1", "requestId": "r-1", "target": "server"}
    extension.say("CLIENT_STREAM_START", {"type": 1, **ids})

    def token(index: int) -> None:
        extension.say("CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **ids, "chunkIndex": index, "data": "x" * 60})
        for receiver in receivers:
            receiver.heard('42/llm,["SERVER_STREAM_DATA"')

    for index in range(WARM):
        token(index)
    begin = time.time()
    for index in range(WARM, WARM + ROUNDS):
        token(index)
    end = time.time()
    daemon.stop()
    judge(daemon, begin, end, ROUNDS, {"epoll_wait": 1, "recvfrom": 1, "sendto": RECEIVERS})
    with pytest.raises(AssertionError):  # one more would be found
        judge(daemon, begin, end, ROUNDS, {"epoll_wait": 1, "recvfrom": 1, "sendto": RECEIVERS - 1})


def test_an_echo_costs_one_look_one_read_and_one_write(daemon: TracedDaemon) -> None:
    client = Peer(daemon, clientId="ann", clientType="web-app")

    def echo() -> None:
        client.say("START_TYPING", {}, ack="7")
        client.heard("43/llm,7[")

    for _ in range(WARM):
        echo()
    begin = time.time()
    for _ in range(ROUNDS):
        echo()
    end = time.time()
    daemon.stop()
    judge(daemon, begin, end, ROUNDS, {"epoll_wait": 1, "recvfrom": 1, "sendto": 1})
