"""How much one may ask of models over HTTP: requests a minute, tokens a day, and so many at once (B19)."""

from __future__ import annotations

from collections import deque
from math import ceil

from attrs import define, field, frozen

MINUTE = 60.0  # seconds
DAY = 86_400.0


@frozen
class Allowed:
    """``tokens`` a day: 0 is any number."""

    requests: int
    tokens: int
    at_once: int


@frozen
class Over:
    """What there is too much of, in words, and in how many seconds there may be more."""

    words: str
    seconds: int


@define(eq=False)
class Budget:
    """Of one key, or of one client by all its keys. Times are seconds of one monotonic clock.

    A day begins with the first token that is spent in it.
    """

    open: int = 0  # requests that are not over
    _begun: deque[float] = field(factory=deque, init=False)  # when requests of the last minute began
    _spent: int = field(default=0, init=False)
    _day: float = field(default=0.0, init=False)  # when the day began in which these were

    def over(self, now: float, allowed: Allowed) -> Over | None:
        """Why it may not begin one more now; None: it may."""
        while self._begun and self._begun[0] <= now - MINUTE:
            self._begun.popleft()
        if self.open >= allowed.at_once:
            return Over(f"Too many requests at once: {allowed.at_once} at most.", 1)
        if len(self._begun) >= allowed.requests:
            return Over(f"Too many requests: {allowed.requests} in a minute.", ceil(self._begun[0] + MINUTE - now) or 1)
        if allowed.tokens and self._of_today(now) >= allowed.tokens:
            return Over(f"Too many tokens: {allowed.tokens} in a day.", ceil(self._day + DAY - now) or 1)
        return None

    def begin(self, now: float) -> None:
        """It does, after ``over`` at that time."""
        self._begun.append(now)
        self.open += 1

    def end(self, now: float, tokens: int) -> None:
        """One is over, and has taken so many."""
        self.open -= 1
        if not self._of_today(now):
            self._day = now
        self._spent += tokens

    def today(self, now: float) -> tuple[float, int]:
        """When the day began, and the tokens spent in it."""
        return self._day, self._of_today(now)

    def resume(self, day: float, tokens: int) -> None:
        """Begin with so many that were spent before."""
        self._day, self._spent = day, tokens

    def is_rested(self, now: float) -> bool:
        """Is it as good as new?"""
        return not self.open and not self._of_today(now) and not (self._begun and self._begun[-1] > now - MINUTE)

    def _of_today(self, now: float) -> int:
        if now - self._day >= DAY:
            self._spent = 0
        return self._spent
