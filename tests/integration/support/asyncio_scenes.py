"""Scenes with the client in Python (clients/python) and a real hub."""

from __future__ import annotations

import asyncio
import gc
import re
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import pytest
from harness import PATIENCE, POLLING, WEBSOCKET, Hub

from newage_client import Answer, Failure, connect
from newage_client import Hub as Client

LINES = [POLLING, WEBSOCKET]


def played(scene: Coroutine[Any, Any, None]) -> None:
    """To its end in time, with nothing left of it."""

    async def bounded() -> None:
        faults: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        async with asyncio.timeout(2 * PATIENCE):
            await scene
        gc.collect()
        assert (len(asyncio.all_tasks()), faults) == (1, [])

    gc.collect()  # what tests before left
    gc.freeze()  # and what is in use: looking through all of it again takes seconds
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        try:
            asyncio.run(bounded())
            gc.collect()
        finally:
            gc.unfreeze()
    words = [str(each.message) for each in told]
    assert [each for each in words if re.search("session|connector|transport|socket", each)] == []


def asker(url: str, hub: Hub, transports: Sequence[str] = WEBSOCKET, **how: Any) -> Client:
    return connect(url, client_id=how.pop("client_id", None) or hub.new_id("asyncio"), transports=transports, **how)


async def away(me: Client, cut: Callable[[], object]) -> None:
    """Its line is cut, and it knows."""
    states = me.events("state")
    cut()
    assert (await anext(states)).said.state == "reconnecting"


class Reader:
    """Reads an answer as it comes."""

    def __init__(self, answer: Answer) -> None:
        self.tokens: list[str] = []
        self._come = asyncio.Event()
        self._task = asyncio.create_task(self._read(answer))

    async def _read(self, answer: Answer) -> None:
        async for token in answer:
            self.tokens.append(token)
            self._come.set()

    async def has(self, text: str) -> None:
        while text not in "".join(self.tokens):
            self._come.clear()
            await self._come.wait()

    async def all(self) -> str:
        await self._task
        return "".join(self.tokens)


async def failure_of(work: Awaitable[Any]) -> Failure:
    with pytest.raises(Failure) as caught:
        await work
    return caught.value
