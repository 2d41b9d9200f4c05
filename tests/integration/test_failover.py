"""What a real extension fails to begin, another one answers (contract 5.8, A22)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from expect import of_request, statuses, wait_status
from harness import Daemon, Driver, Hub, Socket, request

WISH = {"failover": True}


def extension(hub: Hub, name: str, **declared: Any) -> Socket:
    return hub.client(name, auth={"clientType": "SillyTavern", **declared})


def asks(client: Socket, request_id: str, **wish: Any) -> None:
    asked = request(request_id, None, "Which star is that?", **wish)
    client.call("LLM_REQUEST", {key: value for key, value in asked.items() if value is not None})


@pytest.mark.parametrize("declared", [{}, {"outputs": True}], ids=["undeclared", "follows outputs"])
def test_before_its_first_token_it_goes_on_and_after_that_it_fails(hasty_hub: Hub, declared: Mapping[str, Any]) -> None:
    hub = hasty_hub
    first = extension(hub, "tavern-a")
    second = extension(hub, "tavern-b", features=["accept", "cancel"])
    third = extension(hub, "tavern-c")
    asker = hub.client("web1", auth={"streamMode": "plain", **declared})
    asks(asker, "r1", **WISH)
    first.wait("LLM_REQUEST")
    first.emit("CLIENT_STREAM_START", {"streamId": "s1", "outputId": "o1", "requestId": "r1"})
    first.fence()
    first.disconnect()
    second.wait("LLM_REQUEST", of_request("r1"))
    moved = wait_status(asker, "r1", "rerouted")
    assert (moved["from"], moved["to"]) == ("tavern-a", "tavern-b")
    ended = asker.payload("SERVER_STREAM_END")
    assert (ended["failed"], ended["cancelled"], ended["stored"]) == (False, True, False)
    second.emit("ERROR", {"type": "ERROR", "requestId": "r1", "message": "no model"})
    third.wait("LLM_REQUEST", of_request("r1"))
    third.emit("message", {"type": 0, "data": "Vega", "requestId": "r1"})
    wait_status(asker, "r1", "completed")
    assert statuses(asker, "r1").count("rerouted") == 2
    assert asker.all("ERROR") == []
    asks(asker, "r2", **WISH)
    second.wait("LLM_REQUEST", of_request("r2"))
    second.emit("CLIENT_STREAM_START", {"streamId": "s2", "outputId": "o2", "requestId": "r2"})
    data = {"streamId": "s2", "outputId": "o2", "requestId": "r2", "chunkIndex": 0, "data": "Ve"}
    second.emit("CLIENT_STREAM_DATA_FIRST", data)
    asker.wait("SERVER_STREAM_DATA")
    second.disconnect()
    wait_status(asker, "r2", "failed")
    assert "rerouted" not in statuses(asker, "r2")
    assert third.all("LLM_REQUEST", of_request("r2")) == []


def test_one_that_shows_nothing_for_too_long_is_told_to_stop(
    make_daemon: Callable[..., Daemon], driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEWAGE_REQUESTS_FIRST_TOKEN_MS", "2000")  # the second one has as long, in all that follows
    hub = Hub(make_daemon("--ephemeral"), driver)
    silent = extension(hub, "tavern-a", features=["cancel"])
    other = extension(hub, "tavern-b")
    asker = hub.client("web1", auth={"streamMode": "plain"})
    asks(asker, "r1")
    silent.wait("LLM_REQUEST", of_request("r1"))
    silent.emit("ERROR", {"type": "ERROR", "requestId": "r1", "message": "no model"})
    wait_status(asker, "r1", "failed")
    asks(asker, "r2", **WISH)
    other.wait("LLM_REQUEST", of_request("r2"))
    assert silent.payload("CANCEL_REQUEST", of_request("r2"))["reason"] == "rerouted"
    silent.emit("message", {"type": 0, "data": "too late", "requestId": "r2"})
    silent.fence()
    other.emit("message", {"type": 0, "data": "Vega", "requestId": "r2"})
    wait_status(asker, "r2", "completed")
    assert [body["data"] for body in asker.payloads("message", of_request("r2"))] == ["Vega"]


def says(who: Socket, request_id: str, text: str) -> None:
    who.emit("message", {"type": 0, "data": text, "requestId": request_id})


def fails(who: Socket, request_id: str) -> dict[str, Any]:
    """It says so of what it is asked next under that id, which is returned."""
    asked: dict[str, Any] = who.payload("LLM_REQUEST", of_request(request_id))
    who.emit("ERROR", {"type": "ERROR", "requestId": request_id, "message": "no model"})
    return asked


def test_what_is_merged_asked_again_or_goes_on_does_so_whole(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    hub, room = Hub(make_daemon("--ephemeral"), driver), "lounge"
    host = hub.monitor()
    assert hub.monitor("/rooms").call("CREATE_ROOM", {"roomName": room})["status"] == "ok"
    guest = hub.client("ann", auth={"streamMode": "plain"})
    assert hub.client("ann", "/rooms").call("JOIN_ROOM", {"roomName": room})["status"] == "ok"
    first = extension(hub, "tavern-a", features=["accept", "cancel"])
    second = extension(hub, "tavern-b", features=["accept", "cancel"])
    assert guest.call("LLM_REQUEST", request("g1", None, "of ann", targetRoom=room))["waitsFor"] == "host"
    ack = host.call("LLM_REQUEST", request("r1", None, "mine", targetRoom=room, **WISH))
    assert fails(first, "r1")["message"] == "of ann\n\nmine"
    asked = second.payload("LLM_REQUEST", of_request("r1"))
    assert (asked["message"], asked["currentRequest"]["originalRequestIds"]) == ("of ann\n\nmine", ["g1", "r1"])
    says(second, "r1", "to both")
    wait_status(guest, "g1", "completed")
    wait_status(host, "r1", "completed")

    again = {"requestType": "regenerateMessage", "messageId": ack["messageId"], "targetRoom": room, **WISH}
    assert host.call("LLM_REQUEST", {"requestId": "r2", **again})["questionId"] == ack["messageId"]
    fails(first, "r2")
    asked = second.payload("LLM_REQUEST", of_request("r2"))
    assert (asked["message"], asked["requestType"]) == ("mine", "regenerateMessage")
    says(second, "r2", "once more")
    wait_status(host, "r2", "completed")
    stored = host.call("GET_MESSAGES", {"roomName": room})["messages"]
    said = [(each["message"], each.get("selected")) for each in stored if not each.get("isSystem")]
    assert said == [("of ann", None), ("mine", None), ("to both", False), ("once more", True)]

    grows = {"requestType": "continue", "messageId": stored[-1]["messageId"], "targetRoom": room, **WISH}
    assert host.call("LLM_REQUEST", {"requestId": "r3", **grows})["status"] == "ok"
    assert fails(second, "r3")["messageId"] == stored[-1]["messageId"]
    asked = first.payload("LLM_REQUEST", of_request("r3"))
    assert (asked["requestType"], asked["messageId"]) == ("continue", stored[-1]["messageId"])
    says(first, "r3", ", and on")
    wait_status(host, "r3", "completed")
    after = host.call("GET_MESSAGES", {"roomName": room})["messages"]
    assert [each["message"] for each in after] == [*(each["message"] for each in stored[:-1]), "once more, and on"]
    assert [statuses(host, each).count("rerouted") for each in ("r1", "r2", "r3")] == [1, 1, 1]
    assert host.all("ERROR") == guest.all("ERROR") == []


def test_a_hub_killed_between_two_extensions_loses_nothing_and_asks_nothing_twice(
    make_daemon: Callable[..., Daemon], driver: Driver
) -> None:
    """The second one is at work on another question: there is time to kill the hub after the move."""
    daemon = make_daemon()
    hub = Hub(daemon, driver)
    first, second = (extension(hub, each, features=["accept"]) for each in ("tavern-a", "tavern-b"))
    asker, other = (hub.client(who, auth={"streamMode": "plain"}) for who in ("web1", "web2"))
    assert other.call("LLM_REQUEST", request("r0", "tavern-b", "Which planet?"))["state"] == "forwarded"
    asks(asker, "r1", **WISH)
    fails(first, "r1")
    wait_status(asker, "r1", "rerouted")
    wait_status(asker, "r1", "queued")
    first.wait("LLM_REQUEST", of_request("r1"))
    assert other.call("LLM_REQUEST", request("r2", "tavern-b", "And that?"))["state"] == "queued"  # stored after it
    assert second.all("LLM_REQUEST", of_request("r1")) == []
    daemon.kill()
    driver.reset()

    hub = Hub(daemon.start(), driver)
    asker = hub.client("web1", auth={"streamMode": "plain"})
    first, second = (extension(hub, each, features=["accept"]) for each in ("tavern-a", "tavern-b"))
    first.wait("LLM_REQUEST", of_request("r1"))
    says(first, "r1", "Vega")
    wait_status(asker, "r1", "completed")
    second.wait("LLM_REQUEST", of_request("r2"))
    other = hub.client("web2", auth={"streamMode": "plain"})
    says(second, "r1", "what it was never asked")
    says(second, "r2", "Mars")
    wait_status(other, "r2", "completed")
    error = other.payload("ERROR")
    assert (error["requestId"], error["message"]) == ("r0", "The server was restarted.")
    second.fence()
    assert [len(first.all("LLM_REQUEST")), len(second.all("LLM_REQUEST"))] == [1, 1]
    for who, texts in ((asker, ["Which star is that?", "Vega"]), (other, ["Which planet?", "And that?", "Mars"])):
        assert [each["message"] for each in who.call("GET_MESSAGES", {})["messages"]] == texts
    assert asker.all("ERROR") == []
