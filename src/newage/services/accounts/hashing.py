"""bcrypt off the reactor, and fair: whoever asks for many hashes waits behind whoever asks for one (B7).

A hash of cost 10 takes about 70 ms of a core. Whoever came with the right secret before goes first; then who is
burdened least by what was computed lately, in vain, for the same address and for the same client's secrets of that
sort: who guesses at its password does not hold up its key. So neither one address nor fifty that guess at one client,
nor one that guesses at fifty clients, keep others waiting longer than for what is running.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple

import bcrypt
from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail

from newage.errors import Unavailable
from newage.ports import IWorkers
from newage.services.accounts.limits import AuthSettings

MAX_SECRET_BYTES = 72  # bcrypt takes no more (contract A7)


def encoded(secret: object) -> bytes | None:
    """What can be hashed: a non-empty string of at most 72 UTF-8 bytes without NUL; None for anything else."""
    if not isinstance(secret, str) or not secret or "\0" in secret:
        return None
    try:
        raw = secret.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return None
    return raw if len(raw) <= MAX_SECRET_BYTES else None


def matches(raw: bytes, hashed: str) -> bool:
    """Compare; a hash that bcrypt cannot read matches nothing."""
    try:
        return bcrypt.checkpw(raw, hashed.encode("ascii", "replace"))
    except ValueError:
        return False


def make_hash(raw: bytes, rounds: int) -> str:
    return bcrypt.hashpw(raw, bcrypt.gensalt(rounds)).decode("ascii")


class Turn(NamedTuple):
    """Whose turn a hash takes.

    ``client_id`` is whom it is about, ``address`` where it is asked for, see ``domain.networks``. ``known``: the right
    secret of this client was shown from there before. ``sort``: which sort of secret it is.
    """

    client_id: str = ""
    address: str = ""
    known: bool = False
    sort: Literal["key", "word", "password"] = "key"  # "word": a key that no hub has made


@frozen(eq=False)
class _Job:
    turn: Turn
    work: Callable[..., Any]
    args: tuple[Any, ...]
    done: Deferred[Any]


@define(eq=False)
class HashService:
    """Hashes and comparisons in a pool of their own.

    :param workers: threads for hashing only, ``settings.hash_threads`` of them.
    :param make: ``make_hash``; :param compare: ``matches``.
    """

    REMEMBERED: ClassVar[int] = 256  # computations in vain: some ten seconds of them

    _workers: IWorkers
    _settings: AuthSettings
    _make: Callable[[bytes, int], str] = make_hash
    _compare: Callable[[bytes, str], bool] = matches
    _waiting: dict[_Job, None] = field(factory=dict, init=False)  # in the order of their arrival
    _running: int = field(default=0, init=False)
    _burdens: Counter[tuple[str, ...]] = field(factory=Counter, init=False)  # see _names
    _vain: deque[Turn] = field(factory=deque, init=False)  # what the burdens are made of, beside what is running
    _decoy: str | None = field(default=None, init=False)

    def hash(self, raw: bytes, turn: Turn) -> Deferred[str]:
        """:return: the hash; fails with Unavailable when too much is waiting, in this turn or in all."""
        return self._submit(turn, self._make, raw, self._settings.bcrypt_rounds)

    def compare(self, raw: bytes, hashed: str, turn: Turn) -> Deferred[bool]:
        """:return: whether they belong together; fails as ``hash`` does."""
        return self._submit(turn, self._compare, raw, hashed)

    def waste(self, raw: bytes, turn: Turn) -> Deferred[bool]:
        """Take as long as ``compare`` and find nothing: an unknown id must not be told from a wrong key by time."""
        return self._submit(turn, self._fruitless, raw)

    def _fruitless(self, raw: bytes) -> bool:
        if self._decoy is None:
            self._decoy = self._make(b"nobody", self._settings.bcrypt_rounds)
        self._compare(raw, self._decoy)
        return False

    def _submit(self, turn: Turn, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        waiting = Counter(job.turn for job in self._waiting)
        if waiting[turn] >= self._settings.hash_lane_limit or not self._has_room(turn, waiting):
            return fail(Unavailable("Too many logins at once."))
        job = _Job(turn, work, args, Deferred())
        self._waiting[job] = None
        self._start()
        return job.done

    def _has_room(self, turn: Turn, waiting: Counter[Turn]) -> bool:
        """When all places are taken, who has most of them gives one up for somebody with less."""
        if len(self._waiting) < self._settings.hash_queue_limit:
            return True
        places: Counter[tuple[str, ...]] = Counter(_names(turn))
        for each, jobs in waiting.items():
            for name in _names(each):
                places[name] += jobs

        def weight(whose: Turn) -> tuple[bool, int]:
            return not whose.known, sum(places[name] + self._burdens[name] for name in _names(whose))

        last = max(reversed(self._waiting), key=lambda job: weight(job.turn))
        if weight(last.turn) <= weight(turn):
            return False
        del self._waiting[last]
        if not last.done.called:
            last.done.errback(Unavailable("Too many logins at once."))
        return True

    def _start(self) -> None:
        while self._running < self._settings.hash_threads and self._waiting:
            job = min(self._waiting, key=lambda each: (not each.turn.known, self._burden(each.turn)))
            del self._waiting[job]
            if job.done.called:  # cancelled while it waited
                continue
            self._running += 1
            self._charge(job.turn, 1)
            self._workers.run(job.work, *job.args).addBoth(self._finished, job)

    def _finished(self, result: Any, job: _Job) -> None:
        self._running -= 1
        if result is True:
            self._charge(job.turn, -1)
        else:
            self._vain.append(job.turn)
            if len(self._vain) > self.REMEMBERED:
                self._charge(self._vain.popleft(), -1)
        self._start()
        job.done.callback(result)  # a Failure makes it fail

    def _burden(self, turn: Turn) -> int:
        return sum(self._burdens[name] for name in _names(turn))

    def _charge(self, turn: Turn, amount: int) -> None:
        for name in _names(turn):
            self._burdens[name] += amount
            if not self._burdens[name]:
                del self._burdens[name]


def _names(turn: Turn) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return ("address", turn.address), ("client", turn.client_id, turn.sort)
