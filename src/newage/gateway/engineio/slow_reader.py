"""When a reader is too slow, as a machine: bytes and times are arguments.

A reader over ``max_outbound_bytes`` has a grace to catch up, for one large answer is not a slow reader; over
``max_outbound_burst_bytes`` there is none. It is judged in the next turn at the earliest: by then the transport had its
chance to write.
"""

from __future__ import annotations

from newage.gateway.settings import GatewaySettings
from newage.protocol.engine_session import NEVER

_RECHECK_SECONDS = 0.25  # how often a slow reader is looked at


class SlowReader:
    """The machine of one connection. Times are seconds on the caller's clock.

    :ivar deadline: when ``is_too_slow`` is to be asked; ``NEVER`` while the reader keeps up.
    """

    __slots__ = ("_limits", "_slow_since", "deadline")

    def __init__(self, limits: GatewaySettings) -> None:
        self._limits = limits
        self._slow_since = NEVER
        self.deadline = NEVER

    def exceeded(self, pending: int, now: float) -> None:
        """More than ``max_outbound_bytes`` wait for the reader: so many, after something was sent."""
        if self._slow_since == NEVER:
            self._slow_since = self.deadline = now
        elif pending > self._limits.max_outbound_burst_bytes:
            self.deadline = now

    def is_too_slow(self, pending: int, now: float) -> bool:
        """The judgement of a reader for whom so many bytes wait; without one, the next ``deadline`` is set."""
        if pending <= self._limits.max_outbound_bytes:
            self._slow_since = self.deadline = NEVER
            return False
        end_of_grace = self._slow_since + self._limits.outbound_grace_seconds
        if pending > self._limits.max_outbound_burst_bytes or now >= end_of_grace:
            return True
        self.deadline = min(now + _RECHECK_SECONDS, end_of_grace)
        return False
