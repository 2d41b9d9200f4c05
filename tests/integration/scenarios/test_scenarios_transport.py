"""Contract 13, scenarios 1-5: the daemon starts, and real clients reach it by every transport."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from harness import ALL_TRANSPORTS, POLLING, UPGRADE, WEBSOCKET, Daemon, Hub
from rawsocket import RawWebSocket

HEALTH = {"type": 0, "data": "Connection active?", "source": "client"}


def test_scenario_01_a_fresh_home_is_made_and_the_port_is_open(daemon: Daemon) -> None:
    assert daemon.get("/").status == 200
    folders = {path.name for path in daemon.home.iterdir() if path.is_dir()}
    assert {"settings", "keys", "data", "logs", "exampleClient", "public"} <= folders
    settings = json.loads((daemon.home / "settings" / "server_settings.json").read_text("utf-8"))
    assert settings["networkSafe"] is True
    assert (daemon.home / "logs" / "combined.log").is_file()


def test_scenario_01_the_start_says_where_and_how_to_connect(daemon: Daemon) -> None:
    output = daemon.output()
    assert f"Listening on {daemon.url}/" in output
    assert str(daemon.home) in output
    assert "extension" in output.lower()


def test_scenario_02_polling_handshake(daemon: Daemon) -> None:
    answer = daemon.get("/socket.io/?EIO=4&transport=polling")
    assert answer.status == 200
    assert answer.body[:1] == b"0"
    opened = json.loads(answer.body[1:])
    sid = opened.pop("sid")
    assert isinstance(sid, str)
    assert len(sid) >= 20
    assert opened == {"upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}


def test_scenario_02_websocket_handshake_offers_no_upgrade(daemon: Daemon) -> None:
    with RawWebSocket(daemon.port) as raw:
        packet = raw.receive_text()
    assert packet[:1] == "0"
    opened = json.loads(packet[1:])
    opened.pop("sid")
    assert opened == {"upgrades": [], "pingInterval": 25000, "pingTimeout": 20000, "maxPayload": 1000000}


@pytest.mark.parametrize("attempt", range(3))
def test_scenario_03_nothing_is_lost_or_doubled_by_an_upgrade(hub: Hub, attempt: int) -> None:
    client = hub.client(hub.new_id(), transports=UPGRADE)
    number = 60
    client.burst([["message", {**HEALTH, "requestId": f"u{n}"}] for n in range(number)])
    client.engine.wait("@upgrade")
    client.burst([["message", {**HEALTH, "requestId": f"u{n}"}] for n in range(number, 2 * number)])
    client.wait("message", count=2 * number)
    client.fence()
    answered = [payload["requestId"] for payload in client.payloads("message")][: 2 * number]
    assert answered == [f"u{n}" for n in range(2 * number)]
    assert len(client.all("message")) == 2 * number + 1  # and the fence's
    assert client.transport() == "websocket"


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_03_order_and_acks_on_every_transport(hub: Hub, transports: Sequence[str]) -> None:
    client = hub.client(hub.new_id(), "/clients", transports=transports)
    pending = [client.post_call("GET_CLIENT_LIST", {}) for _ in range(30)]
    for number in pending:
        (reply,) = hub.driver.result(number)
        assert reply["status"] == "ok"
        assert reply["success"] is True
    if transports is UPGRADE:
        client.engine.wait("@upgrade")
    assert client.transport() == ("polling" if transports is POLLING else "websocket")


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_scenario_04_protocol_3_is_refused(daemon: Daemon, transport: str) -> None:
    headers = {}
    if transport == "websocket":
        key = "dGhlIHNhbXBsZSBub25jZQ=="
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key,
        }
    answer = daemon.get(f"/socket.io/?EIO=3&transport={transport}", headers)
    assert answer.status == 400
    assert answer.json() == {"code": 5, "message": "Unsupported protocol version"}


@pytest.mark.parametrize("transports", ALL_TRANSPORTS, ids="-".join)
def test_scenario_05_an_unknown_namespace_leaves_the_others_alive(hub: Hub, transports: Sequence[str]) -> None:
    client = hub.client(hub.new_id(), transports=transports)
    lost = hub.open("/nope", {"clientId": "x"}, engine=client.engine.name)
    assert lost.wait("@connect_error").args == ["Invalid namespace", None]
    client.fence()
    assert not client.all("@disconnect")


def test_several_namespaces_share_one_engine(hub: Hub) -> None:
    me = hub.new_id()
    engine = hub.engine(WEBSOCKET)
    sockets = [
        hub.client(me, nsp, engine=engine) for nsp in ("/", "/auth", "/clients", "/llm", "/rooms", "/function_call")
    ]
    ids = {socket.wait("@connect").first for socket in sockets}
    assert len(ids) == len(sockets)
    sockets[0].disconnect()
    sockets[3].fence()
    assert [socket.name for socket in sockets if socket.all("@disconnect")] == [sockets[0].name]
