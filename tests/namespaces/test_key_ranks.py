"""Nobody makes, removes or reads credentials of a rank above his own, of his own rank only his own (A37, B6).

The whole kind as one table, over the events of the wire in strict mode: what the caller has shown x whose key is meant.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from authkit import LOCAL, REMOTE, FakeSocket, Gatehouse
from deferreds import value
from newage.domain.model import Kind, Peer, Rank, Scope
from newage.services.accounts.hashing import Turn
from newage.services.accounts.keys import Grant

NOT_YOURS = "You are have no right to get others key."
REFUSED = "Unauthorized"

TYPES = {"phone": "web-app", "SillyTavern-8000": "SillyTavern", "monitor": "monitor", "boss": "monitor"}
# Each id is of its rank in another way: by its name, its file, a key of the operator's, what it is connected as.
TARGETS = {
    "phone": Rank.CLIENT,
    "tablet": Rank.CLIENT,
    "SillyTavern-8000": Rank.EXTENSION,
    "SillyTavern-9000": Rank.EXTENSION,
    "disguised": Rank.EXTENSION,
    "monitor": Rank.ADMIN,
    "boss": Rank.ADMIN,
    "not-yet": Rank.ADMIN,
    "by-key": Rank.ADMIN,
}
EVENTS = ("GENERATE_CLIENT_KEY", "REMOVE_CLIENT_KEY", "GET_CLIENT_KEY", "GET_ALL_CLIENT_KEYS")


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path)
    house.trusts("phone", "tablet", "SillyTavern-8000", "SillyTavern-9000", "disguised", "monitor", "by-key")
    house.trusts("boss", isAdmin=True)
    house.write("settings/not-yet.json", {"clientId": "not-yet", "isAdmin": True})
    value(house.trust.rescan())
    for client_id in TARGETS:
        grant = Grant(rank=Rank.ADMIN, scope=Scope.ADMIN) if client_id == "by-key" else Grant()
        value(house.keys.generate(client_id, local=True, grant=grant))
    house.caller("disguised", client_type="extension")
    return house


def enter(house: Gatehouse, caller: str, peer: Peer = LOCAL, path: str = "/clients") -> FakeSocket:
    """Somebody with a key of his own rank."""
    auth = {"clientId": caller, "clientType": TYPES[caller], "key": house.issue(caller)}
    namespace = house.auth_namespace() if path == "/auth" else house.clients_namespace()
    socket = FakeSocket(house, namespace, peer).connect(auth)
    assert socket.refusal is None
    return socket


def expected(event: str, caller: str, target: str) -> str:
    own, mine, theirs = caller == target, Rank.of(Kind.of(TYPES[caller])), TARGETS[target]
    if event == "GET_CLIENT_KEY":
        if own:
            return "ok"
        return NOT_YOURS if mine is not Rank.ADMIN else "ok" if theirs < mine else REFUSED
    if mine is Rank.CLIENT:
        return REFUSED
    if event == "GET_ALL_CLIENT_KEYS":
        if theirs > mine:
            return "absent"
        return "hash" if mine is Rank.ADMIN and (own or theirs < mine) else "***"
    return "ok" if own or theirs < mine else REFUSED


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("caller", TYPES)
def test_over_the_wire(house: Gatehouse, caller: str, target: str, event: str) -> None:
    socket = enter(house, caller)
    before = house.keys.records(target)
    name = "clientId" if event.startswith("GET") else "targetClientId"
    body = socket.ask(event, {name: target})
    if event == "GET_ALL_CLIENT_KEYS" and body["success"]:
        shown = body["keys"].get(target, {"key": "absent"})["key"]
        found = "hash" if shown == house.keys.newest_hash(target) else shown
        assert found == "hash" or str(house.keys.newest_hash(target)) not in str(body)
    else:
        found = "ok" if body["success"] else body["message"]
        assert body["success"] or body["errorCode"] == 6
    assert found == expected(event, caller, target)
    changed = house.keys.records(target) != before
    assert changed is (found == "ok" and event in EVENTS[:2])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("caller", TYPES)
def test_ones_hash_on_auth(house: Gatehouse, caller: str, target: str) -> None:
    body = enter(house, caller, path="/auth").ask("GET_CLIENT_KEY", {"clientId": target})
    assert ("ok" if body["success"] else body["message"]) == expected("GET_CLIENT_KEY", caller, target)


def test_a_remote_extension_neither_gets_nor_removes_the_monitors_key(house: Gatehouse) -> None:
    """As it was seen: strict mode, from another machine, with a key of its own."""
    socket = enter(house, "SillyTavern-8000", REMOTE)
    right = house.issue("monitor")
    for event in ("GENERATE_CLIENT_KEY", "REMOVE_CLIENT_KEY"):
        for payload in (
            {"targetClientId": "monitor"},
            {"clientId": "monitor"},
            {"targetClientId": "monitor", "clientId": "SillyTavern-8000"},
        ):
            body = socket.ask(event, payload)
            assert (body["success"], body["message"], body["errorCode"]) == (False, REFUSED, 6)
            assert "key" not in body
    assert value(house.keys.verify("monitor", right, Turn()))


def test_the_key_that_is_made_for_somebody_has_his_rank_and_never_the_makers(house: Gatehouse) -> None:
    monitor = enter(house, "monitor")
    for target, rank in (("tablet", Rank.CLIENT), ("SillyTavern-9000", Rank.EXTENSION), ("monitor", Rank.ADMIN)):
        assert monitor.ask("GENERATE_CLIENT_KEY", {"targetClientId": target})["success"]
        record = house.keys.records(target)[-1]
        assert (record.rank, record.made_by) == (rank, "monitor")
    tavern = enter(house, "SillyTavern-8000")
    assert tavern.ask("GENERATE_CLIENT_KEY", {"targetClientId": "phone"})["success"]
    assert house.keys.records("phone")[-1].rank is Rank.CLIENT


def test_an_extension_cannot_make_an_administrator_by_trusting_one(house: Gatehouse) -> None:
    """``monitor`` becomes one by being trusted, so an extension must not trust it, connected or not."""
    value(house.keys.remove("monitor"))
    (house.home / "settings" / "monitor.json").unlink()
    value(house.trust.rescan())
    house.caller("monitor", client_type="web-app")
    tavern = enter(house, "SillyTavern-8000")
    assert tavern.ask("GENERATE_CLIENT_KEY", {"targetClientId": "monitor"})["message"] == REFUSED
    assert not house.trust.knows("monitor", network_safe=True)


def test_an_old_key_of_a_client_that_is_an_administrator_now_reads_and_changes_nothing(house: Gatehouse) -> None:
    """``isAdmin_later_does_not_lift_old_key``, seen from the credentials."""
    old = house.issue("phone")
    house.trusts("phone", isAdmin=True)
    namespace = house.clients_namespace()
    socket = FakeSocket(house, namespace).connect({"clientId": "phone", "key": old})
    assert socket.refusal is None
    assert socket.ask("GET_CLIENT_KEY", {})["message"] == REFUSED
