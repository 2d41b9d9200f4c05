"""The client list and its pushes (contract 3.6)."""

from __future__ import annotations

from pathlib import Path

import pytest
from zope.interface.verify import verifyObject

from authkit import Gatehouse
from newage.domain.delivery import Audience
from newage.domain.model import MONITOR_ROOM, Session
from newage.ports import ISessionListener
from newage.services.sessions.client_list import ClientListService, ClientListSettings


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path)


def test_is_a_listener(house: Gatehouse) -> None:
    assert verifyObject(ISessionListener, house.client_list)


def test_many_changes_are_one_push_after_a_tenth_of_a_second(house: Gatehouse) -> None:
    web = house.caller("web1")
    house.caller("web2", "/llm")
    ext = house.caller("SillyTavern-8000", "/auth", client_type="SillyTavern")
    mon = house.caller("monitor", "/", client_type="monitor")
    house.outbox.subscribe(mon.sid, Audience.room(MONITOR_ROOM))
    house.clock.advance(0.099)
    assert house.outbox.sent == []
    house.clock.advance(0.001)
    assert house.outbox.names(web.sid) == ["UPDATE_CONNECTED_CLIENTS", "update_connected_clients"]
    (body, alias) = house.outbox.bodies(web.sid)
    assert [info["id"] for info in body["clients"]] == ["web1", "web2", "SillyTavern-8000", "monitor"]
    assert alias == body
    assert house.outbox.names(mon.sid) == ["UPDATE_CONNECTED_CLIENTS", "update_connected_clients"]
    (theirs,) = house.outbox.bodies(ext.sid)
    assert [info["id"] for info in theirs["clients"]] == ["web1", "web2", "monitor"]
    assert theirs["nonSillyTavernClients"] == theirs["clients"]
    assert house.outbox.names(ext.sid) == ["CONNECTED_CLIENTS_UPDATE"]
    house.clock.advance(10)
    assert len(house.outbox.bodies(web.sid)) == 2


def test_extensions_on_clients_get_both(house: Gatehouse) -> None:
    ext = house.caller("SillyTavern-8000", client_type="extension")
    house.clock.advance(0.1)
    assert house.outbox.names(ext.sid) == [
        "UPDATE_CONNECTED_CLIENTS",
        "update_connected_clients",
        "CONNECTED_CLIENTS_UPDATE",
    ]


def test_a_login_and_a_departure_are_announced(house: Gatehouse) -> None:
    web = house.caller("web1")
    gone = house.caller("web2", "/llm")
    house.clock.advance(1)
    house.outbox.clear()
    house.caller("web1", "/auth")
    house.clock.advance(0.1)
    assert len(house.outbox.bodies(web.sid, "UPDATE_CONNECTED_CLIENTS")) == 1
    house.sessions.detach(gone.sid)
    house.clock.advance(1)
    assert len(house.outbox.bodies(web.sid, "UPDATE_CONNECTED_CLIENTS")) == 1
    house.clock.pump([1, 0.1])
    (_, last) = house.outbox.bodies(web.sid, "UPDATE_CONNECTED_CLIENTS")
    assert [info["id"] for info in last["clients"]] == ["web1"]


def test_more_sockets_of_a_session_announce_nothing(house: Gatehouse) -> None:
    web = house.caller("web1")
    house.clock.advance(1)
    house.outbox.clear()
    for namespace in ("/", "/llm", "/rooms", "/clients"):
        house.sessions.detach(house.caller("web1", namespace).sid)
    house.clock.advance(1)
    assert house.outbox.bodies(web.sid) == []


def test_no_aliases_when_they_are_off(house: Gatehouse) -> None:
    plain = ClientListService(
        house.world, house.outbox, house.sessions.online_sessions, ClientListSettings(), alias_events=False
    )
    web = house.caller("web1")
    house.client_list.close()
    plain.changed()
    house.clock.advance(0.1)
    assert house.outbox.names(web.sid) == ["UPDATE_CONNECTED_CLIENTS"]


def test_a_storm_is_announced_at_a_pace_that_suits_its_size(house: Gatehouse) -> None:
    """500 sessions: half a second of quiet after each push, though somebody comes every 10 ms."""
    web = house.caller("web1")
    for number in range(499):
        house.caller(f"c{number}", "/llm")
    house.clock.advance(0.1)
    house.outbox.clear()
    for number in range(100):
        house.caller(f"d{number}", "/llm")
        house.clock.advance(0.01)
    assert len(house.outbox.bodies(web.sid, "UPDATE_CONNECTED_CLIENTS")) <= 2
    house.clock.advance(1)
    last = house.outbox.bodies(web.sid, "UPDATE_CONNECTED_CLIENTS")[-1]
    assert len(last["clients"]) == 600


def test_an_overlong_list_is_sent_without_html(house: Gatehouse) -> None:
    settings = ClientListSettings(client_list_max_chars=100)
    sessions = tuple(Session(client_id=f"c{n}", identity=f"c{n}", html="x" * 40) for n in range(2))
    short = ClientListService(house.world, house.outbox, lambda: sessions[:1], settings)
    assert short.clients()[0]["html"] == "x" * 40
    long = ClientListService(house.world, house.outbox, lambda: sessions, settings)
    assert [info["html"] + info["clientHTML"] for info in long.clients()] == ["", ""]


def test_closing_leaves_no_timer(house: Gatehouse) -> None:
    house.caller("web1")
    house.client_list.close()
    house.client_list.close()
    assert house.clock.getDelayedCalls() == []
