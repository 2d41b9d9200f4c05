"""bcrypt in turns."""

from __future__ import annotations

from typing import Any

import bcrypt
import pytest

from deferreds import SteppedWorkers, outcome, value
from newage.daemon.workers import InlineWorkers
from newage.errors import Unavailable
from newage.services.accounts.hashing import HashService, encoded, make_hash, matches
from newage.services.accounts.limits import AuthSettings


class Slow:
    """Counts what is computed; nothing takes time."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def make(self, raw: bytes, rounds: int) -> str:
        self.log.append(f"make {raw.decode()}")
        return f"hash of {raw.decode()} at {rounds}"

    def compare(self, raw: bytes, hashed: str) -> bool:
        self.log.append(f"compare {raw.decode()}")
        return hashed == f"hash of {raw.decode()} at 10"


@pytest.fixture
def slow() -> Slow:
    return Slow()


@pytest.fixture
def workers() -> SteppedWorkers:
    return SteppedWorkers()


def service(workers: Any, slow: Slow, **settings: Any) -> HashService:
    return HashService(workers, AuthSettings(**settings), slow.make, slow.compare)


@pytest.mark.parametrize("secret", ["", None, 7, {}, [], b"bytes", "nul\0", "x" * 73, "ä" * 37, "\ud800", True])
def test_what_cannot_be_hashed(secret: object) -> None:
    assert encoded(secret) is None


@pytest.mark.parametrize("secret", ["x", "x" * 72, "ä" * 36, " "])
def test_what_can_be_hashed(secret: str) -> None:
    assert encoded(secret) == secret.encode()


def test_real_bcrypt() -> None:
    hashed = make_hash(b"a key", 4)
    assert hashed.startswith("$2b$04$")
    assert matches(b"a key", hashed)
    assert not matches(b"another", hashed)


def test_hashes_of_the_reference_server_are_read() -> None:
    theirs = bcrypt.hashpw(b"a key", bcrypt.gensalt(4, prefix=b"2a")).decode()
    assert matches(b"a key", theirs)
    assert matches(b"a key", theirs.replace("$2a$", "$2y$"))
    assert not matches(b"another", theirs)


@pytest.mark.parametrize("hashed", ["", "nothing", "$2b$10$short", "$2b$99$" + "a" * 53, "ä", "$2b$04$" + "\0" * 53])
def test_a_malformed_hash_matches_nothing(hashed: str) -> None:
    assert not matches(b"a key", hashed)


def test_results_come_back(slow: Slow) -> None:
    hashes = service(InlineWorkers(), slow)
    assert value(hashes.hash(b"a", "lane")) == "hash of a at 10"
    assert value(hashes.compare(b"a", "hash of a at 10", "lane")) is True
    assert value(hashes.compare(b"b", "hash of a at 10", "lane")) is False


def test_waste_takes_one_comparison_and_finds_nothing(slow: Slow) -> None:
    hashes = service(InlineWorkers(), slow)
    assert value(hashes.waste(b"nobody", "lane")) is False
    assert value(hashes.waste(b"x", "lane")) is False
    assert slow.log == ["make nobody", "compare nobody", "compare x"]


def test_only_so_many_run_at_once(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=2)
    done = [outcome(hashes.hash(name.encode(), "lane")) for name in "abcd"]
    assert len(workers.waiting) == 2
    workers.step()
    assert len(workers.waiting) == 2
    workers.flush()
    assert [found[0][8] for found in done] == list("abcd")


def test_lanes_take_turns(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1)
    for name in "abcdef":
        outcome(hashes.compare(name.encode(), "", "flood"))
    outcome(hashes.compare(b"x", "", "single"))
    outcome(hashes.compare(b"y", "", "other"))
    workers.flush()
    assert "".join(entry[-1] for entry in slow.log) == "abxycdef"


def test_a_lane_is_bounded(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1, hash_lane_limit=2)
    for name in "abc":  # one runs, two wait
        outcome(hashes.hash(name.encode(), "flood"))
    with pytest.raises(Unavailable, match="Too many logins at once"):
        value(hashes.hash(b"d", "flood"))
    other = outcome(hashes.hash(b"x", "other"))
    workers.flush()
    assert other


def test_all_lanes_together_are_bounded(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1, hash_queue_limit=3)
    for name in "abcd":
        outcome(hashes.hash(name.encode(), name))
    with pytest.raises(Unavailable):
        value(hashes.hash(b"e", "e"))
    workers.flush()
    again = outcome(hashes.hash(b"e", "e"))
    workers.flush()
    assert again == ["hash of e at 10"]


def test_what_was_cancelled_is_not_computed(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1)
    outcome(hashes.hash(b"a", "lane"))
    cancelled = hashes.hash(b"b", "lane")
    last = outcome(hashes.hash(b"c", "lane"))
    outcome(cancelled)
    cancelled.cancel()
    workers.flush()
    assert slow.log == ["make a", "make c"]
    assert last


def test_a_failure_reaches_its_caller_and_the_next_runs(workers: SteppedWorkers) -> None:
    def broken(raw: bytes, rounds: int) -> str:
        raise ZeroDivisionError

    hashes = HashService(workers, AuthSettings(hash_threads=1), broken)
    first, second = outcome(hashes.hash(b"a", "lane")), outcome(hashes.waste(b"b", "lane"))
    workers.flush()
    assert first[0].check(ZeroDivisionError)
    assert second[0].check(ZeroDivisionError)
