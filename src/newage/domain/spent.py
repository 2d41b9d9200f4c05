"""What was used of something within a day, in a form that outlasts a restart."""

from __future__ import annotations

from attrs import frozen


@frozen
class Spent:
    """``scope`` is of what; ``who`` has used it. ``since`` is when his day began, in seconds of the clock of whoever
    holds it: since the epoch where it is stored."""

    scope: str
    who: str
    since: float
    requests: int
    tokens: int
