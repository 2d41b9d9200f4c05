"""The one table of ``/api/v1``: from an endpoint come its route, its parsing, its answer and its part of the document.

Who asks shows a key, always (B5). A path takes the methods that the table has; a query and a body are read strictly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from inspect import isawaitable
from typing import Any, Final, TypeAlias, Union

from attrs import Factory, define, field, frozen

from newage.domain.model import Caller, Kind, Scope
from newage.errors import AuthenticationFailed, NewAgeError
from newage.services.accounts.bearer import WANTED, BearerService
from newage.services.api.questions import too_much
from newage.services.api.visits import Visits
from newage.services.sessions.presence import Presence, Stay
from newage.services.sessions.rates import EventRates, Pace
from newage.telemetry.audit import Recorder
from newage.web.api_v1 import typed
from newage.web.api_v1.repeats import Repeats, name_of
from newage.web.json_api import Exchange, Route
from newage.web.responses import JSON
from newage.web.responses import answer as empty

NAMESPACE: Final = "/api/v1"
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
Enter: TypeAlias = Callable[[Callable[[], None]], Awaitable[Stay]]
Streaming: TypeAlias = Callable[[Exchange, Enter], Awaitable[None]]


def _no_handler(actor: Caller, call: Call) -> None:
    """Of an endpoint that answers with events."""


@frozen(kw_only=True)
class Endpoint:
    """``answers`` is the class of what it returns; None where that is nothing, which is status 204. ``events`` answers
    instead with server-sent events; it lets in who asks, by ``Enter`` with what is called when he is put out.

    ``tag`` is the heading under which it stands in the document, ``summary`` its line there. ``scopes``: the keys
    that open it. ``audit`` records what was changed: the values of the template and of the body's ``noted`` members.
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
            typed.read_query(endpoint.query, exchange.request.args)
            await endpoint.events(exchange, partial(self._door.enter, exchange, endpoint.scopes))
            return
        stay = await self._door.enter(exchange, endpoint.scopes, _nothing)
        try:
            query: object = typed.read_query(endpoint.query, exchange.request.args)
            body: object = Nothing() if endpoint.body is Nothing else typed.read(endpoint.body, exchange.body())
            self._door.spend(stay.caller, endpoint)
            answer = await self._once(exchange, stay.caller, Call(exchange.values, query, body))
        finally:
            stay.leave()
        if endpoint.answers is None:
            empty(exchange.request, 204, b"", JSON)
        else:
            exchange.answer(endpoint.status, typed.write(answer))

    async def _once(self, exchange: Exchange, caller: Caller, call: Call) -> Any:
        name = name_of(exchange) if self._endpoint.once else None
        if name is None:
            return await self._answer(caller, call)
        return await self._door.repeats.once(caller, name, call, partial(self._answer, caller, call))

    async def _answer(self, caller: Caller, call: Call) -> Any:
        endpoint, audit = self._endpoint, self._endpoint.audit
        told = {**call.path, **{name: getattr(call.body, name) for name in endpoint.noted}}
        try:
            answer = endpoint.handle(caller, call)
            if isawaitable(answer):
                answer = await answer
        except NewAgeError as error:
            if audit is not None:
                audit.failed(caller, None, error, **told)
            raise
        if audit is not None:
            audit.done(caller, **told)
        return answer


def _nothing() -> None:
    """What he asked is answered in a moment."""
