"""One fact, one place, seen by real clients: what waits, whose answers are, rooms of one name (A16-A18, A24)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from expect import of_request, statuses, wait_status
from harness import Daemon, Driver, Extension, Hub
from people import Person, boss, person, request_in, room_of

from newage.storage.migrations import migrations, open_file


def answer(extension: Extension, request_id: str, text: str) -> None:
    packet = {"type": 0, "data": text, "requestId": request_id, "outputId": f"{request_id}-o"}
    extension.llm.emit("message", packet)


WAYS: dict[str, Callable[[Person, Person, str, str], Any]] = {
    "deleted": lambda host, guest, room, said: guest.does(
        "DELETE_MESSAGE", {"roomName": room, "messageIds": [said]}, "/llm"
    ),
    "edited": lambda host, guest, room, said: guest.does(
        "EDIT_MESSAGE", {"roomName": room, "messageId": said, "updatedFields": {"message": "better"}}, "/llm"
    ),
    "cleared": lambda host, guest, room, said: host.does("CLEAR_MESSAGES", {"roomName": room}, "/llm"),
    "kicked": lambda host, guest, room, said: host.does("KICK_MEMBER", {"identity": guest.me, "roomName": room}),
    "muted": lambda host, guest, room, said: host.does("MUTE_MEMBER", {"identity": guest.me, "roomName": room}),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_was_taken_back_reaches_no_model(hub: Hub, way: str) -> None:
    extension = hub.extension(declares={"capacity": 2}, kind="silent").start_quickly()
    host, guest = boss(hub), person(hub)
    room, first, second = room_of(host, guest), hub.new_id("q"), hub.new_id("q")
    ack = guest.says(first, room, "regretted")
    assert (ack["state"], ack["waitsFor"], ack["position"]) == ("queued", "host", 1)
    WAYS[way](host, guest, room, ack["messageId"])
    host.says(second, room, "go", target=extension.client_id)
    asked = extension.llm.payload("LLM_REQUEST", of_request(second))
    assert asked["message"] == ("better\n\ngo" if way == "edited" else "go")
    if way not in ("kicked", "muted"):  # of these two it is still to be read in the room, and so in its context
        assert "regretted" not in str(asked)
    wait_status(guest.llm, first, "merged" if way == "edited" else "expired")


def test_who_waits_for_the_extension_is_told_and_sent_as_it_is_then(hub: Hub) -> None:
    extension = hub.extension(kind="silent").start_quickly()
    ann, bob = person(hub), person(hub)
    room = room_of(boss(hub), ann, bob, mode="Immediate")
    ids = [hub.new_id("q") for _ in range(4)]
    to = {"target": extension.client_id}
    assert ann.says(ids[0], room, "long", **to)["state"] == "forwarded"
    kept = ann.says(ids[1], room, "wrong", **to)
    assert (kept["state"], kept["waitsFor"], kept["position"]) == ("queued", "turn", 1)
    ann.says(ids[2], room, "third", **to)
    assert bob.says(ids[3], room, "fair", **to)["position"] == 1, "ann has the turn, so bob has the next"
    edit = {"roomName": room, "messageId": kept["messageId"], "updatedFields": {"message": "right"}}
    ann.does("EDIT_MESSAGE", edit, "/llm")
    for request_id in (ids[0], ids[3], ids[1]):
        extension.llm.wait("LLM_REQUEST", of_request(request_id))
        answer(extension, request_id, "an answer")
    extension.llm.wait("LLM_REQUEST", of_request(ids[2]))
    asked = [p["message"] for p in extension.llm.payloads("LLM_REQUEST") if p["roomName"] == room]
    assert asked == ["long", "fair", "right", "third"]
    wait_status(ann.llm, ids[1], "completed")
    assert statuses(ann.llm, ids[1]) == ["queued", "forwarded", "completed"]


def test_no_right_follows_from_a_request_id(hub: Hub) -> None:
    extension = hub.extension(declares={"capacity": 2}, kind="silent").start_quickly()
    ann, eve = person(hub), person(hub)
    room, request_id = room_of(boss(hub), ann, eve, mode="Immediate"), hub.new_id("q")
    ann.says(request_id, room, "question", target=extension.client_id)
    extension.llm.wait("LLM_REQUEST", of_request(request_id))
    answer(extension, request_id, "the answer")
    given = eve.llm.payload("LLM_RESPONSE", of_request(request_id))["messageId"]
    eve.says(request_id, room, "mine now", target=extension.client_id)
    edit = {"roomName": room, "messageId": given, "updatedFields": {"message": "forged"}}
    assert eve.fails("EDIT_MESSAGE", edit, "/llm") == "Permission denied to edit this message."
    gone = {"roomName": room, "messageIds": [given]}
    assert eve.fails("DELETE_MESSAGE", gone, "/llm") == "Permission denied to delete these messages."
    ann.does("DELETE_MESSAGE", gone, "/llm")


def test_a_room_made_again_hears_nothing_of_the_old_one(hub: Hub) -> None:
    extension = hub.extension(declares={"capacity": 2}, kind="silent").start_quickly()
    chief, ann, bob = boss(hub), person(hub), person(hub)
    room, request_id = room_of(chief, ann, mode="Immediate"), hub.new_id("q")
    before = chief.named(room)
    chief.does("MUTE_MEMBER", {"identity": ann.me, "roomName": room, "duration": 60})
    chief.does("UNMUTE_MEMBER", {"identity": ann.me, "roomName": room})
    ann.says(request_id, room, "between us", target=extension.client_id)
    extension.llm.wait("LLM_REQUEST", of_request(request_id))
    ids = {"streamId": hub.new_id("s"), "outputId": hub.new_id("o"), "requestId": request_id}
    extension.llm.emit("CLIENT_STREAM_START", {"type": 1, **ids})
    extension.llm.emit("CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **ids, "chunkIndex": 0, "data": "OLD begun"})
    ann.llm.wait("SERVER_STREAM_DATA")
    chief.does("DELETE_ROOM", {"roomName": room})
    made = chief.does("CREATE_ROOM", {"roomName": room})
    chief.does("ADD_CLIENT_TO_ROOM", {"identity": bob.me, "roomName": room})
    assert made["roomId"] != before["roomId"]
    assert chief.named(room)["roomId"] == made["roomId"]
    details = chief.does("GET_ROOMS", None)["roomDetails"]
    assert next(each["roomId"] for each in details if each["name"] == room) == made["roomId"]
    extension.llm.emit("CLIENT_STREAM_DATA_MIDDLE", {"type": 5, **ids, "chunkIndex": 1, "data": "OLD tokens"})
    extension.llm.emit("CLIENT_STREAM_END", {"type": 3, **ids, "final": True})
    answer(extension, request_id, "OLD in one piece")
    extension.llm.fence()
    bob.fence()
    assert not [record for record in bob.seen() if "OLD" in str(record.args)]
    held = bob.does("GET_OFFLINE_MESSAGES", {"roomName": room, "since": 0}, "/llm")["messages"]
    assert all(message.get("isSystem") for message in held)


def test_another_identity_does_not_shake_off_a_mute(hub: Hub) -> None:
    host, guest = boss(hub), person(hub)
    room = room_of(host, guest, mode="Immediate")
    host.does("MUTE_MEMBER", {"identity": guest.me, "roomName": room})
    twin = Person(hub, {**guest.auth, "identity": guest.me + "-2"})
    twin.does("JOIN_ROOM", {"roomName": room})
    words = twin.fails("LLM_REQUEST", request_in(hub.new_id("q"), room), "/llm")
    assert words == "You are currently muted and cannot send messages."
    clients = host.does("GET_CLIENTS_IN_ROOM", {"roomName": room})["clients"]
    assert {c["identity"]: c["muted"] for c in clients} == {host.me: False, guest.me: True, twin.me: True}


# ------------------------------------------------------------------------------------------------- a home of version 1

OLD_ROOM = (
    "INSERT INTO room (name, kind, mode, seq, created_at, messages) VALUES ('hall', 'group', 'Immediate', 3, 1.0, 3)"
)
OLD_MESSAGE = """
    INSERT INTO message (room_id, seq, message_id, identity, client_id, role, text, data, timestamp, request_id,
        response_id, output_id, target, request_type, streamed, failed, last_edited, extra)
    VALUES (1, ?, ?, ?, ?, ?, ?, NULL, '2026-01-02T03:04:05.678Z', 'r1', ?, NULL, NULL, 'newMessage', 0, 0, NULL, NULL)
