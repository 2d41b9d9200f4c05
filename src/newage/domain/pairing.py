"""Pairing: one code at a time, by which an extension that nobody knows asks for a key (contract B13). No I/O."""

from __future__ import annotations

from collections import OrderedDict, deque
from hmac import compare_digest
from math import inf

from attrs import define, field, frozen

CODE_DIGITS = 6
_MINUTE = 60.0


@frozen(kw_only=True)
class PairingLimits:
    """For how long a code is good (seconds), how many wrong tries end it, how often one network may try."""

    seconds: float
    wrong_tries: int
    tries_per_minute: int
    networks: int  # of which tries are remembered; the longest silent one is forgotten first


@frozen
class Applicant:
    """Who showed the right code and wants the key.

    :param number: what the operator's yes or no refers to.
    :param known: the id has a key, so somebody else may be called so.
    """

    number: int
    client_id: str
    name: str
    address: str
    known: bool = False


@frozen
class Standing:
    """What became of a code: ``open`` (nobody came yet), ``asked`` (by ``applicant``), ``paired`` or ``over``."""

    state: str
    applicant: Applicant | None = None


@define(eq=False)
class Pairing:
    """The code, who tries it, and who waits for the operator.

    Times are seconds of a monotonic clock. ``ticket`` tells one code from the ones before; 0: there was none.
    """

    _limits: PairingLimits
    ticket: int = field(default=0, init=False)
    applicant: Applicant | None = field(default=None, init=False)
    deadline: float = field(default=-inf, init=False)
    _code: bytes = field(default=b"", init=False, repr=False)
    _wrong: int = field(default=0, init=False)
    _applied: int = field(default=0, init=False)
    _tries: OrderedDict[str, deque[float]] = field(factory=OrderedDict, init=False)

    def open(self, code: str, now: float) -> None:
        """A new code; the one before, and who waited by it, count no more."""
        self.close()
        self.ticket += 1
        self._code = code.encode()
        self._wrong = 0
        self.deadline = now + self._limits.seconds

    def close(self) -> None:
        """The code is spent, or void."""
        self._code, self.applicant, self.deadline = b"", None, -inf

    def is_open(self, now: float) -> bool:
        return now < self.deadline

    def fits(self, code: str, now: float) -> bool:
        """Whether that is the code; for its maker, whose tries are not counted."""
        right = compare_digest(self._code, code.encode("utf-8", "replace"))
        return self.is_open(now) and right

    def tried(self, code: str, network: str, now: float) -> bool:
        """Somebody shows a code. A wrong one counts against the code, whoever it is; too many from one network are not
        even looked at."""
        if not self._may_try(network, now):
            return False
        if self.fits(code, now):
            return True
        self._wrong += self.is_open(now)
        if self._wrong >= self._limits.wrong_tries:
            self.close()
        return False

    def apply(
        self, ticket: int, client_id: str, name: str, address: str, now: float, *, known: bool = False
    ) -> Applicant | None:
        """Who showed the code asks for the key; takes the place of who asked before. None: the code is over."""
        if ticket != self.ticket or not self.is_open(now):
            return None
        self._applied += 1
        self.applicant = Applicant(self._applied, client_id, name, address, known)
        return self.applicant

    def withdraw(self) -> None:
        """Who asked is gone; the code is as good as before."""
        self.applicant = None

    def _may_try(self, network: str, now: float) -> bool:
        tries = self._tries.setdefault(network, deque())
        self._tries.move_to_end(network)
        while tries and now - tries[0] >= _MINUTE:
            tries.popleft()
        if len(tries) >= self._limits.tries_per_minute:
            return False
        tries.append(now)
        if len(self._tries) > self._limits.networks:
            self._tries.popitem(last=False)
        return True
