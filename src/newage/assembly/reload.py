"""SIGHUP: read the configuration again and take over what can be taken over, all or nothing."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from newage.config import Config, Key, sections
from newage.config.live import is_reloadable
from newage.errors import NewAgeError
from newage.telemetry.audit import emit


def changed_keys(before: Config, after: Config) -> list[Key]:
    """(table, key) of every difference."""
    found: list[Key] = []
    for table in sections():
        old, new = getattr(before, table), getattr(after, table)
        names = (each.name for each in attrs.fields(type(old)))
        found.extend((table, name) for name in names if getattr(old, name) != getattr(new, name))
    found.extend(_changed_named("upstream", before.upstreams, after.upstreams))
    found.extend(_changed_named("webhook", before.webhooks, after.webhooks))
    return found


def _changed_named(kind: str, before: Iterable[Any], after: Iterable[Any]) -> Iterator[Key]:
    earlier, later = ({each.name: each for each in named} for named in (before, after))
    return ((kind, name) for name in {**earlier, **later} if earlier.get(name) != later.get(name))


def in_force(before: Config, after: Config) -> Config:
    """``before`` with what is reloadable of ``after``."""
    tables: dict[str, Any] = {}
    for table, name in changed_keys(before, after):
        if is_reloadable((table, name)):
            present = tables.get(table, getattr(before, table))
            tables[table] = attrs.evolve(present, **{name: getattr(getattr(after, table), name)})
    return attrs.evolve(before, **tables, warnings=after.warnings, pinned=after.pinned)


def has_terminal() -> bool:
    """Whether this process belongs to a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Reloader(Service):
    """
    :param reactor: ``callFromThread``, which is safe in a signal handler.
    :param load: reads all sources again; raises ConfigError naming every mistake.
    :param apply: takes over a checked configuration and rereads the settings folder; its failure changed nothing.
    :param systemd: told before and after.
    :param hung_up: called instead when the signal means that the terminal the hub ran in is gone.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        reactor: Any,
        config: Config,
        load: Callable[[], Config],
        apply: Callable[[Config], Deferred[None]],
        systemd: Any,
        hung_up: Callable[[], object],
        terminal: Callable[[], bool] = has_terminal,
    ) -> None:
        self._reactor = reactor
        self._config = config
        self._load = load
        self._apply = apply
        self._systemd = systemd
        self._hung_up = hung_up
        self._terminal = terminal
        self._busy = False
        self._again = False
        self._watches_terminal = False
        self._before: Any = None  # the signal's handler before ours

    def startService(self) -> None:
        """From here on the signal is kept; it is acted on as soon as the reactor runs."""
        super().startService()
        self._before = signal.getsignal(signal.SIGHUP)
        # Under nohup the signal is ignored, and the end of the terminal is none of our business.
        self._watches_terminal = self._before is not signal.SIG_IGN and self._terminal()
        signal.signal(signal.SIGHUP, self._received)

    def stopService(self) -> None:
        super().stopService()
        if self._before is not None:
            signal.signal(signal.SIGHUP, signal.SIG_IGN if self._before is signal.SIG_DFL else self._before)
            self._before = None

    def _received(self, number: int, frame: object) -> None:
        self._reactor.callFromThread(self.hangup)

    def hangup(self) -> None:
        """The signal came: reload, or stop with the terminal."""
        if self._watches_terminal and not self._terminal():
            self._hung_up()
        else:
            self.reload()

    def reload(self) -> None:
        """A mistake anywhere leaves everything as it was. While one runs, any number of others become one more."""
        if self._busy:
            self._again = True
            return
        self._busy = True
        self._systemd.reloading()
        d = maybeDeferred(self._take_over)
        d.addCallbacks(self._done, self._failed)
        d.addBoth(self._ended)

    def _take_over(self) -> Deferred[Config]:
        after = in_force(self._config, loaded := self._load())
        return self._apply(after).addCallback(lambda _: loaded)

    def _done(self, loaded: Config) -> None:
        before, self._config = self._config, in_force(self._config, loaded)
        changed = changed_keys(before, loaded)
        taken = ", ".join(f"{table}.{key}" for table, key in changed if is_reloadable((table, key)))
        late = ", ".join(f"{table}.{key}" for table, key in changed if not is_reloadable((table, key)))
        for warning in loaded.warnings:
            self._log.warn("{warning}", warning=str(warning), error_code=warning.error_code)
        if late:
            self._log.warn("These take effect with the next start: {late}", late=late)
        told = {"changed": taken or "nothing", **({"restart": late} if late else {})}
        emit("config.reload", "CONFIG_LOADED", "ok", {}, told)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(NewAgeError):
            self._log.failure("the configuration was not reloaded, nothing has changed", failure)
        for line in str(failure.value).splitlines() if failure.check(NewAgeError) else ["see the log"]:
            emit("config.reload", "WARNING", "failed", {}, {"reason": line, "errorCode": 3})

    def _ended(self, _: object) -> None:
        self._busy = False
        self._systemd.ready()
        if self._again:
            self._again = False
            self.reload()
