"""Real clients that go, a daemon that is restarted, and those who come back (A38, A39, A40, A42)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import Daemon, Driver, Hub, Socket, request

CONFIGURATION = """
[sessions]
session_grace_ms = 50

[rooms]
clients_may_create_rooms = true
identities_per_client = 3
offline_retention_seconds = 1
empty_room_grace_seconds = 1
sweep_seconds = 1
"""


@pytest.fixture
def daemon_of_days(tmp_path: Path, driver: Driver) -> Iterator[Daemon]:
    """Who said nothing is forgotten after a second, and so is an empty room."""
    (tmp_path / "newage.toml").write_text(CONFIGURATION, "utf-8")
    daemon = Daemon(tmp_path / "home", "--config", str(tmp_path / "newage.toml")).start()
    yield daemon
    driver.reset()
    daemon.end()
    daemon.check_log()


def say(socket: Socket, text: str, room: str | None = None) -> str:
    """Stored and shown, although nobody answers (A12)."""
    more: dict[str, Any] = {} if room is None else {"targetRoom": room}
    message_id: str = socket.call("LLM_REQUEST", request(f"r-{text}", message=text, **more))["messageId"]
    return message_id


def members(socket: Socket, room: str) -> dict[str, dict[str, Any]]:
    return {each["identity"]: each for each in socket.call("GET_CLIENTS_IN_ROOM", {"roomName": room})["clients"]}


def come(hub: Hub, who: str, identity: str = "", **auth: Any) -> tuple[Socket, Socket]:
    engine = hub.engine()
    auth = {"identity": identity or who, "sync": "incremental", **auth}
    llm, rooms = (hub.client(who, nsp, engine=engine, auth=auth) for nsp in ("/llm", "/rooms"))
    return llm, rooms


def test_people_come_back_to_their_rooms_names_and_words(daemon_of_days: Daemon, driver: Driver) -> None:
    hub = Hub(daemon_of_days, driver)
    ann, ann_rooms = come(hub, "ann", name="Ann Ångström")
    bob, bob_rooms = come(hub, "bob")
    _, cid_rooms = come(hub, "cid")
    ann_rooms.call("CREATE_ROOM", {"roomName": "lounge"})
    for rooms in (bob_rooms, cid_rooms):
        assert rooms.call("JOIN_ROOM", {"roomName": "lounge"})["status"] == "ok"
    say(ann, "in my own room")
    said = say(bob, "in the lounge", "lounge")
    heard = ann.payload("NEW_MESSAGE", lambda body: body["text"] == "in the lounge")
    assert "name" not in heard["message"]
    assert members(bob_rooms, "lounge")["ann"]["name"] == "Ann Ångström"

    # He edits as fast as he can: what others get by it is bounded, and is the last state.
    edits = [
        bob.post_call("EDIT_MESSAGE", {"roomName": "lounge", "messageId": said, "updatedFields": f"{number}" * 100_000})
        for number in range(46)
    ]
    acks = [driver.result(number)[0] for number in edits]
    taken = [number for number, ack in enumerate(acks) if ack["status"] == "ok"]
    refused = [ack["message"] for ack in acks if ack["status"] != "ok"]
    assert 1 <= len(taken) <= 6
    assert set(refused) == {"Too many events."}
    bob.wait("ERROR", lambda body: body["message"] == "Too many events.")
    last = f"{taken[-1]}" * 100_000
    ann.wait("MESSAGE_UPDATED", lambda body: body["message"]["message"] == last)
    assert len(ann.all("MESSAGE_UPDATED")) <= 3

    # One client takes identity after identity: nobody else's words make place, nor its own.
    for number in range(3):
        one, _ = come(hub, "rc", f"rc-{number}")
        say(one, f"words {number}")
    late = hub.open("/llm", {"clientType": "web-app", "clientId": "rc", "identity": "rc-3"})
    assert late.payload("ERROR")["message"] == "Too many identities of this client."

    driver.reset()
    daemon_of_days.stop()
    daemon_of_days.start()
    hub = Hub(daemon_of_days, driver)
    _, watch = come(hub, "watch")
    watch.call("JOIN_ROOM", {"roomName": "lounge"})
    while "cid" in members(watch, "lounge"):  # he said nothing
        pass
    assert set(members(watch, "lounge")) == {"ann", "bob", "watch"}
    ann, ann_rooms = come(hub, "ann")
    assert members(ann_rooms, "lounge")["ann"]["role"] == "master"
    ann.call("GET_FULL_CONTEXT", {})
    page = ann.payload("UPDATE_CONTEXT_PAGE")["contextPage"]
    assert [(each["message"], each["name"]) for each in page] == [("in my own room", "Ann Ångström")]
    assert hub.client("rc", auth={"identity": "rc-1"})