"""


def test_a_home_of_before_is_taken_over(tmp_path: Path, make_daemon: Callable[..., Daemon], driver: Driver) -> None:
    home = tmp_path / "old"
    (home / "data").mkdir(parents=True)
    path = home / "data" / "newage.sqlite3"
    with closing(open_file(path, 1.0, migrations()[:1])) as old:
        old.execute(OLD_ROOM)
        for position, (who, rank) in enumerate([("mas", 3), ("ann", 0), ("eve", 0)]):
            old.execute(
                "INSERT INTO member (room_id, position, identity, role) VALUES (1, ?, ?, ?)", (position, who, rank)
            )
        old.execute("INSERT INTO mute (room_id, identity, until) VALUES (1, 'eve', 2e9)")
        for seq, who, role, response in (
            (1, "ann", "guest", None),
            (2, "X", "assistant", "a1"),
            (3, "eve", "guest", None),
        ):
            old.execute(OLD_MESSAGE, (seq, f"m{seq}", who, who, role, f"text {seq}", response))
    hub = Hub(make_daemon(home=home), driver)
    ann, eve = (Person(hub, {"clientType": "web-app", "clientId": who}) for who in ("ann", "eve"))
    assert len(ann.named("hall")["roomId"]) == 36
    assert ann.roles("hall") == {"mas": "master", "ann": "guest", "eve": "guest"}
    edit = {"roomName": "hall", "messageId": "m2", "updatedFields": {"message": "mended"}}
    assert eve.fails("DELETE_MESSAGE", {"roomName": "hall", "messageIds": ["m2"]}, "/llm")
    ann.does("EDIT_MESSAGE", edit, "/llm")
    twin = Person(hub, {"clientType": "web-app", "clientId": "eve", "identity": "eve-2"})
    twin.does("JOIN_ROOM", {"roomName": "hall"})
    assert "muted" in twin.fails("LLM_REQUEST", request_in("r9", "hall"), "/llm")
    with closing(sqlite3.connect(f"{path}.v1.bak")) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute("SELECT text FROM message WHERE message_id = 'm2'").fetchone() == ("text 2",)
