"""Who sends a request over HTTP: rows 69 and 79 of contract 16.4, B5, B7."""

from __future__ import annotations

from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any
from uuid import uuid4

import pytest

from authkit import LOCAL, REMOTE, Gatehouse
from deferreds import value
from newage.domain.model import Caller, Kind, Peer, Rank, Scope
from newage.errors import AuthenticationFailed, NewAgeError, NotAuthorised
from newage.services.accounts.api_limits import ApiSettings
from newage.services.accounts.bearer import EXTENSIONS, OTHER_FORM, OTHER_SCOPE, WANTED, WRONG, BearerService
from newage.services.accounts.keys import Grant


class Bearers:
    def __init__(self, house: Gatehouse, **settings: Any) -> None:
        self.house = house
        self.service = house.bearers
        if settings:
            self.service = BearerService(
                keys=house.keys,
                trust=house.trust,
                proofs=house.auth._proofs,
                world=house.world,
                names=house.names,
                settings=ApiSettings(**settings),
                network_safe=lambda: house.network_safe,
            )

    def key(self, client_id: str = "bot", **grant: Any) -> str:
        grant = {"scope": Scope.API, "labelled": True, **grant}
        key: str = value(self.house.keys.generate(client_id, local=True, grant=Grant(**grant)))
        return key

    def show(self, key: str, peer: Peer = REMOTE, claimed: Kind = Kind.CLIENT) -> Caller:
        caller: Caller = value(self.service.bearer(key, peer, "/v1", claimed))
        return caller

    def refused(self, key: str, **how: Any) -> tuple[type[NewAgeError], str]:
        with pytest.raises(NewAgeError) as error:
            self.show(key, **how)
        return type(error.value), str(error.value)


@pytest.fixture
def bearers(tmp_path: Path) -> Bearers:
    house = Gatehouse(tmp_path)
    house.trusts("bot", "boss", "SillyTavern-8000")
    return Bearers(house)


def test_a_key_of_the_hub_names_its_client(bearers: Bearers) -> None:
    caller = bearers.show(bearers.key())
    (record,) = bearers.house.keys.records("bot")
    assert (caller.identity, caller.client_id, caller.kind, caller.namespace) == ("bot", "bot", Kind.CLIENT, "/v1")
    assert (caller.credential, caller.scope, caller.rank) == (record.key_id, Scope.API, Rank.CLIENT)
    assert (caller.sensitive, caller.keyless, caller.until) == (False, False, inf)
    assert bearers.house.sessions.by_identity("bot") is None  # nobody is present by it


def test_keys_of_scope_api_and_all_open_it_and_no_others(bearers: Bearers) -> None:
    assert bearers.show(bearers.key(scope=Scope.ALL)).scope is Scope.ALL
    for scope in (Scope.CLIENT, Scope.EXTENSION, Scope.ADMIN):
        assert bearers.refused(bearers.key(scope=scope)) == (NotAuthorised, OTHER_SCOPE.format("api or all"))
    assert bearers.refused(bearers.key("SillyTavern-8000", scope=Scope.ALL)) == (NotAuthorised, EXTENSIONS)


def test_wrong_revoked_and_expired_are_one_failure(bearers: Bearers) -> None:
    house, wrong = bearers.house, (AuthenticationFailed, WRONG)
    key = bearers.key()
    assert bearers.refused(key[:-1] + ("a" if key[-1] != "a" else "b")) == wrong
    assert bearers.refused("sk-newage-zzzzzzzz-" + "a" * 26) == wrong
    assert bearers.refused("sk-newage-x") == wrong
    value(house.revocation.of_key(house.keys.records("bot")[0]))
    assert bearers.refused(key) == wrong
    short = bearers.key(seconds=5.0)
    assert bearers.show(short).until == 5.0
    house.clock.advance(5)
    assert bearers.refused(short) == wrong
    stays = bearers.key("stranger")
    assert bearers.refused(stays) == wrong  # nobody trusts that client
    value(house.trust.trust("stranger"))
    assert bearers.show(stays).client_id == "stranger"


def test_what_names_no_client_is_told_so(bearers: Bearers) -> None:
    for key in (str(uuid4()), bearers.house.imports("bot", "a word"), "x", "ключ"):
        assert bearers.refused(key) == (AuthenticationFailed, OTHER_FORM)


def test_a_name_that_somebody_else_has_now_is_nobodys(bearers: Bearers) -> None:
    key = bearers.key()
    bearers.house.caller("bo", identity="bot")
    assert bearers.refused(key) == (AuthenticationFailed, "Invalid identity.")


