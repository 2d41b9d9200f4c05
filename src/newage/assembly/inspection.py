"""What the manhole offers: live objects by name, and a few words that answer at a glance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from attrs import evolve

from newage.assembly.core import Core
from newage.dialect import Body, server
from newage.gateway.engineio.tracing import Tracer
from newage.services.webhooks.line import Line
from newage.settings import Live
from newage.telemetry.audit import emit

if TYPE_CHECKING:
    from newage.daemon.manhole import Console

BANNER = """newage manhole - you are inside the running hub; what you change is changed.
  hub         audiences and delivery              rooms       rooms, members, roles
  sessions    who is connected                    streams     outputs in progress
  requests    LLM requests and queues             core        everything else, by attribute
  who()       sessions, their sockets and rooms   status()    what SERVER_STATUS says
  trace(id)   print the packets of a session      untrace()   stop all traces
  counts()    requests, refusals, lost log entries since the start
  webhooks()  the receivers, what waits for them, what fails
  change(requests, request_rate=5)                settings of a service, until the next start or reload
^D leaves."""


class Text(str):
    """Is shown as it is, not in quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Everything:
    """The parts of several groups by their names; a later group's wins."""

    def __init__(self, *groups: object) -> None:
        self._groups = groups[::-1]

    def __getattr__(self, name: str) -> Any:
        for group in self._groups:
            if hasattr(group, name):
                return getattr(group, name)
        raise AttributeError(name)

    def __dir__(self) -> list[str]:
        return sorted({name for group in self._groups for name in dir(group) if not name.startswith("_")})


class Inspection:
    """Makes the names of each console. Traces print to it and end with it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._tracer = Tracer()

    def namespace(self, console: Console) -> Mapping[str, Any]:
        core = self._core
        traces: list[Callable[[], None]] = []

        def trace(session: str) -> Text:
            """Print what a session's connections send and get, until untrace() or the end of this console."""
            return self._trace(console, traces, session)

        def untrace() -> None:
            """Stop all traces of this console."""
            while traces:
                traces.pop()()

        console.at_end(untrace)
        return {
            "core": Everything(core, core.accounts, core.people, core.calls, core.talk),
            "hub": core.hub,
            "rooms": core.talk.rooms,
            "sessions": core.people.sessions,
            "streams": core.talk.streams,
            "requests": core.talk.requests,
            "status": self.status,
            "counts": self.counts,
            "webhooks": self.webhooks,
            "who": self.who,
            "trace": trace,
            "untrace": untrace,
            "change": self.change,
        }

    def status(self) -> Body:
        """What SERVER_STATUS says."""
        return server.status(self._core.status(), debug_mode=self._core.diagnostics.debug_mode)

    def counts(self) -> dict[str, float]:
        """Requests, refusals and entries of the log since the start, those included that no line tells of."""
        return self._core.counters.snapshot()

    def webhooks(self) -> Text:
        """Every receiver: where it is, how many events wait, what became of the others, why it fails."""
        return Text("\n".join(map(shown, self._core.talk.webhooks.lines)) or "none")

    def who(self, limit: int = 200) -> Text:
        """Every session: identity, client, kind, sockets, rooms."""
        rooms, here = self._core.talk.rooms, self._core.people.sessions
        lines = []
        sessions = here.online_sessions()
        for session in sessions[:limit]:
            callers = here.all_callers(session.identity)
            where = " ".join(sorted({caller.namespace for caller in callers})) or "(in its grace)"
            names = ", ".join(rooms.rooms_of(session.identity))
            lines.append(f"{session.identity} [{session.kind.value}] of {session.client_id}: {where}; rooms: {names}")
        if len(sessions) > limit:
            lines.append(f"... and {len(sessions) - limit} more; who(limit) shows them")
        return Text("\n".join(lines) or "nobody")

    def change(self, service: Any, **settings: Any) -> Any:
        """Give a service other settings, checked as those of the configuration file.

        :return: its settings now.
        """
        cell: Live[Any] = service.settings
        cell.replace(evolve(cell.value, **settings))
        emit("manhole.change", "CONFIG_SAVED", "ok", {}, {"service": type(service).__name__, **settings})
        return cell.value

    def _trace(self, console: Console, traces: list[Callable[[], None]], identity: str) -> Text:
        found: dict[Any, None] = {}
        for caller in self._core.people.sessions.all_callers(identity):
            socket = self._core.hub.socket(caller.sid)
            if socket is not None:
                found[socket.connection] = None
        for number, connection in enumerate(found):
            traces.append(self._tracer.start(connection, partial(_say, console, f"{identity}#{number}")))
        if not found:
            return Text(f"no session {identity!r} has a connection; who() lists them")
        return Text(f"tracing {len(found)} connections of {identity}")


def shown(line: Line) -> str:
    """One receiver, for who operates the hub."""
    became = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in line.outcomes.items())
    state = "; wants no more until the next start" if line.gone else ""
    trouble = f"; {line.trouble_now}" if line.trouble_now else ""
    return f"{line.name} at {line.webhook.origin}: {line.length} wait, {became}{trouble}{state}"


def _say(console: Console, prefix: str, line: str) -> None:
    console.say(f"{prefix} {line}")
