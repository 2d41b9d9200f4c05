"""An extension of a hub: who answers."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from types import TracebackType
from typing import Any, TypeVar
from uuid import uuid4

from newage_client import _json
from newage_client._connection import ACK_SECONDS, Connection, Engines
from newage_client._door import Door
from newage_client._emitter import Emitter
from newage_client._failure import Failure
from newage_client._line import LEAVE_SECONDS, Ears, Line
from newage_client._outlet import LLM
from newage_client._task import Task
from newage_client._types import State, StateChange

SIGN_SECONDS = 20.0  # the hub hears that often that something is being done
STOP_SECONDS = 4.0  # the hub waits 5 s for the answer to a call
UNSURE_SECONDS = 60.0  # what was said before a line is found dead may not have arrived
UNSURE_MOST = 64  # answers that are over and kept for that
COULD_NOT = "The extension could not do that."  # what it raised is not for those who ask

Handler = Callable[[Task], AsyncGenerator[str | None, None] | Awaitable[str | None]]
Reply = Callable[[Mapping[str, Any]], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]
H = TypeVar("H", bound=Handler)
R = TypeVar("R", bound=Reply)


class Extension(Emitter):
    """Of ``serve``. Give it what answers (``@hub.answer``), then ``await hub.run()``, or enter it (``async with``).

    Tells ``state`` (`StateChange`), ``problem`` and ``warning`` (what the hub says unasked, or what a handler raised).
    """

    def __init__(
        self,
        engines: Engines,
        who: Mapping[str, Any],
        *,
        door: Door | None = None,
        timeout: float | None = 30.0,
        random: Callable[[], float] = random.random,
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        """:param who: what is said at the door, by its names on the wire, ``features`` among it.
        :param door: where the key comes from, where none is said.
        """
        super().__init__()
        self.client_id: str = who["clientId"]
        self._who = {member: said for member, said in who.items() if said} | {"instance": new_id()}
        self._door = door
        self._timeout = timeout
        self._new_id = new_id
        self._handler: Handler | None = None
        self._replies: dict[str, Reply] = {}
        self._tasks: dict[str, Task] = {}
        self._signing: asyncio.Task[None] | None = None
        self._line = Line(engines, LLM, self._auth, Ears(self._greet, self._heard, self._changed, self._up), random)

    # ---- what answers

    def answer(self, handler: H) -> H:
        """Answer each request by this: an asynchronous generator whose pieces are streamed, or a coroutine function
        that returns all of the answer, or None where it has pushed it. A `Failure` that it raises fails the request in
        its words. It is cancelled when the answer is not wanted any more."""
        self._handler = handler
        return handler

    def reply(self, event: str) -> Callable[[R], R]:
        """Answer a call of the hub, as LIST_CHARACTERS, with what a function returns or the `Failure` it raises."""

        def register(reply: R) -> R:
            self._replies[event] = reply
            return reply

        return register

    @property
    def tasks(self) -> list[Task]:
        """What is being answered."""
        return [task for task in self._tasks.values() if not task.done]

    # ---- the connection

    @property
    def state(self) -> State:
        return self._line.state

    async def run(self) -> None:
        """Answer until the hub refuses us, another one of this identity takes over, or this is cancelled.

        :raises Failure: which of these it was.
        """
        async with self:
            failure = await self._line.over()
        if failure.code != "closed":
            raise failure.again()

    async def open(self) -> Extension:
        """Itself, once the hub has let us in.

        :raises Failure: it does not, or cannot be reached in time.
        :raises RuntimeError: it was given nothing that answers.
        """
        if self._handler is None:
            raise RuntimeError("Give it what answers: @hub.answer")
        try:
            if self._door is not None and "key" not in self._who:
                self._who["key"] = await self._door.key()
            self._line.begin()
            await self._line.up(self._timeout)
        except BaseException:
            await self.close()
            raise
        return self

    async def close(self) -> None:
        """Nothing of it is left afterwards; who waits for an answer is told."""
        for task in self.tasks:
            task._fail("The extension was stopped.")
            if task._work is not None:
                task._work.cancel()
        mouths = {task._mouth for task in self._tasks.values() if task._mouth is not None}
        if mouths and self.state == "connected":
            await asyncio.wait(mouths, timeout=LEAVE_SECONDS)
        await self._line.close()
        self._tasks.clear()

    async def __aenter__(self) -> Extension:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def call(
        self, namespace: str, event: str, payload: Mapping[str, Any] | None = None, seconds: float = ACK_SECONDS
    ) -> Any:
        """Any event of docs/api.md, as ``Hub.call``."""
        return await self._line.call(namespace, event, dict(payload or {}), seconds)

    # ---- inside: how one gets in

    def _auth(self) -> dict[str, Any]:
        return {**self._who, "features": self._features()}

    def _features(self) -> list[str]:
        """What of the contract this extension can do (docs/wire.md 14)."""
        characters = {"characters"} if "LIST_CHARACTERS" in self._replies else set()
        return sorted({"accept", "cancel", "reasoning", "reset", "resume", *characters, *self._who.get("features", ())})

    async def _greet(self, connection: Connection) -> None:
        try:
            await connection.ask(LLM, "GET_MESSAGES", {"limit": 1})
        except Failure as failure:  # any other answer is one: we are in
            if failure.lost or not connection.lasts:
                raise

    def _up(self) -> None:
        for task in self._tasks.values():
            self._talk(task)
        self._signing = self._line.spawn(self._sign())

    def _changed(self, change: StateChange) -> None:
        if change.state != "connected":
            for talking in (self._signing, *(task._mouth for task in self._tasks.values())):
                if talking is not None:
                    talking.cancel()
        self._emit("state", change)

    # ---- inside: what the hub says

    def _heard(self, namespace: str, event: str, said: Any) -> Awaitable[Any] | None:
        if not isinstance(said, Mapping):
            said = {}
        if event in ("ERROR", "WARNING"):
            self._emit("problem" if event == "ERROR" else "warning", said)
        elif event == "LLM_REQUEST" and isinstance(said.get("requestId"), str):
            self._request(said)
        elif event == "CANCEL_REQUEST":
            return self._cancel(said)
        elif event in self._replies:
            return self._replied(self._replies[event], said)
        return None

    def _request(self, said: Mapping[str, Any]) -> None:
        known = self._tasks.get(said["requestId"])
        if known is not None and not (known.done and known._settled):
            return  # asked again after a cut: what is said of it tells the hub that it is at work
        task = Task(said, self._new_id)
        self._tasks[task.request_id] = task
        task._work = self._line.spawn(self._answer(task))
        if self.state == "connected":
            self._talk(task)

    async def _cancel(self, said: Mapping[str, Any]) -> dict[str, Any]:
        task = self._tasks.pop(str(said.get("requestId")), None)
        if task is None or task.done:
            return {"status": "ok", "success": True, "state": "unknown"}
        reason = said.get("reason")
        await self._stop(task, reason if isinstance(reason, str) else "cancelled")
        return {"status": "ok", "success": True, "state": "stopped"}

    async def _stop(self, task: Task, reason: str) -> None:
        """The hub does not want it any more; comes back when the work has stopped."""
        task._drop(reason)
        if task._work is not None:
            task._work.cancel()
            await asyncio.wait({task._work}, timeout=STOP_SECONDS)

    async def _replied(self, reply: Reply, said: Mapping[str, Any]) -> dict[str, Any]:
        try:
            answer = reply(said)
            body = {"status": "ok", "success": True, **(await answer if inspect.isawaitable(answer) else answer)}
            _json.check(body)
            return body
        except Exception as error:
            message, code = COULD_NOT, 2
            if isinstance(error, Failure):
                message, code = error.message, error.code if isinstance(error.code, int) else code
            else:
                self._raised(error)
            return {"status": "error", "success": False, "message": message, "errorCode": code}

    # ---- inside: an answer

    async def _answer(self, task: Task) -> None:
        try:
            await self._run(task)
            task._finish()
        except Failure as failure:
            task._fail(failure.message)
        except Exception as error:
            if not task.reason:  # else it raised because it was stopped
                task._fail(COULD_NOT)
                self._raised(error, task.request_id)
        except BaseException as error:
            if not task.done:  # nobody cancelled it: what it waited for was
                task._fail(COULD_NOT)
                self._raised(error, task.request_id)
            raise

    async def _run(self, task: Task) -> None:
        assert self._handler is not None
        answer = self._handler(task)
        if inspect.isawaitable(answer):
            whole = await answer
            if whole is not None:
                task.push(whole)
            return
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                task.push(piece)

    def _raised(self, error: BaseException, request_id: str = "") -> None:
        context = {"message": "what answers raised", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
        self._emit("problem", {"message": str(error) or type(error).__name__, "requestId": request_id})

    def _talk(self, task: Task) -> None:
        """Say what is to be said of it, by the line that has come: from where the hub is."""
        task._mouth = self._line.spawn(self._said(task))

    async def _said(self, task: Task) -> None:
        try:
            task._settled = False
            if not task.done:
                await self._accept(task)
            wanted = await task._speak(self._line)
        except Failure:
            return  # at the next return
        task._settled = True
        if not wanted and not task.done:
            await self._stop(task, "gone")
        self._forget()

    async def _sign(self) -> None:
        while True:
            await asyncio.sleep(SIGN_SECONDS)
            for task in self.tasks:
                await self._accept(task)

    async def _accept(self, task: Task) -> None:
        await self._line.say(LLM, "ACCEPT_REQUEST", {"requestId": task.request_id, "where": "headless"})

    def _forget(self) -> None:
        """What is over stays only while the hub may not have heard the end of it."""
        now = asyncio.get_running_loop().time()
        over = [task for task in self._tasks.values() if task.done]
        for task in over:
            if task._forgettable or now - task._ended > UNSURE_SECONDS or task in over[:-UNSURE_MOST]:
                del self._tasks[task.request_id]
