"""Where an extension gets its key."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from newage_client._connection import ACK_SECONDS, Connection, Engines
from newage_client._line import Ears, Line

DOOR = "/sillytavern"
PAIR_SECONDS = 310.0  # a code is good for 300 s, in which the operator says yes


class Door:
    """A file with a key; where there is none yet, the hub: a local extension gets one, others with a pairing code."""

    def __init__(
        self,
        engines: Engines,
        who: dict[str, Any],
        key_file: Path,
        *,
        pair: str = "",
        timeout: float | None = 30.0,
        random: Callable[[], float] = random.random,
    ) -> None:
        """:param who: what is said there, by its names on the wire.
        :param pair: a pairing code; the key that was kept before is of no use.
        :param timeout: seconds in which the hub has to answer, where nobody is waited for.
        """
        self._engines = engines
        self._who = {**who, "key": "getKey", **({"pair": pair} if pair else {})}
        self._file = key_file
        self._pair = pair
        self._timeout = PAIR_SECONDS if pair else timeout
        self._random = random

    async def key(self) -> str:
        """:raises Failure: the hub gives none."""
        kept = "" if self._pair else self._kept()
        if kept:
            return kept
        key = await self._ask()
        self._keep(key)  # before it is used: from then on nobody comes in without it
        self._pair = ""
        return key

    async def _ask(self) -> str:
        got: list[str] = []

        async def greet(connection: Connection) -> None:
            said = {"clientId": self._who["clientId"], "scope": "extension"}
            seconds = PAIR_SECONDS if self._pair else ACK_SECONDS
            got.append((await connection.ask(DOOR, "IDENTIFY_SILLYTAVERN", said, seconds))["key"])

        ears = Ears(greet, lambda *_: None, lambda _: None, lambda: None)
        line = Line(self._engines, DOOR, lambda: self._who, ears, self._random)
        line.begin()
        try:
            await line.up(self._timeout)
        finally:
            await line.close()
        return got[0]

    def _kept(self) -> str:
        with suppress(FileNotFoundError):
            return self._file.read_text("utf-8").strip()
        return ""

    def _keep(self, key: str) -> None:
        """For its owner alone."""
        self._file.touch(0o600)
        self._file.chmod(0o600)
        self._file.write_text(key, "utf-8")
