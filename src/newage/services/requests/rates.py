"""How much one identity, and one client by all its identities, may ask within ten seconds (contract 5.2)."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from newage.domain.model import Caller
from newage.services.requests.limits import RequestSettings
from newage.services.sessions.rates import EventRates
from newage.settings import Live

WINDOW = 10.0  # seconds


@define(eq=False)
class RequestRates:
    """Counts requests and their bytes. Bounded by who asked within the window, once ``sweep`` is called.

    :param rates: tells how much more a client may than an identity.
    """

    _settings: Live[RequestSettings]
    _rates: EventRates
    _lately: dict[tuple[str, str], deque[tuple[float, int]]] = field(factory=dict, init=False)  # -> (when, bytes)

    def admits(self, caller: Caller, size: int, now: float) -> bool:
        """May it ask something of that many bytes now?"""
        settings = self._settings.value
        for account, times in self._rates.shares(caller.identity, caller.client_id):
            within = [each for when, each in self._lately.get(account, ()) if when > now - WINDOW]
            if len(within) >= times * settings.request_rate:
                return False
            if sum(within) + size > times * settings.request_bytes_rate:
                return False
        return True

    def count(self, caller: Caller, size: int, now: float) -> None:
        """It asked that."""
        for account, _ in self._rates.shares(caller.identity, caller.client_id):
            recent = self._lately.setdefault(account, deque())
            while recent and recent[0][0] <= now - WINDOW:
                recent.popleft()
            recent.append((now, size))

    def sweep(self, now: float) -> None:
        """Forget who asked nothing within the window."""
        for account in [who for who, recent in self._lately.items() if recent[-1][0] <= now - WINDOW]:
            del self._lately[account]
