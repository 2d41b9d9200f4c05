"""SIGHUP: read the configuration again and take over what can be taken over, all or nothing."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.config import Config, sections
from newage.errors import ConfigError

# Tables whose values are looked up at each use; the others are built into sockets, pools and files until a restart.
RELOADABLE = (
    "sessions",
    "presence",
    "rooms",
    "history",
    "requests",
    "streams",
    "downstream",
)


def changed_keys(before: Config, after: Config) -> list[tuple[str, str]]:
    """(table, key) of every difference."""
    found: list[tuple[str, str]] = []
    for table in sections():
        old, new = getattr(before, table), getattr(after, table)
        names = (each.name for each in attrs.fields(type(old)))
        found.extend((table, name) for name in names if getattr(old, name) != getattr(new, name))
    return found


class Reloader(Service):
    """
    :param load: reads all sources again; raises ConfigError naming every mistake.
    :param apply: takes over the reloadable tables of a checked configuration and rereads the settings folder.
    :param systemd: told before and after.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: Any,
        config: Config,
        load: Callable[[], Config],
        apply: Callable[[Config], Deferred[None]],
        systemd: Any,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._load = load
        self._apply = apply
        self._systemd = systemd
        self._busy = False

    def startService(self) -> None:
        super().startService()
        self._reactor.callWhenRunning(self._install)

    def _install(self) -> None:
        signal.signal(signal.SIGHUP, lambda number, frame: self._reactor.callFromThread(self.reload))

    def reload(self) -> None:
        """A mistake anywhere leaves everything as it was."""
        if self._busy:
            return
        self._systemd.reloading()
        try:
            after = self._load()
        except ConfigError as error:
            for line in str(error).splitlines():
                self._log.error("not reloaded: {mistake}", mistake=line)
            self._systemd.ready()
            return
        self._busy = True
        self._apply(after).addCallbacks(self._done, self._failed, callbackArgs=(after,))

    def _done(self, _: object, after: Config) -> None:
        self._busy = False
        changed = changed_keys(self._config, after)
        taken = [f"{table}.{key}" for table, key in changed if table in RELOADABLE or key in LIVE]
        late = [f"{table}.{key}" for table, key in changed if f"{table}.{key}" not in taken]
        self._config = _merged(self._config, after)
        self._log.info("Reloaded: {taken}", taken=_listed(taken) or "nothing changed")
        if late:
            self._log.warn("These take effect with the next start: {late}", late=_listed(late))
        self._systemd.ready()

    def _failed(self, failure: Failure) -> None:
        self._busy = False
        self._log.failure("not reloaded", failure)
        self._systemd.ready()


LIVE = frozenset({"network_safe", "debug_mode"})  # single keys of other tables that are taken over, too


def _merged(before: Config, after: Config) -> Config:
    """What is in force now: the next reload is compared with it."""
    return attrs.evolve(before, **{table: getattr(after, table) for table in RELOADABLE})


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
