"""How often a line that peers can provoke is logged."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

MAX_ADDRESSES = 256  # with a quota at a time; beyond, the address that was quiet longest starts anew


class LogQuota:
    """So many lines a second, or in ``seconds``.

    :param now: a clock in seconds.
    """

    __slots__ = ("_now", "_per_second", "_second", "_seconds", "_taken", "_unsaid")

    def __init__(self, per_second: int, now: Callable[[], float], *, seconds: int = 1) -> None:
        self._per_second = per_second
        self._seconds = seconds
        self._now = now
        self._second = 0
        self._taken = 0
        self._unsaid = 0

    def take(self) -> int | None:
        """:return: how many lines were not said since the last one; None if this one shall not be said either."""
        second = int(self._now() // self._seconds)
        if second != self._second:
            self._second, self._taken = second, 0
        if self._taken >= self._per_second:
            self._unsaid += 1
            return None
        self._taken += 1
        unsaid, self._unsaid = self._unsaid, 0
        return unsaid


def left_out(unsaid: int, which: str = "more") -> str:
    """The end of a line: how many were not said before it, if any.

    :param unsaid: what ``take`` returned.
    """
    return f" ({unsaid} {which} were not logged)" if unsaid else ""


class AddressQuotas:
    """One quota of log lines for each address.

    :param now: a clock in seconds.
    """

    __slots__ = ("_now", "_per_second", "_quotas")

    def __init__(self, per_second: int, now: Callable[[], float]) -> None:
        self._per_second = per_second
        self._now = now
        self._quotas: OrderedDict[str, LogQuota] = OrderedDict()

    def take(self, address: str) -> int | None:
        """As ``LogQuota.take``."""
        quota = self._quotas.get(address)
        if quota is None:
            if len(self._quotas) >= MAX_ADDRESSES:
                self._quotas.popitem(last=False)
            quota = self._quotas[address] = LogQuota(self._per_second, self._now)
        else:
            self._quotas.move_to_end(address)
        return quota.take()
