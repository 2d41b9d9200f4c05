"""What is counted: rounds of one token or one echo each, and what they cost today.

``python tests/speed/scenes.py`` measures anew. Who makes a path longer with good reason writes the new numbers here,
and why into the commit.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from attrs import frozen

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "bench")]

from generic_server import make_server  # noqa: E402
from speedkit import Client, House, HubHouse, Stream, Tally, event, frame  # noqa: E402

WARM, TIMES = 20, 200  # rounds before those that count, and these
Round = Callable[[AbstractContextManager[Any]], None]  # does the thing once, the hub's part of it within the context


@frozen
class Cost:
    """Of one round.

    :param python: calls of Python functions that newage makes or is made of.
    :param c: functions in C that newage calls.
    :param every: calls of Python functions, Twisted's own included.
    :param sends: writes to sockets.
    :param sent: bytes to all receivers together.
    """

    python: float
    c: float
    every: float
    sends: float
    sent: float


@frozen
class Scene:
    """:param start: a house to what is done there again and again, and who receives something by it."""

    start: Callable[[Any], tuple[Round, Sequence[Client]]]
    cost: Cost
    allocations: float  # of all there is, Twisted and orjson included
    turns: int = 2  # of the reactor: one that reads, one that writes


def token(receivers: int = 1, *, at_once: int = 1) -> Callable[[HubHouse], tuple[Round, Sequence[Client]]]:
    """To sockets that declared the plain form."""

    def start(house: HubHouse) -> tuple[Round, Sequence[Client]]:
        stream = Stream(house, receivers)
        return lambda within: stream.tokens(at_once, within), stream.receivers

    return start


def followed(receivers: int = 1) -> Callable[[HubHouse], tuple[Round, Sequence[Client]]]:
    """To sockets that declared that they follow outputs: ``at`` and ``kind`` beside the text."""

    def start(house: HubHouse) -> tuple[Round, Sequence[Client]]:
        stream = Stream(house, receivers, mode="outputs")
        return lambda within: stream.tokens(1, within), stream.receivers

    return start


def undeclared(house: HubHouse) -> tuple[Round, Sequence[Client]]:
    """To a client that declared no form and reads no stream: the event and its alias."""
    stream = Stream(house, mode="")
    return lambda within: stream.tokens(1, within, events=2), stream.receivers


def library(house: HubHouse) -> tuple[Round, Sequence[Client]]:
    """To a reader of ``$stream``, its acknowledgement and its wish for the next one included."""
    stream = Stream(house, mode="ss")
    return stream.token_to_the_library, stream.receivers


def reference(house: HubHouse) -> tuple[Round, Sequence[Client]]:
    """From the reference extension: a stream of its own in five parts."""
    stream = Stream(house)
    return stream.token_of_the_reference, stream.receivers


def typing(house: HubHouse) -> tuple[Round, Sequence[Client]]:
    """An acknowledged event of the daemon: the echo of ``bench/profiles/product.json``."""
    client = house.client().join("/llm", clientId="ann", clientType="web-app")
    said = frame(event("START_TYPING", {"pad": "x" * 64}, ack=7))
    house.exchange(client, said, nullcontext())
    client.drain()  # that somebody types is told once
    return _acknowledged(house, client, said, b"43/llm,7["), [client]


def echo(house: House) -> tuple[Round, Sequence[Client]]:
    """An acknowledged event of the gateway alone: the echo of ``bench/profiles/generic.json``."""
    client = house.client()
    client.say("40")
    assert client.next().startswith(b"40")
    return _acknowledged(house, client, frame(event("echo", "x" * 64, ack=7, namespace="/")), b"437["), [client]


def _acknowledged(house: House, client: Client, said: bytes, answer: bytes) -> Round:
    def once(within: AbstractContextManager[Any]) -> None:
        house.exchange(client, said, within)
        (packet,) = client.ready(1)
        assert packet.startswith(answer), packet

    return once


# Counted on 2026-11-26, Twisted 26.10, Autobahn 26.10.2, orjson 3.13, CPython 3.11; 3.12 and 3.13 do the same, but that
# 3.13 allocates one or two things less. Each receiver more: 3 calls, 6 in C, 1.1 allocations, 1 write.
SCENES = {
    "token": Scene(token(), Cost(27.03, 39.97, 58.03, 1, 247.6), 68.3),
    "token to 3": Scene(token(3), Cost(33.03, 51.97, 63.03, 3, 742.8), 70.3),
    "token to 10": Scene(token(10), Cost(54.03, 93.97, 86.03, 10, 2476.0), 79.6),
    "8 tokens at once to 3": Scene(token(3, at_once=8), Cost(162.21, 292.56, 192.21, 3, 5963.4), 370.3),
    "token, undeclared": Scene(undeclared, Cost(37.08, 48.97, 68.08, 1, 490.2), 84.3),
    "token, followed": Scene(followed(), Cost(27.04, 41.97, 58.04, 1, 271.9), 75.3),
    "token to 10, followed": Scene(followed(10), Cost(54.04, 95.97, 86.04, 10, 2718.7), 104.6),
    "token, $stream": Scene(library, Cost(70.0, 93.03, 123.0, 1, 170.6), 181.1, turns=4),
    "token, reference extension": Scene(reference, Cost(131.81, 214.39, 162.81, 1, 1240.5), 291.0),
    "typing": Scene(typing, Cost(40.0, 41.0, 70.0, 1, 42.0), 68.0),
    "echo": Scene(echo, Cost(16.0, 24.0, 42.0, 1, 73.0), 56.0),
}


def make_house(name: str, home: Path) -> Any:
    """What serves a scene: the bench's generic server, or the hub."""
    return House(make_server) if name == "echo" else HubHouse(home)


def measure(once: Round, receivers: Sequence[Client]) -> tuple[Cost, Tally]:
    for _ in range(WARM):
        once(nullcontext())
    tally, before = Tally(), sum(client.received for client in receivers)
    for _ in range(TIMES):
        once(tally)
    sent = sum(client.received for client in receivers) - before
    sums = (sum(tally.python(ours=True).values()), sum(tally.c.values()), sum(tally.python().values()))
    return Cost(*(count / TIMES for count in (*sums, tally.system["sendto"], sent))), tally


def main() -> None:
    for name, scene in SCENES.items():
        with tempfile.TemporaryDirectory() as home:
            house = make_house(name, Path(home))
            cost, _ = measure(*scene.start(house))
            house.close()
        print(f"{name:27} {cost}")


if __name__ == "__main__":
    main()
