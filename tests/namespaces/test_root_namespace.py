"""``/``: connecting registers; rooms' news are told there, too; clients have nothing to say (contract 3.1, 2.10).

With all services, as the assembly makes them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from authkit import FakeSocket, Gatehouse
from hubkit import result_of
from newage.assembly.talk import close_talk, load_talk, make_talk
from newage.domain.model import MONITOR_ROOM, Role


class Root:
    def __init__(self, home: Path) -> None:
        self.house = house = Gatehouse(home, network_safe=True)
        self.talk = make_talk(
            house.basis,
            house.outbox,
            house.sessions,
            house.names,
            chance=lambda: 0.0,
            choose=lambda among: among[-1],
        )
        self.rooms = self.talk.rooms
        result_of(load_talk(self.talk))
        self.namespace = house.door.open("/")

    def connect(self, **auth: Any) -> FakeSocket:
        return FakeSocket(self.house, self.namespace).connect(auth)

    def close(self) -> None:
        self.house.client_list.close()
        close_talk(self.talk)
        self.house.sessions.close()
        assert self.house.clock.getDelayedCalls() == []
        assert self.house.outbox.faults == []


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    root = Root(tmp_path)
    yield root
    root.close()


def test_connecting_registers_with_a_room_of_ones_own(root: Root) -> None:
    socket = root.connect(clientId="web1", identity="web1-a", clientType="web-app")
    assert socket.refusal is None
    assert root.house.sessions.is_online("web1-a")
    assert dict(root.rooms.require("web1-a").members) == {"web1-a": Role.MASTER}
    names = {(audience.kind, audience.name) for audience in root.house.outbox.audiences(socket.sid)}
    assert {("room", "web1-a"), ("identity", "web1-a"), ("client", "web1")} <= names


def test_the_identity_defaults_to_the_client_id(root: Root) -> None:
    root.connect(clientId="web1")
    assert root.rooms.require("web1").master == "web1"


@pytest.mark.parametrize(
    "auth", [{}, {"clientId": None}, {"clientId": 5}, {"identity": "web1-a"}, {"clientId": "System"}]
)
def test_who_does_not_say_who_it_is_is_told_so_and_disconnected(root: Root, auth: dict[str, Any]) -> None:
    assert root.connect(**auth).refusal == "Invalid client id."
    assert root.house.sessions.online_sessions() == ()


def test_the_client_list_is_pushed_to_the_monitors(root: Root) -> None:
    monitor = root.connect(clientId="monitor", clientType="monitor")
    assert root.rooms.require(MONITOR_ROOM).members["monitor"] is Role.MANAGER
    web = root.connect(clientId="web1")
    root.house.clock.advance(1)
    outbox = root.house.outbox
    lists = outbox.bodies(monitor.sid, "UPDATE_CONNECTED_CLIENTS")
    assert [client["id"] for client in lists[-1]["clients"]] == ["monitor", "web1"]
    assert outbox.bodies(monitor.sid, "update_connected_clients") == lists
    assert outbox.got(web.sid) == []


def test_the_news_of_rooms_are_told_here_too(root: Root) -> None:
    master, guest, stranger = (root.connect(clientId=who) for who in ("mas", "gue", "out"))
    result_of(root.rooms.create("lounge", master.caller.session))
    result_of(root.rooms.add("lounge", "gue"))
    result_of(root.rooms.remove("lounge", "gue", "kick"))
    outbox = root.house.outbox
    assert outbox.names(guest.sid) == [
        "MEMBER_JOINED",
        "MEMBER_ROLE_CHANGED",
        "member_role_changed",
        "MEMBER_LEFT",
        "WARNING",
    ]
    assert outbox.bodies(master.sid, "MEMBER_LEFT")[0]["reason"] == "kick"
    assert outbox.got(stranger.sid) == []


def test_it_has_no_events_but_the_farewell(root: Root) -> None:
    assert set(root.namespace.handlers) == {"CLIENT_DISCONNECTED"}


@pytest.mark.parametrize("payload", [(), (None,), ({"reason": "x"},), ([], 1)])
def test_the_farewell_takes_the_socket_out(root: Root, payload: tuple[Any, ...]) -> None:
    socket, other = root.connect(clientId="web1"), root.connect(clientId="web1")
    assert socket.handle("CLIENT_DISCONNECTED", *payload) is None
    assert not socket.connected
    assert [caller.sid for caller in root.house.sessions.all_callers("web1")] == [other.sid]


def test_the_session_ends_with_its_last_socket_and_the_grace(root: Root) -> None:
    root.connect(clientId="web1").handle("CLIENT_DISCONNECTED")
    assert root.house.sessions.is_online("web1")
    root.house.clock.advance(2)
    assert not root.house.sessions.is_online("web1")
    assert dict(root.rooms.require("web1").members) == {"web1": Role.MASTER}, "kept for its retention"
