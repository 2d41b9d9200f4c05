"""The peers' handlers on the daemon's own layers: ``python bench/generic_server.py PORT``.

``EngineServer``, ``Hub``, ``Dispatcher`` and ``make_site`` as the daemon puts them together, every limit at its
default, Twisted's own epoll reactor. Only the namespace is another: ``echo`` acks its argument, ``join {room}`` acks
true, ``relay {room, data}`` emits ``relayed`` with the data to the room. Nobody has to prove who they are.

Listens on 127.0.0.1; prints ``ready PORT``, where PORT 0 became the real one.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet import reactor as the_reactor

from newage.cluster.local import LocalAdapter
from newage.domain.delivery import Audience, Emission
from newage.gateway.engineio.engines import EngineServer
from newage.gateway.socketio.dispatch import Dispatcher, Namespace
from newage.gateway.socketio.hub import Hub
from newage.gateway.socketio.multiplex import multiplexer
from newage.ports import ISocket
from newage.web.settings import WebSettings
from newage.web.site import NewAgeSite, make_site

BACKLOG = 4096  # as the peers have it


def connect(socket: ISocket, auth: Any) -> None:
    socket.caller = "anybody"  # who has a caller is admitted


def disconnected(socket: ISocket, reason: str) -> None:
    """The hub forgets the socket by itself."""


def make_namespace(hub: Hub) -> Namespace:
    def echo(socket: ISocket, args: list[Any], wants_ack: bool) -> list[Any]:
        return args

    def join(socket: ISocket, args: list[Any], wants_ack: bool) -> list[Any]:
        hub.subscribe(socket.sid, Audience.room(args[0]["room"]))
        return [True]

    def relay(socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        body = args[0]
        hub.publish(Emission("/", "relayed", (body["data"],), (Audience.room(body["room"]),)))

    namespace = Namespace("/", connect=connect, disconnected=disconnected)
    namespace.on("echo", echo)
    namespace.on("join", join)
    namespace.on("relay", relay)
    return namespace


def make_server(clock: Any) -> NewAgeSite:
    hub = Hub(cluster=LocalAdapter)
    dispatcher = Dispatcher()
    dispatcher.add(make_namespace(hub))
    return make_site(WebSettings(), EngineServer(clock=clock, make_upper=multiplexer(hub, dispatcher)), clock)


def main() -> None:
    reactor: Any = the_reactor
    port = reactor.listenTCP(int(sys.argv[1]), make_server(reactor), backlog=BACKLOG, interface="127.0.0.1")
    number = port.getHost().port
    reactor.callWhenRunning(lambda: print("ready", number, flush=True))
    reactor.run()


if __name__ == "__main__":
    main()
