"""Administrators pair over the wire, each by his own code (contract 3.6, B13)."""

from __future__ import annotations

from math import inf
from pathlib import Path

import pytest
from twisted.internet.defer import Deferred

from authkit import EXTENSION, REMOTE, Gatehouse
from deferreds import value
from logkit import Logged
from newage.domain.model import Caller, Rank
from newage.domain.pairing import Standing
from newage.errors import NotAuthorised
from newage.services.accounts.pair_admin import PairingAdministration
from newage.services.accounts.pairing import Maker

NEW = "SillyTavern-9999"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path)


@pytest.fixture
def pairing(house: Gatehouse) -> PairingAdministration:
    return PairingAdministration(house.pairing)


def administrator(house: Gatehouse, client_id: str = "monitor", until: float = inf) -> Caller:
    return house.caller(client_id, client_type="monitor", rank=Rank.ADMIN, until=until)


def comes(house: Gatehouse, code: str) -> Deferred[str]:
    """An extension shows the code and asks for its key."""
    ticket = house.pairing.show(code, REMOTE.address)
    who = house.caller(
        NEW, "/sillytavern", client_type="SillyTavern", peer=REMOTE, bootstrap=True, pairing=ticket, sensitive=False
    )
    return house.pairing.wait(who, lambda: True)


def number_of(found: Standing) -> int:
    assert found.applicant is not None
    return found.applicant.number


def test_a_code_of_ones_own(house: Gatehouse, pairing: PairingAdministration) -> None:
    chief = administrator(house)
    code = pairing.create(chief)
    key = comes(house, code)
    number = number_of(pairing.standing(chief, code))
    assert value(pairing.answer(chief, code, number, accept=True)).state == "paired"
    assert house.keys.verified(NEW, value(key)) is not None
    assert [record.made_by for record in house.keys.records(NEW)] == ["monitor"]


def test_of_the_codes_of_others_nothing_is_seen_and_no_answer_counts(
    house: Gatehouse, pairing: PairingAdministration
) -> None:
    """Who found it out would have a key made that outlives his own (B10)."""
    code = house.pairing.create(Maker("newage pair"))
    key = comes(house, code)
    number = number_of(house.pairing.standing(code))
    chief = administrator(house, until=60.0)
    assert pairing.standing(chief, code) == Standing("over")
    for accept in (True, False):
        assert value(pairing.answer(chief, code, number, accept=accept)) == Standing("over")
    assert not key.called
    assert house.pairing.standing(code).state == "asked"
    key.addErrback(lambda failure: None)


def test_one_code_at_a_time(house: Gatehouse, pairing: PairingAdministration) -> None:
    pairing.create(administrator(house))
    with pytest.raises(NotAuthorised):
        pairing.create(administrator(house, "chief"))
    house.clock.advance(300)
    pairing.create(administrator(house, "chief"))


@pytest.mark.parametrize(
    ("client_id", "client_type", "rank"),
    [
        ("web1", "web-app", Rank.CLIENT),
        (EXTENSION, "SillyTavern", Rank.EXTENSION),
        (EXTENSION, "SillyTavern", Rank.ADMIN),
        ("monitor", "monitor", Rank.EXTENSION),
    ],
)
def test_administrators_alone(
    house: Gatehouse, pairing: PairingAdministration, client_id: str, client_type: str, rank: Rank
) -> None:
    other = house.caller(client_id, client_type=client_type, rank=rank)
    code = house.pairing.create(Maker(client_id))
    with pytest.raises(NotAuthorised):
        pairing.standing(other, code)
    with pytest.raises(NotAuthorised):
        value(pairing.answer(other, code, 1, accept=True))
    house.clock.advance(300)
    with pytest.raises(NotAuthorised):
        pairing.create(other)


def test_the_audit_log_says_who_let_whom_in(house: Gatehouse, pairing: PairingAdministration) -> None:
    chief = administrator(house)
    with Logged() as logged:
        for accept in (True, False):
            code = pairing.create(chief)
            comes(house, code).addErrback(lambda failure: None)
            value(pairing.answer(chief, code, number_of(pairing.standing(chief, code)), accept=accept))
    facts = [fact for fact in logged.audited() if fact["action"] == "extension.pair"]
    assert [(fact["outcome"], fact["client"], fact["from"]) for fact in facts] == [
        ("ok", NEW, REMOTE.address),
        ("failed", NEW, REMOTE.address),
    ]
    assert {(fact["clientId"], fact["address"]) for fact in facts} == {("monitor", chief.peer.address)}
    assert (facts[1]["errorCode"], facts[1]["reason"]) == (6, "the operator said no")
    assert any(line.startswith(f"monitor at {chief.peer.address}: extension.pair") for line in logged())
