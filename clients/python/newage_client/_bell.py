"""Waiting for a change without leaving anything behind."""

from __future__ import annotations

import asyncio


class Bell:
    """Wakes all who wait; who looks again finds out what has changed."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        for each in self._waiting:
            if not each.done():
                each.set_result(None)

    async def wait(self) -> None:
        """Until the next time that it rings."""
        woken = asyncio.get_running_loop().create_future()
        self._waiting.add(woken)
        try:
            await woken
        finally:
            self._waiting.discard(woken)
