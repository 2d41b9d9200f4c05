"""Function calls: an explicit registry, and forwarding to another client (contract 7)."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from inspect import isawaitable
from typing import Any

from attrs import define, field, frozen

from newage.dialect import calls
from newage.domain.calls import FunctionCall
from newage.domain.model import Caller, Kind, Session
from newage.errors import (
    BadArguments,
    ClientMissing,
    FunctionMissing,
    NotAuthorised,
    PeerGone,
    TimedOut,
    Unavailable,
)
from newage.ports import IOutbox
from newage.services.sessions.sessions import SessionService
from newage.settings import Live, limit


@frozen(kw_only=True)
class CallSettings:
    """Limits of function calls."""

    function_call_timeout_ms: int = limit(30_000, "milliseconds a called client may take to answer")
    max_calls_per_session: int = limit(
        32, "calls to other clients and of installed functions that one session may have open"
    )
    max_call_arguments: int = limit(32, "arguments of one call", least=0)


@frozen
class Function:
    """Something a caller may have run here.

    :param parse: makes of the arguments what ``run`` takes; raises BadArguments.
    :param run: ``run(caller, parsed)`` -> JSON, or an awaitable of it; its NewAgeErrors are the caller's to see.
    :param bootstrap: open to peers without a key; ``run`` then looks closer itself.
    :param ordered: the caller's next events wait until it is done: files are read and written in the order asked.
    """

    parse: Callable[[Sequence[Any]], Any]
    run: Callable[[Caller, Any], Any]
    bootstrap: bool = False
    ordered: bool = True


@define(eq=False)
class CallService:
    """Runs a function of the registry, or asks the session that ``target`` names.

    :param extensions_of: identities of the extensions that serve a client's rooms, by its identity.
    """

    _sessions: SessionService
    _outbox: IOutbox
    _extensions_of: Callable[[str], Container[str]]
    settings: Live[CallSettings]
    _functions: dict[str, Function] = field(factory=dict, init=False)
    _open: dict[str, int] = field(factory=dict, init=False)  # identity -> calls that hold up nothing

    @property
    def names(self) -> tuple[str, ...]:
        """Of all functions."""
        return tuple(sorted(self._functions))

    def offers(self, name: str) -> bool:
        return name in self._functions

    def holds_up(self, name: object) -> bool:
        """Do the caller's next events wait for a call of this function?"""
        function = self._functions.get(name) if isinstance(name, str) else None
        return function is None or function.ordered

    def register(self, name: str, function: Function) -> None:
        """:raises ValueError: the name is taken."""
        if name in self._functions:
            raise ValueError(f"{name} is registered")
        self._functions[name] = function

    async def run(self, caller: Caller, call: FunctionCall) -> Any:
        """A call to the server.

        :return: the ``result``.
        :raises NewAgeError: any of contract 7.2.
        """
        function = self._functions.get(call.name)
        if function is None:
            if caller.bootstrap:
                raise NotAuthorised("Unauthorized")
            raise FunctionMissing(f'Function "{call.name}" not found.')
        if caller.bootstrap and not function.bootstrap:
            raise NotAuthorised("Unauthorized")
        parsed = function.parse(call.args)
        if function.ordered:
            result = function.run(caller, parsed)
            return await result if isawaitable(result) else result
        with self._slot(caller.identity):
            result = function.run(caller, parsed)
            return await result if isawaitable(result) else result

    async def forward(self, caller: Caller, call: FunctionCall) -> Any:
        """A call to a client: its newest socket on ``/function_call`` is asked.

        :return: the first argument of its ack, unchecked; None if there was none.
        :raises ClientMissing: nobody of that name is there; NotAuthorised; TimedOut; Unavailable: too many are open.
        """
        if caller.bootstrap:
            raise NotAuthorised("Unauthorized")
        session = self._sessions.resolve(call.target)
        sid = None if session is None else self._sessions.newest(session.identity, calls.NAMESPACE)
        if session is None or sid is None:
            raise ClientMissing(f'Target "{call.target}" not found.')
        if not self._may_call(caller, session):
            raise NotAuthorised("Unauthorized")
        body = calls.forwarded(call, caller, session)
        with self._slot(caller.identity):
            try:
                seconds = self.settings.value.function_call_timeout_ms / 1000
                answer = await self._outbox.call(sid, calls.CALL, [body], seconds)
            except TimedOut as error:
                raise TimedOut("Function call timed out.") from error
            except PeerGone as error:
                raise ClientMissing(f'Target "{call.target}" not found.') from error
        return answer[0] if answer else None

    def _may_call(self, caller: Caller, session: Session) -> bool:
        if caller.kind is Kind.ADMIN:
            return True
        if caller.kind is Kind.EXTENSION:
            return session.kind is Kind.CLIENT
        return session.kind is Kind.EXTENSION and session.identity in self._extensions_of(caller.identity)

    def _slot(self, identity: str) -> _Slot:
        if self._open.get(identity, 0) >= self.settings.value.max_calls_per_session:
            raise Unavailable("Too many function calls are open.")
        return _Slot(self._open, identity)


@define
class _Slot:
    """Counts one open call while it is entered."""

    _open: dict[str, int]
    _identity: str

    def __enter__(self) -> None:
        self._open[self._identity] = self._open.get(self._identity, 0) + 1

    def __exit__(self, *_: object) -> None:
        self._open[self._identity] -= 1
        if not self._open[self._identity]:
            del self._open[self._identity]


# ---------------------------------------------------------------------------------------------------- parsing arguments


def one_argument(args: Sequence[Any]) -> Any:
    """The first argument; later ones are ignored, as in JavaScript."""
    if not args:
        raise BadArguments("An argument is missing.")
    return args[0]


def two_arguments(args: Sequence[Any]) -> tuple[Any, Any]:
    if len(args) < 2:
        raise BadArguments("An argument is missing.")
    return args[0], args[1]


def last_object(args: Sequence[Any]) -> Any:
    """``[map]`` or ``[placeholder of the application, map]`` (contract 7.4)."""
    return next((argument for argument in reversed(args) if isinstance(argument, dict)), None)


def two_numbers(args: Sequence[Any]) -> tuple[float, float]:
    a, b = two_arguments(args)
    for number in (a, b):
        if isinstance(number, bool) or not isinstance(number, (int, float)) or abs(number) > 2**53:
            raise BadArguments("add takes two numbers.")
    return a, b