def test_an_administrator_is_one_where_he_says_so_and_may(bearers: Bearers) -> None:
    bearers.house.trusts("boss", isAdmin=True)
    key = bearers.key("boss", rank=Rank.ADMIN, scope=Scope.ALL)
    assert bearers.show(key, LOCAL).kind is Kind.CLIENT
    caller = bearers.show(key, LOCAL, Kind.ADMIN)
    assert (caller.kind, caller.sensitive, caller.rank) == (Kind.ADMIN, True, Rank.ADMIN)
    assert bearers.show(key, REMOTE, Kind.ADMIN).kind is Kind.CLIENT
    assert bearers.show(bearers.key(), LOCAL, Kind.ADMIN).kind is Kind.CLIENT
    narrow = bearers.key("boss", rank=Rank.ADMIN)
    assert bearers.show(narrow, LOCAL, Kind.ADMIN).kind is Kind.CLIENT


def test_who_is_no_administrator_any_more_is_none_by_a_key_of_that_time(bearers: Bearers) -> None:
    house, administrators = bearers.house, (Scope.ADMIN,)
    house.trusts("boss", isAdmin=True)
    key = bearers.key("boss", rank=Rank.ADMIN, scope=Scope.ALL)
    made = bearers.key("boss", rank=Rank.ADMIN, scope=Scope.ADMIN)  # by the operator, who said so
    house.trusts("boss", isAdmin=False)
    caller = bearers.show(key, LOCAL, Kind.ADMIN)
    assert (caller.kind, caller.sensitive) == (Kind.CLIENT, False)
    assert value(house.bearers.bearer(made, LOCAL, "/v1", Kind.ADMIN, administrators)).kind is Kind.ADMIN


def test_79_unknown_id_hub_form_costs_no_bcrypt(bearers: Bearers) -> None:
    house, key = bearers.house, bearers.key()
    took = []
    for number in range(500):
        began = perf_counter()
        bearers.refused(f"sk-newage-{number:08}-" + "a" * 26)
        bearers.refused(key[:-26] + "a" * 26)
        bearers.show(key)
        took.append(perf_counter() - began)
    assert house.compared == []
    assert sorted(took)[len(took) // 2] < 0.015  # three of them; a bcrypt alone takes 50 ms


def test_80_digest_secret_lost_falls_back(bearers: Bearers, tmp_path: Path) -> None:
    key = bearers.key()
    again = Gatehouse(tmp_path, store=bearers.house.store)
    (tmp_path / "keys" / "digest_secret").unlink(missing_ok=True)
    value(again.keys.load())
    value(again.trust.rescan())
    revived = Bearers(again)
    assert revived.show(key).client_id == "bot"
    assert len(again.compared) == 1
    assert revived.show(key).client_id == "bot"
    assert len(again.compared) == 1


def test_81_wrong_random_keys_lock_nobody(bearers: Bearers) -> None:
    key = bearers.key()
    for _ in range(100):
        bearers.refused(key[:-26] + "a" * 26)
    assert bearers.show(key).client_id == "bot"


def test_what_programs_send_that_insist_on_a_key_is_none(tmp_path: Path) -> None:
    service = Bearers(Gatehouse(tmp_path, network_safe=True)).service
    for key, says_nothing in (("none", True), ("sk-no-key", True), (str(uuid4()), False), ("sk-newage-x", False)):
        assert service.is_placeholder(key, LOCAL) is says_nothing
        assert not service.is_placeholder(key, REMOTE)
    assert not Bearers(Gatehouse(tmp_path)).service.is_placeholder("none", LOCAL)


def test_without_a_key_it_is_this_machine_where_that_is_let_in(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, network_safe=True)
    bearers = Bearers(house)
    caller = bearers.service.without_key(LOCAL, "/v1")
    assert (caller.identity, caller.kind, caller.keyless, caller.sensitive) == ("api-local", Kind.CLIENT, True, False)
    assert (caller.credential, caller.scope, caller.rank) == ("", None, Rank.CLIENT)
    strict = Bearers(Gatehouse(tmp_path)).service
    closed = Bearers(house, local_without_key=False).service
    for service, peer in ((bearers.service, REMOTE), (strict, LOCAL), (closed, LOCAL)):
        with pytest.raises(AuthenticationFailed, match=WANTED):
            service.without_key(peer, "/v1")
