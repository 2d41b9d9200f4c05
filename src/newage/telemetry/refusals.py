"""Tells in the log what was refused before anybody knew who it was: itself, its cause and its cure.

And what else anybody may provoke, however often: each kind of line has a quota.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from twisted.logger import Logger, LogLevel

from newage.telemetry.metrics import Counters
from newage.telemetry.quota import LogQuota, left_out

_log = Logger()

LINES: Final = 3  # of each cause, in
SECONDS: Final = 10
_REFUSED: Final = "a request of {address}{about} was refused ({what}): {why}"


class Refusals:
    """Each cause has a quota of lines, whoever it is; all of them are counted.

    :param now: a clock in seconds.
    :param counters: one more in ``refused`` and ``refused_<what>`` for each.
    """

    def __init__(self, now: Callable[[], float], counters: Counters | None = None) -> None:
        self._now = now
        self._counters = counters or Counters()
        self._quotas: dict[str, LogQuota] = {}

    def tell(self, what: str, address: str, why: str, *, of: str = "", level: LogLevel = LogLevel.info) -> None:
        """:param what: a status, or what became of it: one word.
        :param why: cause and cure; one of a fixed number of texts.
        :param of: what only this one is about; written in the line.
        """
        self._counters.add("refused")
        self._counters.add(f"refused_{what}")
        about = f" for {of[:100]}" if of else ""
        self._write(why, level, _REFUSED, address=address, about=about, what=what, why=why)

    def say(self, text: str, *, level: LogLevel = LogLevel.info, **fields: Any) -> None:
        """What is no refusal, and not counted.

        :param text: a format of ``fields``; one of a fixed number.
        """
        self._write(text, level, text, **fields)

    def _write(self, cause: str, level: LogLevel, text: str, **fields: Any) -> None:
        quota = self._quotas.get(cause)
        if quota is None:
            quota = self._quotas[cause] = LogQuota(LINES, self._now, seconds=SECONDS)
        unsaid = quota.take()
        if unsaid is not None:
            _log.emit(level, text + "{unsaid}", unsaid=left_out(unsaid), **fields)
