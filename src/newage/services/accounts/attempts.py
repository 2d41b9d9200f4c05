"""How often somebody may guess (contract 2.5)."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable

from attrs import define, field

from newage.errors import AuthenticationFailed
from newage.services.accounts.limits import AuthSettings


@define
class _Record:
    failures: deque[float] = field(factory=deque)
    open: int = 0
    locked_until: float = 0.0


@define(eq=False)
class AttemptLimiter:
    """Counts failed logins per (address, client id); attempts that are still being checked count as failed.

    :param seconds: a clock that only its differences matter of.
    """

    _seconds: Callable[[], float]
    _settings: AuthSettings
    _records: OrderedDict[tuple[str, str], _Record] = field(factory=OrderedDict, init=False)

    def check(self, address: str, client_id: str) -> None:
        """:raises AuthenticationFailed: locked out, or as many attempts are open as may still fail."""
        record = self._records.get((address, client_id))
        if record is None:
            return
        now = self._seconds()
        while record.failures and record.failures[0] <= now - self._settings.attempt_window_seconds:
            record.failures.popleft()
        if record.locked_until > now or len(record.failures) + record.open >= self._settings.max_failed_attempts:
            raise AuthenticationFailed("Too many attempts.")

    def begin(self, address: str, client_id: str) -> None:
        """Open one attempt; every one is to be ended.

        :raises AuthenticationFailed: as ``check``.
        """
        self.check(address, client_id)
        self._record(address, client_id).open += 1

    def end(self, address: str, client_id: str, *, failed: bool) -> None:
        self._record(address, client_id).open -= 1
        if failed:
            self.failed(address, client_id)

    def failed(self, address: str, client_id: str) -> None:
        """Note a failure that no ``begin`` announced."""
        record = self._record(address, client_id)
        now = self._seconds()
        record.failures.append(now)
        if len(record.failures) >= self._settings.max_failed_attempts:
            record.failures.clear()
            record.locked_until = now + self._settings.attempt_lock_seconds

    def unlock(self, client_id: str | None = None) -> list[tuple[str, str]]:
        """Forget the failures of a client, or of all; what is being checked now still counts.

        :return: who was locked: (address, client id).
        """
        now = self._seconds()
        unlocked = []
        for place, record in self._records.items():
            if client_id in (None, place[1]):
                if record.locked_until > now:
                    unlocked.append(place)
                record.failures.clear()
                record.locked_until = 0.0
        return unlocked

    def _record(self, address: str, client_id: str) -> _Record:
        place = (address, client_id)
        record = self._records.get(place)
        if record is None:
            record = self._records[place] = _Record()
        self._records.move_to_end(place)
        if len(self._records) > self._settings.attempt_entries:
            # An open one must stay, or its end would count for nobody; there are few of these.
            oldest = next((p for p, r in self._records.items() if not r.open and p != place), None)
            if oldest is not None:
                del self._records[oldest]
        return record
