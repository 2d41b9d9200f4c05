"""READ_LOG: whole entries of a log file, filtered by level, in pages (contract 10.3)."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import define, frozen
from twisted.internet.defer import Deferred

from newage.domain.logs import LogPage, LogQuery
from newage.errors import FileReadFailed
from newage.ports import IWorkers
from newage.settings import Live, limit

_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] ", re.ASCII)


@frozen(kw_only=True)
class LogReaderSettings:
    """Bounds of READ_LOG."""

    log_tail_bytes: int = limit(16 * 1024 * 1024, "how much of a log's end READ_LOG looks at", least=4096)


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


@define(eq=False)
class LogReader:
    """:param folder: where the logs are; None when nothing is written to disk."""

    _folder: Path | None
    _workers: IWorkers
    settings: Live[LogReaderSettings]

    def read(self, query: LogQuery) -> Deferred[LogPage]:
        """:raises InvalidRequest: a parameter is out of range. The Deferred fails with FileReadFailed, Unavailable."""
        query.check()
        page: Deferred[LogPage] = self._workers.run(self._page, query)
        return page

    def _page(self, query: LogQuery) -> LogPage:
        lines = [entry for level, entry in entries(self._tail(query.filename)) if query.wants(level)]
        if query.descending:
            lines.reverse()
        start = (query.page - 1) * query.page_size
        return LogPage(
            lines=tuple(lines[start : start + query.page_size]),
            total=len(lines),
            page=query.page,
            page_size=query.page_size,
            level=query.level,
        )

    def _tail(self, name: str) -> str:
        if self._folder is None:
            return ""
        try:
            with (self._folder / name).open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - self.settings.value.log_tail_bytes))
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise FileReadFailed("The log could not be read.") from error
