"""bcrypt in turns."""

from __future__ import annotations

from typing import Any

import bcrypt
import pytest

from deferreds import SteppedWorkers, outcome, value
from newage.daemon.workers import InlineWorkers
from newage.errors import Unavailable
from newage.services.accounts.hashing import HashService, Turn, encoded, make_hash, matches
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


def of(client_id: str, address: str = "") -> Turn:
    return Turn(client_id, address or f"address of {client_id}")


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
    assert value(hashes.hash(b"a", Turn())) == "hash of a at 10"
    assert value(hashes.compare(b"a", "hash of a at 10", Turn())) is True
    assert value(hashes.compare(b"b", "hash of a at 10", Turn())) is False


def test_waste_takes_one_comparison_and_finds_nothing(slow: Slow) -> None:
    hashes = service(InlineWorkers(), slow)
    assert value(hashes.waste(b"nobody", Turn())) is False
    assert value(hashes.waste(b"x", Turn())) is False
    assert slow.log == ["make nobody", "compare nobody", "compare x"]


def test_only_so_many_run_at_once(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=2)
    done = [outcome(hashes.hash(name.encode(), Turn())) for name in "abcd"]
    assert len(workers.waiting) == 2
    workers.step()
    assert len(workers.waiting) == 2
    workers.flush()
    assert [found[0][8] for found in done] == list("abcd")


def test_who_asks_for_many_waits_for_the_others(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1)
    for name in "abcdef":
        outcome(hashes.compare(name.encode(), "", of("flood")))
    outcome(hashes.compare(b"x", "", of("single")))
    outcome(hashes.compare(b"y", "", of("other")))
    workers.flush()
    assert "".join(entry[-1] for entry in slow.log) == "axybcdef"


def test_one_place_is_bounded(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1, hash_lane_limit=2)
    for name in "abc":  # one runs, two wait
        outcome(hashes.hash(name.encode(), of("flood")))
    with pytest.raises(Unavailable, match="Too many logins at once"):
        value(hashes.hash(b"d", of("flood")))
    other = outcome(hashes.hash(b"x", of("other")))
    workers.flush()
    assert other


def test_all_together_are_bounded(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1, hash_queue_limit=3)
    for name in "abcd":
        outcome(hashes.hash(name.encode(), of(name)))
    with pytest.raises(Unavailable):
        value(hashes.hash(b"e", of("e")))
    workers.flush()
    again = outcome(hashes.hash(b"e", of("e")))
    workers.flush()
    assert again == ["hash of e at 10"]


def test_what_was_cancelled_is_not_computed(slow: Slow, workers: SteppedWorkers) -> None:
    hashes = service(workers, slow, hash_threads=1)
    outcome(hashes.hash(b"a", Turn()))
    cancelled = hashes.hash(b"b", Turn())
    last = outcome(hashes.hash(b"c", Turn()))
    outcome(cancelled)
    cancelled.cancel()
    workers.flush()
    assert slow.log == ["make a", "make c"]
    assert last


def test_a_failure_reaches_its_caller_and_the_next_runs(workers: SteppedWorkers) -> None:
    def broken(raw: bytes, rounds: int) -> str:
        raise ZeroDivisionError

    hashes = HashService(workers, AuthSettings(hash_threads=1), broken)
    first, second = outcome(hashes.hash(b"a", Turn())), outcome(hashes.waste(b"b", of("lane")))
    workers.flush()
    assert first[0].check(ZeroDivisionError)
    assert second[0].check(ZeroDivisionError)


