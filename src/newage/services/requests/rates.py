"""How much one identity may ask within ten seconds (contract 5.2)."""

from __future__ import annotations

from collections import deque

from attrs import define, field

from newage.services.requests.limits import RequestSettings
from newage.settings import Live

WINDOW = 10.0  # seconds


@define(eq=False)
class RequestRates:
    """Counts requests and their bytes. Bounded by who asked within the window, once ``sweep`` is called."""

    _settings: Live[RequestSettings]
    _lately: dict[str, deque[tuple[float, int]]] = field(factory=dict, init=False)  # identity -> (when, bytes)

    def admits(self, identity: str, size: int, now: float) -> bool:
        """May it ask something of that many bytes now?"""
        recent = self._lately.get(identity, ())
        within = [each for when, each in recent if when > now - WINDOW]
        settings = self._settings.value
        return len(within) < settings.request_rate and sum(within) + size <= settings.request_bytes_rate

    def count(self, identity: str, size: int, now: float) -> None:
        """It asked that."""
        recent = self._lately.setdefault(identity, deque())
        while recent and recent[0][0] <= now - WINDOW:
            recent.popleft()
        recent.append((now, size))

    def sweep(self, now: float) -> None:
        """Forget who asked nothing within the window."""
        for identity in [who for who, recent in self._lately.items() if recent[-1][0] <= now - WINDOW]:
            del self._lately[identity]
