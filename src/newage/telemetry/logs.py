"""The log files of contract 10.4.

A log entry is one line, then, when named fields remain that the line does not show, those fields as indented JSON. Text
from peers cannot forge an entry: control characters leave the line, and JSON escapes them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from io import BufferedWriter
from pathlib import Path
from string import Formatter
from time import monotonic
from typing import Any

from attrs import frozen
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure
from zope.interface import implementer

from newage.errors import NewAgeError
from newage.settings import limit
from newage.telemetry.metrics import Counters
from newage.telemetry.quota import LogQuota
from newage.telemetry.redaction import NOTHING_HIDDEN, Redaction

FILES = ("combined", "info", "warn", "error")
_LABEL = "llm-server"  # readers of the reference server's files look for it
_LEVELS = {
    LogLevel.debug: "debug",
    LogLevel.info: "info",
    LogLevel.warn: "warn",
    LogLevel.error: "error",
    LogLevel.critical: "error",
}
# Line breaks that str.splitlines knows, control characters, and marks that turn the reading direction.
_UNSAFE = [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_IN_LINE = dict.fromkeys(_UNSAFE, " ")
_IN_LINES = dict.fromkeys((code for code in _UNSAFE if code not in {0x09, 0x0A}), " ")
SAFE_IN_JSON = {code: f"\\u{code:04x}" for code in _UNSAFE if code != 0x0A}
SECRET_NAMES = frozenset({"key", "keys", "password", "token", "auth", "hash", "cookie", "secret"})
_LEGACY = frozenset({"isError", "message", "time", "system", "format", "failure", "why", "printed", "logLevel"})


@frozen(kw_only=True)
class LogSettings:
    """The log files under the home's ``logs/``."""

    rotate_bytes: int = limit(20 * 1024 * 1024, "bytes of a log file before it is set aside", least=1024)
    kept_files: int = limit(2, "older pieces kept of each log file", least=0)
    entry_bytes: int = limit(16_384, "bytes of one entry; the rest of a longer one is cut off", least=256)
    entries_per_second: int = limit(500, "entries written in one second; further ones are only counted")


