"""bcrypt off the reactor, and fair: whoever asks for many hashes waits behind whoever asks for one.

A hash of cost 10 takes about 70 ms of a core. Work queues in lanes, one per address and client id, and the lanes take
turns; a flood of wrong keys fills its own lane and delays others by one hash at most.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

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


@frozen
class _Job:
    work: Callable[..., Any]
    args: tuple[Any, ...]
    done: Deferred[Any]


@define(eq=False)
class HashService:
    """Hashes and comparisons in a pool of their own.

    :param workers: threads for hashing only, ``settings.hash_threads`` of them.
    :param make: ``make_hash``; :param compare: ``matches``.
    """

    _workers: IWorkers
    _settings: AuthSettings
    _make: Callable[[bytes, int], str] = make_hash
    _compare: Callable[[bytes, str], bool] = matches
    _lanes: OrderedDict[str, deque[_Job]] = field(factory=OrderedDict, init=False)
    _waiting: int = field(default=0, init=False)
    _running: int = field(default=0, init=False)
    _decoy: str | None = field(default=None, init=False)

    def hash(self, raw: bytes, lane: str) -> Deferred[str]:
        """:return: the hash; fails with Unavailable when too much is waiting, in this lane or in all."""
        return self._submit(lane, self._make, raw, self._settings.bcrypt_rounds)

    def compare(self, raw: bytes, hashed: str, lane: str) -> Deferred[bool]:
        """:return: whether they belong together; fails as ``hash`` does."""
        return self._submit(lane, self._compare, raw, hashed)

    def waste(self, raw: bytes, lane: str) -> Deferred[bool]:
        """Take as long as ``compare`` and find nothing: an unknown id must not be told from a wrong key by time."""
        return self._submit(lane, self._fruitless, raw)

    def _fruitless(self, raw: bytes) -> bool:
        if self._decoy is None:
            self._decoy = self._make(b"nobody", self._settings.bcrypt_rounds)
        self._compare(raw, self._decoy)
        return False

    def _submit(self, lane: str, work: Callable[..., Any], *args: Any) -> Deferred[Any]:
        queue = self._lanes.get(lane)
        if self._waiting >= self._settings.hash_queue_limit or (
            queue is not None and len(queue) >= self._settings.hash_lane_limit
        ):
            return fail(Unavailable("Too many logins at once."))
        if queue is None:
            queue = self._lanes[lane] = deque()
        done: Deferred[Any] = Deferred()
        queue.append(_Job(work, args, done))
        self._waiting += 1
        self._start()
        return done

    def _start(self) -> None:
        while self._running < self._settings.hash_threads and self._lanes:
            lane, queue = self._lanes.popitem(last=False)
            job = queue.popleft()
            if queue:
                self._lanes[lane] = queue  # its next turn comes after everybody else's
            self._waiting -= 1
            if job.done.called:  # cancelled while it waited
                continue
            self._running += 1
            self._workers.run(job.work, *job.args).addBoth(self._finished, job.done)

    def _finished(self, result: Any, done: Deferred[Any]) -> None:
        self._running -= 1
        self._start()
        done.callback(result)  # a Failure makes it fail
