"""The settings folder is edited by people while the hub runs: changes are noticed and taken over (contract 2.7, 8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.errors import FileMissing, NewAgeError
from newage.ports import IWorkers
from newage.services.home.files import HomeFiles, Stamp
from newage.services.home.server_file import PARTS, ServerFile
from newage.services.world import World
from newage.settings import Live, limit
from newage.telemetry.trouble import Trouble, trouble

MAX_FILES = 10_000  # of the settings folder; changes of further ones are noticed when somebody unknown connects


@frozen(kw_only=True)
class WatchSettings:
    """How the settings folder is watched."""

    settings_watch_seconds: float = limit(2.0, "seconds between two looks at settings/", zero="only on SIGHUP")


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
    settings: Live[WatchSettings]
    _seen: dict[str, Stamp] | None = field(default=None, init=False)
    _next: IDelayedCall | None = field(default=None, init=False)
    _looking: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)
    _blind: bool = field(default=False, init=False)  # the last look failed, which was said
    _trouble: Trouble = trouble()

    def __attrs_post_init__(self) -> None:
        self.settings.on_change(self._changed)

    def start(self) -> None:
        """Begin. What is there now has been read already; blocks."""
        try:
            self._seen = self._files.list_json(PARTS[:1], MAX_FILES)
        except NewAgeError:
            self._seen = {}  # the first look will say so
        self._wait()

    def _changed(self, _: WatchSettings) -> None:
        """Wait anew, as long as is wanted now."""
        if self._seen is None or self._looking:
            return  # it begins, or goes on, as is wanted then
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._wait()

    def _wait(self) -> None:
        if self.settings.value.settings_watch_seconds and not self._closed:
            self._next = self._world.clock.callLater(self.settings.value.settings_watch_seconds, self._look)

    def close(self) -> None:
        self._closed = True
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _look(self) -> None:
        self._next = None
        self._looking = True
        d = Deferred.fromCoroutine(self._compare())
        d.addErrback(self._failed)
        d.addCallback(self._looked)

    def _looked(self, _: object) -> None:
        self._looking = False
        self._wait()

    async def _compare(self) -> None:
        state = await self._workers.run(self._files.list_json, PARTS[:1], MAX_FILES)
        self._blind = False
        if state == self._seen:
            return
        before, self._seen = self._seen or {}, state
        if before.get(PARTS[-1]) != state.get(PARTS[-1]):
            await self._read_server_file()
        await self._rescan()

    async def _read_server_file(self) -> None:
        try:
            content = await self._workers.run(self._files.read, PARTS)
        except FileMissing:
            self._log.warn("server_settings.json is gone; what it said stays until the hub starts again")
            return
        except NewAgeError as error:
            self._log.error(
                "server_settings.json cannot be read, so what it said before stays: {reason}",
                reason=str(error),
                error_code=104,
            )
            return
        self._server.adopt(content)
        self._log.info("server_settings.json was changed and read again", tag="CONFIG_LOADED")

    def _failed(self, failure: Failure) -> None:
        """Said once, until it works again."""
        if not self._blind and not self._closed:
            self._blind = True
            self._trouble.say("the settings folder cannot be looked at; what it said before stays", failure)
