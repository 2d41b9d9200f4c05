"""keys/clients.json of an existing installation (contract 8.4, A5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from authkit import Gatehouse, quick_hash
from deferreds import value
from newage.services.accounts.hashing import Turn
from newage.services.accounts.key_import import import_keys


def run(house: Gatehouse, max_clients: int = 100) -> int:
    count: int = value(import_keys(house.files, house.file_workers, house.state, house.keys, house.world, max_clients))
    return count


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path)


ANN, BOB, OLD = (quick_hash(name) for name in (b"ann's key", b"bob's key", b"ann's old key"))


def test_takes_over_what_the_reference_server_wrote(house: Gatehouse) -> None:
    content = {
        "ann": {"key": ANN.replace("$2b$", "$2a$"), "rooms": []},
        "bob": {"key": BOB, "keys": [{"hash": OLD, "at": 5, "local": True}, {"hash": BOB, "at": 7.5}]},
    }
    path = house.write("keys/clients.json", content)
    before = path.read_bytes()
    assert run(house) == 3
    assert path.read_bytes() == before
    assert house.keys.newest_hash("ann") == ANN.replace("$2b$", "$2a$")
    assert [(r.hash, r.created_at, r.local) for r in house.keys.records("bob")] == [(OLD, 5.0, True), (BOB, 7.5, False)]
    assert value(house.store.load_keys()) == house.keys.records("ann") + house.keys.records("bob")
    assert value(house.keys.verify("bob", "bob's key", Turn()))


def test_once(house: Gatehouse) -> None:
    house.write("keys/clients.json", {"ann": {"key": ANN}})
    assert run(house) == 1
    value(house.keys.remove("ann"))
    house.write("keys/clients.json", {"ann": {"key": ANN}, "bob": {"key": BOB}})
    assert run(house) == 0
    assert house.keys.client_ids() == ()


def test_without_a_file_there_is_nothing_to_do_ever(house: Gatehouse) -> None:
    assert run(house) == 0
    house.write("keys/clients.json", {"ann": {"key": ANN}})
    assert run(house) == 0


@pytest.mark.parametrize("content", ["{ half", "[]", ""])
def test_an_unreadable_file_is_kept_and_tried_again(house: Gatehouse, content: str) -> None:
    path = house.write("keys/clients.json", content)
    assert run(house) == 0
    assert path.read_text() == content
    house.write("keys/clients.json", {"ann": {"key": ANN}})
    assert run(house) == 1


def test_malformed_entries_are_left_out(house: Gatehouse) -> None:
    rubbish: dict[str, Any] = {
        "ann": {"key": ANN},
        "server": {"key": BOB},
        "a/b": {"key": BOB},
        "no-object": ANN,
        "no-hash": {"key": "clear text key"},
        "slow": {"key": BOB.replace("$10$", "$20$")},
        "list": {"key": [BOB], "keys": "x"},
        "items": {"keys": [None, 7, {"hash": 5}, {"hash": BOB, "at": "yesterday", "local": "yes"}]},
        "__proto__": {"key": "x"},
    }
    house.write("keys/clients.json", json.dumps(rubbish))
    assert run(house) == 2
    assert house.keys.client_ids() == ("ann", "items")
    assert house.keys.records("items")[0].created_at == house.world.wall()
    assert house.keys.records("items")[0].local is False


def test_only_so_many(house: Gatehouse) -> None:
    house.write("keys/clients.json", {f"c{n}": {"key": ANN} for n in range(9)})
    assert run(house, max_clients=4) == 4


def test_a_run_that_was_cut_short_repeats_nothing(house: Gatehouse, tmp_path: Path) -> None:
    house.write("keys/clients.json", {"ann": {"key": ANN}, "bob": {"key": BOB}})
    run(house)
    again = Gatehouse(tmp_path, store=house.store)
    value(again.keys.load())
    assert run(again) == 0
    assert len(again.keys.records("ann")) == 1
