"""Keys: issuing, several at once, verification with a memory, single flight, revocation (contract 2.8, A7)."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from authkit import Gatehouse, quick_hash
from deferreds import SteppedWorkers, outcome, value
from hubkit import EPOCH
from logkit import Logged
from newage.domain.model import KeyRecord, Rank, Scope
from newage.errors import Unavailable
from newage.services.accounts.keys import Grant
from newage.storage.memory import MemoryKeyStore


class FullDisk(MemoryKeyStore):
    def update_key(self, record: KeyRecord) -> Deferred[None]:
        return fail(Unavailable("The store refused."))


def house(tmp_path: Path, **settings: Any) -> Gatehouse:
    return Gatehouse(tmp_path, **settings)


def verify(h: Gatehouse, client_id: str, key: object) -> KeyRecord | None:
    record: KeyRecord | None = value(h.keys.verify(client_id, key, "lane"))
    return record


class TestIssuing:
    def test_gives_a_uuid_once_and_keeps_its_hash(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        assert len(key) == 36
        (stored,) = value(h.store.load_keys())
        assert stored == h.keys.records("ann")[0]
        assert stored.hash == quick_hash(key.encode()) == h.keys.newest_hash("ann")
        assert stored.local is True
        assert key not in repr(h.keys)

    def test_several_live_at_once_and_the_oldest_goes(self, tmp_path: Path) -> None:
        h = house(tmp_path, max_keys_per_client=3)
        keys = [h.issue("ann") for _ in range(5)]
        assert [verify(h, "ann", key) is not None for key in keys] == [False, False, True, True, True]
        assert len(value(h.store.load_keys())) == 3
        assert h.keys.newest_hash("ann") == quick_hash(keys[-1].encode())

    def test_a_restart_keeps_them(self, tmp_path: Path) -> None:
        before = house(tmp_path)
        keys = [before.issue("ann"), before.issue("ann"), before.issue("bob")]
        after = house(tmp_path, store=before.store)
        value(after.keys.load())
        assert verify(after, "ann", keys[0])
        assert verify(after, "ann", keys[1])
        assert verify(after, "bob", keys[2])
        assert after.keys.newest_hash("ann") == quick_hash(keys[1].encode())
        assert after.keys.client_ids() == ("ann", "bob")

    def test_only_so_many_clients_have_keys(self, tmp_path: Path) -> None:
        h = house(tmp_path, max_client_keys=2)
        h.issue("ann")
        h.issue("bob")
        h.issue("bob")
        with pytest.raises(Unavailable):
            h.issue("eve")
        value(h.keys.remove("ann"))
        h.issue("eve")

    def test_the_limit_counts_keys_in_the_making(self, tmp_path: Path) -> None:
        h = house(tmp_path, max_client_keys=2, stepped=True)
        first = [outcome(h.keys.generate(who, local=False)) for who in ("ann", "bob", "bob")]
        with pytest.raises(Unavailable):
            value(h.keys.generate("eve", local=False))
        assert isinstance(h.hash_workers, SteppedWorkers)
        h.hash_workers.flush()
        assert all(len(found[0]) == 36 for found in first)
        assert h.keys._making == {}


class TestVerification:
    def test_wrong_unknown_and_malformed_keys_are_the_same(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        assert verify(h, "ann", key) == h.keys.records("ann")[0]
        hash_itself = h.keys.newest_hash("ann")
        of_any_kind: list[object] = ["wrong", hash_itself, "x" * 100, "nul\0", "", None, {}, 7]
        for wrong in (*of_any_kind, key + " ", key.upper() + "x"):
            assert verify(h, "ann", wrong) is None
        assert verify(h, "bob", key) is None

    @pytest.mark.parametrize(("who", "key"), [("nobody", "some key"), ("ann", "x" * 73), ("nobody", {})])
    def test_costs_one_comparison_where_there_is_nothing_to_compare(
        self, tmp_path: Path, who: str, key: object
    ) -> None:
        h = house(tmp_path)
        h.issue("ann")
        verify(h, who, key)
        assert len(h.compared) == 1

    def test_the_newest_is_tried_first(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        old, new = h.issue("ann"), h.issue("ann")
        verify(h, "ann", new)
        assert len(h.compared) == 1
        verify(h, "ann", old)
        assert len(h.compared) == 3


class TestMemory:
    def test_a_verified_key_is_not_hashed_again_for_ten_minutes(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        assert h.keys.verified("ann", key) is None
        for _ in range(5):
            assert verify(h, "ann", key)
        assert h.keys.verified("ann", key) == h.keys.records("ann")[0]
        assert len(h.compared) == 1
        h.clock.advance(600)
        assert h.keys.verified("ann", key) is None
        assert verify(h, "ann", key)
        assert len(h.compared) == 2

    def test_a_wrong_key_is_hashed_each_time(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        h.issue("ann")
        verify(h, "ann", "wrong")
        verify(h, "ann", "wrong")
        assert len(h.compared) == 2

    def test_it_is_bound_to_the_client(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        h.issue("bob")
        verify(h, "ann", key)
        assert h.keys.verified("bob", key) is None
        assert verify(h, "bob", key) is None

    def test_removal_takes_effect_at_once(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        verify(h, "ann", key)
        assert value(h.keys.remove("ann")) == 1
        assert h.keys.verified("ann", key) is None
        assert verify(h, "ann", key) is None
        assert value(h.store.load_keys()) == ()
        assert value(h.keys.remove("ann")) == 0

    def test_a_dropped_key_is_forgotten_and_the_others_are_not(self, tmp_path: Path) -> None:
        h = house(tmp_path, max_keys_per_client=2)
        first, second = h.issue("ann"), h.issue("ann")
        verify(h, "ann", first)
        verify(h, "ann", second)
        h.issue("ann")
        assert h.keys.verified("ann", first) is None
        assert h.keys.verified("ann", second)

    def test_it_is_bounded(self, tmp_path: Path) -> None:
        h = house(tmp_path, key_cache_entries=2)
        keys = {who: h.issue(who) for who in ("ann", "bob", "eve")}
        for who, key in keys.items():
            verify(h, who, key)
        assert [h.keys.verified(who, key) is not None for who, key in keys.items()] == [False, True, True]

    def test_it_holds_no_keys(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        verify(h, "ann", key)
        assert key.encode() not in repr(h.keys._verified).encode()


class TestSingleFlight:
    def test_the_same_key_at_the_same_time_is_hashed_once(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True)
        workers = h.hash_workers
        assert isinstance(workers, SteppedWorkers)
        issued = outcome(h.keys.generate("ann", local=False))
        workers.flush()
        key = issued[0]
        assert not h.keys.is_checking("ann", key)
        found = [outcome(h.keys.verify("ann", key, "lane")) for _ in range(5)]
        assert h.keys.is_checking("ann", key)
        assert not h.keys.is_checking("ann", "other")
        assert workers.flush() == 1
        assert found == [[h.keys.records("ann")[0]]] * 5
        assert not h.keys.is_checking("ann", key)

    def test_one_that_gives_up_does_not_take_the_others_along(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True)
        workers = h.hash_workers
        assert isinstance(workers, SteppedWorkers)
        first = h.keys.verify("ann", "key", "lane")
        second = outcome(h.keys.verify("ann", "key", "lane"))
        outcome(first)
        first.cancel()
        workers.flush()
        assert second == [None]

    def test_a_refusal_reaches_all(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True, hash_queue_limit=1, hash_threads=1)
        outcome(h.keys.verify("ann", "1", "a"))
        outcome(h.keys.verify("ann", "2", "b"))
        with pytest.raises(Unavailable):
            value(h.keys.verify("ann", "3", "c"))
        assert len(h.keys._checks) == 2


class TestRevocationRaces:
    """A key removed while something is in flight is not accepted afterwards."""

    def test_while_it_is_verified(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True)
        workers = h.hash_workers
        assert isinstance(workers, SteppedWorkers)
        issued = outcome(h.keys.generate("ann", local=False))
        workers.flush()
        found = outcome(h.keys.verify("ann", issued[0], "lane"))
        value(h.keys.remove("ann"))
        workers.flush()
        assert found == [None]
        assert h.keys.verified("ann", issued[0]) is None

    def test_while_it_is_made(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True)
        workers = h.hash_workers
        assert isinstance(workers, SteppedWorkers)
        issued = outcome(h.keys.generate("ann", local=False))
        value(h.keys.remove("ann"))
        workers.flush()
        assert issued[0].check(Unavailable)
        assert h.keys.records("ann") == ()
        assert value(h.store.load_keys()) == ()


class TestRank:
    def test_a_key_carries_what_it_was_issued_for(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        grant = Grant(rank=Rank.ADMIN, scope=Scope.ADMIN, name="desk", made_by="boss", seconds=60, key_id="0000abcd")
        key = value(h.keys.generate("ann", local=True, grant=grant))
        record = verify(h, "ann", key)
        assert record is not None
        assert (record.rank, record.scope, record.name, record.made_by) == (Rank.ADMIN, Scope.ADMIN, "desk", "boss")
        assert (record.key_id, record.expires) == ("0000abcd", EPOCH + 60)
        assert h.keys.rank("ann") is Rank.ADMIN
        assert h.keys.rank("nobody") is Rank.CLIENT
        assert h.keys.has_administrator()
        assert h.keys.all_records() == (record,)

    def test_no_two_keys_have_one_id(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        for _ in range(3):
            h.issue("ann")
        h._numbers = count(1)  # the maker of ids repeats itself
        h.issue("bob")
        assert len({record.key_id for record in h.keys.all_records()}) == 4

    def test_old_keys_get_the_rank_of_that_moment_once(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        for who in ("ann", "boss"):
            value(h.store.add_key(KeyRecord(client_id=who, hash=f"h {who}", created_at=1.0)))
        value(h.keys.load())
        assert not h.keys.has_administrator()
        value(h.keys.give_ranks(lambda who: Rank.ADMIN if who == "boss" else Rank.CLIENT))
        assert [record.rank for record in value(h.store.load_keys())] == [Rank.CLIENT, Rank.ADMIN]
        again = house(tmp_path, store=h.store)
        value(again.keys.load())
        value(again.keys.give_ranks(lambda who: Rank.ADMIN))
        assert [record.rank for record in again.keys.all_records()] == [Rank.CLIENT, Rank.ADMIN]

    def test_lesser_keys_do_not_wash_out_a_greater_one(self, tmp_path: Path) -> None:
        h = house(tmp_path, max_keys_per_client=2)
        dear = value(h.keys.generate("ann", local=True, grant=Grant(rank=Rank.ADMIN)))
        cheap = [h.issue("ann") for _ in range(3)]
        assert verify(h, "ann", dear)
        assert [verify(h, "ann", key) is not None for key in cheap] == [False, False, True]
        for _ in range(2):
            value(h.keys.generate("ann", local=True, grant=Grant(rank=Rank.ADMIN)))
        assert verify(h, "ann", cheap[-1]) is None
        with pytest.raises(Unavailable, match=r"Too many keys of this client\."):
            h.issue("ann")
        assert len(value(h.store.load_keys())) == 2

    def test_one_key_can_go_alone(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        first, second = h.issue("ann"), h.issue("ann")
        verify(h, "ann", first)
        value(h.keys.remove_one(h.keys.records("ann")[0]))
        assert h.keys.verified("ann", first) is None
        assert verify(h, "ann", second)
        value(h.keys.remove_one(h.keys.records("ann")[0]))
        assert h.keys.client_ids() == ()
        assert value(h.store.load_keys()) == ()


class TestEnd:
    def test_a_key_that_is_over_opens_nothing(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = value(h.keys.generate("ann", local=True, grant=Grant(rank=Rank.ADMIN, seconds=60)))
        assert verify(h, "ann", key)
        h.clock.advance(60)
        assert h.keys.verified("ann", key) is None
        assert verify(h, "ann", key) is None
        assert (h.keys.records("ann"), h.keys.rank("ann"), h.keys.has_administrator()) == ((), Rank.CLIENT, False)
        assert len(h.keys.all_records()) == len(value(h.store.load_keys())) == 1

    @pytest.mark.parametrize(("set_back", "good_for"), [(0, 40), (10_000, 60), (-30, 10), (-10_000, 0)])
    def test_a_restart_goes_on_with_what_is_left_and_never_with_more_than_all(
        self, tmp_path: Path, set_back: float, good_for: float
    ) -> None:
        """A29: whoever sets the clock back does not prolong a key beyond its length."""
        before = house(tmp_path)
        key = value(before.keys.generate("ann", local=True, grant=Grant(seconds=60)))
        after = house(tmp_path, store=before.store)
        after.wall_start = EPOCH + 20 - set_back
        value(after.keys.load())
        for seconds, valid in ((0, good_for > 0), (max(good_for - 1, 0), good_for > 0), (2, False)):
            after.clock.advance(seconds)
            assert (verify(after, "ann", key) is not None) is valid


class TestUse:
    def test_is_noted_once_an_hour(self, tmp_path: Path) -> None:
        h = house(tmp_path, key_cache_seconds=0)
        key = h.issue("ann")

        def noted() -> float | None:
            (record,) = h.keys.records("ann")
            assert value(h.store.load_keys()) == (record,)
            return record.last_used

        assert noted() is None
        for at, expected in ((10, 10), (3000, 10), (3700, 3700)):
            h.clock.advance(at - h.clock.seconds())
            verify(h, "ann", key)
            assert noted() == EPOCH + expected

    def test_a_disk_that_refuses_keeps_nobody_out(self, tmp_path: Path, logged: Logged) -> None:
        h = house(tmp_path, store=FullDisk())
        key = h.issue("ann")
        assert verify(h, "ann", key)
        assert logged() == ["a key's use was not noted: The store refused."]
