"""Keys one by one: whose may be listed, made and revoked (B6, B7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from authkit import Gatehouse
from deferreds import value
from newage.domain.model import Caller, KeyRecord, Rank, Scope
from newage.errors import InvalidRequest, NotAuthorised, NotFound
from newage.services.accounts.key_desk import KeyDesk, NewKey
from newage.services.accounts.keys import Grant

EXTENSION = "SillyTavern-8000"


class Office:
    def __init__(self, house: Gatehouse) -> None:
        self.house = house
        self.desk = KeyDesk(
            administration=house.administration, keys=house.keys, trust=house.trust, revocation=house.revocation
        )

    def admin(self, scope: Scope = Scope.ALL, **more: Any) -> Caller:
        caller = self.house.caller("monitor", client_type="monitor")
        return evolve(caller, scope=scope, rank=Rank.ADMIN, sensitive=True, **more)

    def make(self, actor: Caller, client_id: str, **more: Any) -> tuple[KeyRecord, str]:
        made: tuple[KeyRecord, str] = value(self.desk.make(actor, NewKey(client_id=client_id, **more)))
        return made

    def ids(self, actor: Caller) -> list[str]:
        return [record.client_id for record, _ in self.desk.listed(actor)]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    house = Gatehouse(tmp_path)
    house.trusts("web1", EXTENSION, "monitor")
    return Office(house)


def test_a_key_of_the_hubs_form_with_what_was_wanted(office: Office) -> None:
    record, key = office.make(office.admin(), "new-bot", scope=Scope.API, name="mine", seconds=60.0)
    assert key.startswith(f"sk-newage-{record.key_id}-")
    assert (record.client_id, record.scope, record.rank, record.name) == ("new-bot", Scope.API, Rank.CLIENT, "mine")
    assert (record.made_by, record.expires) == ("monitor", record.created_at + 60.0)
    assert office.house.trust.is_runtime_trusted("new-bot")
    assert office.ids(office.admin()) == ["new-bot"]


@pytest.mark.parametrize(
    ("client_id", "scope", "rank"),
    [
        ("web1", Scope.ALL, Rank.CLIENT),
        ("web1", Scope.CLIENT, Rank.CLIENT),
        (EXTENSION, Scope.EXTENSION, Rank.EXTENSION),
        ("monitor", Scope.ADMIN, Rank.ADMIN),
        ("monitor", Scope.ALL, Rank.ADMIN),
    ],
)
def test_the_rank_is_what_scope_and_trust_give(office: Office, client_id: str, scope: Scope, rank: Rank) -> None:
    assert office.make(office.admin(), client_id, scope=scope)[0].rank is rank


@pytest.mark.parametrize(
    ("client_id", "scope", "why"),
    [
        ("web1", Scope.EXTENSION, InvalidRequest),
        (EXTENSION, Scope.CLIENT, InvalidRequest),
        (EXTENSION, Scope.ADMIN, InvalidRequest),
        ("web1", Scope.ADMIN, NotAuthorised),
        ("a/b", Scope.CLIENT, InvalidRequest),
        (" blank", Scope.CLIENT, InvalidRequest),
    ],
)
def test_what_there_cannot_be(office: Office, client_id: str, scope: Scope, why: type[Exception]) -> None:
    with pytest.raises(why):
        office.make(office.admin(), client_id, scope=scope)
    assert office.ids(office.admin()) == []


def test_nobody_makes_or_touches_a_key_of_his_own_rank_for_another(office: Office) -> None:
    value(office.house.keys.generate("boss", local=True, grant=Grant(rank=Rank.ADMIN, scope=Scope.ADMIN)))
    (record,) = office.house.keys.records("boss")
    with pytest.raises(NotAuthorised):
        office.make(office.admin(), "boss")
    assert office.ids(office.admin()) == []
    with pytest.raises(NotFound):
        value(office.desk.revoke(office.admin(), record.key_id))
    assert office.house.keys.is_live(record)


@pytest.mark.parametrize("scope", [Scope.CLIENT, Scope.API, Scope.EXTENSION, None])
def test_a_key_of_narrower_scope_makes_nothing(office: Office, scope: Any) -> None:
    with pytest.raises(NotAuthorised):
        office.make(office.admin(scope), "web1", scope=Scope.API)


def test_a_key_of_scope_admin_makes_none_that_opens_more(office: Office) -> None:
    for client_id in ("web1", "monitor"):
        with pytest.raises(NotAuthorised, match="no more"):
            office.make(office.admin(Scope.ADMIN), client_id, scope=Scope.ALL)
    assert office.make(office.admin(Scope.ADMIN), "web1", scope=Scope.API)


def test_who_is_no_administrator_does_nothing_here(office: Office) -> None:
    record, _ = office.make(office.admin(), "web1")
    for caller in (
        evolve(office.house.caller("web1"), scope=Scope.ALL),
        evolve(office.admin(), sensitive=False),
        office.house.caller(EXTENSION, client_type="SillyTavern"),
    ):
        for act in (
            lambda who: office.desk.listed(who),
            lambda who: office.make(who, "web1"),
            lambda who: value(office.desk.revoke(who, record.key_id)),
        ):
            with pytest.raises(NotAuthorised):
                act(caller)


def test_a_key_is_over_with_the_one_that_made_it(office: Office) -> None:
    now = office.house.clock.seconds()
    record, _ = office.make(office.admin(until=now + 30), "web1", seconds=100.0)
    assert record.expires == record.created_at + 30
    with pytest.raises(NotAuthorised):
        office.make(office.admin(until=now - 1), "web1")


def test_one_key_is_revoked_by_its_id(office: Office) -> None:
    admin = office.admin()
    first, _ = office.make(admin, "web1")
    second, _ = office.make(admin, "web1")
    assert value(office.desk.revoke(admin, first.key_id)).records == (first,)
    assert [record for record, _ in office.desk.listed(admin)] == [second]
    for key_id in (first.key_id, "", "nonsense"):
        with pytest.raises(NotFound):
            value(office.desk.revoke(admin, key_id))


def test_an_id_that_several_keys_have_names_none(office: Office) -> None:
    admin = office.admin()
    record, _ = office.make(admin, "web1")
    value(office.house.keys.add(evolve(record, client_id="web2", hash="other")))
    with pytest.raises(InvalidRequest, match="several"):
        value(office.desk.revoke(admin, record.key_id))
