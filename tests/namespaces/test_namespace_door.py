"""The door: admission, refusal, registration, leaving (contract 2.2-2.5, 2.10, 2.11, C5)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from authkit import LOCAL, REMOTE, FakeSocket, Gatehouse
from deferreds import SteppedWorkers, outcome, value
from hubkit import Link
from logkit import Logged
from newage.domain.model import Agent, Caller, Kind, Peer, nobodys
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.door import connect_quota
from newage.ports import ISocket
from newage.services.accounts.auth import EXTENSIONS, STAFF, HandshakeRequest
from newage.services.sessions.sessions import SessionSettings


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path, network_safe=True)


def namespace(house: Gatehouse, path: str = "/llm", **options: Any) -> Namespace:
    return house.door.open(path, **options)


class TestAdmission:
    def test_registers_and_runs_what_follows_after_the_reply(self, house: Gatehouse) -> None:
        log: list[tuple[ISocket, Caller, HandshakeRequest]] = []
        socket = FakeSocket(house, namespace(house, entered=lambda *what: log.append(what)))
        follow = value(socket.connecting({"clientId": "web1", "identity": "web1-a"}))
        assert socket.caller.identity == "web1-a"
        assert socket.caller.sid == socket.sid
        assert house.sessions.sids("web1-a", "/llm") == (socket.sid,)
        assert log == []
        follow()
        assert [(*who, request.client_id) for *who, request in log] == [(socket, socket.caller, "web1")]
        socket.disconnect()
        assert house.sessions.sids("web1-a", "/llm") == ()

    def test_gives_an_extension_its_link(self, house: Gatehouse) -> None:
        link = Link()
        path = namespace(house, link=lambda caller: link if caller.kind is Kind.EXTENSION else None)
        FakeSocket(house, path).connect({"clientId": "SillyTavern-1", "clientType": "SillyTavern"})
        FakeSocket(house, path).connect({"clientId": "web1"})
        assert house.sessions.link("SillyTavern-1") is link
        assert [session.identity for session in house.sessions.available_extensions()] == ["SillyTavern-1"]

    def test_without_a_key_it_is_nobody_yet(self, house: Gatehouse) -> None:
        house.network_safe = False
        house.trusts("web1")
        socket = FakeSocket(house, namespace(house, "/auth")).connect({"clientId": "web1"})
        assert socket.caller.bootstrap
        assert house.sessions.online_sessions() == ()
        socket.disconnect()

    def test_needs_no_turn_of_the_reactor_when_nothing_is_checked(self, house: Gatehouse) -> None:
        assert outcome(FakeSocket(house, namespace(house)).connecting({"clientId": "web1"})) == [None]


class TestRefusal:
    @pytest.mark.parametrize(
        ("payload", "message", "code"),
        [
            (None, "Invalid client id.", 5),
            ({"clientId": "web1", "identity": "other"}, "Invalid identity.", 5),
            ({"clientId": "web1", "identity": 7}, "Invalid identity.", 5),
            ({"clientId": "web1", "identity": ""}, "Invalid identity.", 5),
        ],
    )
    def test_is_an_error_and_a_disconnect(self, house: Gatehouse, payload: object, message: str, code: int) -> None:
        socket = FakeSocket(house, namespace(house))
        follow = value(socket.connecting(payload))
        assert socket.connected
        assert socket.emitted == []
        follow()
        assert socket.refusal == message
        ((_, body),) = socket.emitted
        assert body == {"type": "ERROR", "message": message, "code": "authentication_failed", "errorCode": code}
        assert house.sessions.online_sessions() == ()

    @pytest.mark.parametrize(
        ("path", "gate", "client_type", "admitted"),
        [
            ("/debug", STAFF, "web-app", False),
            ("/debug", STAFF, "monitor", True),
            ("/debug", STAFF, "extension", True),
            ("/sillytavern", EXTENSIONS, "web-app", False),
            ("/sillytavern", EXTENSIONS, "monitor", False),
            ("/sillytavern", EXTENSIONS, "SillyTavern", True),
        ],
    )
    def test_gates(self, house: Gatehouse, path: str, gate: frozenset[Kind], client_type: str, admitted: bool) -> None:
        socket = FakeSocket(house, namespace(house, path, gate=gate))
        socket.connect({"clientId": "SillyTavern-1", "clientType": client_type})
        assert socket.refusal == (None if admitted else "Unauthorized")
        assert admitted or socket.emitted[0][1]["errorCode"] == 6

    def test_strict(self, house: Gatehouse) -> None:
        house.network_safe = False
        house.trusts("web1")
        key = house.issue("web1")
        path = namespace(house)
        assert FakeSocket(house, path).connect({"clientId": "eve", "key": key}).refusal == "Client is not trusted."
        assert FakeSocket(house, path).connect({"clientId": "web1", "key": "wrong"}).refusal == "Invalid key."
        assert FakeSocket(house, path).connect({"clientId": "web1", "key": key}).refusal is None
        assert FakeSocket(house, path, REMOTE).connect({"clientId": "web1", "key": key}).refusal is None

    def test_a_full_registry(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, network_safe=True, sessions=SessionSettings(max_sessions=1))
        path = namespace(house)
        assert FakeSocket(house, path).connect({"clientId": "web1"}).refusal is None
        assert FakeSocket(house, path).connect({"clientId": "web2"}).refusal == "Too many sessions."

    def test_a_fault_of_ours_is_logged_and_not_told(self, house: Gatehouse) -> None:
        def broken(caller: object) -> None:
            raise ZeroDivisionError("details")

        with Logged() as logged:
            socket = FakeSocket(house, namespace(house, link=broken)).connect({"clientId": "web1"})
        assert socket.refusal == "Internal error."
        assert [event["log_failure"].type for event in logged.events if "log_failure" in event] == [ZeroDivisionError]


class TestWhileAKeyIsChecked:
    def test_a_socket_that_goes_is_not_registered(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, stepped=True)
        house.trusts("web1")
        workers = house.hash_workers
        assert isinstance(workers, SteppedWorkers)
        key = house.imports("web1", "a key")
        socket = FakeSocket(house, namespace(house))
        pending: Deferred[Any] = socket.connecting({"clientId": "web1", "key": key})
        done = outcome(pending)
        assert not done
        assert socket.caller is None
        socket.disconnect()
        workers.flush()
        assert done == [None]
        assert socket.caller is None
        assert house.sessions.online_sessions() == ()


def test_client_disconnected_leaves_with_any_payload(house: Gatehouse) -> None:
    path = namespace(house)
    for payload in ((), (None,), ({"reason": "x"},), ("a", 1)):
        socket = FakeSocket(house, path, LOCAL).connect({"clientId": "web1"})
        assert socket.handle("CLIENT_DISCONNECTED", *payload) is None
        assert not socket.connected
        assert house.sessions.sids("web1", "/llm") == ()


class TestClaimsInVain:
    """B2: who says admin kind without the right to it is let in as a client, and the log says why."""

    MONITOR = {"clientId": "monitor", "clientType": "monitor"}

    @pytest.mark.parametrize(
        ("peer", "cure"),
        [
            (LOCAL._replace(owned=nobodys), "as the hub's system user"),
            (LOCAL._replace(agent=Agent.PAGE), "a page needs an administrator's key"),
        ],
    )
    def test_is_a_client_in_everything(self, house: Gatehouse, logged: Logged, peer: Peer, cure: str) -> None:
        socket = FakeSocket(house, namespace(house), peer).connect(self.MONITOR)
        assert socket.caller.kind is Kind.CLIENT
        assert not socket.caller.sensitive
        session = house.sessions.by_identity("monitor")
        assert session is not None
        assert (session.kind, session.client_type) == (Kind.CLIENT, "monitor")
        (line,) = [line for line in logged() if "says on /llm that it is an administrator" in line]
        assert cure in line

    def test_says_nothing_of_who_may(self, house: Gatehouse, logged: Logged) -> None:
        assert FakeSocket(house, namespace(house)).connect(self.MONITOR).caller.kind is Kind.ADMIN
        assert not [line for line in logged() if "says on" in line]

    @pytest.mark.parametrize("name", ["/clients", "/llm"])
    def test_an_extension_that_manages_nothing(self, house: Gatehouse, logged: Logged, name: str) -> None:
        """Its page shows an error in SillyTavern, which says no more than Unauthorized."""
        space = namespace(house, name)
        for peer in (LOCAL, LOCAL._replace(owned=nobodys)):
            FakeSocket(house, space, peer).connect({"clientId": "SillyTavern-8000", "clientType": "SillyTavern"})
        lines = [line for line in logged() if "manages neither keys nor settings" in line]
        assert len(lines) == (name == "/clients")
        assert all("its browser needs to run" in line and "`newage keys new`" in line for line in lines)

    def test_a_later_socket_with_the_right_makes_the_session_an_administrators(self, house: Gatehouse) -> None:
        FakeSocket(house, namespace(house), LOCAL._replace(agent=Agent.PAGE)).connect(self.MONITOR)
        FakeSocket(house, namespace(house)).connect(self.MONITOR)
        session = house.sessions.by_identity("monitor")
        assert session is not None and session.kind is Kind.ADMIN

    def test_is_logged_within_a_quota(self, house: Gatehouse, logged: Logged) -> None:
        space = namespace(house, quota=connect_quota(lambda: 1.0))
        for _ in range(30):
            FakeSocket(house, space, LOCAL._replace(owned=nobodys)).connect(self.MONITOR)
        assert len([line for line in logged() if "says on" in line]) == 10


def test_two_tables_cannot_have_the_same_event(house: Gatehouse) -> None:
    def handler(socket: ISocket, args: list[Any], wants_ack: bool) -> None:
        raise AssertionError("nobody says it")

    opened = house.door.open("/llm", {"A": handler}, {"B": handler})
    assert set(opened.handlers) == {"A", "B", "CLIENT_DISCONNECTED"}
    with pytest.raises(ValueError, match="A"):
        house.door.open("/llm", {"A": handler}, {"A": handler})
