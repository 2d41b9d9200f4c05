"""Keys: issuing, several at once, digests, verification, single flight, revocation (contract 2.8, A7, B7)."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from attrs import evolve
from twisted.internet.defer import Deferred, fail

from authkit import Gatehouse, quick_hash
from deferreds import SteppedWorkers, outcome, value
from hubkit import EPOCH
from logkit import Logged
from newage.domain.model import KeyRecord, Rank, Scope
from newage.errors import Unavailable
from newage.services.accounts.hashing import Turn
from newage.services.accounts.keys import Grant
from newage.storage.memory import MemoryKeyStore

WRONG = ("0f8fad5b-d9cb-469f-a165-70867728950e", "sk-newage-00000000-" + "a" * 26)  # of the forms that a hub makes


class FullDisk(MemoryKeyStore):
    def update_key(self, record: KeyRecord) -> Deferred[None]:
        return fail(Unavailable("The store refused."))


def house(tmp_path: Path, **settings: Any) -> Gatehouse:
    return Gatehouse(tmp_path, **settings)


def verify(h: Gatehouse, client_id: str, key: object) -> KeyRecord | None:
    record: KeyRecord | None = value(h.keys.verify(client_id, key, Turn()))
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
        old, new = h.imports("ann", "old"), h.imports("ann", "new")
        verify(h, "ann", new)
        assert len(h.compared) == 1
        verify(h, "ann", old)
        assert len(h.compared) == 2


class TestDigests:
    def test_a_right_or_a_wrong_key_of_the_hub_costs_no_bcrypt(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        labelled = value(h.keys.generate("ann", local=True, grant=Grant(labelled=True)))
        keys = [h.issue("ann"), labelled]
        for _ in range(3):
            assert all(verify(h, "ann", key) for key in keys)
            assert [verify(h, "ann", wrong) for wrong in (*WRONG, str(uuid4()))] == [None] * 3
        assert h.compared == []

    @pytest.mark.parametrize("who", ["ann", "nobody"])
    def test_unknown_id_hub_form_costs_no_bcrypt(self, tmp_path: Path, who: str) -> None:
        h = house(tmp_path)
        h.issue("ann")
        assert [verify(h, who, wrong) for wrong in WRONG] == [None, None]
        assert h.compared == []

    def test_an_imported_key_gets_its_digest_at_its_first_success(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.imports("ann", str(uuid4()))
        assert h.keys.verified("ann", key) is None
        assert verify(h, "ann", WRONG[0]) is None
        assert len(h.compared) == 1
        for _ in range(3):
            assert verify(h, "ann", key)
        assert h.keys.verified("ann", key) == h.keys.records("ann")[0]
        assert len(h.compared) == 2
        assert verify(h, "ann", WRONG[0]) is None
        assert len(h.compared) == 2
        after = house(tmp_path, store=h.store)
        value(after.keys.load())
        assert h.keys.verified("ann", key)

    def test_a_label_tells_which_key_is_meant(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        h.imports("ann", "old")
        key = value(h.keys.generate("ann", local=True, grant=Grant(labelled=True)))
        assert key.split("-")[2] == h.keys.records("ann")[-1].key_id
        assert verify(h, "ann", key)
        assert verify(h, "ann", WRONG[1]) is None
        assert h.compared == []

    def test_digest_secret_lost_falls_back(self, tmp_path: Path) -> None:
        """Whoever restores a database without its secret shuts nobody out."""
        (tmp_path / "keys").mkdir()
        before = house(tmp_path)
        value(before.keys.load())
        keys = [before.issue("ann"), value(before.keys.generate("ann", local=True, grant=Grant(labelled=True)))]
        secret = tmp_path / "keys" / "digest_secret"
        assert secret.stat().st_mode & 0o777 == 0o600
        kept = secret.read_bytes()
        same = house(tmp_path, store=before.store)
        value(same.keys.load())
        assert all(same.keys.verified("ann", key) for key in keys)
        secret.unlink()
        after = house(tmp_path, store=before.store)
        value(after.keys.load())
        assert secret.read_bytes() != kept
        assert [after.keys.verified("ann", key) for key in keys] == [None, None]
        assert all(verify(after, "ann", key) for key in keys)
        assert [raw.decode() for raw, _ in after.compared] == [keys[0], keys[0], keys[1]]
        assert all(after.keys.verified("ann", key) for key in keys)
        again = house(tmp_path, store=before.store)
        value(again.keys.load())
        assert all(again.keys.verified("ann", key) for key in keys)

    def test_a_wrong_key_of_foreign_form_is_hashed_each_time(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        h.issue("ann")
        verify(h, "ann", "wrong")
        verify(h, "ann", "wrong")
        assert len(h.compared) == 2

    def test_it_is_bound_to_the_client(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        h.issue("bob")
        assert h.keys.verified("bob", key) is None
        assert verify(h, "bob", key) is None
        value(h.keys.add(evolve(h.keys.records("ann")[0], client_id="bob")))  # by whoever can write the database
        assert h.keys.verified("bob", key) is None

    def test_removal_takes_effect_at_once(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        verify(h, "ann", key)
        records = h.keys.records("ann")
        assert len(records) == 1
        assert value(h.keys.remove("ann")) == records
        assert h.keys.verified("ann", key) is None
        assert verify(h, "ann", key) is None
        assert value(h.store.load_keys()) == ()
        assert value(h.keys.remove("ann")) == ()

    def test_a_dropped_key_is_forgotten_and_the_others_are_not(self, tmp_path: Path) -> None:
        h = house(tmp_path, max_keys_per_client=2)
        first, second = h.issue("ann"), h.issue("ann")
        h.issue("ann")
        assert h.keys.verified("ann", first) is None
        assert h.keys.verified("ann", second)

    def test_what_is_kept_holds_no_keys(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        key = h.issue("ann")
        verify(h, "ann", key)
        (stored,) = value(h.store.load_keys())
        assert key.encode() not in stored.digest
        assert stored.digest.hex() not in repr(stored)


class TestSingleFlight:
    def test_the_same_key_at_the_same_time_is_hashed_once(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True)
        workers = h.hash_workers
        assert isinstance(workers, SteppedWorkers)
        key = h.imports("ann", "a key")
        found = [outcome(h.keys.verify("ann", key, Turn())) for _ in range(5)]
        other = outcome(h.keys.verify("ann", "other", Turn()))
        assert workers.flush() == 2
        assert found == [[h.keys.records("ann")[0]]] * 5
        assert other == [None]

    def test_one_that_gives_up_does_not_take_the_others_along(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True)
        workers = h.hash_workers
        assert isinstance(workers, SteppedWorkers)
        first = h.keys.verify("ann", "key", Turn())
        second = outcome(h.keys.verify("ann", "key", Turn()))
        outcome(first)
        first.cancel()
        workers.flush()
        assert second == [None]

    def test_a_refusal_reaches_all(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True, hash_queue_limit=1, hash_threads=1)
        for key in ("1", "2"):
            outcome(h.keys.verify("ann", key, Turn(key, key)))
        with pytest.raises(Unavailable):
            value(h.keys.verify("ann", "3", Turn("3", "3")))
        assert len(h.keys._checks) == 2


class TestRevocationRaces:
    """A key removed while something is in flight is not accepted afterwards."""

    def test_while_it_is_verified(self, tmp_path: Path) -> None:
        h = house(tmp_path, stepped=True)
        workers = h.hash_workers
        assert isinstance(workers, SteppedWorkers)
        key = h.imports("ann", "a key")
        found = outcome(h.keys.verify("ann", key, Turn()))
        value(h.keys.remove("ann"))
        workers.flush()
        assert found == [None]
        assert h.keys.verified("ann", key) is None

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

    def test_nor_narrower_and_shorter_ones_a_wide_and_lasting_one(self, tmp_path: Path) -> None:
        h = house(tmp_path, max_keys_per_client=2)
        wide = [h.issue("ann") for _ in range(2)]
        for grant in (Grant(scope=Scope.API), Grant(until=60)):
            with pytest.raises(Unavailable, match=r"Too many keys of this client\."):
                value(h.keys.generate("ann", local=True, grant=grant))
        assert all(verify(h, "ann", key) for key in wide)
        value(h.keys.generate("ann", local=True, grant=Grant(seconds=30)))  # who may do so decides
        latest = [value(h.keys.generate("ann", local=True, grant=Grant(until=60))) for _ in range(3)]
        assert [verify(h, "ann", key) is not None for key in (*wide, *latest)] == [False, True, False, False, True]

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
        h = house(tmp_path)
        key = h.issue("ann")

        def noted() -> float | None:
            (record,) = h.keys.records("ann")
            assert value(h.store.load_keys()) == (record,)
            return record.last_used

        assert noted() is None
        for at, expected in ((10, 10), (3000, 10), (3700, 3700)):
            h.clock.advance(at - h.clock.seconds())
            value(h.keys.verify("ann", key, Turn("ann", f"192.0.2.{at % 100}")))
            assert noted() == EPOCH + expected
        assert h.keys.records("ann")[0].last_address == "192.0.2.0"

    def test_of_an_imported_key_too(self, tmp_path: Path) -> None:
        h = house(tmp_path)
        h.imports("ann", "a key")
        h.clock.advance(5)
        value(h.keys.verify("ann", "a key", Turn("ann", "192.0.2.1")))
        (stored,) = value(h.store.load_keys())
        assert (stored.last_used, stored.last_address) == (EPOCH + 5, "192.0.2.1")

    def test_a_disk_that_refuses_keeps_nobody_out(self, tmp_path: Path, logged: Logged) -> None:
        h = house(tmp_path, store=FullDisk())
        key = h.issue("ann")
        assert verify(h, "ann", key)
        assert logged() == ["a key's use was not noted: The store refused."]
