"""Whose is this name: a session's, a client's, a room's, or nobody's (contract 2.9, 4.1)."""

from __future__ import annotations

from hubkit import OPERATOR, Kit, failure_of, result_of


def test_a_name_is_held_by_its_client_or_by_a_group_room(kit: Kit) -> None:
    kit.connect("web1", identity="web1-a")
    kit.group("lounge", "web1-a")
    assert kit.names.holder("web1-a") == "web1"
    assert kit.names.holder("web1") == "web1", "as a clientId"
    assert kit.names.holder("lounge") == "room lounge"
    assert kit.names.holder("free") is None


def test_a_room_that_went_holds_its_name_no_more(kit: Kit) -> None:
    kit.connect("web1")
    kit.group("lounge", "web1")
    result_of(kit.room_service.delete(OPERATOR, "lounge"))
    assert kit.names.holder("lounge") is None


def test_a_room_that_could_not_be_deleted_still_holds_it(kit: Kit) -> None:
    kit.connect("web1")
    kit.group("lounge", "web1")
    kit.gate.broken = True
    failure_of(kit.room_service.delete(OPERATOR, "lounge"))
    assert kit.names.holder("lounge") == "room lounge"


def test_the_id_of_who_is_away_is_known(kit: Kit) -> None:
    kit.known_clients.add("web2")
    assert [kit.names.is_of_client(name) for name in ("web2", "web3")] == [True, False]
    assert kit.names.holder("web2") is None
