"""Clients behind bad lines: nothing acknowledged is lost, nothing comes twice, all stays in its room and in its order.

Two people ask in rooms of their own, each behind a line with faults; the checker of histories compares what they were
told with what the hub has in the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fault_proxy import FaultProxy, Line
from harness import PATIENCE, POLLING, WEBSOCKET, DriverError, Extension, Hub, request
from histories import History, Stored

ACK_SECONDS = 1.0
BAD_LINES = {
    "one-byte-slices": Line(slice_bytes=1),
    "late": Line(latency=0.1),
    "slow": Line(bytes_per_second=16_384),
}
LINES = [
    pytest.param(line, transports, id=f"{name}-{transports[0]}")
    for name, line in BAD_LINES.items()
    for transports in (POLLING, WEBSOCKET)
]
FAULTS: dict[str, Callable[[FaultProxy], None]] = {
    "reset": FaultProxy.reset,
    "cut": FaultProxy.cut,
    "half-open": FaultProxy.half_open,
    "black-hole": FaultProxy.black_hole,
}


class Asker:
    """One person, whose line may be a new one; what he is told goes into the history."""

    def __init__(self, hub: Hub, proxy: FaultProxy, transports: tuple[str, ...], history: History) -> None:
        self.hub = hub
        self.me = hub.new_id("faulty")
        self.proxy = proxy
        self.transports = transports
        self.history = history
        self.asked = 0
        self.come()

    def come(self) -> None:
        """On a new line."""
        engine = self.hub.new_id("engine")
        self.hub.driver.do("engine", name=engine, url=self.proxy.url, options={"transports": list(self.transports)})
        auth = {"clientType": "web-app", "clientId": self.me, "outputs": True}
        self.socket = self.hub.open("/llm", auth, engine=engine).connected()

    def ask(self, target: str, patience: float = PATIENCE) -> int:
        """Say a question; returns the number of the call, for ``hears``."""
        self.asked += 1
        key = f"{self.me}-{self.asked}"
        self.history.sent(self.me, self.me, key, f"question {key}")
        return self.socket.post_call("LLM_REQUEST", request(key, target, f"question {key}"), timeout=patience)

    def hears(self, call: int) -> bool:
        """Whether the hub acknowledged it."""
        try:
            [reply] = self.hub.driver.result(call)
        except DriverError:
            return False
        assert reply["status"] == "ok", reply
        self.history.acked(reply["requestId"])
        return True

    def answered(self, count: int) -> None:
        """As many answers have come on this line; they go into the history."""
        self.socket.wait("SERVER_STREAM_END", count=count)
        for end in self.socket.payloads("SERVER_STREAM_END"):
            self.history.answered(self.me, end["roomName"], end["requestId"], end["data"])

    def stored(self) -> list[Stored]:
        """What the hub has of his room, asked on a sound line."""
        reply: dict[str, Any] = self.hub.client(self.me).call("GET_MESSAGES", {"roomName": self.me, "limit": 200})
        assert reply["status"] == "ok", reply
        return [
            Stored(message["messageId"], message["data"], message["requestId"])
            if message["fromLlm"]
            else Stored(message["requestId"], message["data"])
            for message in reply["messages"]
        ]


def echoing(hub: Hub) -> Extension:
    """It answers each question with the question."""
    how: dict[str, Any] = {
        "kind": "tokens",
        "tokens": ["You said: "],
        "echo": True,
        "knowsRequest": True,
        "final": True,
    }
    # one at a time: as the reference one it drops what overlaps, and a line that heals brings several at once
    extension = hub.extension(declares={"features": ["reasoning"]}, **how)
    return extension.start_quickly()


@pytest.mark.parametrize(("line", "transports"), LINES)
def test_bad_lines_lose_and_double_nothing(hub: Hub, line: Line, transports: tuple[str, ...]) -> None:
    history, extension = History(), echoing(hub)
    with FaultProxy(hub.daemon.port, line) as one, FaultProxy(hub.daemon.port, line) as other:
        askers = [Asker(hub, proxy, transports, history) for proxy in (one, other)]
        for number in range(3):
            for asker in askers:
                assert asker.hears(asker.ask(extension.client_id))
                asker.socket.wait("SERVER_STREAM_END", count=number + 1)
        for asker in askers:
            asker.answered(3)
    final = {asker.me: asker.stored() for asker in askers}
    assert [len(kept) for kept in final.values()] == [6, 6]
    assert history.violations(final) == []


@pytest.mark.parametrize("transports", [POLLING, WEBSOCKET], ids="-".join)
@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_acknowledged_survives_a_fault_of_the_line(hub: Hub, fault: str, transports: tuple[str, ...]) -> None:
    """A fault in the moment of asking: the question is there once or not at all, acknowledged it is there."""
    history, extension = History(), echoing(hub)
    with FaultProxy(hub.daemon.port) as bad, FaultProxy(hub.daemon.port) as sound:
        unlucky, lucky = (Asker(hub, proxy, transports, history) for proxy in (bad, sound))
        for asker in (unlucky, lucky):
            assert asker.hears(asker.ask(extension.client_id))
            asker.answered(1)
        said = unlucky.ask(extension.client_id, ACK_SECONDS)
        FAULTS[fault](bad)
        assert lucky.hears(lucky.ask(extension.client_id))
        unlucky.hears(said)
        bad.heal()
        unlucky.come()
        assert unlucky.hears(unlucky.ask(extension.client_id))
        unlucky.socket.wait("SERVER_STREAM_END", lambda end: end["requestId"].endswith("-3"))
    final = {asker.me: asker.stored() for asker in (unlucky, lucky)}
    assert history.violations(final) == []
