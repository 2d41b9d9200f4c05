"""twistd without the seconds in which it reads its modules: one process has read them, and forks for each daemon.

A daemon is what its command makes it: it runs ``twistd`` with its own arguments, environment, folder and output.
``Forked`` is used as a ``Popen``. A daemon whose environment would have changed what is read is started by its command
instead (``fits``), and ``make nightly`` starts each so.
"""

from __future__ import annotations

import io
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_SAYS_WHAT_IS_READ = ("PYTHON", "LD_")  # how variables begin that say what is read, and how
_MOST = 1 << 16  # bytes of one order


def fits(environment: Mapping[str, str], like: Mapping[str, str]) -> bool:
    """Whether the same modules and libraries would be read in both."""

    def of(all_of_it: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in all_of_it.items() if name.startswith(_SAYS_WHAT_IS_READ)}

    return of(environment) == of(like)


class Forge:
    """The process that has read everything; there is one of it, started by the first daemon."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            command = [sys.executable, __file__, str(number)]
            self._process = subprocess.Popen(command, env=environment, cwd="/", pass_fds=[number])

    def order(self, arguments: Sequence[str], folder: Path, environment: Mapping[str, str], fds: list[int]) -> None:
        said = json.dumps([list(arguments), str(folder), dict(environment)]).encode()
        assert len(said) <= _MOST
        socket.send_fds(self._line, [said], fds)


class Forked:
    """One daemon, as ``Popen`` has it: what it writes comes from ``stdout``."""

    def __init__(self, forge: Forge, arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        read_output, output = os.pipe()
        self._fate, fate = os.pipe()  # its number at once, and how it ended
        try:
            forge.order(arguments, folder, environment, [output, fate])
        finally:
            os.close(output)
            os.close(fate)
        self.returncode: int | None = None
        self.stdout = io.TextIOWrapper(os.fdopen(read_output, "rb"), "utf-8", "replace")
        self._told = b""
        while b"\n" not in self._told:
            more = os.read(self._fate, 64)
            assert more, "the process that forks is gone"
            self._told += more
        self.pid = int(self._told.partition(b"\n")[0])

    def poll(self) -> int | None:
        """How it ended, None while it runs; as ``Popen`` says it, below 0 for a signal."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        end = None if timeout is None else time.monotonic() + timeout
        while (code := self._look(None if end is None else max(0.0, end - time.monotonic()))) is None:
            if end is not None and time.monotonic() >= end:
                raise subprocess.TimeoutExpired("twistd", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._fate], [], [], timeout)[0]:
            more = os.read(self._fate, 64)
            self._told += more
            if not more:
                os.close(self._fate)
                self.returncode = os.waitstatus_to_exitcode(int(self._told.partition(b"\n")[2]))
        return self.returncode


def _serve(line: socket.socket) -> list[str] | None:
    """Fork for each order. :return: in a daemon its arguments; None when there are no orders any more."""
    while True:
        said, fds, _, _ = socket.recv_fds(line, _MOST, 2)
        if not said:
            return None
        watcher = os.fork()
        if watcher:
            for fd in fds:
                os.close(fd)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        daemon = os.fork()
        output, fate = fds
        if daemon:
            os.close(output)
            os.write(fate, b"%d\n" % daemon)
            os.write(fate, b"%d" % os.waitpid(daemon, 0)[1])
            os._exit(0)
        arguments, folder, environment = json.loads(said)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for number in (1, 2):
            os.dup2(output, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.closerange(3, 256)
        line.detach()
        return list(arguments)


def main() -> None:
    del sys.path[0]  # the folder of this file is not the daemon's
    import twisted.internet.epollreactor  # noqa: F401
    from twisted.application.service import IServiceMaker
    from twisted.plugin import getPlugins
    from twisted.scripts import twistd

    import newage.tap  # noqa: F401

    list(getPlugins(IServiceMaker))
    assert "twisted.internet.reactor" not in sys.modules, "each daemon has a reactor of its own"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who watch
    found = _serve(socket.socket(fileno=int(sys.argv[1])))
    if found is not None:
        sys.argv = found
        twistd.run()


if __name__ == "__main__":
    main()
