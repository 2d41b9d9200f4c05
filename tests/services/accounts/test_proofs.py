"""Whether what is shown is right (contract 2.8, B8); what comes of it at the door is in ``test_auth.py``."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import pytest

from authkit import LOCAL, REMOTE, Gatehouse
from deferreds import value
from newage.domain.model import Peer
from newage.errors import AuthenticationFailed
from newage.services.accounts.proofs import Proofs


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path)
    house.write("settings/pw.json", {"clientId": "pw", "isTrust": True, "sillyTavernPassWord": "secret"})
    house.trusts("web1")
    return house


@pytest.fixture
def proofs(house: Gatehouse) -> Proofs:
    return Proofs(house.keys, house.trust, house.limiter, house.hashes)


def compared(proofs: Proofs, key: object, peer: Peer = REMOTE) -> bool:
    return value(proofs.matching_key("web1", key, peer, "/llm")) is not None


def matches(proofs: Proofs, password: str, peer: Peer = REMOTE) -> bool:
    found: bool = value(proofs.password_matches("pw", password, peer, "/auth"))
    return found


def test_a_key_of_the_hub_is_recognised_at_once(house: Gatehouse, proofs: Proofs) -> None:
    key = house.issue("web1")
    (record,) = house.keys.records("web1")
    recognised = proofs.recognised("web1", key, REMOTE)
    assert recognised is not None
    assert recognised.hash == record.hash
    assert proofs.recognised("web1", str(uuid4()), REMOTE) is None
    assert house.compared == []


def test_an_imported_key_is_compared_once_and_recognised_from_then_on(house: Gatehouse, proofs: Proofs) -> None:
    key = house.imports("web1", "a word")
    assert proofs.recognised("web1", key, REMOTE) is None
    assert compared(proofs, key)
    assert proofs.recognised("web1", key, REMOTE) is not None
    assert len(house.compared) == 1


def test_who_guesses_is_held_and_who_was_right_from_there_is_not(house: Gatehouse, proofs: Proofs) -> None:
    key = house.imports("web1", "a word")
    assert compared(proofs, key, LOCAL)
    for number in range(house.settings.max_failed_attempts):
        assert not compared(proofs, f"guess {number}")
    with pytest.raises(AuthenticationFailed, match="Too many attempts"):
        compared(proofs, "one more")
    assert proofs.recognised("web1", key, REMOTE) is None, "it is of a form that can be guessed"
    assert proofs.recognised("web1", key, LOCAL) is not None
    assert proofs.recognised("web1", house.issue("web1"), REMOTE) is not None


def test_what_nobody_guesses_locks_nobody_out(house: Gatehouse, proofs: Proofs) -> None:
    for _ in range(3 * house.settings.max_failed_attempts):
        assert not compared(proofs, str(uuid4()))
    house.issue("web1")
    assert not compared(proofs, "a word")


def test_passwords(house: Gatehouse, proofs: Proofs) -> None:
    assert matches(proofs, "secret")
    assert not matches(proofs, "wrong")
    assert not matches(proofs, "\ud83d")
    assert not value(proofs.password_matches("web1", "secret", REMOTE, "/auth")), "none is set"


def test_the_same_wrong_password_is_compared_once(house: Gatehouse, proofs: Proofs) -> None:
    before = len(house.compared)
    assert [matches(proofs, "wrong") for _ in range(2)] == [False, False]
    assert len(house.compared) == before + 1
