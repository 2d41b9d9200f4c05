"""Contract 13, scenarios 11 and 21-29: who may come in, as what, and how a refusal looks to a real client."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from answering import of_its_socket
from harness import ALL_TRANSPORTS, WEBSOCKET, Hub, Socket
from homes import STRICT_CLIENTS, STRICT_EXTENSIONS

OTHERS_KEY = "You are have no right to get others key."


def fetch_key(hub: Hub, client_id: str, client_type: str = "web-app") -> str:
    """A first key for a trusted id, fetched from this machine by 'getKey' (contract 2.8, 4a and 5)."""
    auth = {"clientType": client_type, "clientId": client_id, "key": "getKey"}
    socket = hub.open("/auth", auth).connected()
    given = socket.payload("CLIENT_KEY_ASSIGNED")
    assert (given["status"], given["success"], given["clientId"]) == ("ok", True, client_id)
    assert given["key"] == given["Key"]
    assert socket.payload("GET_CLIENT_KEY") == given
    key: str = given["key"]
    return key


def keyed(client_id: str, key: object, client_type: str = "web-app", **more: Any) -> dict[str, Any]:
    return {"clientType": client_type, "clientId": client_id, "key": key, **more}


def alive(hub: Hub, client_id: str, key: str) -> Socket:
    """A client with its right key is served at once."""
    socket = hub.open("/llm", keyed(client_id, key)).connected()
    socket.fence()
    assert not socket.all("ERROR")
    return socket


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
@pytest.mark.parametrize(
    "auth", [None, {}, {"clientId": ""}, {"clientId": 7}, {"clientId": "a/b"}, "text", ["x"]], ids=str
)
def test_scenario_21_no_usable_client_id(hub: Hub, transports: Sequence[str], auth: Any) -> None:
    refused = hub.open("/llm", auth, transports=transports)
    assert refused.refusal()["message"] == "Invalid client id."


@pytest.mark.parametrize("name", ["server", "System", "monitor-room", "UnknownLLM", "UnknownClient", "x" * 129, "a\nb"])
def test_scenario_21_reserved_and_unprintable_ids(hub: Hub, name: str) -> None:
    assert hub.open("/", {"clientId": name}).refusal()["message"] == "Invalid client id."


def test_scenario_21_other_namespaces_of_the_engine_survive(hub: Hub) -> None:
    client = hub.client(hub.new_id())
    hub.open("/auth", {}, engine=client.engine.name).refusal()
    client.fence()
    assert not client.all("@disconnect")


@pytest.mark.parametrize("nsp", ["/", "/auth", "/llm", "/clients", "/rooms", "/function_call"])
def test_scenario_22_strict_unknown_id(strict_hub: Hub, nsp: str) -> None:
    refused = strict_hub.open(nsp, keyed(strict_hub.new_id("stranger"), "some-key"))
    assert refused.refusal()["message"] == "Client is not trusted."


def test_scenario_23_wrong_keys(strict_hub: Hub) -> None:
    me = STRICT_CLIENTS[0]
    key = fetch_key(strict_hub, me)
    own = strict_hub.open("/auth", keyed(me, key)).connected()
    record = own.call("GET_CLIENT_KEY", {"clientId": me})
    assert (record["status"], record["clientId"]) == ("ok", me)
    assert record["key"].startswith("$2b$10$")
    offered: tuple[object, ...] = ("wrong", record["key"], "x" * 100, key + "\x00", {}, None, 12)
    for wrong in offered:
        refused = strict_hub.open("/llm", keyed(me, wrong))
        assert refused.refusal()["message"] == "Invalid key.", repr(wrong)
    alive(strict_hub, me, key)


def test_scenario_24_a_trusted_extension_without_key_reads_its_settings_only(strict_hub: Hub) -> None:
    me = STRICT_EXTENSIONS[1]
    auth = {"clientType": "SillyTavern", "clientId": me, "desc": "这是一个SillyTaven扩展"}
    probe = strict_hub.open("/function_call", auth).connected()

    def read(path: str, function: str = "readJsonFromFile") -> dict[str, Any]:
        call = {"requestId": "q", "target": "server", "functionName": function, "args": [path]}
        reply: dict[str, Any] = probe.call("FUNCTION_CALL", call)
        return reply

    own = read(f"./settings/{me}-settings.json")
    assert own["success"] is True
    assert own["result"]["clientId"] == me
    assert own["result"]["result"]["Remember_me"] is True
    assert own["result"]["sillyTavernPassWord"] == "***"
    assert "pw-of-" not in json.dumps(own)
    assert read("./settings/server_settings.json")["result"]["networkSafe"] is False
    forbidden = [
        read(f"./settings/{STRICT_CLIENTS[0]}.json"),
        read(f"./settings/{STRICT_EXTENSIONS[0]}-settings.json"),
        read("./keys/clients.json"),
        probe.call("FUNCTION_CALL", {"requestId": "q", "functionName": "add", "args": [1, 2]}),
        probe.call(
            "FUNCTION_CALL",
            {"requestId": "q", "functionName": "saveJsonToFile", "args": [f"./settings/{me}-settings.json", {"a": 1}]},
        ),
        probe.call("FUNCTION_CALL", {"requestId": "q", "functionName": "f", "args": [], "target": STRICT_CLIENTS[0]}),
    ]
    for reply in forbidden:
        assert reply["success"] is False, reply
        assert reply["error"] == {"message": "Unauthorized", "code": 6}


@pytest.mark.parametrize(
    "client_id,client_type", [(STRICT_CLIENTS[1], "web-app"), (STRICT_EXTENSIONS[2], "SillyTavern")]
)
@pytest.mark.parametrize("nsp", ["/llm", "/clients", "/rooms", "/"])
def test_scenario_25_get_key_is_no_key(strict_hub: Hub, nsp: str, client_id: str, client_type: str) -> None:
    refused = strict_hub.open(nsp, keyed(client_id, "getKey", client_type))
    assert refused.refusal()["message"] == "Invalid key."


def test_scenario_26_a_client_cannot_declare_itself_monitor(strict_hub: Hub) -> None:
    me = STRICT_CLIENTS[2]
    key = fetch_key(strict_hub, me)
    refused = strict_hub.open("/llm", keyed(me, key, "monitor"))
    assert refused.refusal()["message"] == "Unauthorized"
    pretender = strict_hub.open("/llm", keyed(me, key, "SillyTavern"))
    assert pretender.refusal()["message"] == "Unauthorized"
    alive(strict_hub, me, key)


def test_scenario_27_a_foreign_identity_is_refused(strict_hub: Hub) -> None:
    me = STRICT_CLIENTS[3]
    key = fetch_key(strict_hub, me)
    for identity in ("other-1", STRICT_CLIENTS[4], "server", "", 5):
        refused = strict_hub.open("/llm", keyed(me, key, identity=identity))
        assert refused.refusal()["message"] == "Invalid identity.", repr(identity)
    own = strict_hub.open("/llm", keyed(me, key, identity=f"{me}-tab")).connected()
    own.fence()
    assert not own.all("ERROR")


def test_scenario_27_nobody_takes_a_connected_identity(hub: Hub) -> None:
    me = hub.new_id()
    hub.client(f"{me}-long", "/llm")
    thief = hub.open("/llm", {"clientType": "web-app", "clientId": me, "identity": f"{me}-long"})
    assert thief.refusal()["message"] == "Invalid identity."


@pytest.mark.parametrize("mode", ["hub", "strict_hub"])
def test_scenario_28_debug_is_closed_to_clients(request: pytest.FixtureRequest, mode: str) -> None:
    hub: Hub = request.getfixturevalue(mode)
    me = STRICT_CLIENTS[5]
    key = fetch_key(hub, me)
    refused = hub.open("/debug", keyed(me, key))
    assert refused.refusal()["message"] == "Unauthorized"


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_29_nobody_reads_anothers_key(hub: Hub, transports: Sequence[str]) -> None:
    alice, bob = hub.new_id("alice"), hub.new_id("bob")
    fetch_key(hub, bob)
    engine = hub.engine(transports)
    for nsp in ("/auth", "/clients"):
        socket = hub.client(alice, nsp, engine=engine)
        reply = socket.call("GET_CLIENT_KEY", {"clientId": bob})
        assert (reply["status"], reply["success"], reply["message"]) == ("error", False, OTHERS_KEY)
        assert reply["error"]["message"] == OTHERS_KEY
        assert reply["errorCode"] == 6
        assert "key" not in reply


@of_its_socket("keys that it makes")
def test_scenario_11_a_key_the_extension_made_opens_strict_mode(strict_hub: Hub) -> None:
    extension = strict_hub.extension(STRICT_EXTENSIONS[3].removeprefix("SillyTavern-"))
    extension.start()
    me = STRICT_CLIENTS[6]
    payload = {"clientId": extension.client_id, "targetClientId": me}
    reply = extension.clients2.call("GENERATE_CLIENT_KEY", payload)
    assert (reply["status"], reply["clientId"]) == ("ok", me)
    alive(strict_hub, me, reply["key"])
    stranger = {"clientId": extension.client_id, "targetClientId": "nobody-knows"}
    assert extension.clients2.call("GENERATE_CLIENT_KEY", stranger)["message"] == "Client not found."


def test_one_key_opens_every_namespace_of_an_engine(strict_hub: Hub) -> None:
    me = STRICT_CLIENTS[7]
    key = fetch_key(strict_hub, me)
    engine = strict_hub.engine(WEBSOCKET)
    namespaces = ("/", "/auth", "/clients", "/llm", "/rooms", "/function_call")
    sockets = [strict_hub.open(nsp, keyed(me, key), engine=engine) for nsp in namespaces]
    for socket in sockets:
        socket.wait("@connect")
    sockets[3].fence()
    assert [socket.name for socket in sockets if socket.all("ERROR")] == []


def test_an_event_sent_right_after_connect_waits_for_the_key_check(strict_hub: Hub) -> None:
    """Contract C12: what arrives while authentication is pending is queued, not lost."""
    me = STRICT_CLIENTS[8]
    key = fetch_key(strict_hub, me)
    socket = strict_hub.open("/clients", keyed(me, key))
    assert socket.call("GET_CLIENT_LIST", {})["status"] == "ok"


def test_password_login(strict_hub: Hub) -> None:
    me = STRICT_EXTENSIONS[4]
    auth = {"clientType": "SillyTavern", "clientId": me, "key": "getKey"}
    socket = strict_hub.open("/auth", auth).connected()
    assert socket.call("LOGIN", {"clientId": me, "password": "nope"})["message"] == "Incorrect password."
    assert socket.call("LOGIN", {"clientId": me})["message"] == "Invalid login data."
    mark = socket.mark()
    assert socket.call("LOGIN", {"clientId": me, "password": f"pw-of-{me}"})["success"] is True
    given = socket.payload("CLIENT_KEY_ASSIGNED", since=mark)
    llm = strict_hub.open("/llm", keyed(me, given["key"], "SillyTavern")).connected()
    llm.fence()
    assert not llm.all("ERROR")


def test_too_many_attempts(strict_hub: Hub) -> None:
    me = STRICT_CLIENTS[9]
    key = fetch_key(strict_hub, me)
    for n in range(10):
        assert strict_hub.open("/llm", keyed(me, f"wrong-{n}")).refusal()["message"] == "Invalid key."
    assert strict_hub.open("/llm", keyed(me, "wrong-again")).refusal()["message"] == "Too many attempts."
    strict_hub.open("/llm", keyed(me, key)).connected().fence()  # a key that nobody guesses is never held (B8)
