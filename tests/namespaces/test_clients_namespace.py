"""``/clients`` (contract 3.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from authkit import REMOTE, FakeSocket, Gatehouse
from deferreds import value
from newage.gateway.socketio.dispatch import Namespace
from newage.services.accounts.hashing import Turn

EXTENSION = "SillyTavern-8000"
MONITOR = {"clientId": "monitor", "clientType": "monitor"}
TAVERN = {"clientId": EXTENSION, "clientType": "SillyTavern"}
WEB = {"clientId": "web1"}


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    house = Gatehouse(tmp_path, network_safe=True)
    house.trusts("web1", "web2", "monitor", EXTENSION)
    return house


@pytest.fixture
def clients(house: Gatehouse) -> Namespace:
    return house.clients_namespace()


def enter(house: Gatehouse, clients: Namespace, auth: dict[str, Any], **options: Any) -> FakeSocket:
    return FakeSocket(house, clients, **options).connect(auth)


def message(body: dict[str, Any]) -> str:
    """'ok', or why not, in both dialects."""
    if body["success"] is True:
        assert body["status"] == "ok"
        return "ok"
    assert body["status"] == "error"
    text: str = body["message"]
    return text


@pytest.mark.parametrize("event", ["GET_CLIENT_LIST", "UPDATE_CONNECTED_CLIENTS"])
@pytest.mark.parametrize("payload", [(), ({},), (None,), ("x", 1)])
def test_the_list(house: Gatehouse, clients: Namespace, event: str, payload: tuple[Any, ...]) -> None:
    """Scenario 9: the extension needs the ack of UPDATE_CONNECTED_CLIENTS, with ``id`` and ``description``."""
    enter(house, clients, {**WEB, "desc": "a page"})
    body = enter(house, clients, TAVERN).ask(event, *payload)
    assert message(body) == "ok"
    assert [(info["id"], info["description"]) for info in body["clients"]] == [("web1", "a page"), (EXTENSION, "")]
    assert "key" not in str(body)


def test_queries_without_an_ack_do_nothing(house: Gatehouse, clients: Namespace) -> None:
    socket = enter(house, clients, WEB)
    for event in ("GET_CLIENT_LIST", "UPDATE_CONNECTED_CLIENTS", "GET_ALL_CLIENT_KEYS", "GET_CLIENT_KEY"):
        assert socket.handle(event, {}, ack=False) is None
    assert socket.emitted == []


def test_all_keys(house: Gatehouse, clients: Namespace) -> None:
    house.issue("web1")
    hashed = house.keys.newest_hash("web1")
    assert enter(house, clients, MONITOR).ask("GET_ALL_CLIENT_KEYS")["keys"] == {"web1": {"key": hashed, "rooms": []}}
    assert enter(house, clients, TAVERN).ask("GET_ALL_CLIENT_KEYS", {})["keys"] == {"web1": {"key": "***", "rooms": []}}
    assert message(enter(house, clients, WEB).ask("GET_ALL_CLIENT_KEYS", {})) == "Unauthorized"


def test_ones_own_key(house: Gatehouse, clients: Namespace) -> None:
    socket = enter(house, clients, WEB)
    assert socket.ask("GET_CLIENT_KEY", {"clientId": "web1"})["key"] is None
    house.issue("web1")
    house.issue("web2")
    assert socket.ask("GET_CLIENT_KEY", {})["key"] == house.keys.newest_hash("web1")
    assert message(socket.ask("GET_CLIENT_KEY", {"clientId": "web2"})) == "You are have no right to get others key."
    assert enter(house, clients, MONITOR).ask("GET_CLIENT_KEY", {"clientId": "web2"})["key"] == house.keys.newest_hash(
        "web2"
    )


def test_the_extension_makes_a_key_that_opens_strict_mode(house: Gatehouse, clients: Namespace) -> None:
    """Scenario 11."""
    body = enter(house, clients, TAVERN).ask("GENERATE_CLIENT_KEY", {"clientId": EXTENSION, "targetClientId": "web1"})
    assert message(body) == "ok"
    assert body["clientId"] == "web1"
    house.network_safe = False
    assert enter(house, clients, {**WEB, "key": body["key"]}).refusal is None
    assert enter(house, clients, {**WEB, "key": body["key"]}, peer=REMOTE).refusal is None


def test_keys_of_others(house: Gatehouse, clients: Namespace) -> None:
    monitor, tavern, web = (enter(house, clients, who) for who in (MONITOR, TAVERN, WEB))
    assert message(monitor.ask("GENERATE_CLIENT_KEY", {"targetClientId": "brand-new"})) == "ok"
    assert message(tavern.ask("GENERATE_CLIENT_KEY", {"targetClientId": "unknown"})) == "Client not found."
    assert message(tavern.ask("GENERATE_CLIENT_KEY", {"targetClientId": "SillyTavern-9000"})) == "Unauthorized"
    assert message(web.ask("GENERATE_CLIENT_KEY", {"targetClientId": "web1"})) == "Unauthorized"
    assert message(monitor.ask("GENERATE_CLIENT_KEY", {"targetClientId": ["x"]})) == "Invalid request data."
    assert message(monitor.ask("GENERATE_CLIENT_KEY", "x")) == "Invalid request data."
    assert message(monitor.ask("GENERATE_CLIENT_KEY")) == "ok"
    assert set(house.keys.client_ids()) == {"brand-new", "monitor"}


def test_removal(house: Gatehouse, clients: Namespace) -> None:
    monitor, tavern, web = (enter(house, clients, who) for who in (MONITOR, TAVERN, WEB))
    key = house.issue("web1")
    assert message(web.ask("REMOVE_CLIENT_KEY", {"targetClientId": "web1"})) == "Unauthorized"
    assert message(tavern.ask("REMOVE_CLIENT_KEY", {"clientId": EXTENSION, "targetClientId": "web1"})) == "ok"
    assert message(tavern.ask("REMOVE_CLIENT_KEY", {"targetClientId": "web1"})) == "ok"
    assert message(monitor.ask("REMOVE_CLIENT_KEY", {"targetClientId": "never"})) == "ok"
    assert value(house.keys.verify("web1", key, Turn())) is None
    assert web.connected


def test_remote_staff_reads_lists_and_administers_nothing(house: Gatehouse, clients: Namespace) -> None:
    """A1."""
    remote = enter(house, clients, {**TAVERN, "key": house.issue(EXTENSION)}, peer=REMOTE)
    assert message(remote.ask("GET_CLIENT_LIST")) == "ok"
    for event in ("GET_ALL_CLIENT_KEYS", "GENERATE_CLIENT_KEY", "REMOVE_CLIENT_KEY"):
        assert message(remote.ask(event, {"targetClientId": "web1"})) == "Unauthorized"


def test_a_mutation_without_an_ack_is_done_and_its_failure_told(house: Gatehouse, clients: Namespace) -> None:
    monitor, web = enter(house, clients, MONITOR), enter(house, clients, WEB)
    assert value(monitor.handle("GENERATE_CLIENT_KEY", {"targetClientId": "web2"}, ack=False)) is None
    assert house.keys.records("web2")
    assert value(web.handle("GENERATE_CLIENT_KEY", {"targetClientId": "web2"}, ack=False)) is None
    ((event, body),) = web.emitted
    assert (event, body["message"], body["errorCode"]) == ("ERROR", "Unauthorized", 6)
