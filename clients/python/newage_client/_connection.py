"""One connection, from its opening to its end: what was asked on it ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from newage_client._bell import Bell
from newage_client._failure import Failure, disconnected

Auth = Callable[[], dict[str, Any]]
Acked = Callable[[Any], None]
Heard = Callable[[str, str, Any], Awaitable[Any] | None]  # namespace, event, payload: what is acked, where one asks
ACK_SECONDS = 15.0
REFUSALS = (5, 6)  # errorCode: authentication failed, not authorised (contract 1.9)


class EngineEars(Protocol):
    """Who is told what happens on an engine: each at once, in its order."""

    def joined(self, namespace: str) -> None: ...

    def left(self, namespace: str, message: str = "") -> None:
        """The hub put us out of it, or has none of that name."""

    def heard(self, namespace: str, event: str, payload: Any) -> Awaitable[Any] | None:
        """:return: what is acked; None: an empty ack, where one is wanted."""

    def gone(self, message: str) -> None:
        """The line was cut."""


class Engine(Protocol):
    """One transport with its namespaces; it is opened once."""

    @property
    def transport(self) -> str: ...

    async def open(self, namespace: str, auth: dict[str, Any]) -> None:
        """:raises Failure: nobody is there."""

    async def join(self, namespace: str, auth: dict[str, Any]) -> None: ...

    async def emit(self, namespace: str, event: str, payload: Any, acked: Acked | None = None) -> None: ...

    async def close(self) -> None:
        """Nothing of it is left afterwards, whatever state it was in."""


Engines = Callable[[EngineEars], Engine]


class _Visit:
    """One stay in a namespace."""

    def __init__(self) -> None:
        self.joined = False
        self.error: Mapping[str, Any] | None = None  # that may be why we are put out
        self.failure: Failure | None = None


class Connection:
    """Asks and hears on one engine."""

    def __init__(self, engines: Engines, main: str, auth: Auth, heard: Heard) -> None:
        self._engine = engines(self)
        self._main = main
        self._auth = auth
        self._heard = heard
        self._visits = {main: _Visit()}
        self._bell = Bell()

    @property
    def transport(self) -> str:
        return self._engine.transport

    @property
    def lasts(self) -> bool:
        return self._visits[self._main].failure is None

    async def open(self) -> None:
        """:raises Failure: nobody is there."""
        await self._engine.open(self._main, self._auth())
        await self._inside(self._main)

    async def join(self, namespace: str) -> None:
        """Begin to: what comes of it is heard."""
        if namespace not in self._visits:
            self._visits[namespace] = _Visit()
            await self._engine.join(namespace, self._auth())

    async def ask(
        self,
        namespace: str,
        event: str,
        payload: Any,
        seconds: float = ACK_SECONDS,
        heard: Callable[[Any], None] | None = None,
    ) -> Any:
        """The hub's ack.

        :param heard: is told of the ack before anything that the hub says after it.
        :raises Failure: it refused, or could not be asked.
        """
        replies: list[Any] = []

        def acked(body: Any) -> None:
            if heard is not None and not refused(body):
                heard(body)
            replies.append(body)
            self._bell.ring()

        try:
            async with asyncio.timeout(seconds):
                visit = await self._inside(namespace)
                await self._engine.emit(namespace, event, payload, acked)
                while not replies:
                    if visit.failure is not None:
                        raise visit.failure.again()
                    await self._bell.wait()
        except TimeoutError:
            raise Failure("The hub did not answer in time.", code="timeout") from None
        if refused(replies[0]):
            raise Failure.of(replies[0])
        return replies[0]

    async def say(self, namespace: str, event: str, payload: Any) -> bool:
        """Without waiting for an answer; False where nothing was said."""
        visit = self._visits.get(namespace)
        if visit is None or not visit.joined or visit.failure is not None:
            return False
        await self._engine.emit(namespace, event, payload)
        return True

    async def over(self) -> Failure:
        """Why it ended, once it has."""
        main = self._visits[self._main]
        while main.failure is None:
            await self._bell.wait()
        return main.failure

    def fail(self, failure: Failure) -> None:
        """Whatever is asked on it ends so."""
        for visit in self._visits.values():
            visit.failure = visit.failure or failure
        self._bell.ring()

    async def close(self) -> None:
        self.fail(disconnected())
        await self._engine.close()

    # ---- what the engine tells

    def joined(self, namespace: str) -> None:
        if namespace in self._visits:
            self._visits[namespace].joined = True
            self._bell.ring()

    def left(self, namespace: str, message: str = "") -> None:
        visit = self._visits.get(namespace)
        if visit is None:
            return
        if namespace != self._main:
            del self._visits[namespace]  # who asks again there, joins again
        visit.failure = visit.failure or _refusal(visit.error) or (Failure(message) if message else disconnected())
        self._bell.ring()

    def heard(self, namespace: str, event: str, payload: Any) -> Awaitable[Any] | None:
        visit = self._visits.get(namespace)
        if visit is None or visit.failure is not None:
            return None
        if event == "ERROR" and isinstance(payload, Mapping) and "requestId" not in payload:
            visit.error = payload
        return self._heard(namespace, event, payload)

    def gone(self, message: str) -> None:
        self.fail(Failure(message, code="disconnected") if message else disconnected())

    # ---- inside

    async def _inside(self, namespace: str) -> _Visit:
        await self.join(namespace)
        visit = self._visits[namespace]
        while not visit.joined:
            if visit.failure is not None:
                raise visit.failure.again()
            await self._bell.wait()
        return visit


def refused(body: Any) -> bool:
    return isinstance(body, Mapping) and (body.get("success") is False or body.get("status") == "error")


def _refusal(error: Mapping[str, Any] | None) -> Failure | None:
    """The one that lasts, where it was one."""
    if error is None or not (error.get("errorCode") in REFUSALS or error.get("code") == "REPLACED"):
        return None
    return Failure.of(error)
