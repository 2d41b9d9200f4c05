"""Pairing, from the code to the key, on a whole gatehouse (B13)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from authkit import EXTENSION, LOCAL, REMOTE, FakeSocket, Gatehouse, refused
from deferreds import value
from logkit import Logged
from newage.domain.model import Peer, Rank, Scope
from newage.errors import Unavailable
from newage.namespaces.sillytavern import ExtensionSettings, SillyTavernSettings

NEW = "SillyTavern-9999"
INVALID = "Invalid pairing code"


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path)
    house.trusts("monitor", "web1", EXTENSION)
    return house


def told(house: Gatehouse, do: str, **members: Any) -> dict[str, Any]:
    answer: dict[str, Any] = value(house.operator.handle({"do": do, **members}))
    return answer


def new_code(house: Gatehouse) -> str:
    code: str = told(house, "pair.new")["code"]
    return code


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**6:06}"


def knock(house: Gatehouse, pair: Any, client_id: str = NEW, peer: Peer = REMOTE, **auth: Any) -> FakeSocket:
    space = house.sillytavern_namespace(ExtensionSettings(SillyTavernSettings()))
    auth.setdefault("clientType", "SillyTavern")
    return FakeSocket(house, space, peer).connect({"clientId": client_id, "key": "getKey", "pair": pair, **auth})


def asking(socket: FakeSocket) -> Any:
    return Deferred.fromCoroutine(socket.handle("IDENTIFY_SILLYTAVERN", {"clientId": socket.caller.client_id}))


def answer_of(pending: Any) -> dict[str, Any]:
    found: dict[str, Any] = value(pending)[0]
    return found


@pytest.mark.parametrize("peer", [REMOTE, LOCAL])
@pytest.mark.parametrize("network_safe", [True, False])
def test_pair_gives_only_extension(house: Gatehouse, peer: Peer, network_safe: bool) -> None:
    house.network_safe = network_safe
    code = new_code(house)
    assert told(house, "pair.wait", code=code) == {"state": "open"}
    socket = knock(house, code, peer=peer, name="Ann's desk")
    assert socket.refusal is None
    assert not house.sessions.is_connected(NEW)
    assert not house.trust.knows(NEW, network_safe=True)
    assert refused(socket.ask("CLIENT_SETTINGS", {})) == "Unauthorized"
    pending = asking(socket)
    found = told(house, "pair.wait", code=code)
    asks = found["asks"]
    assert (found["state"], asks["clientId"], asks["name"]) == ("asked", NEW, "Ann's desk")
    assert asks["address"] == peer.address
    assert told(house, "pair.confirm", code=code, confirm=asks["confirm"], accept=True)["state"] == "paired"
    body = answer_of(pending)
    assert (body["clientId"], body["scope"]) == (NEW, "extension")
    (record,) = house.keys.records(NEW)
    assert (record.rank, record.scope, record.made_by) == (Rank.EXTENSION, Scope.EXTENSION, "newage pair")
    assert house.keys.verified(NEW, body["key"]) == record
    assert house.trust.knows(NEW, network_safe=False)
    assert knock(house, code).refusal == INVALID, "it is spent"


def test_pair_five_wrong_from_500_addresses(house: Gatehouse) -> None:
    code = new_code(house)
    addresses = [Peer(f"203.0.{n // 250}.{n % 250}") for n in range(500)]
    assert {knock(house, wrong(code), peer=peer).refusal for peer in addresses[:4]} == {INVALID}
    assert told(house, "pair.wait", code=code)["state"] == "open"
    assert {knock(house, wrong(code), peer=peer).refusal for peer in addresses[4:]} == {INVALID}
    assert knock(house, code, peer=Peer("198.51.100.1")).refusal == INVALID
    assert told(house, "pair.wait", code=code) == {"state": "over"}
    assert house.keys.client_ids() == ()


@pytest.mark.parametrize("pair", [123456, {"a": 1}, [], True, "12345", "\ud83d", "1" * 5000])
def test_what_is_no_code_is_a_wrong_one(house: Gatehouse, pair: Any) -> None:
    new_code(house)
    assert knock(house, pair).refusal == INVALID


def test_only_an_extension_and_only_at_its_door(house: Gatehouse) -> None:
    code = new_code(house)
    assert knock(house, code, clientType="monitor").refusal == "Unauthorized"
    assert knock(house, code, client_id="somebody").refusal == "Unauthorized"
    assert knock(house, code, client_id=f"{NEW}\u3164").refusal == "Unauthorized"
    assert knock(house, code, key="wrong").refusal == "Client is not trusted.", "a key beside it counts"
    elsewhere = FakeSocket(house, house.clients_namespace(), REMOTE)
    assert elsewhere.connect({"clientId": NEW, "pair": code}).refusal == "Client is not trusted."
    assert told(house, "pair.wait", code=code)["state"] == "open"


def test_a_name_that_would_fool_the_operator_is_none(house: Gatehouse) -> None:
    """Nor does an id of that kind come in."""
    for evil in (
        "\x1b[2J\x1b[HSillyTavern-8000",
        "Ann\n  id    SillyTavern-8000",
        "\u202eAnn",
        "A\u200bnn",
        "x" * 10_000,
    ):
        code = new_code(house)
        asking(knock(house, code, name=evil))
        assert told(house, "pair.wait", code=code)["asks"]["name"] == ""
        socket = FakeSocket(house, house.sillytavern_namespace(ExtensionSettings(SillyTavernSettings())), REMOTE)
        auth = {"clientId": f"SillyTavern-{evil}", "clientType": "SillyTavern", "pair": code}
        assert socket.connect(auth).refusal in ("Unauthorized", "Invalid client id.")


def test_a_code_before_the_operator_has_asked_for_one_counts_for_nothing(house: Gatehouse) -> None:
    for number in range(30):
        assert knock(house, f"{number:06}", peer=Peer(f"203.0.113.{number}")).refusal == INVALID
    assert knock(house, new_code(house), peer=Peer("198.51.100.1")).refusal is None


def test_whatever_scope_it_asks_for_it_gets_that_of_an_extension(house: Gatehouse) -> None:
    for number, scope in enumerate(("admin", "all", "client", "api", None, 7, ["admin"])):
        code, peer = new_code(house), Peer(f"203.0.113.{number}")
        socket = knock(house, code, peer=peer, scope="admin", rank="admin", isAdmin=True)
        said = {"clientId": NEW, "scope": scope, "rank": "admin"}
        pending = Deferred.fromCoroutine(socket.handle("IDENTIFY_SILLYTAVERN", said))
        shown = told(house, "pair.wait", code=code)["asks"]["confirm"]
        told(house, "pair.confirm", code=code, confirm=shown, accept=True)
        assert answer_of(pending)["scope"] == "extension"
    assert {(each.rank, each.scope) for each in house.keys.records(NEW)} == {(Rank.EXTENSION, Scope.EXTENSION)}


def test_the_operator_says_no(house: Gatehouse) -> None:
    code = new_code(house)
    pending = asking(knock(house, code))
    asks = told(house, "pair.wait", code=code)["asks"]
    assert told(house, "pair.confirm", code=code, confirm=asks["confirm"], accept=False) == {"state": "over"}
    assert refused(answer_of(pending)) == "Unauthorized"
    assert house.keys.client_ids() == ()
    assert not house.trust.knows(NEW, network_safe=True)


def test_a_yes_is_to_the_one_who_was_shown(house: Gatehouse) -> None:
    code = new_code(house)
    first = asking(knock(house, code))
    shown = told(house, "pair.wait", code=code)["asks"]["confirm"]
    asking(knock(house, code, client_id="SillyTavern-1"))
    assert refused(answer_of(first)) == INVALID
    found = told(house, "pair.confirm", code=code, confirm=shown, accept=True)
    assert (found["state"], found["asks"]["clientId"]) == ("asked", "SillyTavern-1")
    assert house.keys.client_ids() == ()


def test_who_went_gets_nothing_and_may_come_again(house: Gatehouse) -> None:
    code = new_code(house)
    socket = knock(house, code)
    gone = asking(socket)
    shown = told(house, "pair.wait", code=code)["asks"]["confirm"]
    socket.disconnect()
    assert told(house, "pair.confirm", code=code, confirm=shown, accept=True) == {"state": "open"}
    assert refused(answer_of(gone)) == INVALID
    assert knock(house, code).refusal is None


def test_time_is_up(house: Gatehouse) -> None:
    code = new_code(house)
    socket = knock(house, code)
    pending = asking(socket)
    house.clock.advance(300)
    assert refused(answer_of(pending)) == INVALID
    assert refused(answer_of(asking(socket))) == INVALID
    assert told(house, "pair.wait", code=code) == {"state": "over"}
    assert house.clock.getDelayedCalls() == []


def test_a_change_of_trust_leaves_it_asking(house: Gatehouse) -> None:
    code = new_code(house)
    asking(knock(house, code))
    house.trusts("another")
    house.clock.advance(0)
    assert told(house, "pair.wait", code=code)["state"] == "asked"


def test_another_id_than_its_own(house: Gatehouse) -> None:
    socket = knock(house, new_code(house))
    assert refused(socket.ask("IDENTIFY_SILLYTAVERN", {"clientId": EXTENSION})) == "Unauthorized"


def test_a_key_that_cannot_be_made_is_said_to_both(tmp_path: Path) -> None:
    house = Gatehouse(tmp_path, max_client_keys=1)
    house.issue("phone")
    code = new_code(house)
    pending = asking(knock(house, code))
    shown = told(house, "pair.wait", code=code)["asks"]["confirm"]
    with pytest.raises(Unavailable, match="Too many client keys"):
        told(house, "pair.confirm", code=code, confirm=shown, accept=True)
    assert refused(answer_of(pending)) == "Too many client keys."


def test_the_command_makes_a_new_code_and_ends_the_one_before(house: Gatehouse) -> None:
    before = new_code(house)
    pending = asking(knock(house, before))
    new_code(house)
    assert refused(answer_of(pending)) == INVALID


def test_an_id_that_needs_its_key_pairs_again_and_the_operator_is_told_that_it_has_one(house: Gatehouse) -> None:
    for known in (None, True):
        code = new_code(house)
        pending = asking(knock(house, code, client_id=EXTENSION))
        asks = told(house, "pair.wait", code=code)["asks"]
        assert asks.get("known") is known
        shown = asks["confirm"]
        told(house, "pair.confirm", code=code, confirm=shown, accept=True)
        assert house.keys.verified(EXTENSION, answer_of(pending)["key"]) is not None
    assert len(house.keys.records(EXTENSION)) == 2


def test_by_the_wire_one_at_a_time_and_for_administrators(house: Gatehouse) -> None:
    house.network_safe = True
    space = house.clients_namespace()
    monitor = FakeSocket(house, space).connect({"clientId": "monitor", "clientType": "monitor"})
    for client_id, kind in (("web1", "web-app"), (EXTENSION, "SillyTavern")):
        other = FakeSocket(house, space).connect({"clientId": client_id, "clientType": kind})
        assert refused(other.ask("CREATE_PAIRING", {})) == "Unauthorized"
    made = monitor.ask("CREATE_PAIRING", {})
    code = made["code"]
    assert (len(code), made["expiresIn"]) == (6, 300)
    assert refused(monitor.ask("CREATE_PAIRING", {})) == "Unauthorized"
    pending = asking(knock(house, code))
    asks = monitor.ask("CREATE_PAIRING", {"code": code})["asks"]
    assert refused(monitor.ask("CREATE_PAIRING", {"code": code, "confirm": "x"})) == "Invalid request data."
    body = monitor.ask("CREATE_PAIRING", {"code": code, "confirm": asks["confirm"], "accept": True})
    assert body["state"] == "paired"
    assert answer_of(pending)["scope"] == "extension"
    assert house.keys.records(NEW)[0].made_by == "monitor"


def test_the_code_is_in_no_log(house: Gatehouse) -> None:
    with Logged() as logged:
        code = new_code(house)
        knock(house, wrong(code))
        asking(knock(house, code))
        shown = told(house, "pair.wait", code=code)["asks"]["confirm"]
        told(house, "pair.confirm", code=code, confirm=shown, accept=True)
    assert logged()
    assert not any(text in line for line in logged() for text in (code, wrong(code)))
