"""How many TCP connections the site has, and of whom (contract 16.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newage.web.settings import WebSettings


class ConnectionCount:
    """How many TCP connections there are, in total and per address. ``exempt`` addresses count in the total only."""

    def __init__(self, settings: WebSettings, exempt: Callable[[str], bool]) -> None:
        self._max_total = settings.max_connections
        self._max_each = settings.max_connections_per_address
        self._exempt = exempt
        self._each: dict[str, int] = {}
        self.total = 0

    def take(self, address: str) -> bool:
        """Count one more; False, and not counted, beyond a limit."""
        if self.total >= self._max_total:
            return False
        if not self._exempt(address):
            count = self._each.get(address, 0)
            if count >= self._max_each:
                return False
            self._each[address] = count + 1
        self.total += 1
        return True

    def give_back(self, address: str) -> None:
        """One that ``take`` counted is gone."""
        self.total -= 1
        count = self._each.get(address, 0)
        if count > 1:
            self._each[address] = count - 1
        elif count:
            del self._each[address]
