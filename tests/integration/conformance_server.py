"""The server of the published conformance suites: ``python tests/integration/conformance_server.py --port N``.

The daemon's own layers with the heartbeat and the handlers that engine.io-protocol's and socket.io-protocol's test
suites expect, on one port: ``/engine.io/`` sends each message back; ``/socket.io/`` has the namespaces ``/`` and
``/custom``, which emit ``auth`` with the handshake payload, and ``/`` answers ``message`` and ``message-with-ack``.
Prints ``listening on N`` once it does.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from twisted.internet import reactor
from twisted.internet.error import CannotListenError
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from newage.cluster.local import LocalAdapter
from newage.gateway.engineio.connection import Connection
from newage.gateway.engineio.engines import EngineServer
from newage.gateway.engineio.plain import Plain
from newage.gateway.socketio.dispatch import Dispatcher, Namespace
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.multiplex import multiplexer
from newage.ports import ISocket
from newage.protocol.engine_session import EngineSettings
from newage.web.settings import WebSettings
from newage.web.site import NewAgeSite, make_site

# The suite listens for one message at a time, so it does not see a second one that arrives in the same TCP segment as
# the CONNECT reply; this server would send both in one write.
AUTH_DELAY = 0.02
ENGINE = EngineSettings(
    ping_interval_seconds=0.3, ping_timeout_seconds=0.2, max_payload_bytes=1_000_000, connect_timeout_seconds=1.0
)


def send_back(connection: Connection, payload: bytes, binary: bool) -> None:
    if binary:
        connection.send_binary(payload)
    else:
        connection.send_text(b"4" + payload)


def tell_auth(socket: ISocket, auth: Any) -> Any:
    socket.caller = "anybody"
    loop: Any = reactor
    return lambda: loop.callLater(AUTH_DELAY, socket.emit, "auth", {} if auth is None else auth)


def ignore_end(socket: ISocket, reason: str) -> None:
    """Nothing was built that would have to be taken down."""


def message(socket: ISocket, args: list[Any], wants_ack: bool) -> None:
    socket.emit("message-back", *args)


def message_with_ack(socket: ISocket, args: list[Any], wants_ack: bool) -> list[Any]:
    return args


def make_conformance_site(clock: Any, engine: EngineSettings = ENGINE) -> NewAgeSite:
    dispatcher = Dispatcher()
    for path in ("/", "/custom"):
        dispatcher.add(Namespace(path, connect=tell_auth, disconnected=ignore_end))
    root = dispatcher.get("/")
    assert root is not None
    root.on("message", message)
    root.on("message-with-ack", message_with_ack)
    plain = partial(Plain, on_message=send_back)
    sockets = multiplexer(Hub(cluster=LocalAdapter), dispatcher)
    servers = {
        "/engine.io": EngineServer(clock=clock, make_upper=plain, engine=engine),
        "/socket.io": EngineServer(clock=clock, make_upper=sockets, engine=engine),
    }
    return make_site(WebSettings(cors_origins=("*",)), servers, clock)


def main() -> None:
    parser = argparse.ArgumentParser(description="serve the published conformance suites")
    parser.add_argument("--port", type=int, required=True, help="0 takes any free port")
    patience = ("ping_interval_seconds", "ping_timeout_seconds", "connect_timeout_seconds")
    for name in patience:
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=getattr(ENGINE, name), help="the suites' own: %(default)s")
    options = parser.parse_args()
    wanted, engine = options.port, evolve(ENGINE, **{name: getattr(options, name) for name in patience})
    errors_only = LogLevelFilterPredicate(LogLevel.warn)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [errors_only])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    loop: Any = reactor
    site = make_conformance_site(loop, engine)
    port = loop.listenTCP(wanted, site, interface="127.0.0.1")
    if wanted:
        try:  # "localhost" may mean this one; where there is no IPv6 it does not
            loop.listenTCP(wanted, site, interface="::1")
        except CannotListenError as error:
            print(f"not on IPv6: {error}", file=sys.stderr)
    loop.callWhenRunning(lambda: print(f"listening on {port.getHost().port}", flush=True))
    loop.run()


if __name__ == "__main__":
    main()
