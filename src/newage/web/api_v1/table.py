"""The one table of ``/api/v1``: from an endpoint come its route, its parsing, its answer and its part of the document.

Who asks shows a key, always (B5). A path takes the methods that the table has; a query and a body are read strictly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from inspect import isawaitable
from typing import Any, Final, TypeAlias, Union

from attrs import Factory, define, field, frozen

from newage.domain.model import Caller, Kind, Scope
from newage.errors import AuthenticationFailed, NewAgeError, OverLimit
from newage.services.accounts.api_limits import ApiSettings
from newage.services.accounts.bearer import WANTED, BearerService
from newage.services.api.questions import too_much
from newage.services.api.visits import Visits
from newage.services.sessions.presence import Presence, Stay
from newage.services.sessions.rates import EventRates, Pace
from newage.services.world import World
from newage.telemetry.audit import Recorder
from newage.web.api_v1 import typed
from newage.web.api_v1.readers import Reader
from newage.web.api_v1.repeats import Repeats, name_of
from newage.web.json_api import Exchange, Route
from newage.web.responses import JSON
from newage.web.responses import answer as empty

NAMESPACE: Final = "/api/v1"
HUB, ROOMS, TALK = "The hub", "Rooms", "Messages"  # headings of the document
TOO_MANY: Final = "So many streams at once are open for this client already."
SCOPES: Final = (Scope.ALL, Scope.CLIENT, Scope.ADMIN)  # of keys that open what does not say otherwise


@frozen
class Nothing:
    """No parameters, or no members."""


@frozen
class Call:
    """What was asked: ``path`` are the values of the template, ``query`` and ``body`` are of the endpoint's classes."""

    path: Mapping[str, str]
    query: Any
    body: Any


Answer: TypeAlias = Union[Any, "Awaitable[Any]"]
Handler: TypeAlias = Callable[[Caller, Call], Answer]
Streaming: TypeAlias = Callable[[Caller, Call, Reader], Awaitable[None]]


def _no_handler(actor: Caller, call: Call) -> None:
    """Of an endpoint that answers with events."""


@frozen(kw_only=True)
class Endpoint:
    """``answers`` is the class of what it returns; None where that is nothing, which is status 204. ``events`` answers
    instead with server-sent events; it raises where there is nothing to read.

    ``tag`` is the heading under which it stands in the document, ``summary`` its line there. ``scopes``: the keys
    that open it. ``audit`` records what was changed: the values of the template and ``noted`` ones of body or query.
    One of these is written "name", or "name:member" where it has another name in the log.
    ``once``: it takes an ``Idempotency-Key``. ``pace``: how often one may ask that, as by Socket.IO; None where it is
    bounded otherwise, or nobody hears of it.
    """

    method: str
    template: str
    summary: str
    tag: str
    handle: Handler = field(default=_no_handler, repr=False)
    answers: type | None = None
    events: Streaming | None = field(default=None, repr=False)
    query: type = Nothing
    body: type = Nothing
    status: int = 200
    scopes: tuple[Scope, ...] = SCOPES
    audit: Recorder | None = None
    noted: tuple[str, ...] = ()
    once: bool = False
    pace: Pace | None = Factory(lambda self: None if self.method == "GET" else Pace.EVENT, takes_self=True)


