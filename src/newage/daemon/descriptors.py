"""How many files and connections this process may have open at once, and what that leaves for clients.

Beyond it the kernel refuses: new connections are closed without a word, files and the database cannot be opened. So the
limit is raised as far as it may be, and where that is not enough fewer connections are taken.
"""

from __future__ import annotations

import resource
from typing import ClassVar

from twisted.application.service import Service
from twisted.logger import Logger

RESERVED = 128  # for the database, logs, settings, files that are being served, threads


def raise_limit(wanted: int) -> int:
    """Raise the soft limit to ``wanted``, or as far as the hard one allows. :return: what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        return soft
    return allowed


def connections(wanted: int) -> int:
    """How many connections there are descriptors for: ``wanted``, or fewer; raises the limit for them."""
    return max(1, raise_limit(wanted + RESERVED) - RESERVED)


class DescriptorLimit(Service):
    """Says at the start when there are fewer connections than the configuration wants."""

    _log: ClassVar[Logger] = Logger()

    def __init__(self, wanted: int, granted: int) -> None:
        self._wanted = wanted
        self._granted = granted

    def startService(self) -> None:
        super().startService()
        if self._granted < self._wanted:
            self._log.warn(
                "The system allows this process {granted} connections at once, not {wanted} (web.max_connections): "
                "raise its limit of open files (LimitNOFILE of systemd, ulimit -n), or lower the setting",
                granted=self._granted,
                wanted=self._wanted,
            )
