"""A whole hub in memory with its site, asked over HTTP; an extension of the test's own answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import orjson
from attrs import define
from twisted.internet.defer import Deferred, succeed
from twisted.web.client import Agent
from web_doubles import Line, Response
from zope.interface import implementer

from corekit import ThreadedClock
from newage.assembly.api import make_apis
from newage.assembly.core import make_core
from newage.assembly.life import Life
from newage.config import Config, ServerSettings
from newage.domain.details import Details
from newage.domain.forwarded import ForwardedRequest
from newage.domain.model import Caller, Peer, Rank, Role, Scope, Session
from newage.ports import IExtensionLink, Said
from newage.services.accounts.keys import Grant
from newage.web.settings import WebSettings
from newage.web.site import make_site

EXTENSION = "SillyTavern-8000"


@implementer(IExtensionLink)
class Model:
    """An extension in the process: what it is asked is in ``asked``, what it is told to stop in ``stopped``."""

    def __init__(self, house: ApiHouse, identity: str) -> None:
        self.identity = identity
        self.asked: list[ForwardedRequest] = []
        self.stopped: list[str] = []
        self._house = house
        self._upstream = house.core.talk.streams

    def forward(self, request: ForwardedRequest) -> None:
        self.asked.append(request)

    def stop(self, request_id: str, output_ids: Any, reason: str) -> Deferred[None]:
        self.stopped.append(request_id)
        return succeed(None)

    def said(self, number: int = -1) -> Said:
        request = self.asked[number]
        return Said(self.identity, f"s-{request.request_id}", f"o-{request.request_id}", request.request_id)


@define(eq=False)
class Told:
    """One answer."""

    response: Response

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def json(self) -> Any:
        return orjson.loads(self.response.body)

    @property
    def code(self) -> str:
        code: str = self.json["error"]["code"]
        return code


class ApiHouse:
    """As ``web_doubles.House``, of everything."""

    def __init__(self, home: Path, web: WebSettings | None = None, **tables: Any) -> None:
        self.clock = ThreadedClock()
        self._home = home
        server = ServerSettings(home=str(home), ephemeral=True)
        config = Config(server=server, web=web or WebSettings(), **tables)
        agent: Any = Agent(self.clock)
        self.core = make_core(
            config, self.clock, set_debug=lambda on: None, log_folder=None, port=lambda: 4711, agent=agent
        )
        self.life = Life(self.core, self.clock)
        self.life.startService()
        self.site = make_site(
            config.web,
            self.core.engines,
            self.clock,
            apis=make_apis(self.core),
            api_body_bytes=config.api.max_body_bytes,
        )

    def close(self) -> None:
        stopped = self.life.stopService()
        for _ in range(200):
            if stopped.called:
                break
            self.clock.advance(0.1)
        self.clock.until(stopped)

    def model(self, identity: str = EXTENSION, features: tuple[str, ...] = ("cancel",)) -> Model:
        model = Model(self, identity)
        session = Session(client_id=identity, identity=identity, client_type="SillyTavern")
        self.core.people.sessions.attach_extension(session, model, 8, features)
        return model

    def key(self, client_id: str = "bot", scope: Scope = Scope.API, rank: Rank = Rank.CLIENT) -> str:
        trust = self.core.accounts.trust
        if rank is Rank.ADMIN:
            self._home.joinpath("settings").mkdir(exist_ok=True)
            settings = {"clientId": client_id, "isTrust": True, "isAdmin": True}
            self._home.joinpath("settings", f"{client_id}.json").write_bytes(orjson.dumps(settings))
            self.clock.until(trust.rescan())
        trusted = Deferred.fromCoroutine(trust.trust(client_id))
        assert trusted.called
        made = Deferred.fromCoroutine(
            self.core.accounts.keys.generate(client_id, local=True, grant=Grant(scope=scope, rank=rank, labelled=True))
        )
        self.clock.until(made)
        key: str = made.result  # type: ignore[assignment]
        return key

    def person(self, client_id: str = "ann", namespace: str = "/rooms") -> Caller:
        """Somebody who is here by a socket."""
        session = Session(client_id=client_id, identity=client_id)
        caller = Caller(sid=f"{client_id}{namespace}", namespace=namespace, session=session, peer=Peer("", local=True))
        self.core.people.sessions.attach(caller)
        return caller

    def room(self, name: str, master: str, **members: Role) -> None:
        """A group room; who is no session yet may be a member."""
        rooms = self.core.talk.rooms
        made = Deferred.fromCoroutine(rooms.create(name, self.core.people.sessions.named(master)))
        assert made.called
        for identity, role in members.items():
            rooms.add_silently(name, identity, role)

    def line(self, address: str = "127.0.0.1") -> Line:
        return Line(self, address)  # type: ignore[arg-type]

    def ask(
        self,
        target: str,
        body: Any = None,
        key: str | None = None,
        address: str = "127.0.0.1",
        method: str = "",
        **headers: str,
    ) -> Told:
        """A GET, or a POST where there is a body, or what ``method`` says."""
        line = self.send(target, body, key, address, method, **headers)
        self.clock.until_true(line.transport.value)  # what takes a thread
        return Told(line.responses()[0])

    def send(
        self,
        target: str,
        body: Any = None,
        key: str | None = None,
        address: str = "127.0.0.1",
        method: str = "",
        **headers: str,
    ) -> Line:
        line = self.line(address)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            sent["Authorization"] = f"Bearer {key}"
        raw = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        line.request(target, method or ("GET" if body is None else "POST"), raw, sent)
        return line


class Houses(Protocol):
    """Makes hubs that are closed after the test."""

    def __call__(self, **tables: Any) -> ApiHouse: ...


CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "Hi"}]


def question(model: str = "newage", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": HI, **more}


class Flow:
    """A body that comes in pieces, as its reader has it so far."""

    def __init__(self, hub: ApiHouse, line: Line) -> None:
        self.hub = hub
        self.line = line
        self.head = b""
        self._raw = b""
        self.read()

    def read(self) -> None:
        self.hub.clock.advance(0)
        self._raw += self.line.transport.take()
        if not self.head and b"\r\n\r\n" in self._raw:
            self.head, _, self._raw = self._raw.partition(b"\r\n\r\n")

    @property
    def ended(self) -> bool:
        self.read()
        return self._raw.endswith(b"0\r\n\r\n")

    @property
    def body(self) -> bytes:
        self.read()
        rest, body = self._raw, b""
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body, rest = body + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
        return body


def events(flow: Flow) -> list[tuple[str, Any]]:
    """Their names and bodies."""
    found = []
    for block in flow.body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":"))
        if fields:
            found.append((fields["event"], orjson.loads(fields["data"])))
    return found


class Stream(Flow):
    """One streamed answer of ``/v1``."""

    def __init__(self, hub: ApiHouse, body: dict[str, Any], key: str | None = None, **headers: str) -> None:
        super().__init__(hub, hub.send(CHAT, {**body, "stream": True}, key, **headers))

    @property
    def frames(self) -> list[Any]:
        events = [each for each in self.body.split(b"\n\n") if each.startswith(b"data: ")]
        return ["[DONE]" if each == b"data: [DONE]" else orjson.loads(each[6:]) for each in events]

    @property
    def deltas(self) -> list[Any]:
        chunks = [each for each in self.frames if isinstance(each, dict) and each.get("choices")]
        return [each["choices"][0]["delta"] for each in chunks]

    @property
    def text(self) -> str:
        return "".join(each.get("content") or "" for each in self.deltas)

    @property
    def error(self) -> Any:
        found = next((each for each in self.frames if "error" in each), None)
        return found and found["error"]


def say(
    hub: ApiHouse, model: Model, *texts: str, end: bool = True, number: int = -1, details: Details | None = None
) -> None:
    said, streams = model.said(number), hub.core.talk.streams
    streams.stream_started(said)
    for index, text in enumerate(texts):
        streams.stream_data(said, index, text)
    if end:
        streams.stream_ended(said, True, details)
    hub.clock.advance(0)


def nothing_is_left(hub: ApiHouse) -> None:
    hub.clock.advance(3)
    assert len(hub.core.talk.own_outputs) == 0
    assert hub.core.talk.ledger.live_count == 0
    for who in ("bot", "api-local"):
        assert hub.core.people.presence.of(who) == 0
        assert not hub.core.people.sessions.is_online(who)
