"""Events for who listens, and for who reads them one after the other."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from newage_client._bell import Bell
from newage_client._failure import Failure

Listener = Callable[..., object]
Unlisten = Callable[[], None]
BEHIND = Failure("Too many events wait to be read.", code="behind")


@dataclass(frozen=True)
class Event:
    """One of ``Hub.events``.

    :ivar said: the hub's payload as docs/api.md has it; an `Output` of ``output``, a `StateChange` of ``state``.
    """

    name: str
    said: Any


class Emitter:
    """Named events with any number of listeners. What a listener raises stops neither the others nor who told."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}

    def on(self, name: str, listener: Listener) -> Unlisten:
        """Call a plain function at each event of that name.

        :return: takes the listener away again.
        :raises TypeError: it is a coroutine function: nothing here would wait for it.
        """
        if inspect.iscoroutinefunction(listener):
            raise TypeError("Give a plain function, or read hub.events() in a task of your own.")
        mine = self._listeners.setdefault(name, [])
        mine.append(listener)

        def unlisten() -> None:
            if listener in mine:
                mine.remove(listener)

        return unlisten

    def _emit(self, name: str, *args: Any) -> None:
        for listener in tuple(self._listeners.get(name, ())):
            try:
                listener(*args)
            except Exception as error:
                context = {"message": f"a listener of {name!r} raised", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)


class Events:
    """What a hub tells, one event after the other: an asynchronous iterator. What waits in it is bounded.

    It ends when the hub is closed, and raises a `Failure` when the hub refused us, or when more than ``most`` wait.
    """

    def __init__(self, names: tuple[str, ...], most: int) -> None:
        self._names = names
        self._most = most
        self._waiting: deque[Event] = deque()
        self._bell = Bell()
        self._over = False
        self._failure: Failure | None = None

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        while not self._waiting:
            if self._failure is not None:
                raise self._failure.again()
            if self._over:
                raise StopAsyncIteration
            await self._bell.wait()
        return self._waiting.popleft()

    def _push(self, event: Event) -> None:
        if self._over or (self._names and event.name not in self._names):
            return
        if len(self._waiting) < self._most:
            self._waiting.append(event)
            self._bell.ring()
        else:
            self._end(BEHIND)

    def _end(self, failure: Failure | None) -> None:
        if not self._over:
            self._over = True
            self._failure = failure
            self._bell.ring()
