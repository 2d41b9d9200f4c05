"""The home: its folders, its lock, its log files; and where the files of the page and of the JavaScript client lie."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import ClassVar

from twisted.application.service import Service
from twisted.logger import Logger, globalLogPublisher

import newage
from newage.errors import ConfigError, FileReadFailed, NewAgeError
from newage.settings import Live
from newage.telemetry.audit import AuditLog
from newage.telemetry.logs import LogFiles, LogSettings
from newage.telemetry.metrics import Counters
from newage.telemetry.redaction import NOTHING_HIDDEN, Redaction

FOLDERS = ("settings", "keys", "data", "logs", "run", "exampleClient", "public")
PRIVATE = (
    "keys",
    "data",
    "logs",
    "run",
    "settings",
)  # for the hub's user alone: hashes, people's texts
LOCK = "data/.lock"


def static_folder() -> Path:
    """Where the page lies: inside the installed package, or beside ``src/`` in a checkout.

    :raises ConfigError: neither exists; the installation is damaged.
    """
    return _installed("static", "static", "the page's files")


def client_folder() -> Path:
    """Where the client in JavaScript lies, likewise.

    :raises ConfigError: as above.
    """
    return _installed("client", "clients/js", "the files of the client in JavaScript")


def _installed(inside: str, beside: str, what: str) -> Path:
    package = Path(newage.__file__).parent
    for folder in (package / inside, package.parents[1] / beside):
        if folder.is_dir():
            return folder
    raise ConfigError(f"{what} are missing from this installation; install newage again")


def check_home(home: Path, *, will_change_user: bool = False) -> None:
    """Can this be a home? Asked before a daemon forks; leaves everything as it was.

    :param will_change_user: somebody else than the caller will own it, so permissions are only known later.
    :raises ConfigError: naming the path and the cure.
    """
    nearest = next(each for each in (home, *home.parents) if each.exists())
    if not nearest.is_dir():
        raise ConfigError(f"home {home} cannot be created: {nearest} is not a folder; choose another --home")
    if will_change_user:
        return
    for each in (nearest, *(home / name for name in FOLDERS if (home / name).exists())):
        try:
            Path(
                mkdtemp(dir=each, prefix=".newage-")
            ).rmdir()  # asks the file system itself; modes do not tell everything
        except OSError as error:
            raise ConfigError(
                f"home {home} cannot be written: {error.strerror}: {each}; choose another --home or chown it"
            ) from error
    if (home / LOCK).is_file():
        HomeLock(home).probe()


def prepare_home(home: Path) -> None:
    """Create what is missing; what exists stays as it is (a home of the reference server keeps its files).

    :raises ConfigError: a folder cannot be created.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        for name in FOLDERS:
            (home / name).mkdir(mode=0o700 if name in PRIVATE else 0o755, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"home {home} cannot be written: {error.strerror or error}: {error.filename}; choose another --home"
        ) from error


class HomeLock:
    """One hub per home: two would each keep their own picture of rooms and keys and overwrite the other's."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._descriptor: int | None = None

    def take(self) -> None:
        """:raises ConfigError: another hub holds it, or the file cannot be written."""
        path = self._home / LOCK
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror}; choose another --home") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise ConfigError(
                f"home {self._home} is in use by another newage; stop that one or choose another --home"
            ) from error
        self._descriptor = descriptor

    def probe(self) -> None:
        """:raises ConfigError: the lock could not be taken now."""
        self.take()
        self.release()

    def release(self) -> None:
        """Let go of it; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Home(Service):
    """First to start, last to stop: folders, lock and log files.

    :param folder: None keeps everything in memory (``--ephemeral``).
    :param warnings: what the configuration found strange; logged as soon as there is a log.
    :param hide: takes out of the logs what is secret.
    """

    _log: ClassVar[Logger] = Logger()

    def __init__(
        self,
        folder: Path | None,
        settings: LogSettings,
        counters: Counters,
        *,
        debug: bool,
        warnings: Sequence[NewAgeError],
        hide: Redaction = NOTHING_HIDDEN,
    ) -> None:
        self._hide = hide
        self._logs: LogFiles | None = None
        self._audit: AuditLog | None = None
        self._folder = folder
        self._settings = settings
        self._counters = counters
        self.debug = Live(debug)  # whether debug entries are written to the log files (contract 10.1)
        self._warnings = warnings
        self._lock: HomeLock | None = None

    def startService(self) -> None:
        """:raises ConfigError: the home cannot be written or another hub uses it."""
        super().startService()
        if self._folder is not None:
            prepare_home(self._folder)
            self._lock = HomeLock(self._folder)
            self._lock.take()
            self._open_logs(self._folder / "logs")
        for warning in self._warnings:
            say = self._log.error if isinstance(warning, FileReadFailed) else self._log.warn
            say("{warning}", warning=str(warning), error_code=warning.error_code)
        place = "none, everything in memory" if self._folder is None else str(self._folder)
        self._log.info(
            "newage {version}, home: {home}",
            version=newage.__version__,
            home=place,
            tag="SERVER_START",
            log_audit={"action": "server.start", "outcome": "ok", "version": newage.__version__, "pid": os.getpid()},
        )

    def _open_logs(self, folder: Path) -> None:
        try:
            self._logs = LogFiles(
                folder, self._settings, self._counters, debug=lambda: self.debug.value, hide=self._hide
            )
            globalLogPublisher.addObserver(self._logs)
            self._audit = AuditLog(folder, self._settings, self._counters)
            globalLogPublisher.addObserver(self._audit)
        except OSError as error:
            raise ConfigError(f"{error.filename} cannot be written: {error.strerror}; choose another --home") from error

    def stopService(self) -> None:
        super().stopService()
        if self._lock is not None:  # it had started
            facts = {"action": "server.stop", "outcome": "ok", "pid": os.getpid()}
            self._log.info("newage stopped", tag="SERVER_STOP", log_audit=facts)
        for each in (self._audit, self._logs):
            if each is not None:
                globalLogPublisher.removeObserver(each)
                each.close()
        self._audit = self._logs = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None
