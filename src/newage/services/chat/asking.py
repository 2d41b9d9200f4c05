"""Whom a call about an extension's desk goes to, and how many are open (contract 5.9)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from attrs import define, field
from twisted.internet.defer import Deferred

from newage.domain.model import Caller
from newage.errors import ClientMissing, Unavailable
from newage.services.chat.limits import ChatSettings
from newage.services.sessions.sessions import SessionService
from newage.settings import Live

T = TypeVar("T")

NOT_OFFERED = "This extension does not offer that."
NOT_FOUND = "Extension not found."


@define(eq=False)
class Asking:
    """The newest socket that serves is asked, if it declared that it can answer."""

    _sessions: SessionService
    _settings: Live[ChatSettings]
    _open: dict[str, int] = field(factory=dict, init=False)  # identity -> calls that it has open

    def socket(self, extension: str, feature: str) -> str:
        """The sid to ask.

        :raises ClientMissing: it is not there. :raises Unavailable: it does not offer that.
        """
        caller = self._sessions.answering(extension)
        if caller is None:
            raise ClientMissing(NOT_FOUND)
        if feature not in caller.features:
            raise Unavailable(NOT_OFFERED)
        return caller.sid

    @contextmanager
    def slot(self, actor: Caller) -> Iterator[None]:
        """One call of the actor's.

        :raises Unavailable: it has too many open.
        """
        open_now = self._open.get(actor.identity, 0)
        if open_now >= self._settings.value.desk_calls_per_session:
            raise Unavailable("Too many questions to extensions are open.")
        self._open[actor.identity] = open_now + 1
        try:
            yield
        finally:
            self._open[actor.identity] -= 1
            if not self._open[actor.identity]:
                del self._open[actor.identity]


@define(eq=False)
class Shared(Generic[T]):
    """Who asks what is being asked already gets the same answer; as many wait as ``Asking`` lets."""

    _waiting: dict[tuple[str, ...], list[Deferred[T]]] = field(factory=dict, init=False)

    async def get(self, question: tuple[str, ...], ask: Callable[[], Awaitable[T]]) -> T:
        """:param ask: called where nobody has asked yet."""
        others = self._waiting.get(question)
        if others is not None:
            mine: Deferred[T] = Deferred()
            others.append(mine)
            return await mine
        others = self._waiting[question] = []
        try:
            found = await ask()
        except BaseException as error:
            for each in self._waiting.pop(question):
                each.errback(error)
            raise
        for each in self._waiting.pop(question):
            each.callback(found)
        return found
