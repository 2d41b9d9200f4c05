"""How often somebody may guess (contract 2.5, B8): passwords, and keys that no hub has made.

What a hub makes nobody guesses, so a wrong one of its form is refused and counts for nothing here.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from attrs import define, field

from newage.errors import AuthenticationFailed
from newage.services.accounts.limits import AuthSettings

ANYWHERE = "anywhere"  # in place of an address: where an id is held everywhere


class Place(NamedTuple):
    """Who is guessed at, and from where: see ``domain.networks``."""

    client_id: str
    address: str


class Guess(NamedTuple):
    """One secret that is tried; ``digest`` tells it from others. Shown to several namespaces it is one guess."""

    digest: bytes
    namespace: str


@define
class _Record:
    """Of one place."""

    failures: list[tuple[float, Guess]] = field(factory=list)
    open: list[Guess] = field(factory=list)
    locked_until: float = 0.0

    def count(self) -> int:
        """Guesses that failed or may still fail."""
        return _distinct([guess for _, guess in self.failures] + self.open)

    def failed(self) -> int:
        return _distinct([guess for _, guess in self.failures])

    def expire(self, before: float) -> None:
        self.failures = [each for each in self.failures if each[0] > before]


def _distinct(guesses: list[Guess]) -> int:
    """How many guesses these are: as often as the same secret was shown to one namespace."""
    most: dict[bytes, int] = {}
    for guess, times in Counter(guesses).items():
        most[guess.digest] = max(most.get(guess.digest, 0), times)
    return sum(most.values())


@define
class _Budget:
    """Of one client id, for all addresses together: it is used up by failures and grows slowly."""

    left: float
    at: float
    open: int = 0


K = TypeVar("K")
V = TypeVar("V", _Record, _Budget)


def _entry(entries: OrderedDict[K, V], key: K, new: Callable[[], V], most: int) -> V:
    """The one of that key, which is the newest now; of too many the oldest goes."""
    entry = entries.get(key)
    if entry is None:
        entry = entries[key] = new()
    entries.move_to_end(key)
    if len(entries) > most:
        # An open one must stay, or its end would count for nobody; there are few of these.
        oldest = next((each for each, value in entries.items() if not value.open and each != key), None)
        if oldest is not None:
            del entries[oldest]
    return entry


@define(eq=False)
class AttemptLimiter:
    """Counts failed guesses per client id and address, and beside it slowly per client id.

    Attempts that are still being checked count as failed. A place from which the right secret came before is not held
    by what others guess elsewhere.

    :param seconds: a clock that only its differences matter of.
    """

    _seconds: Callable[[], float]
    _settings: AuthSettings
    _records: OrderedDict[Place, _Record] = field(factory=OrderedDict, init=False)
    _budgets: OrderedDict[str, _Budget] = field(factory=OrderedDict, init=False)
    _known: OrderedDict[Place, None] = field(factory=OrderedDict, init=False)

    # ----------------------------------------------------------------------------------------------------- known places

    def is_known(self, place: Place) -> bool:
        """Whether the right secret was shown from there."""
        return place in self._known

    def proved(self, place: Place) -> None:
        """The right secret came from there."""
        self._known[place] = None
        self._known.move_to_end(place)
        if len(self._known) > self._settings.attempt_entries:
            self._known.popitem(last=False)

    def forget(self, client_id: str) -> None:
        """The credentials of this client are no longer what they were: no place is known for them."""
        for place in [each for each in self._known if each.client_id == client_id]:
            del self._known[place]

    # ---------------------------------------------------------------------------------------------------------- guesses

    def is_locked(self, place: Place) -> bool:
        """Whether nothing more may be guessed from there now."""
        record = self._records.get(place)
        if record is not None:
            now = self._seconds()
            record.expire(now - self._settings.attempt_window_seconds)
            if record.locked_until > now or record.count() >= self._settings.max_failed_attempts:
                return True
        budget = self._budgets.get(place.client_id)
        return budget is not None and not self.is_known(place) and self._left(budget) < budget.open + 1

    def failed_before(self, place: Place, guess: Guess) -> bool:
        """Whether this very secret was wrong there a moment ago; it still is."""
        record = self._records.get(place)
        return record is not None and any(each.digest == guess.digest for _, each in record.failures)

    def begin(self, place: Place, guess: Guess) -> None:
        """Open one attempt; every one is to be ended.

        :raises AuthenticationFailed: locked, or as many attempts are open as may still fail.
        """
        if self.is_locked(place):
            raise AuthenticationFailed("Too many attempts.")
        self._record(place).open.append(guess)
        self._budget(place.client_id).open += 1

    def end(self, place: Place, guess: Guess, *, failed: bool) -> None:
        record, budget = self._record(place), self._budget(place.client_id)
        record.open.remove(guess)
        budget.open -= 1
        if not failed:
            return
        now = self._seconds()
        before = record.count()
        record.failures.append((now, guess))
        if record.count() > before and not self.is_known(place):
            budget.left, budget.at = max(0.0, self._left(budget) - 1), now
        if record.failed() >= self._settings.max_failed_attempts:
            record.failures.clear()
            record.locked_until = now + self._settings.attempt_lock_seconds

    def unlock(self, client_id: str | None = None) -> list[tuple[str, str]]:
        """Forget the failures of a client, or of all; what is being checked now still counts.

        :return: who was locked: (address or ``ANYWHERE``, client id).
        """
        now = self._seconds()
        unlocked = []
        for place, record in self._records.items():
            if client_id in (None, place.client_id):
                if record.locked_until > now:
                    unlocked.append((place.address, place.client_id))
                record.failures.clear()
                record.locked_until = 0.0
        for who, budget in self._budgets.items():
            if client_id in (None, who):
                if self._left(budget) < 1:
                    unlocked.append((ANYWHERE, who))
                budget.left, budget.at = float(self._settings.max_failed_attempts_per_id), now
        return unlocked

    # ---------------------------------------------------------------------------------------------------------- records

    def _record(self, place: Place) -> _Record:
        return _entry(self._records, place, _Record, self._settings.attempt_entries)

    def _budget(self, client_id: str) -> _Budget:
        all_of_it = float(self._settings.max_failed_attempts_per_id)
        return _entry(
            self._budgets, client_id, lambda: _Budget(all_of_it, self._seconds()), self._settings.attempt_entries
        )

    def _left(self, budget: _Budget) -> float:
        """Guesses that may still fail now."""
        grown = (self._seconds() - budget.at) / self._settings.attempt_per_id_seconds
        return min(float(self._settings.max_failed_attempts_per_id), budget.left + grown)
