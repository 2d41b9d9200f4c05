"""The line to a hub, which comes back by itself for ever, until it is closed or the hub refuses us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from newage_client._bell import Bell
from newage_client._connection import ACK_SECONDS, REFUSALS, Auth, Connection, Engines, Heard
from newage_client._delays import delay_before
from newage_client._failure import Failure, disconnected
from newage_client._types import State, StateChange

OPEN_SECONDS = 20.0  # for one attempt
LEAVE_SECONDS = 1.0  # at the end, for what the hub has yet to hear


@dataclass(frozen=True)
class Ears:
    """Who is told of a line.

    :ivar greet: asks the hub something: what answers, has let us in.
    :ivar up: the hub has let us in, for the first time or again.
    """

    greet: Callable[[Connection], Awaitable[None]]
    heard: Heard
    changed: Callable[[StateChange], None]
    up: Callable[[], None]


class Line:
    """One connection after the other.

    :ivar state: as of `StateChange`.
    :ivar refusal: why there is no line and will not be one.
    """

    def __init__(self, engines: Engines, main: str, auth: Auth, ears: Ears, random: Callable[[], float]) -> None:
        self._engines = engines
        self._main = main
        self._auth = auth
        self._ears = ears
        self._random = random
        self.state: State = "connecting"
        self.refusal: Failure | None = None
        self._bell = Bell()  # the state changes
        self._now = Bell()  # an attempt is wanted
        self._connection: Connection | None = None
        self._others: set[str] = set()  # namespaces beside the main one
        self._entered = False  # once
        self._was_up = False  # by the newest connection
        self._keeper: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._leaving: set[asyncio.Task[Any]] = set()
        self._closing: set[asyncio.Task[None]] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def transport(self) -> str:
        connection = self._open
        return connection.transport if connection is not None else ""

    def begin(self) -> None:
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())

    async def up(self, seconds: float | None = None) -> None:
        """Until the hub has let us in.

        :raises Failure: it will not, or has not in that time.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._open is None:
                    if self.refusal is not None:
                        raise self.refusal.again()
                    await self._bell.wait()
        except TimeoutError:
            raise Failure("The hub cannot be reached.", code="timeout") from None

    async def over(self) -> Failure:
        """Why there is no line and will not be one, once it is so."""
        while self.refusal is None:
            await self._bell.wait()
        return self.refusal

    async def call(self, namespace: str, event: str, payload: Any, seconds: float = ACK_SECONDS) -> Any:
        """Ask, once there is a line.

        :raises Failure: what the hub refuses, or that it could not be asked in that time.
        """
        await self.up(seconds)
        return await self.ask(namespace, event, payload, seconds)

    async def ask(self, namespace: str, event: str, payload: Any, seconds: float = ACK_SECONDS) -> Any:
        """Ask on the line that is there."""
        connection = self._open
        if connection is None:
            raise disconnected()
        self._want(namespace)
        return await connection.ask(namespace, event, payload, seconds)

    async def say(self, namespace: str, event: str, payload: Any) -> bool:
        """Without waiting; False when the line is down, and nothing was said."""
        connection = self._open
        return connection is not None and await connection.say(namespace, event, payload)

    async def visit(self, namespace: str) -> None:
        """Hear what is said there, now and after each return."""
        self._want(namespace)
        connection = self._open
        if connection is not None:
            await connection.join(namespace)

    def spawn(self, work: Coroutine[Any, Any, object], *, leaving: bool = False) -> asyncio.Task[Any]:
        """Do it beside everything else, and not after the end; ``leaving``: the end waits for it a moment."""
        task = asyncio.create_task(work)
        for tasks in (self._tasks, self._leaving) if leaving else (self._tasks,):
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        return task

    def later(self, seconds: float, run: Callable[[], object]) -> None:
        """Unless it is closed before."""

        def due() -> None:
            self._timers.discard(timer)
            run()

        if self.state != "closed":
            timer = asyncio.get_running_loop().call_later(seconds, due)
            self._timers.add(timer)

    def retry(self) -> None:
        """After a refusal, begin again; else, if it is down, try now."""
        if self.state == "closed":
            return
        if self.refusal is None:
            self._now.ring()
            return
        self.refusal = None
        self._become("connecting")
        self._keeper = None
        self.begin()

    async def close(self) -> None:
        if self.state == "closed":
            return
        if self._open is not None and self._leaving:
            await asyncio.wait(self._leaving, timeout=LEAVE_SECONDS)
        self._end("closed", Failure("The client was closed.", code="closed"))
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if self._keeper is not None:
            self._tasks.add(self._keeper)
        for task in self._tasks:
            task.cancel()
        while pending := {task for task in (*self._tasks, *self._closing) if not task.done()}:
            await asyncio.wait(pending)

    # ---- inside

    @property
    def _open(self) -> Connection | None:
        """The one on which the hub has let us in, while it lasts."""
        up = self.state == "connected" and self._connection is not None and self._connection.lasts
        return self._connection if up else None

    async def _keep(self) -> None:
        attempt, clock = 0, asyncio.get_running_loop().time
        down_since = clock()
        while await self._once():
            if self._was_up:
                attempt, down_since = 0, clock()
            delay = delay_before(attempt, clock() - down_since, self._random())
            attempt += 1
            try:
                async with asyncio.timeout(delay):
                    await self._now.wait()
            except TimeoutError:
                continue

    async def _once(self) -> bool:
        """One connection, from its opening to its end.

        :return: whether there shall be another one.
        """
        self._was_up = False
        connection = self._connection = Connection(self._engines, self._main, self._auth, self._ears.heard)
        try:
            failure = await self._use(connection)
            self._connection = None
            return self._left(failure)
        finally:
            self._connection = None
            closing = asyncio.create_task(connection.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            await asyncio.shield(closing)

    async def _use(self, connection: Connection) -> Failure:
        """:return: why it ended."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await connection.open()
            if self.state == "reconnecting" and not self._entered:
                self._become("connecting")  # it is there, and has not let us in yet
            await self._ears.greet(connection)
            self._entered = self._was_up = True
            self._become("connected")
            self._ears.up()
            for namespace in tuple(self._others):
                await connection.join(namespace)
            return await connection.over()
        except TimeoutError:
            return Failure("The hub cannot be reached: it does not answer.", code="timeout")
        except Failure as failure:
            return failure

    def _left(self, failure: Failure) -> bool:
        if self.refusal is not None:  # it was closed
            return False
        if failure.word == "REPLACED" or failure.code in REFUSALS:
            self._end("replaced" if failure.word == "REPLACED" else "refused", failure)
            return False
        self._become("reconnecting", "" if self._was_up else failure.message)
        return True

    def _want(self, namespace: str) -> None:
        if namespace != self._main:
            self._others.add(namespace)

    def _end(self, state: State, failure: Failure) -> None:
        self.refusal = failure
        if self._connection is not None:
            self._connection.fail(failure)
        self._become(state, failure.message, failure.code)

    def _become(self, state: State, message: str = "", code: int | str | None = None) -> None:
        self.state = state
        self._bell.ring()
        self._ears.changed(StateChange(state, message, code))
