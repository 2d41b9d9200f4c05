"""What the daemon asks of the kernel for each token and each echo, counted by strace: the guard of ``tests/speed`` with
everything that twistd adds.

A closed loop: the next one is sent when the last one has arrived everywhere, so nothing can share a read or a write.
Reads and writes are exact; timers of the hub that fire meanwhile are calls, too, so the sum has room for those. What a
timer says to everybody, about who has come, say, is in one run of several, the least of which counts.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from harness import Daemon
from rawsocket import RawWebSocket

RUNS, ROUNDS, RECEIVERS = 4, 200, 3
QUIET = 1.0  # seconds without any other word
SLACK = 0.05  # calls of each round that are forgiven
TIMERS = 40  # calls in a second that timers may make
CALL = re.compile(r"(\d+\.\d+) (\w+)\(")


class TracedDaemon(Daemon):
    """A daemon whose system calls are written to a file, each with its time; strace is no parent of it."""

    @property
    def trace(self) -> Path:
        return self.home.with_suffix(".strace")

    def environment(self) -> dict[str, str]:
        """Its heartbeat is no call that a token or an echo costs, however long the machine takes for all of them."""
        return {**super().environment(), "NEWAGE_ENGINE_PING_INTERVAL_SECONDS": "600"}

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

    def heard(self, start: str) -> int:
        """Wait for a packet that begins so; how many others came before it."""
        others = 0
        while not self.socket.receive_text().startswith(start):
            others += 1
        return others

    def ask(self, request_id: str, extension: str) -> None:
        self.say("LLM_REQUEST", {"requestId": request_id, "target": extension, "message": "go", "isStreaming": True})


def settle(one: Callable[[], int]) -> None:
    """Do it until nothing else has been said for a while: rooms are told late who has come."""
    since = time.monotonic()
    while time.monotonic() < since + QUIET:
        if one():
            since = time.monotonic()


def run(one: Callable[[], int]) -> list[tuple[float, float]]:
    """From when to when each run of it took."""
    times = []
    for _ in range(RUNS):
        begin = time.time()
        for _ in range(ROUNDS):
            one()
        times.append((begin, time.time()))
    return times


def judge(daemon: TracedDaemon, times: list[tuple[float, float]], bound: dict[str, int]) -> None:
    """:param bound: system calls of one round; the daemon has no others to make."""
    runs = [(daemon.between(begin, end), end - begin) for begin, end in times]
    calls, took = min(runs, key=lambda each: each[0].total())
    told = [{name: count / ROUNDS for name, count in each.items()} for each, _ in runs]
    assert {name: calls[name] for name in ("recvfrom", "sendto")} == {
        name: bound[name] * ROUNDS for name in ("recvfrom", "sendto")
    }, told
    assert calls["epoll_wait"] + SLACK * ROUNDS >= ROUNDS, "the trace is whole"
    assert calls.total() <= sum(bound.values()) * ROUNDS + ROUNDS * SLACK + TIMERS * took, told


def test_a_token_costs_one_look_one_read_and_a_write_for_each_receiver(daemon: TracedDaemon) -> None:
    extension = Peer(daemon, clientId="SillyTavern-1", clientType="SillyTavern", streamMode="output")
    receivers = [Peer(daemon, clientId="ann", clientType="web-app", streamMode="plain") for _ in range(RECEIVERS)]
    receivers[0].ask("r-1", "SillyTavern-1")
    extension.heard('42/llm,["LLM_REQUEST"')
    ids = {"streamId": "st-1", "outputId": "out-1", "requestId": "r-1", "target": "server"}
    extension.say("CLIENT_STREAM_START", {"type": 1, **ids})

    indexes = count()

    def token() -> int:
        chunk = {"type": 5, **ids, "chunkIndex": next(indexes), "data": "x" * 60}
        extension.say("CLIENT_STREAM_DATA_MIDDLE", chunk)
        return sum(receiver.heard('42/llm,["SERVER_STREAM_DATA"') for receiver in receivers)

    settle(token)
    times = run(token)
    daemon.stop()
    judge(daemon, times, {"epoll_wait": 1, "recvfrom": 1, "sendto": RECEIVERS})
    with pytest.raises(AssertionError):  # one more would be found
        judge(daemon, times, {"epoll_wait": 1, "recvfrom": 1, "sendto": RECEIVERS - 1})


def test_an_echo_costs_one_look_one_read_and_one_write(daemon: TracedDaemon) -> None:
    client = Peer(daemon, clientId="ann", clientType="web-app")

    def echo() -> int:
        client.say("START_TYPING", {}, ack="7")
        return client.heard("43/llm,7[")

    settle(echo)
    times = run(echo)
    daemon.stop()
    judge(daemon, times, {"epoll_wait": 1, "recvfrom": 1, "sendto": 1})
