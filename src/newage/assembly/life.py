"""The life of the hub's parts: start, reload, stop."""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from newage.assembly.assembly import Assembly
from newage.config import Config
from newage.functions.installed import installed, report
from newage.services.accounts.key_import import import_keys

STREAM_PATIENCE = 4.0  # seconds that a stop waits for answers in progress
FLUSH_SECONDS = 0.1  # for the last frames to leave


class Core(Assembly, Service):
    """Starting is synchronous: the stores are opened, migrated and read before the first connection is taken."""

    def startService(self) -> None:
        """Open, migrate and read the stores.

        :raises NewAgeError: what keeps the hub from starting.
        """
        super().startService()
        found = list(installed(self.calls.offers))
        for each in found:
            report(each)
        usable = [each for each in found if not each.problem]
        for each in usable:
            if not each.is_plugin:
                self.calls.register(each.name, self.plugins.function(each))
        if self._database is not None:
            self._database.open()
        _now(self._load())
        for pool in self._threads.all():
            pool.go()
        self.watch.start()
        self.requests.start()
        self.conversation.start()
        if self._demo is not None:
            self._demo.attach(self.sessions)
        self.plugins.start(each for each in usable if each.is_plugin)

    def reload(self, config: Config) -> Deferred[None]:
        """Take over the tables that are live (config/live.py) and read the settings folder again.

        :param config: checked; what is not reloadable in it is as it was.
        """
        before, self._config = self._config, config
        self._read_server_file()
        self.live.replace(config)
        if config.server.debug_mode != before.server.debug_mode:  # else what was toggled at run time stays
            self.debug.switch(config.server.debug_mode)
        return self.trust.rescan()

    def _read_server_file(self) -> None:
        """The file says networkSafe, now and whenever it changes, unless a stronger source does."""
        wanted = self._config.auth.network_safe
        self.server_file.pin({"networkSafe": wanted} if ("auth", "network_safe") in self._config.pinned else {})
        self.server_file.load(write_missing=not self._config.server.ephemeral)
        if wanted != self.server_file.network_safe:  # "false" in quotes
            self.server_file.pin({"networkSafe": wanted})

    async def _load(self) -> None:
        self._read_server_file()
        await self.keys.load()
        if not self._config.server.ephemeral:
            limit = self._config.auth.max_client_keys
            await import_keys(self.files, self._threads.files, self._stores.state, self.keys, self.world, limit)
        await self.trust.load()
        await self.keys.settle(partial(self.trust.rank, network_safe=False))
        await self.static.load(self.server_file.mounts)
        await self.default_mode.load()
        await self.rooms.load()
        self.retention.load()
        await self.offline.load()
        await self.assignments.load()
        self.mutes.load()

    def stopService(self) -> Deferred[None]:
        """:return: fires when streams are stored, clients are told and the stores are closed."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        self.requests.refuse_new()
        self.plugins.close()
        until = self._reactor.seconds() + STREAM_PATIENCE
        while self.streams.open_outputs and self._reactor.seconds() < until:
            await self._pause(0.05)
        await self.streams.drain()
        self.engines.close_all()
        await self._pause(FLUSH_SECONDS)
        if self._demo is not None:
            self._demo.detach()
        for service in (
            self.watch,
            self.streams,
            self.downstream,
            self.requests,
            self.conversation,
            self.mutes,
            self.activity,
            self.history,
            self.assignments,
            self.client_list,
            self.retention,
            self.sessions,
        ):
            service.close()
        if self._database is not None:
            await self._database.close()
        for pool in (self._threads.hashes, self._threads.files):
            await pool.close()

    def _pause(self, seconds: float) -> Deferred[None]:
        d: Deferred[None] = Deferred()
        self._reactor.callLater(seconds, d.callback, None)
        return d


def _now(coroutine: Any) -> None:
    """Run a coroutine that never has to wait.

    :raises Exception: what it raised.
    """
    outcome: list[Any] = []
    Deferred.fromCoroutine(coroutine).addBoth(outcome.append)
    if not outcome:
        raise RuntimeError("start-up waits for something that cannot come yet")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
