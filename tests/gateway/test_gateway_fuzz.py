"""Whatever a peer sends: it is answered, ignored or closed, and no failure is ever logged."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from gateway_doubles import FakePollingSink, FakeSink, Site
from newage.domain.delivery import EVERYBODY, Emission
from newage.gateway.engineio.connection import Connection
from newage.gateway.settings import GatewaySettings
from newage.gateway.socketio.dispatch import ConnectRefused
from newage.ports import ISocket

PACKETS = [
    b"1",
    b"2",
    b"3",
    b"5",
    b"6",
    b"2probe",
    b"40",
    b'40/slow,{"token":"x"}',
    b"40/closed",
    b"40/none",
    b"41",
    b"41/slow,",
    b'42["echo",{"a":[1,"x\\ud83d"]}]',
    b'421["echo",1]',
    b'42/slow,2["slow",1]',
    b'42/slow,["slow",1]',
    b'42["bye"]',
    b'42["ask"]',
    b"430[]",
    b"43/slow,0[1]",
    b'451-["echo",{"_placeholder":true,"num":0}]',
    b'452-/slow,3["slow",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]',
    b"461-0[{}]",
    b"42[null]",
    b"4",
    b"",
]


class Playground(Site):
    """A server with a bit of everything, small limits, and handlers that are awaited for a while."""

    def __init__(self) -> None:
        super().__init__(settings=GatewaySettings(max_event_backlog=3, max_open_acks=3, max_outbound_bytes=4_000))
        self.waiting: list[Deferred[None]] = []
        plain, slow = self.namespace(), self.namespace("/slow", connect=self.slowly)
        self.namespace("/closed", connect=self.refuse)
        plain.on("echo", lambda socket, args, wanted: args)
        plain.on("bye", lambda socket, args, wanted: socket.disconnect())
        plain.on("ask", self.ask)
        slow.on("slow", self.echo_slowly)

    def wait(self) -> Deferred[None]:
        self.waiting.append(Deferred())
        return self.waiting[-1]

    async def slowly(self, socket: ISocket, auth: Any) -> Callable[[], None]:
        await self.wait()
        socket.caller = "me"
        return lambda: socket.emit("welcome", b"data")

    def refuse(self, socket: ISocket, auth: Any) -> None:
        raise ConnectRefused("no")

    def ask(self, socket: ISocket, args: list[Any], wanted: bool) -> None:
        socket.call("question", [1], 5.0).addErrback(lambda failure: None)

    async def echo_slowly(self, socket: ISocket, args: list[Any], wanted: bool) -> list[Any]:
        await self.wait()
        return args

    def go_on(self, chance: random.Random) -> None:
        if self.waiting:
            self.waiting.pop(chance.randrange(len(self.waiting))).callback(None)


def play(site: Playground, chance: random.Random, count: int) -> list[tuple[Connection, FakeSink]]:
    connections: list[tuple[Connection, FakeSink]] = []
    for _ in range(count):
        if not connections or (len(connections) < 5 and chance.random() < 0.05):
            connections.append(site.open(FakePollingSink() if chance.random() < 0.3 else FakeSink()))
            connections[-1][0].text_received(b"40")
        connection, sink = chance.choice(connections)
        packet = chance.choice(PACKETS)
        if chance.random() < 0.1:
            at = chance.randrange(len(packet) + 1)
            packet = packet[:at] + chance.randbytes(chance.randrange(3)) + packet[at + chance.randrange(2) :]
        action = chance.random()
        if action < 0.75:
            connection.text_received(packet)
        elif action < 0.85:
            connection.binary_received(packet)
        elif action < 0.90:
            site.clock.advance(chance.choice([0, 0, 1, 5, 11]))
        elif action < 0.97:
            site.go_on(chance)
        elif action < 0.98:
            candidate = FakeSink()
            connection.start_probe(candidate)
            if candidate.receiver is not None:
                candidate.receiver.text_received(b"2probe")
                candidate.receiver.text_received(chance.choice([b"5", packet]))
        elif action < 0.985:
            sink.stuck = True
        elif action < 0.99:
            connection.sink_closed(connection.sink, "transport close")
        else:
            site.hub.publish(Emission("/", "news", (packet.decode("latin-1"),), (EVERYBODY,)))
        if connection.closed:
            connections.remove((connection, sink))
        assert len(site.clock.getDelayedCalls()) <= 1
    return connections


def test_thirty_thousand_random_steps_and_not_one_failure_is_logged() -> None:
    """The failure fixture of this folder is the assertion; the seed makes a failure repeatable."""
    chance, site = random.Random(4711), Playground()
    connections = play(site, chance, 30_000)
    while site.waiting:
        site.go_on(chance)
    for connection, _ in connections:
        connection.close("test")
    site.clock.advance(60)
    assert site.clock.getDelayedCalls() == []
    assert (len(site.engines), site.hub._sockets, site.hub._groups) == (0, {}, {})
    assert len(site.gone) > 500


@settings(max_examples=30, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_short_play(chance: random.Random) -> None:
    site = Playground()
    play(site, chance, 60)
