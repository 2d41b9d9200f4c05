"""The notify protocol of systemd: ready, stopping, reloading, and the watchdog: sd_notify(3)."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from time import CLOCK_MONOTONIC, clock_gettime
from typing import Any, ClassVar

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger


class Systemd(Service):
    """Does nothing unless the environment names a socket.

    The watchdog is fed from the reactor, twice as often as asked: a reactor that is stuck stops feeding it.

    :param reactor: ``callWhenRunning`` and ``callLater``.
    :param environ: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(self, reactor: Any, environ: Mapping[str, str]) -> None:
        self._reactor = reactor
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self._interval = _watchdog_seconds(environ) / 2
        self._feeding: IDelayedCall | None = None
        self._complained = False

    def startService(self) -> None:
        super().startService()
        if self._address is not None:
            self._reactor.callWhenRunning(self.ready)
            if self._interval:
                self._reactor.callWhenRunning(self._feed)

    def stopService(self) -> None:
        super().stopService()
        if self._feeding is not None:
            self._feeding.cancel()
            self._feeding = None
        self._send("STOPPING=1", "STATUS=stopping")

    def ready(self) -> None:
        """Not after a stop has begun."""
        if self.running:
            self._send("READY=1", f"MAINPID={os.getpid()}", "STATUS=serving")

    def reloading(self) -> None:
        """To be followed by ``ready``."""
        now = int(clock_gettime(CLOCK_MONOTONIC) * 1_000_000)  # systemd compares it with its own
        self._send("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")

    def _feed(self) -> None:
        if self.running:
            self._send("WATCHDOG=1")
            self._feeding = self._reactor.callLater(self._interval, self._feed)

    def _send(self, *lines: str) -> None:
        """One datagram; a full or missing socket is no reason to stop serving."""
        if self._address is None:
            return
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._complained:
                self._complained = True
                self._log.warn("systemd does not listen: {reason}", reason=error.strerror)


def _address(named: str) -> str | None:
    """The socket's address; ``@`` stands for the abstract namespace. Other families are not for us."""
    if named.startswith("@"):
        return "\0" + named[1:]
    return named if named.startswith("/") else None


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """How often systemd wants to hear from this process; 0 = never."""
    interval, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not interval.isdigit() or (pid.isdigit() and int(pid) != os.getpid()):
        return 0.0
    return int(interval) / 1_000_000
