"""What is measured: servers, scenarios, groups of both, and the bars of the design (ratios to Node socket.io)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NODE, PYTHON, HUB, DAEMON, STRICT = "node", "python-socketio", "newage", "newage daemon", "newage daemon, keys"


@dataclass(frozen=True)
class Server:
    """``command`` with {python} (newage's), {peers} (the peers' Python), {bench}, {port} and {home} filled in."""

    command: Sequence[str]
    profile: str  # which events and arguments the load generator uses
    strict: bool = False  # asks every client for its key: needs a home with keys in it


@dataclass(frozen=True)
class Scenario:
    """Arguments of the load generator."""

    args: Sequence[str]
    bar: float | None = None  # at least this ratio to Node; of bytes: at most
    stretch: float | None = None


@dataclass(frozen=True)
class Group:
    """Scenarios that the same servers run, interleaved."""

    title: str
    servers: Sequence[str]
    scenarios: Mapping[str, Scenario]


_TWISTD = ("{python}", "-c", "from twisted.scripts.twistd import run; run()", "--pidfile=", "-n", "newage")
_DAEMON = (*_TWISTD, "--port", "{port}", "--bind", "127.0.0.1")

SERVERS: Mapping[str, Server] = {
    NODE: Server(("node", "{bench}/peers/node_socketio.js", "{port}"), "generic"),
    PYTHON: Server(("{peers}", "{bench}/peers/py_socketio.py", "{port}"), "generic"),
    HUB: Server(("{python}", "{bench}/generic_server.py", "{port}"), "generic"),
    DAEMON: Server((*_DAEMON, "--ephemeral"), "product"),
    STRICT: Server((*_DAEMON, "--home", "{home}"), "reconnect", strict=True),
}


def _stream(producers: int, consumers: int, *more: str) -> tuple[str, ...]:
    return (
        *("--scenario", "stream", "--producers", str(producers), "--consumers", str(consumers), "--payload", "60"),
        *more,
    )


def _echo(conns: int, window: int, payload: int) -> tuple[str, ...]:
    return ("--scenario", "echo", "--conns", str(conns), "--window", str(window), "--payload", str(payload))


def _broadcast(receivers: int, window: int) -> tuple[str, ...]:
    return ("--scenario", "broadcast", "--receivers", str(receivers), "--window", str(window), "--payload", "128")


GROUPS: Mapping[str, Group] = {
    "protocol": Group(
        "Protocol level: generic handlers",
        (NODE, PYTHON, HUB),
        {
            "connect": Scenario(
                ("--scenario", "connect", "--n", "2000", "--concurrency", "50", "--warmup-conns", "800"), 1.0, 1.5
            ),
            "echo_w1": Scenario(_echo(100, 1, 64), 1.6, 3.0),
            "echo_w16": Scenario(_echo(50, 16, 64), 3.5, 7.0),
            "echo_4k": Scenario(_echo(50, 4, 4096), 2.0, 5.0),
            "bcast_100": Scenario(_broadcast(100, 8), 5.0, 10.0),
            "bcast_100_w1": Scenario(_broadcast(100, 1), 1.0, 1.3),
            "bcast_1000": Scenario(_broadcast(1000, 4), 4.0, 5.0),
            "stream_sat": Scenario(_stream(50, 3, "--window", "8"), 3.5, 6.0),
            "stream_w1": Scenario(_stream(50, 3, "--window", "1"), 1.5, 2.2),
            "idle_10k": Scenario(
                ("--scenario", "idle", "--n", "10000", "--settle", "4", "--concurrency", "100"), 0.75, 0.6
            ),
        },
    ),
    "product": Group(
        "Product level: extension to three receivers through the daemon, against Node's bare relay",
        (NODE, DAEMON),
        {
            "stream_sat": Scenario(_stream(50, 3, "--window", "8"), 2.0, 4.0),
            "stream_w1": Scenario(_stream(50, 3, "--window", "1"), 1.0, 1.5),
        },
    ),
    "live": Group(
        "Live streams: 50 chunks/s each to three receivers, open loop",
        (NODE, DAEMON),
        {f"live_{streams}": Scenario(_stream(streams, 3, "--rate", "50")) for streams in (100, 250, 500)},
    ),
    "reconnect": Group(
        "Reconnect of 1,000 clients with keys, each verified once before",
        (STRICT,),
        {
            "reconnect": Scenario(
                (
                    "--scenario",
                    "connect",
                    "--n",
                    "1000",
                    "--concurrency",
                    "50",
                    "--warmup-conns",
                    "1000",
                    "--churn",
                    "1",
                )
            )
        },
    ),
}
