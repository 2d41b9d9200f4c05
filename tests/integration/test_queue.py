"""Real clients wait for their host and hear how they come nearer (contract 5.4)."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

import socketio
from harness import PATIENCE, Daemon, Driver, Hub, Socket, request

FOLLOWS = {"outputs": True, "streamMode": "plain"}


def told(socket: Socket, request_id: str, position: int, of: int) -> None:
    wanted = (request_id, "host", position, of)
    socket.wait(
        "QUEUE_UPDATE",
        lambda body: (body["requestId"], body["waitsFor"], body["position"], body["of"]) == wanted,
    )


def join(hub: Hub, room: str, who: str) -> Socket:
    assert hub.client(who, "/rooms").call("JOIN_ROOM", {"roomName": room})["status"] == "ok"
    return hub.client(who, auth=FOLLOWS)


def test_three_wait_one_goes_the_hub_dies_and_the_host_submits(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    daemon = make_daemon()
    hub, room = Hub(daemon, driver), "lounge"
    assert hub.monitor("/rooms").call("CREATE_ROOM", {"roomName": room})["status"] == "ok"
    ann, bob = join(hub, room, "ann"), join(hub, room, "bob")
    hub.client("cleo", "/rooms").call("JOIN_ROOM", {"roomName": room})
    cleo, heard = socketio.Client(reconnection=False), SimpleQueue[dict[str, Any]]()
    cleo.on("QUEUE_UPDATE", heard.put, namespace="/llm")
    auth = {"clientId": "cleo", "clientType": "web-app", **FOLLOWS}
    cleo.connect(daemon.url, auth=auth, namespaces=["/llm"], wait_timeout=PATIENCE)
    try:
        for who, socket in (("ann", ann), ("bob", bob)):
            assert socket.call("LLM_REQUEST", request(who, message=who, targetRoom=room))["waitsFor"] == "host"
        asked = request("cleo", message="cleo", targetRoom=room)
        assert cleo.call("LLM_REQUEST", asked, namespace="/llm", timeout=PATIENCE)["position"] == 3
        while heard.get(timeout=PATIENCE)["position"] != 3:
            pass
        assert ann.call("CANCEL_REQUEST", {"requestId": "ann"})["status"] == "ok"
        while heard.get(timeout=PATIENCE)["position"] != 2:
            pass
        told(bob, "bob", 1, 2)
        entries = ann.call("GET_QUEUE", {"roomName": room})["entries"]
        assert [(each["identity"], each["position"]) for each in entries] == [("bob", 1), ("cleo", 2)]
        assert bob.call("SUBMIT_QUEUE", {"roomName": room})["message"] == "Unauthorized"
    finally:
        cleo.disconnect()
    daemon.kill()
    driver.reset()

    hub = Hub(daemon.start(), driver)
    bob = hub.client("bob", auth=FOLLOWS)
    told(bob, "bob", 1, 2)
    hub.extension("8000", kind="message", text="to both").start_quickly()
    host = hub.monitor("/llm")
    ack = host.call("SUBMIT_QUEUE", {"roomName": room, "requestId": "go"})
    assert (ack["status"], ack["requestId"]) == ("ok", "go")
    bob.wait("REQUEST_STATUS_UPDATE", lambda body: body["status"] == "completed")
    assert bob.payload("message")["data"] == "to both"
    assert host.call("SUBMIT_QUEUE", {"roomName": room})["errorCode"] == 7
