"""Tells in the log what was refused before anybody knew who it was: itself, its cause and its cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.logger import Logger, LogLevel

from newage.telemetry.metrics import Counters
from newage.telemetry.quota import LogQuota, left_out

_log = Logger()

LINES: Final = 3  # of each cause, in
SECONDS: Final = 10


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
        quota = self._quotas.get(why)
        if quota is None:
            quota = self._quotas[why] = LogQuota(LINES, self._now, seconds=SECONDS)
        unsaid = quota.take()
        if unsaid is not None:
            _log.emit(
                level,
                "a request of {address}{about} was refused ({what}): {why}{unsaid}",
                address=address,
                about=f" for {of[:100]}" if of else "",
                what=what,
                why=why,
                unsaid=left_out(unsaid),
            )
