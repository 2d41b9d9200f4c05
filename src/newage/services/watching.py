"""The settings folder is edited by people while the hub runs: changes are noticed and taken over (contract 2.7, 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from attrs import define, field, frozen
from attrs.validators import ge
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.errors import FileMissing, NewAgeError
from newage.ports import IWorkers
from newage.services.clock import World
from newage.services.files import HomeFiles
from newage.services.settings import PARTS, ServerFile


@frozen(kw_only=True)
class WatchSettings:
    """How the settings folder is watched."""

    settings_watch_seconds: float = field(
        default=2.0, validator=ge(0), metadata={"doc": "seconds between two looks at settings/; 0 = only on SIGHUP"}
    )


@define(eq=False)
class SettingsWatch:
    """Looks at sizes and times in a thread; reads what changed.

    A server file that cannot be parsed is reported once and the last values stay, as does the file.

    :param rescan: reads the clients' files again; it looks at their times by itself.
    """

    _log: ClassVar[Logger] = Logger()

    _world: World
    _files: HomeFiles
    _server: ServerFile
    _rescan: Callable[[], Deferred[None]]
    _workers: IWorkers
    _settings: WatchSettings
    _seen: Any = field(default=None, init=False)
    _next: IDelayedCall | None = field(default=None, init=False)
    _closed: bool = field(default=False, init=False)

    def start(self) -> None:
        if self._settings.settings_watch_seconds and not self._closed:
            self._next = self._world.clock.callLater(self._settings.settings_watch_seconds, self._look)

    def close(self) -> None:
        self._closed = True
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _look(self) -> None:
        self._next = None
        d = Deferred.fromCoroutine(self._compare())
        d.addErrback(self._failed)
        d.addCallback(lambda _: self.start())

    async def _compare(self) -> None:
        state = await self._workers.run(self._files.list_json, PARTS[:1], 10_000)
        if state == self._seen:
            return
        first, before, self._seen = self._seen is None, self._seen, state
        if first:
            return
        if before.get(PARTS[-1]) != state.get(PARTS[-1]):
            await self._read_server_file()
        await self._rescan()

    async def _read_server_file(self) -> None:
        try:
            content = await self._workers.run(self._files.read, PARTS)
        except FileMissing:
            content = {}
        except NewAgeError as error:
            self._log.error(
                "server_settings.json cannot be read, so what it said before stays: {reason}",
                reason=str(error),
                error_code=104,
            )
            return
        self._server.adopt(content)
        self._log.info("server_settings.json was changed and read again")

    def _failed(self, failure: Failure) -> None:
        self._log.failure("the settings folder could not be looked at", failure)