@define(eq=False)
class ApiDoor:
    """Who may ask: the bearer of a key, present while it asks; with an administrator's key an administrator."""

    _bearers: BearerService
    _presence: Presence
    _visits: Visits
    _rates: EventRates
    _world: World
    _settings: ApiSettings
    repeats: Repeats

    async def enter(self, exchange: Exchange, scopes: Collection[Scope], put_out: Callable[[], None]) -> Stay:
        """:param scopes: of the keys that open it. :param put_out: as of ``Stay``.

        :raises NewAgeError: who it is was not proved, or may not ask here, or asks too often, or there is no place.
        """
        key = exchange.key()
        if key is None:
            raise AuthenticationFailed(WANTED)
        caller = await self._bearers.bearer(key, exchange.peer, NAMESPACE, Kind.ADMIN, scopes)
        self._visits.count(caller)
        return self._presence.enter(caller, put_out)

    async def read(self, exchange: Exchange, scopes: Collection[Scope]) -> tuple[Caller, Reader]:
        """As ``enter``, of who reads events; he leaves when they are over."""
        reader = Reader(exchange, self._world, self._settings)
        exchange.request.notifyFinish().addErrback(lambda _: reader.end())
        stay = await self.enter(exchange, scopes, reader.gone)
        reader.at_end(stay.leave)
        if self._presence.of(stay.caller.identity) > self._settings.events_at_once:
            reader.end()
            raise OverLimit(TOO_MANY)
        return stay.caller, reader

    def spend(self, actor: Caller, endpoint: Endpoint) -> None:
        """He does it. :raises OverLimit: too often."""
        if endpoint.pace is not None:
            with too_much():
                self._rates.spend(actor, endpoint.pace, f"{endpoint.method} {endpoint.template}")


@define(eq=False)
class Served:
    """One endpoint as a route."""

    _endpoint: Endpoint
    _door: ApiDoor

    @property
    def route(self) -> Route:
        return Route(self._endpoint.method, NAMESPACE + self._endpoint.template, self.handle)

    async def handle(self, exchange: Exchange) -> None:
        endpoint = self._endpoint
        if endpoint.events is not None:
            await self._send(exchange, endpoint.events)
            return
        stay = await self._door.enter(exchange, endpoint.scopes, _nothing)
        try:
            answer = await self._once(exchange, stay.caller, self._call(stay.caller, exchange))
        finally:
            stay.leave()
        if endpoint.answers is None:
            empty(exchange.request, 204, b"", JSON)
        else:
            exchange.answer(endpoint.status, typed.write(answer))

    async def _once(self, exchange: Exchange, caller: Caller, call: Call) -> Any:
        handle = self._endpoint.handle
        name = name_of(exchange) if self._endpoint.once else None
        if name is None:
            return await self._recorded(caller, call, handle)
        return await self._door.repeats.once(caller, name, call, partial(self._recorded, caller, call, handle))

    async def _send(self, exchange: Exchange, events: Streaming) -> None:
        caller, reader = await self._door.read(exchange, self._endpoint.scopes)
        try:
            call = self._call(caller, exchange)
            await self._recorded(caller, call, lambda caller, call: events(caller, call, reader))
        except BaseException:
            reader.end()
            raise

    def _call(self, caller: Caller, exchange: Exchange) -> Call:
        """:raises NewAgeError: it is asked wrongly, or too often."""
        endpoint = self._endpoint
        query: object = typed.read_query(endpoint.query, exchange.request.args)
        body: object = Nothing() if endpoint.body is Nothing else typed.read(endpoint.body, exchange.body())
        self._door.spend(caller, endpoint)
        return Call(exchange.values, query, body)

    async def _recorded(self, caller: Caller, call: Call, handle: Handler) -> Any:
        endpoint, audit = self._endpoint, self._endpoint.audit
        told = {**call.path, **_noted(call, endpoint.noted)}
        try:
            answer = handle(caller, call)
            if isawaitable(answer):
                answer = await answer
        except NewAgeError as error:
            if audit is not None:
                audit.failed(caller, None, error, **told)
            raise
        if audit is not None:
            audit.done(caller, **told)
        return answer


def _noted(call: Call, wanted: Iterable[str]) -> dict[str, Any]:
    """:param wanted: as of ``Endpoint.noted``."""
    found = {}
    for each in wanted:
        name, _, source = each.partition(":")
        source = source or name
        found[name] = getattr(call.body if hasattr(call.body, source) else call.query, source)
    return {name: value for name, value in found.items() if value is not None}


def _nothing() -> None:
    """What he asked is answered in a moment."""
