"""What the manhole offers: live objects by name, and a few words that answer at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from newage.gateway.tracing import Trace

if TYPE_CHECKING:
    from newage.assembly import Core
    from newage.manhole import Console

BANNER = """newage manhole - you are inside the running hub; what you change is changed.
  hub         transport rooms and delivery        rooms       rooms, members, roles
  sessions    who is connected                    streams     outputs in progress
  requests    LLM requests and queues             core        everything else, by attribute
  who()       sessions, their sockets and rooms   status()    what SERVER_STATUS says
  trace(id)   print the packets of a session      untrace()   stop all traces
^D leaves."""


def namespace_of(core: Core, console: Console) -> Mapping[str, Any]:
    """The names of one console. Traces print to it and end with it."""
    traces: list[Trace] = []

    def say(prefix: str, line: str) -> None:
        console.say(f"{prefix} {line}")

    def who() -> None:
        """Print every session: identity, client, kind, sockets, rooms."""
        for session in core.sessions.online_sessions():
            callers = core.sessions.all_callers(session.identity)
            where = " ".join(sorted({caller.namespace for caller in callers})) or "(in its grace)"
            names = ", ".join(core.rooms.rooms_of(session.identity))
            console.say(f"{session.identity} [{session.kind.value}] of {session.client_id}: {where}; rooms: {names}")

    def trace(identity: str) -> None:
        """Print what a session's connections send and get, until untrace() or the end of this console."""
        connections = []
        for caller in core.sessions.all_callers(identity):
            socket = core.hub.socket(caller.sid)
            if socket is not None and socket.connection not in connections:
                connections.append(socket.connection)
        if not connections:
            console.say(f"no session {identity!r} has a connection; who() lists them")
        for number, connection in enumerate(connections):
            made = Trace(connection, partial(say, f"{identity}#{number}"))
            traces.append(made)
            console.keep(made)

    def untrace() -> None:
        """Stop all traces of this console."""
        while traces:
            traces.pop().stop()

    return {
        "core": core,
        "hub": core.hub,
        "rooms": core.rooms,
        "sessions": core.sessions,
        "streams": core.streams,
        "requests": core.requests,
        "status": core.status,
        "who": who,
        "trace": trace,
        "untrace": untrace,
    }