class LogFile:
    """One file: set aside when opened or full, made again when somebody took it away. A disk that refuses is counted,
    never raised.

    :param append: go on with what is there; otherwise it becomes the newest older piece.
    :raises OSError: it cannot be opened.
    """

    def __init__(self, path: Path, settings: LogSettings, counters: Counters, *, append: bool = False) -> None:
        self._path = path
        self._settings = settings
        self._counters = counters
        self._ended = False
        if not append and path.is_file() and path.stat().st_size:
            self._set_aside()
        self._forget_oldest()
        self._file: BufferedWriter = path.open("ab" if append else "wb")
        self._size = self._file.tell()

    def write(self, entry: bytes) -> None:
        try:
            if not self._ended and (self._file.closed or not self._is_there()):
                self._open()
            elif self._size and self._size + len(entry) > self._settings.rotate_bytes:
                self._begin_anew()
            self._file.write(entry)
            self._file.flush()
            self._size += len(entry)
        except (OSError, ValueError):  # disk full, folder gone
            self._counters.add("log_entries_lost")

    def _is_there(self) -> bool:
        """Whether what is written would be found again: the path still leads to the open file."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        self._file.close()
        self._file = self._path.open("ab")
        self._size = self._file.tell()

    def rotate(self) -> None:
        """Set it aside and begin anew, now."""
        try:
            self._begin_anew()
        except OSError:  # the next entry tries again
            self._counters.add("log_entries_lost")

    def _begin_anew(self) -> None:
        self._file.close()
        self._set_aside()
        self._open()

    def _set_aside(self) -> None:
        pieces = [self._path, *(self._piece(number + 1) for number in range(self._settings.kept_files))]
        for older, newer in zip(reversed(pieces), reversed(pieces[:-1]), strict=False):
            if newer.exists():
                newer.replace(older)
        if len(pieces) == 1:
            self._path.unlink(missing_ok=True)

    def _forget_oldest(self) -> None:
        """Pieces beyond those that are kept: of who kept more of them before."""
        number = self._settings.kept_files + 1
        while (piece := self._piece(number)).exists():
            piece.unlink()
            number += 1

    def _piece(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def close(self) -> None:
        self._ended = True
        try:
            self._file.close()
        except OSError:
            self._counters.add("log_entries_lost")


@implementer(ILogObserver)
class LogFiles:
    """Writes ``combined.log`` and one file per level; each entry is flushed, so that a crash loses none.

    :param folder: exists; the last run's files in it become older pieces.
    :param debug: whether debug entries are written, asked at each of them (contract 10.1).
    :param now: a steady clock in seconds; the entries have their own time.
    :param hide: takes out what is secret.
    :raises OSError: a file cannot be opened.
    """

    def __init__(
        self,
        folder: Path,
        settings: LogSettings,
        counters: Counters,
        *,
        debug: Callable[[], bool] = lambda: False,
        now: Callable[[], float] = monotonic,
        hide: Redaction = NOTHING_HIDDEN,
    ) -> None:
        self._hide = hide
        self._debug = debug
        self._settings = settings
        self._counters = counters
        self._quota = LogQuota(settings.entries_per_second, now)
        self._files = {name: LogFile(folder / f"{name}.log", settings, counters) for name in FILES}

    def __call__(self, event: LogEvent) -> None:
        level = _LEVELS.get(event.get("log_level", LogLevel.info), "info")
        if level == "debug" and not self._debug():
            return
        self._counters.add(f"log_{level}")
        if self._quota.take() is None:
            self._counters.add("log_entries_dropped")
            return
        entry = self._hide(entry_of(event, level)).encode("utf-8", "backslashreplace")
        if len(entry) > self._settings.entry_bytes:
            entry = entry[: self._settings.entry_bytes].decode("utf-8", "ignore").encode("utf-8") + b"...\n"
        self._files["combined"].write(entry)
        if level in self._files:
            self._files[level].write(entry)

    def close(self) -> None:
        for each in self._files.values():
            each.close()


def clean_lines(text: str) -> str:
    """Text of several lines without what would move a terminal's cursor, or cannot be encoded."""
    return text.translate(_IN_LINES).encode("utf-8", "backslashreplace").decode("utf-8")


def entry_of(event: LogEvent, level: str) -> str:
    """One event in the format of contract 10.4, with its final line break."""
    failure = event.get("log_failure")
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.get("log_time", 0.0)))
    code = _error_code(event, failure)
    tag = event.get("tag")
    head = f"{stamp} [{level}] [{_LABEL}]"
    head += f" [{code}]" if code is not None else ""
    head += f" [{_line(tag)}]" if isinstance(tag, str) and tag else ""
    text = f"{head}: {_line(formatEvent(event))}\n"
    rest = _metadata(event, failure)
    if rest:
        text += json.dumps(rest, indent=2, ensure_ascii=False, default=repr).translate(SAFE_IN_JSON) + "\n"
    return text


def _line(text: str) -> str:
    return text.translate(_IN_LINE).strip()


def _error_code(event: LogEvent, failure: object) -> int | None:
    code = event.get("error_code")
    if code is None and isinstance(failure, Failure) and isinstance(failure.value, NewAgeError):
        code = failure.value.error_code
    return code if isinstance(code, int) else None


def _metadata(event: LogEvent, failure: object) -> dict[str, Any]:
    """The named fields that the line does not show, and the traceback, a list so that it reads line by line."""
    shown = _shown(event.get("log_format"))
    rest: dict[str, Any] = {
        str(name): "(not logged)" if name.lower() in SECRET_NAMES else _plain(value)
        for name, value in event.items()
        if not name.startswith("log_") and name not in shown and name not in _LEGACY | {"error_code", "tag"}
    }
    if isinstance(failure, Failure):
        rest["stack"] = failure.getTraceback().splitlines()
    return rest


def _shown(template: object) -> frozenset[str]:
    if not isinstance(template, str):
        return frozenset()
    try:
        names = {name for _, name, _, _ in Formatter().parse(template) if name}
    except ValueError:
        return frozenset()
    return frozenset(name.split(".")[0].split("[")[0].rstrip("()") for name in names)


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in list(value.items())[:50]}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(each) for each in list(value)[:50]]
    return repr(value)[:500]
