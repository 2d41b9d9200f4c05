"""READ_LOG: whole entries of a log file, filtered by level, in pages (contract 10.3)."""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import BinaryIO

from attrs import define, field, frozen
from twisted.internet.defer import DeferredLock

from newage.domain.logs import LogPage, LogQuery
from newage.errors import FileReadFailed, Unavailable
from newage.ports import IWorkers
from newage.settings import Live, limit

_ENTRY = re.compile(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[(\w+)\] ")


@frozen(kw_only=True)
class LogReaderSettings:
    """Bounds of READ_LOG."""

    log_tail_bytes: int = limit(32 * 1024 * 1024, "how much of a log's end READ_LOG looks at", least=4096)
    log_waiting: int = limit(4, "READ_LOG of one caller that may wait or run; beyond, they are refused")


@frozen
class Found:
    """Where entries lie: bounds of all of them, and the numbers of those that fit."""

    bounds: array[int]
    fitting: array[int]

    def __len__(self) -> int:
        return len(self.fitting)

    def of(self, file: BinaryIO, place: int) -> str:
        number = self.fitting[place]
        file.seek(self.bounds[number])
        entry = file.read(self.bounds[number + 1] - self.bounds[number])
        return entry.decode("utf-8", "replace").rstrip("\r\n").replace("\r\n", "\n")


def find(file: BinaryIO, query: LogQuery, start: int, end: int) -> Found:
    """Line by line, so that no other thread waits for it; lines that begin no entry belong to the one before."""
    bounds, fitting = array("Q"), array("Q")
    file.seek(start)
    while start < end and (line := file.readline(end - start)):
        entry = _ENTRY.match(line)
        if entry is not None:
            if query.wants(entry.group(1).decode("ascii", "replace")):
                fitting.append(len(bounds))
            bounds.append(start)
        start += len(line)
    bounds.append(start)
    return Found(bounds, fitting)


@define
class _Turn:
    lock: DeferredLock = field(factory=DeferredLock)
    waiting: int = 0


@define(eq=False)
class LogReader:
    """:param folder: where the logs are; None when nothing is written to disk."""

    _folder: Path | None
    _workers: IWorkers
    settings: Live[LogReaderSettings]
    _turns: dict[str, _Turn] = field(factory=dict, init=False)

    async def read(self, reader: str, query: LogQuery) -> LogPage:
        """One page at a time for each reader.

        :raises InvalidRequest: a parameter is out of range.
        :raises Unavailable: the reader waits for too many already, or all do.
        :raises FileReadFailed: the file cannot be read.
        """
        query.check()
        turn = self._turns.setdefault(reader, _Turn())
        if turn.waiting >= self.settings.value.log_waiting:
            raise Unavailable("The log is being read; wait for its pages.")
        turn.waiting += 1
        try:
            page: LogPage = await turn.lock.run(self._workers.run, self._page, query)
            return page
        finally:
            turn.waiting -= 1
            if not turn.waiting:
                del self._turns[reader]

    def _page(self, query: LogQuery) -> LogPage:
        if self._folder is None:
            return self._of(query, (), 0)
        try:
            with (self._folder / query.filename).open("rb") as file:
                end = file.seek(0, 2)
                start = max(0, end - self.settings.value.log_tail_bytes)
                found = find(file, query, start, end)
                first, past = (query.page - 1) * query.page_size, query.page * query.page_size
                places = range(len(found))[:: -1 if query.descending else 1][first:past]
                lines = tuple(found.of(file, place) for place in places)
        except FileNotFoundError:
            return self._of(query, (), 0)
        except OSError as error:
            raise FileReadFailed("The log could not be read.") from error
        return self._of(query, lines, len(found), truncated=start > 0)

    def _of(self, query: LogQuery, lines: tuple[str, ...], total: int, *, truncated: bool = False) -> LogPage:
        return LogPage(
            lines=lines,
            total=total,
            page=query.page,
            page_size=query.page_size,
            level=query.level,
            truncated=truncated,
        )
