"""When to try again."""

from __future__ import annotations

EAGER = 120.0  # seconds
FIRST = 1.0
EAGER_MOST = 5.0
PATIENT_MOST = 30.0
GROWTH = 1.5


def delay_before(attempt: int, down: float, random: float) -> float:
    """Seconds before the next attempt to connect: 1-5 in the first two minutes, later up to 30, without end.

    :param attempt: from 0.
    :param down: seconds since when the line is down.
    :param random: 0 to 1, for not all come at once.
    """
    most = EAGER_MOST
    if down >= EAGER:
        most = min(EAGER_MOST * GROWTH ** min((down - EAGER) / 20 + 1, 20), PATIENT_MOST)
    grown = min(FIRST * GROWTH ** min(attempt, 20), most)
    return max(FIRST, grown * (0.6 + 0.4 * random))
