"""A page of a log file, as asked for and as read (contract 10.3)."""

from __future__ import annotations

from attrs import frozen

from newage.errors import InvalidRequest

FILES = ("combined.log", "error.log", "warn.log", "info.log")
LEVELS = ("error", "warn", "info", "debug")  # most severe first
ALL_LEVELS = "all"
MAX_PAGE_SIZE = 100


@frozen(kw_only=True)
class LogQuery:
    """What is wanted: entries of ``level`` and more severe ones. What was of a wrong type is out of range here."""

    filename: str
    level: str = ALL_LEVELS
    page: int = 1
    page_size: int = 10
    descending: bool = False

    def check(self) -> None:
        """:raises InvalidRequest: with the contract's words."""
        if self.filename not in FILES:
            raise InvalidRequest("Invalid filename")
        if self.level != ALL_LEVELS and self.level not in LEVELS:
            raise InvalidRequest("Invalid level Options")
        if self.page < 1:
            raise InvalidRequest("Invalid page number")
        if not 1 <= self.page_size <= MAX_PAGE_SIZE:
            raise InvalidRequest("Invalid page size (must be between 1 and 100)")

    def wants(self, level: str) -> bool:
        """The given level and more severe ones."""
        if self.level == ALL_LEVELS:
            return True
        return level in LEVELS and LEVELS.index(level) <= LEVELS.index(self.level)


@frozen(kw_only=True)
class LogPage:
    """Whole entries, ``total`` of which fit the query. ``truncated``: only the end of the file was looked at."""

    lines: tuple[str, ...]
    total: int
    page: int
    page_size: int
    level: str
    truncated: bool = False
