"""The life of the hub's parts: start, reload, stop."""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from newage.assembly.accounts import load_accounts
from newage.assembly.core import Core
from newage.assembly.pools import at_once
from newage.assembly.talk import close_talk, load_talk
from newage.config import Config
from newage.functions.installed import installed, report
from newage.storage.database import Database

_log = Logger()

STREAM_PATIENCE = 4.0  # seconds that a stop waits for answers in progress
FLUSH_SECONDS = 0.1  # for the last frames to leave
QUIET_SECONDS = 1.5  # that a stop waits for what is under way in the store, once nobody is connected any more


class Life(Service):
    """Starting is synchronous: the stores are opened, migrated and read before the first connection is taken.

    :param clock: runs the waits of a stop.
    """

    def __init__(self, core: Core, clock: IReactorTime) -> None:
        self._core = core
        self._clock = clock
        self._config = core.basis.config
        self._next_look: IDelayedCall | None = None

    def startService(self) -> None:
        """Open, migrate and read the stores.

        :raises NewAgeError: what keeps the hub from starting.
        """
        super().startService()
        core = self._core
        found = list(installed(core.calls.calls.offers))
        for each in found:
            report(each)
        usable = [each for each in found if not each.problem]
        for each in usable:
            if not each.is_plugin:
                core.calls.calls.register(each.name, core.plugins.function(each))
        if core.database is not None:
            core.database.open()
        at_once(load(core))
        core.pools.go()
        self._look_later()
        core.watch.start()
        core.talk.requests.start()
        core.talk.first_tokens.start()
        core.talk.thinking.start()
        core.talk.webhooks.start()
        if core.upstreams:
            named = (each.upstream.settings.character for each in core.upstreams)
            core.cards.load(tuple(filter(None, named)))
        for extension in core.inside:
            extension.attach(core.people.sessions)
        core.plugins.start(each for each in usable if each.is_plugin)

    def _look_later(self) -> None:
        """Whether the database is still in its place is found out also while nobody writes."""
        database = self._core.database
        if database is not None:
            self._next_look = self._clock.callLater(database.look_seconds, self._look, database)

    def _look(self, database: Database) -> None:
        self._look_later()
        database.look()

    def reload(self, config: Config) -> Deferred[None]:
        """Take over the tables that are live (config/live.py) and read the settings folder again.

        :param config: checked; what is not reloadable in it is as it was.
        """
        core = self._core
        before, self._config = self._config, config
        read_server_file(core, config)
        core.basis.live.replace(config)
        if config.server.debug_mode != before.server.debug_mode:  # else what was toggled at run time stays
            core.diagnostics.operator_switches(config.server.debug_mode)
        return core.accounts.trust.rescan()

    def stopService(self) -> Deferred[None]:
        """:return: fires when streams are stored, clients are told and the stores are closed."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        core = self._core
        core.talk.requests.refuse_new()
        core.plugins.close()
        until = self._clock.seconds() + STREAM_PATIENCE
        while core.talk.streams.open_outputs and self._clock.seconds() < until:
            await self._pause(0.05)
        await core.talk.streams.drain()
        core.talk.own_outputs.close()
        core.engines.close_all()
        await self._pause(FLUSH_SECONDS)
        await self._quiet()
        for extension in core.inside:
            extension.detach()
        core.spent.close()
        core.watch.close()
        close_talk(core.talk)
        core.people.client_list.close()
        core.people.admissions.close()
        core.people.sessions.close()
        if self._next_look is not None:
            self._next_look.cancel()
        await self._quiet()
        if core.database is not None:
            await core.database.close()
        for pool in (core.pools.hashes, core.pools.files, core.pools.metrics):
            await pool.close()

    async def _quiet(self) -> None:
        """What somebody asked before he went is done to its end, as far as the time allows: each step of it begins the
        next one at once, so it is over when the store has had nothing to do for a moment."""
        database, until = self._core.database, self._clock.seconds() + QUIET_SECONDS
        while database is not None and not database.idle and self._clock.seconds() < until:
            await self._pause(0.01)

    def _pause(self, seconds: float) -> Deferred[None]:
        d: Deferred[None] = Deferred()
        self._clock.callLater(seconds, d.callback, None)
        return d


def read_server_file(core: Core, config: Config) -> None:
    """The file says networkSafe, now and whenever it changes, unless a stronger source does."""
    wanted, file = config.auth.network_safe, core.accounts.server_file
    file.pin({"networkSafe": wanted} if ("auth", "network_safe") in config.pinned else {})
    file.load(write_missing=not config.server.ephemeral)
    if wanted != file.network_safe:  # "false" in quotes
        file.pin({"networkSafe": wanted})


async def load(core: Core) -> None:
    """Read what is stored, for a core that has just been made."""
    config = core.basis.config
    read_server_file(core, config)
    await load_accounts(core.basis, core.accounts, take_keys_over=not config.server.ephemeral)
    wrong = await core.calls.static.load(core.accounts.server_file.mounts)
    if wrong:
        _log.warn(
            "staticResouce in settings/server_settings.json: {urls} not served",
            urls="; ".join(f"{url} ({why})" for url, why in wrong.items())[:1_000],
        )
    await load_talk(core.talk)
    await core.spent.load()