class TestTurns:
    """Whoever is right is not kept waiting by whoever guesses (B7)."""

    def order(self, slow: Slow, workers: SteppedWorkers, *turns: Turn, threads: int = 1) -> list[str]:
        """Who is served, where each asks when all before have asked; the first is running."""
        hashes = service(workers, slow, hash_threads=threads)
        for number, turn in enumerate(turns):
            outcome(hashes.compare(f"{turn.client_id}{number}".encode(), "", turn))
        workers.flush()
        return [entry.removeprefix("compare ").rstrip("0123456789") for entry in slow.log]

    def test_fifty_addresses_that_guess_at_one_client_delay_another_by_none(
        self, slow: Slow, workers: SteppedWorkers
    ) -> None:
        flood = [of("victim", f"192.0.2.{number}") for number in range(50)]
        assert self.order(slow, workers, *flood, of("right"))[1] == "right"

    def test_nor_the_one_they_guess_at_if_they_came_before(self, slow: Slow, workers: SteppedWorkers) -> None:
        hashes = service(workers, slow, hash_threads=1)
        for _ in range(2):
            for number in range(50):
                outcome(hashes.compare(b"wrong", "", of("victim", f"192.0.2.{number}")))
            workers.flush()
        slow.log.clear()
        for number in range(50):
            outcome(hashes.compare(b"wrong", "", of("victim", f"192.0.2.{number}")))
        outcome(hashes.compare(b"right", "", of("victim", "198.51.100.1")))
        workers.flush()
        assert slow.log[:3] == ["compare wrong", "compare right", "compare wrong"]

    def test_nor_does_one_address_that_guesses_at_fifty_clients(self, slow: Slow, workers: SteppedWorkers) -> None:
        flood = [of(f"client{number}.", "192.0.2.1") for number in range(50)]
        assert self.order(slow, workers, *flood, of("right"))[1] == "right"

    def test_a_known_place_goes_first(self, slow: Slow, workers: SteppedWorkers) -> None:
        known = Turn("victim", "192.0.2.99", known=True)
        flood = [of("victim", f"192.0.2.{number}") for number in range(20)]
        assert self.order(slow, workers, *flood, of("right"), known)[1:3] == ["victim", "right"]
        assert slow.log[1] == "compare victim21"

    def test_who_guesses_at_one_sort_of_secret_holds_up_no_other(self, slow: Slow, workers: SteppedWorkers) -> None:
        hashes = service(workers, slow, hash_threads=1)
        for number in range(20):
            outcome(hashes.compare(b"guess", "", Turn("victim", f"192.0.2.{number}", sort="word")))
        outcome(hashes.compare(b"password", "", Turn("victim", "198.51.100.1", sort="password")))
        outcome(hashes.compare(b"key", "", Turn("victim", "198.51.100.2", sort="key")))
        workers.flush()
        assert slow.log[:4] == ["compare guess", "compare password", "compare key", "compare guess"]

    def test_a_success_burdens_nobody(self, slow: Slow, workers: SteppedWorkers) -> None:
        hashes = service(workers, slow, hash_threads=1)
        for _ in range(5):
            outcome(hashes.compare(b"a", "hash of a at 10", of("office")))
            workers.flush()
        assert hashes._burdens == {}

    def test_what_is_remembered_is_bounded(self, slow: Slow) -> None:
        hashes = service(InlineWorkers(), slow)
        for number in range(2 * HashService.REMEMBERED):
            value(hashes.compare(b"a", "", of(f"client {number}")))
        assert len(hashes._burdens) == 2 * HashService.REMEMBERED
        assert sum(hashes._burdens.values()) == 2 * HashService.REMEMBERED

    def test_a_full_queue_makes_room_for_who_has_less_of_it(self, slow: Slow, workers: SteppedWorkers) -> None:
        hashes = service(workers, slow, hash_threads=1, hash_queue_limit=3)
        flood = [outcome(hashes.compare(f"{n}".encode(), "", of(f"client {n}", "flood"))) for n in range(4)]
        right = outcome(hashes.compare(b"right", "", of("right")))
        assert flood[3][0].check(Unavailable)
        again = outcome(hashes.compare(b"again", "", of("client 9", "flood")))
        assert again[0].check(Unavailable)
        workers.flush()
        assert right == [False]
        assert slow.log[1] == "compare right"

    def test_who_was_cancelled_gives_its_place_up(self, slow: Slow, workers: SteppedWorkers) -> None:
        hashes = service(workers, slow, hash_threads=1, hash_queue_limit=1)
        outcome(hashes.compare(b"a", "", of("a", "flood")))
        cancelled = hashes.compare(b"b", "", of("b", "flood"))
        outcome(cancelled)
        cancelled.cancel()
        right = outcome(hashes.compare(b"right", "", of("right")))
        workers.flush()
        assert right == [False]
