"""Issuing, revoking and listing the keys of others (contract 3.6, A11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import REMOTE, Gatehouse
from deferreds import SteppedWorkers, outcome, value
from hubkit import EPOCH
from newage.domain.model import Caller, Rank, Scope
from newage.errors import ClientMissing, NotAuthorised, Unavailable
from newage.services.accounts.auth import HandshakeRequest
from newage.services.accounts.hashing import Turn
from newage.services.accounts.keys import Grant

EXTENSION = "SillyTavern-8000"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path)
    house.trusts("web1", EXTENSION, "SillyTavern-9000", "monitor")
    return house


def extension(house: Gatehouse, **caller: Any) -> Caller:
    return house.caller(EXTENSION, client_type="SillyTavern", **caller)


def admin(house: Gatehouse, **caller: Any) -> Caller:
    return house.caller("monitor", client_type="monitor", **caller)


def generate(house: Gatehouse, caller: Caller, client_id: str) -> str:
    whose, key = value(house.administration.generate(caller, client_id))
    assert whose == client_id
    assert isinstance(key, str)
    return key


def test_an_extension_makes_keys_for_the_trusted_and_the_connected(house: Gatehouse) -> None:
    caller = extension(house)
    house.caller("guest", identity="guest-tab")
    for client_id in ("web1", "guest", EXTENSION):
        key = generate(house, caller, client_id)
        assert value(house.keys.verify(client_id, key, Turn()))
        assert house.trust.knows(client_id, network_safe=False)
    assert house.trust.is_runtime_trusted("guest")
    assert not house.trust.is_runtime_trusted("web1")
    for stranger in ("unknown", "guest-tab", "", "a/b", "server", "x" * 200):
        with pytest.raises(ClientMissing, match=r"^Client not found\.$"):
            generate(house, caller, stranger)


def test_a_trusted_file_that_has_just_appeared_counts(house: Gatehouse) -> None:
    house.clock.advance(5)
    house.write("settings/new.json", {"clientId": "new", "isTrust": True})
    assert generate(house, extension(house), "new")


@pytest.mark.parametrize("other", ["SillyTavern-9000", "SillyTavern-7", "disguised"])
def test_an_extension_has_no_say_over_another(house: Gatehouse, other: str) -> None:
    caller = extension(house)
    house.caller("disguised", client_type="extension")
    for act in (house.administration.generate, house.administration.remove):
        with pytest.raises(NotAuthorised, match=r"^Unauthorized$"):
            value(act(caller, other))


def test_an_administrator_makes_keys_for_anybody_who_is_thereby_trusted(house: Gatehouse) -> None:
    """A11."""
    for client_id in ("brand-new", "SillyTavern-9000"):
        assert value(house.keys.verify(client_id, generate(house, admin(house), client_id), Turn()))
        assert house.trust.knows(client_id, network_safe=False)
    assert value(house.store.load_trusted()) == ("brand-new",)
    for bad in ("server", "a/b", "", "carl ", "carl\u3164"):
        with pytest.raises(ClientMissing):
            generate(house, admin(house), bad)


def test_removing_takes_keys_and_granted_trust(house: Gatehouse) -> None:
    caller = admin(house)
    key = generate(house, caller, "brand-new")
    generate(house, caller, "web1")
    for client_id in ("brand-new", "web1", "never-seen"):
        assert value(house.administration.remove(caller, client_id)).client_id == client_id
    assert value(house.keys.verify("brand-new", key, Turn())) is None
    assert not house.trust.knows("brand-new", network_safe=False)
    assert house.trust.knows("web1", network_safe=False)  # its file says so
    assert house.administration.overview(caller) == {}


def test_the_overview_is_masked_for_extensions(house: Gatehouse) -> None:
    generate(house, admin(house), "web1")
    generate(house, admin(house), "web1")
    hashed = house.keys.newest_hash("web1")
    assert house.administration.overview(admin(house)) == {"web1": hashed}
    assert house.administration.overview(extension(house)) == {"web1": "***"}


def test_who_may_not(house: Gatehouse) -> None:
    callers = [
        house.caller("web1"),
        house.caller("web1", sensitive=True),
        extension(house, sensitive=False),
        admin(house, sensitive=False),
    ]
    for caller in callers:
        with pytest.raises(NotAuthorised):
            house.administration.overview(caller)
        for act in (house.administration.generate, house.administration.remove):
            with pytest.raises(NotAuthorised, match=r"^Unauthorized$"):
                value(act(caller, "web1"))


def test_there_is_a_limit(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, max_client_keys=2)
    generate(house, admin(house), "a")
    generate(house, admin(house), "b")
    with pytest.raises(Unavailable):
        generate(house, admin(house), "c")
    assert not house.trust.knows("c", network_safe=False)


class TestOwnKeys:
    """``getKey`` and what a password brings (contract 2.8.5, 2.8.6, A37)."""

    def assign(self, house: Gatehouse, caller: Caller) -> str:
        """'ok', or what to do."""
        try:
            key = value(house.administration.assign(caller))
        except NotAuthorised as error:
            assert (str(error), error.error_code) == ("Unauthorized", 6)
            return str(error.members["hint"])
        assert value(house.keys.verify(caller.client_id, key, Turn()))
        return "ok"

    def test_a_client_and_an_extension_get_one_of_their_rank(self, house: Gatehouse) -> None:
        for caller, rank in ((house.caller("web1"), Rank.CLIENT), (extension(house), Rank.EXTENSION)):
            assert self.assign(house, caller) == "ok"
            record = house.keys.records(caller.client_id)[-1]
            assert (record.rank, record.made_by, record.local) == (rank, caller.client_id, True)

    @pytest.mark.parametrize("client_id", ["monitor", EXTENSION])
    def test_nobody_gets_one_for_an_id_above_what_he_has_shown(self, house: Gatehouse, client_id: str) -> None:
        assert "more than you have shown" in self.assign(house, house.caller(client_id))
        assert house.keys.client_ids() == ()

    def test_the_first_administrator_gets_one_and_no_other(self, house: Gatehouse) -> None:
        house.trusts("boss", isAdmin=True)
        boss = house.caller("boss", client_type="monitor")
        assert "newage keys new monitor" in self.assign(house, admin(house, sensitive=False))
        assert self.assign(house, admin(house, sensitive=False, bootstrap=True)) == "ok"
        assert house.keys.records("monitor")[-1].rank is Rank.ADMIN
        for caller in (admin(house), boss, house.caller("boss", client_type="monitor", credential="password")):
            assert f"newage keys new {caller.client_id}" in self.assign(house, caller)
        value(house.keys.remove("monitor"))
        assert self.assign(house, boss) == "ok"

    def test_two_at_once_are_not_both_the_first(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, stepped=True)
        house.trusts("monitor")
        house.trusts("boss", isAdmin=True)
        callers = (admin(house), house.caller("boss", client_type="monitor"))
        found = [outcome(house.administration.assign(caller)) for caller in callers]
        assert isinstance(house.hash_workers, SteppedWorkers)
        house.hash_workers.flush()
        assert isinstance(found[0][0], str)
        assert found[1][0].check(NotAuthorised)

    def test_a_password_that_is_set_is_asked_for(self, house: Gatehouse) -> None:
        for client_id, who in (("web1", "web-app"), (EXTENSION, "SillyTavern"), ("monitor", "monitor")):
            house.trusts(client_id, sillyTavernPassWord="secret")
            assert "password is set" in self.assign(house, house.caller(client_id, client_type=who))
            assert house.keys.records(client_id) == ()
            shown = house.caller(client_id, client_type=who, credential="password")
            assert self.assign(house, shown) == "ok"

    def test_identifying_gives_an_extensions_key_even_to_an_administrators_id(self, house: Gatehouse) -> None:
        house.trusts(EXTENSION, isAdmin=True)
        key = value(house.administration.identify(extension(house), None))
        record = value(house.keys.verify(EXTENSION, key, Turn()))
        assert (record.rank, record.made_by) == (Rank.EXTENSION, EXTENSION)

    @pytest.mark.parametrize(
        ("shown", "rank"),
        [
            ({"sensitive": False}, Rank.CLIENT),  # another system user's program: its key proves nothing in strict mode
            ({"sensitive": False, "credential": "key"}, Rank.EXTENSION),
            ({"sensitive": False, "bootstrap": True}, Rank.EXTENSION),
        ],
    )
    def test_identifying_proves_what_was_shown(self, house: Gatehouse, shown: dict[str, Any], rank: Rank) -> None:
        key = value(house.administration.identify(extension(house, **shown), "SillyTavern-8000"))
        assert value(house.keys.verify(EXTENSION, key, Turn())).rank is rank

    def test_who_asks_for_it_gets_a_key_that_answers_and_no_more(self, house: Gatehouse) -> None:
        key = value(house.administration.identify(extension(house), None, scoped=True))
        record = value(house.keys.verify(EXTENSION, key, Turn()))
        assert (record.scope, record.rank) == (Scope.EXTENSION, Rank.EXTENSION)


class TestWhatIsMadeByTheHolderOfAKey:
    """It reaches no further and lasts no longer than that key."""

    @pytest.mark.parametrize("scope", [Scope.ALL, Scope.EXTENSION])
    def test_who_identifies(self, house: Gatehouse, scope: Scope) -> None:
        caller = extension(house, credential="key", scope=scope, until=60.0)
        value(house.administration.identify(caller, None))
        (record,) = house.keys.records(EXTENSION)
        assert (record.scope, record.expires) == (scope, EPOCH + 60)

    @pytest.mark.parametrize("scope", [Scope.ALL, Scope.CLIENT, Scope.API])
    def test_who_asks_for_his_own(self, house: Gatehouse, scope: Scope) -> None:
        value(house.administration.assign(house.caller("web1", credential="key", scope=scope, until=60.0)))
        (record,) = house.keys.records("web1")
        assert (record.scope, record.expires) == (scope, EPOCH + 60)

    @pytest.mark.parametrize("scope", [Scope.ALL, Scope.ADMIN])
    def test_an_administrator(self, house: Gatehouse, scope: Scope) -> None:
        caller = admin(house, credential="key", scope=scope, until=60.0)
        for subject in (None, "web1", EXTENSION):
            whose, _ = value(house.administration.generate(caller, subject))
            (record,) = house.keys.records(whose)
            expected = (
                (scope, Rank.ADMIN) if subject is None else (Scope.ALL, house.trust.rank(whose, network_safe=False))
            )
            assert ((record.scope, record.rank), record.expires) == (expected, EPOCH + 60)
            assert house.keys.end_of(record) == pytest.approx(60)

    def test_time_that_the_making_takes_is_not_added(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, stepped=True)
        house.trusts("monitor")
        found = outcome(house.administration.generate(admin(house, until=60.0), None))
        house.clock.advance(20)
        house.flush_hashes()
        assert found
        (record,) = house.keys.records("monitor")
        assert house.keys.end_of(record) == pytest.approx(60)

    def test_nothing_by_one_that_is_over(self, house: Gatehouse) -> None:
        house.clock.advance(60)
        for act in (
            house.administration.generate(admin(house, until=60.0), "web1"),
            house.administration.assign(house.caller("web1", until=60.0)),
            house.administration.identify(extension(house, until=60.0), None),
        ):
            with pytest.raises(NotAuthorised):
                value(act)
        assert house.keys.client_ids() == ()

    def test_without_a_key_there_is_no_end(self, house: Gatehouse) -> None:
        value(house.administration.generate(admin(house), "web1"))
        assert house.keys.records("web1")[0].expires is None

    def test_a_key_of_scope_extension_shows_and_makes_none_of_others(self, house: Gatehouse) -> None:
        key = value(house.keys.generate(EXTENSION, local=True, grant=Grant(rank=Rank.EXTENSION, scope=Scope.EXTENSION)))
        wanted = HandshakeRequest(client_id=EXTENSION, identity=EXTENSION, client_type="SillyTavern", key=key)
        caller = value(house.auth.admit(wanted, sid="sid", namespace="/clients", peer=REMOTE))
        assert not caller.sensitive
        for act in (house.administration.generate, house.administration.remove):
            with pytest.raises(NotAuthorised):
                value(act(caller, "web1"))
        with pytest.raises(NotAuthorised):
            house.administration.overview(caller)
        assert house.administration.newest_hash(caller, None)[0] == EXTENSION


class TestRankOfAnId:
    def test_is_the_highest_of_trust_keys_and_what_it_is_connected_as(self, house: Gatehouse) -> None:
        rank_of = house.administration.rank_of
        assert [rank_of(who) for who in ("web1", "nobody", EXTENSION, "monitor")] == [0, 0, 1, 2]
        house.caller("web1", identity="web1-tab", client_type="extension")
        assert rank_of("web1") is Rank.EXTENSION
        grant = Grant(rank=Rank.ADMIN, seconds=60)
        value(house.keys.generate("web1", local=True, grant=grant))
        assert rank_of("web1") is Rank.ADMIN
        house.clock.advance(60)
        assert rank_of("web1") is Rank.EXTENSION

    def test_what_may_become_an_administrator_counts_as_one(self, house: Gatehouse) -> None:
        (house.home / "settings" / "monitor.json").unlink()
        house.write("settings/boss.json", {"clientId": "boss", "isAdmin": True})
        value(house.trust.rescan())
        assert house.administration.rank_of("monitor") is house.administration.rank_of("boss") is Rank.ADMIN
        assert house.trust.rank("monitor", network_safe=False) is Rank.CLIENT


@pytest.mark.parametrize("claimed", ["SillyTavern-9000", "web1", 7, ["SillyTavern-8000"]])
def test_an_extension_is_itself_alone(house: Gatehouse, claimed: object) -> None:
    with pytest.raises(NotAuthorised):
        value(house.administration.identify(extension(house), claimed))
    assert house.keys.client_ids() == ()


def test_who_is_no_extension_by_its_id_does_not_identify_as_one(house: Gatehouse) -> None:
    with pytest.raises(NotAuthorised):
        value(house.administration.identify(house.caller("web1", client_type="extension"), None))


def test_without_a_name_ones_own_keys_are_meant(house: Gatehouse) -> None:
    actor = admin(house)
    whose, _ = value(house.administration.generate(actor, None))
    assert whose == "monitor"
    assert value(house.administration.remove(actor, None)).client_id == "monitor"
    assert house.keys.client_ids() == ()
