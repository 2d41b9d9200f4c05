"""twistd's own log: terminal, file or syslog. Bounded, and cleaned of what peers said (contract 10.4).

twistd would let its file grow without end, and every observer of its own write what it is given: escape sequences of a
peer, or half of a character, at which it gives up.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any, TextIO

from twisted.logger import ILogObserver, LegacyLogObserverWrapper, LogEvent, eventAsText, formatEventAsClassicLogText
from twisted.python.components import Componentized
from zope.interface import implementer

from newage.telemetry.logs import LogFile, LogSettings, clean_lines
from newage.telemetry.metrics import Counters
from newage.telemetry.quota import LogQuota
from newage.telemetry.redaction import NOTHING_HIDDEN, Redaction

DEFAULT = "twistd.log"
_KEPT = ("log_time", "log_level", "log_namespace")


@implementer(ILogObserver)
class CleanText:
    """Entries as twistd writes them, clean.

    :param write: takes a whole entry; may not raise.
    :param quota: how many a second.
    """

    def __init__(
        self, write: Callable[[str], object], quota: LogQuota, counters: Counters, hide: Redaction = NOTHING_HIDDEN
    ) -> None:
        self._hide = hide
        self._write = write
        self._quota = quota
        self._counters = counters

    def __call__(self, event: LogEvent) -> None:
        text = formatEventAsClassicLogText(event)
        if text is None:
            return
        if self._quota.take() is None:
            self._counters.add("log_entries_dropped")
        else:
            self._write(clean_lines(self._hide(text)))


@implementer(ILogObserver)
class CleanEvents:
    """For an observer that wants events: what it is given says the same, clean, and nothing else."""

    def __init__(self, observer: Callable[[LogEvent], object], hide: Redaction = NOTHING_HIDDEN) -> None:
        self._hide = hide
        self._observer = observer

    def __call__(self, event: LogEvent) -> None:
        text = eventAsText(event, includeTimestamp=False, includeSystem=False)
        if text:
            said: LogEvent = {name: event[name] for name in _KEPT if name in event}
            system = event.get("log_system") or event.get("log_namespace")
            self._observer(
                {**said, "log_system": system, "log_format": "{text}", "text": clean_lines(self._hide(text))}
            )


def to_stream(stream: TextIO, counters: Counters) -> Callable[[str], None]:
    """A terminal or pipe; who closed it loses entries, as a full disk does."""
    encoding = stream.encoding or "utf-8"

    def write(text: str) -> None:
        try:
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except (OSError, ValueError):
            counters.add("log_entries_lost")

    return write


def observer(
    options: Mapping[str, Any],
    settings: LogSettings,
    counters: Counters,
    call_from_thread: Callable[..., object],
    hide: Redaction = NOTHING_HIDDEN,
) -> ILogObserver | None:
    """What shall write twistd's log; None leaves that to twistd.

    :param options: twistd's own.
    :param call_from_thread: the reactor's; SIGUSR1 sets the file aside, as with twistd alone.
    :param hide: takes out what is secret.
    """
    if options.get("logger"):
        return None
    name = options.get("logfile") or ""
    foreground = bool(options.get("nodaemon"))
    if options.get("syslog"):
        from twisted.python import syslog  # not everywhere

        to_syslog: Any = syslog.SyslogObserver(options.get("prefix") or "").emit
        return CleanEvents(LegacyLogObserverWrapper(to_syslog), hide)
    if name == "-" and not foreground:
        return None  # which refuses
    quota = LogQuota(settings.entries_per_second, monotonic)
    if foreground and name in {"", "-"}:
        return CleanText(to_stream(sys.stdout, counters), quota, counters, hide)
    file = LogFile(Path(name or DEFAULT).absolute(), settings, counters, append=True)
    if signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, lambda number, frame: call_from_thread(file.rotate))
    return CleanText(lambda text: file.write(text.encode("utf-8")), quota, counters, hide)


def install(application: object, made: ILogObserver | None) -> None:
    """Hand it to twistd, which asks the application for one before it makes its own."""
    if made is not None and isinstance(application, Componentized):
        application.setComponent(ILogObserver, made)
