"""Who has put down roots in the hub: said something, was added, or was given a place by others (contract A42)."""

from __future__ import annotations

from typing import NamedTuple


class Resident(NamedTuple):
    """One identity that is kept for long.

    ``since``: when it went, in seconds of the hub's running time; None while it is here, or was when the hub stopped.
    """

    client_id: str
    since: float | None = None
