"""Who may come in: put together for the hub and for the ``newage`` command alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from authkit import Gatehouse, quick_hash
from deferreds import value
from newage.assembly.accounts import load_accounts, make_accounts
from newage.errors import NewAgeError


def test_the_server_file_says_whether_the_network_is_safe_unless_told(tmp_path: Path) -> None:
    basis = Gatehouse(tmp_path).basis
    ours, told = make_accounts(basis), make_accounts(basis, network_safe=lambda: True)
    for accounts in (ours, told):
        accounts.server_file.adopt({"networkSafe": False})
    assert not ours.network_safe()
    assert told.network_safe()


def test_files_may_be_for_reading_only(tmp_path: Path) -> None:
    basis = Gatehouse(tmp_path).basis
    make_accounts(basis).files.update(("settings", "x.json"), lambda now: {"a": 1}, create_folders=True)
    with pytest.raises(NewAgeError):
        make_accounts(basis, read_only=True).files.update(("settings", "x.json"), lambda now: {"a": 2})


@pytest.mark.parametrize(("wanted", "found"), [(True, ["phone"]), (False, [])])
def test_keys_of_a_reference_servers_home_are_taken_over_when_wanted(
    tmp_path: Path, wanted: bool, found: list[str]
) -> None:
    house = Gatehouse(tmp_path)
    house.write("keys/clients.json", {"phone": {"key": quick_hash(b"secret")}})
    accounts = make_accounts(house.basis)
    value(load_accounts(house.basis, accounts, take_keys_over=wanted))
    assert list(accounts.keys.client_ids()) == found
