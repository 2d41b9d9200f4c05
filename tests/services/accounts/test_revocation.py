"""Keys and trust that are taken back (contract 2.8, A14, B10)."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet.defer import Deferred, fail
from zope.interface import implementer

from authkit import REMOTE, Gatehouse
from deferreds import outcome, value
from newage.errors import Unavailable
from newage.ports import IAccountListener
from newage.services.accounts.attempts import Place
from newage.services.accounts.keys import Grant
from newage.storage.memory import MemoryKeyStore


@implementer(IAccountListener)
class Heard:
    def __init__(self, house: Gatehouse) -> None:
        self.told: list[object] = []
        house.accounts.events.add(self)

    def keys_revoked(self, client_id: str, key_id: str | None) -> None:
        self.told.append((client_id, key_id))

    def trust_changed(self) -> None:
        self.told.append("trust")


class BadDisk(MemoryKeyStore):
    def remove_keys(self, client_id: str) -> Deferred[int]:
        return fail(Unavailable("The store refused."))

    def remove_key(self, client_id: str, key_hash: str) -> Deferred[None]:
        return fail(Unavailable("The store refused."))


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path)


def test_all_of_a_client(house: Gatehouse) -> None:
    house.issue("ann")
    value(house.trust.trust("ann"))
    house.limiter.proved(Place("ann", REMOTE.address))
    heard = Heard(house)
    records = house.keys.records("ann")
    revoked = value(house.revocation.of_client("ann"))
    assert (revoked.client_id, revoked.records, revoked.made) == ("ann", records, ())
    assert heard.told == [("ann", None), "trust"]
    assert not house.trust.knows("ann", network_safe=True)
    assert not house.limiter.is_known(Place("ann", REMOTE.address))
    assert value(house.revocation.of_client("ann")).records == ()


def test_one_key(house: Gatehouse) -> None:
    house.issue("ann")
    house.issue("ann")
    first, second = house.keys.records("ann")
    heard = Heard(house)
    assert value(house.revocation.of_key(first)).records == (first,)
    assert heard.told == [("ann", first.key_id)]
    assert house.keys.records("ann") == (second,)


@pytest.mark.parametrize("all_of_them", [True, False])
def test_who_came_in_goes_though_the_store_refuses(tmp_path: Path, all_of_them: bool) -> None:
    """In memory the keys are gone."""
    house = Gatehouse(tmp_path, store=BadDisk())
    house.issue("ann")
    (record,) = house.keys.records("ann")
    heard = Heard(house)
    with pytest.raises(Unavailable):
        value(house.revocation.of_client("ann") if all_of_them else house.revocation.of_key(record))
    assert heard.told[0] == ("ann", None if all_of_them else record.key_id)
    assert house.keys.records("ann") == ()


def test_what_the_client_made_for_others_is_named(house: Gatehouse) -> None:
    for who, by, seconds in (("bob", "ann", None), ("eve", "ann", 5.0), ("ann", "ann", None), ("bob", "mallory", None)):
        value(house.keys.generate(who, local=True, grant=Grant(made_by=by, seconds=seconds)))
    house.clock.advance(5)
    made = value(house.revocation.of_key(house.keys.records("ann")[0])).made
    assert [(each.client_id, each.made_by) for each in made] == [("bob", "ann")]
    assert value(house.revocation.of_client("ann")).made == made


@pytest.mark.parametrize("all_of_them", [True, False])
def test_a_key_that_the_revoked_one_is_just_making_becomes_none(tmp_path: Path, all_of_them: bool) -> None:
    house = Gatehouse(tmp_path, stepped=True)
    outcome(house.keys.generate("ann", local=True))
    house.flush_hashes()
    making = outcome(house.keys.generate("bob", local=True, grant=Grant(made_by="ann")))
    others = outcome(house.keys.generate("bob", local=True, grant=Grant(made_by="monitor")))
    (record,) = house.keys.records("ann")
    value(house.revocation.of_client("ann") if all_of_them else house.revocation.of_key(record))
    house.flush_hashes()
    assert making[0].check(Unavailable)
    assert len(others[0]) == 36
    assert [each.made_by for each in house.keys.records("bob")] == ["monitor"]
