"""A model server in memory: Twisted's real HTTP client on transports that a test reads and writes."""

from __future__ import annotations

import json
from typing import Any

from attrs import define, field
from treq.client import HTTPClient
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransportWithDisconnection
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

URL = "http://model.test:1234/v1"


@define(eq=False)
class Line:
    """One connection, as the server sees it."""

    transport: StringTransportWithDisconnection
    protocol: Any

    @property
    def head(self) -> str:
        return str(self.transport.value().partition(b"\r\n\r\n")[0].decode())

    @property
    def body(self) -> Any:
        return json.loads(self.transport.value().partition(b"\r\n\r\n")[2])

    @property
    def is_open(self) -> bool:
        return bool(self.transport.connected)

    def says(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def begins(self, status: str = "200 OK", kind: str = "text/event-stream", **headers: str) -> None:
        """Headers of an answer that ends with its connection."""
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        self.says(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nConnection: close\r\n{more}\r\n".encode())

    def whole(self, status: str, value: Any, **headers: str) -> None:
        """An answer in JSON."""
        body = json.dumps(value)
        self.begins(status, "application/json", Content_Length=str(len(body)), **headers)
        self.says(body.encode())

    def frames(self, *values: Any) -> None:
        for value in values:
            self.says(b"data: " + (value if isinstance(value, str) else json.dumps(value)).encode() + b"\n\n")

    def tokens(self, *texts: str, **more: Any) -> None:
        self.frames(*({"choices": [{"delta": {"content": text, **more}}]} for text in texts))

    def done(self, prompt: int = 10, completion: int = 2) -> None:
        self.frames(
            {"choices": [{"delta": {}, "finish_reason": "stop"}]},
            {"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion}},
            "[DONE]",
        )

    def hangs_up(self, why: Exception | None = None) -> None:
        self.transport.connected = False
        self.protocol.connectionLost(Failure(why or ConnectionDone()))


class TlsTransport(StringTransportWithDisconnection):
    """Its other side never says that it is over, too."""

    def loseConnection(self) -> None:
        """It waits for that."""

    def stopProducing(self) -> None:
        super().loseConnection()


@implementer(IAgentEndpointFactory, IStreamClientEndpoint)
@define(eq=False)
class ModelServer:
    """``refuses`` are the errors of the next connections; None connects, ``held`` says nothing yet. ``raises``: of its
    name there can be no connection."""

    clock: Clock
    lines: list[Line] = field(factory=list)
    refuses: list[Exception | None] = field(factory=list)
    held: bool = False
    raises: Exception | None = None
    transport: type[StringTransportWithDisconnection] = StringTransportWithDisconnection
    given_up: int = 0

    def http(self) -> HTTPClient:
        return HTTPClient(self.agent())

    def agent(self) -> Agent:
        pool = HTTPConnectionPool(self.clock, persistent=False)
        made: Agent = Agent.usingEndpointFactory(self.clock, self, pool)
        return made

    def endpointForURI(self, uri: Any) -> ModelServer:
        if self.raises is not None:
            raise self.raises
        return self

    def connect(self, factory: Any) -> Deferred[Any]:
        error = self.refuses.pop(0) if self.refuses else None
        if error is not None:
            return fail(error)
        if self.held:
            return Deferred(self._give_up)
        protocol = factory.buildProtocol(None)
        transport = self.transport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        self.lines.append(Line(transport, protocol))
        return succeed(protocol)

    def _give_up(self, d: Deferred[Any]) -> None:
        self.given_up += 1

    @property
    def line(self) -> Line:
        """The newest connection."""
        return self.lines[-1]
