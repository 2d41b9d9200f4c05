"""READ_LOG: whole entries of a log file, filtered by level, in pages (contract 10.3)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from attrs import define, frozen
from twisted.internet.defer import Deferred

from newage.errors import FileReadFailed, InvalidRequest
from newage.ports import IWorkers
from newage.settings import limit

FILES = ("combined.log", "error.log", "warn.log", "info.log")
LEVELS = ("error", "warn", "info", "debug")  # most severe first
MAX_PAGE_SIZE = 100

_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] ", re.ASCII)


@frozen(kw_only=True)
class LogReaderSettings:
    """Bounds of READ_LOG."""

    log_tail_bytes: int = limit(16 * 1024 * 1024, "how much of a log's end READ_LOG looks at", least=4096)


@frozen(kw_only=True)
class LogQuery:
    """A page of a log as asked for; checked by ``check``."""

    filename: Any = None
    level: Any = "all"
    page: Any = 1
    page_size: Any = 10
    descending: bool = False

    def check(self) -> None:
        """:raises InvalidRequest: with the contract's words."""
        if self.filename not in FILES:
            raise InvalidRequest("Invalid filename")
        if self.level != "all" and self.level not in LEVELS:
            raise InvalidRequest("Invalid level Options")
        if type(self.page) is not int or self.page < 1:
            raise InvalidRequest("Invalid page number")
        if type(self.page_size) is not int or not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise InvalidRequest("Invalid page size (must be between 1 and 100)")


def entries(text: str) -> list[tuple[str, str]]:
    """(level, entry) in the order of the file; lines that begin no entry belong to the one before."""
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        start = _ENTRY.match(line)
        if start is not None:
            found.append((start.group(1), [line]))
        elif found:
            found[-1][1].append(line)
    return [(level, "\n".join(lines)) for level, lines in found]


def wanted(level: str, asked: str) -> bool:
    """The given level and more severe ones."""
    return asked == "all" or (level in LEVELS and LEVELS.index(level) <= LEVELS.index(asked))


@define(eq=False)
class LogReader:
    """:param folder: where the logs are; None when nothing is written to disk."""

    _folder: Path | None
    _workers: IWorkers
    settings: LogReaderSettings

    def read(self, query: LogQuery) -> Deferred[dict[str, Any]]:
        """:return: fires with ``lines``, ``total``, ``page``, ``pageSize``, ``level``; fails with InvalidRequest."""
        query.check()
        page: Deferred[dict[str, Any]] = self._workers.run(self._page, query)
        return page

    def _page(self, query: LogQuery) -> dict[str, Any]:
        lines = [entry for level, entry in entries(self._tail(query.filename)) if wanted(level, query.level)]
        if query.descending:
            lines.reverse()
        start = (query.page - 1) * query.page_size
        return {
            "lines": lines[start : start + query.page_size],
            "total": len(lines),
            "page": query.page,
            "pageSize": query.page_size,
            "level": query.level,
        }

    def _tail(self, name: str) -> str:
        if self._folder is None:
            return ""
        try:
            with (self._folder / name).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - self.settings.log_tail_bytes))
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise FileReadFailed("The log could not be read.") from error
