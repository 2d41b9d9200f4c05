"""CONNECT: parsing, admission, refusal, registration (contract 1.8, 2.2-2.5, 2.10, C5)."""

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
from newage.errors import AuthenticationFailed, InvalidRequest
from newage.gateway.socketio.dispatch import Namespace
from newage.namespaces.handshake import (
    EXTENSIONS,
    STAFF,
    add_client_disconnected,
    connect_handler,
    connect_quota,
    disconnected,
    parse_handshake,
)
from newage.protocol.socket_packet import UNREAD_AUTH
from newage.services.accounts.limits import AuthSettings
from newage.services.sessions.sessions import SessionSettings


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return Gatehouse(tmp_path, network_safe=True)


def namespace(house: Gatehouse, path: str = "/llm", **options: Any) -> Namespace:
    connect = connect_handler(house.auth, house.sessions, **options)
    return add_client_disconnected(Namespace(path, connect=connect, disconnected=disconnected(house.sessions)))


class TestParsing:
    def test_everything(self) -> None:
        request = parse_handshake(
            {
                "clientId": "web1",
                "identity": "web1-a",
                "clientType": "web-app",
                "key": "k",
                "password": "p",
                "desc": "d",
                "clientHTML": "<b>",
                "streamMode": "plain",
                "sync": "incremental",
                "capacity": 4,
                "features": ["accept", "cancel", 7, "x" * 33],
                "unknown": 1,
            },
            AuthSettings(),
        )
        assert (request.client_id, request.identity, request.client_type) == ("web1", "web1-a", "web-app")
        assert (request.key, request.password, request.desc, request.html) == ("k", "p", "d", "<b>")
        assert (request.stream_mode, request.incremental) == ("plain", True)
        assert request.capacity == 4
        assert request.features == {"accept", "cancel"}

    @pytest.mark.parametrize("capacity", [None, 0, -1, 17, 1.0, True, "4", [], {}])
    def test_a_strange_capacity_is_none(self, capacity: object) -> None:
        assert parse_handshake({"clientId": "a", "capacity": capacity}, AuthSettings()).capacity == 0

    @pytest.mark.parametrize("features", [None, "accept", {}, 7, [[]], ["x" * 33], [f"x{n}" for n in range(99)]])
    def test_features_are_short_names_and_not_many(self, features: object) -> None:
        kept = parse_handshake({"clientId": "a", "features": features}, AuthSettings()).features
        assert len(kept) <= 32
        assert all(len(name) <= 32 for name in kept)

    def test_what_is_too_large_to_be_read(self) -> None:
        with pytest.raises(InvalidRequest, match=r"^Invalid request data\.$"):
            parse_handshake(UNREAD_AUTH, AuthSettings())

    def test_defaults(self) -> None:
        request = parse_handshake({"clientId": "web1", "identity": None}, AuthSettings())
        assert (request.identity, request.client_type, request.kind) == ("web1", "client", Kind.CLIENT)
        assert (request.key, request.password, request.desc, request.html) == (None, "", "", "")
        assert (request.stream_mode, request.incremental) == ("", False)
        assert (request.capacity, request.features) == (0, frozenset())
        assert not request.presents_key
        assert not request.wants_key

    @pytest.mark.parametrize(
        "payload", [None, [], "web1", 7, {}, {"clientId": None}, {"clientId": 7}, {"clientId": "a/b"}]
    )
    def test_without_a_client_id(self, payload: object) -> None:
        with pytest.raises(AuthenticationFailed, match=r"^Invalid client id\.$"):
            parse_handshake(payload, AuthSettings())

    @pytest.mark.parametrize(
        ("payload", "desc", "html"),
        [
            ({"Desc": "a", "clienthtml": "b"}, "a", "b"),
            ({"description": "a", "html": "b"}, "a", "b"),
            (
                {"desc": "1", "Desc": "2", "description": "3", "clientHTML": "1", "clienthtml": "2", "html": "3"},
                "1",
                "1",
            ),
            ({"desc": 7, "clientHTML": {}}, "", ""),
            ({"desc": "x" * 99, "html": "y" * 99}, "x" * 5, "y" * 6),
        ],
    )
    def test_aliases_and_limits(self, payload: dict[str, Any], desc: str, html: str) -> None:
        request = parse_handshake({"clientId": "a", **payload}, AuthSettings(max_desc_chars=5, max_html_chars=6))
        assert (request.desc, request.html) == (desc, html)

    @pytest.mark.parametrize("claim", [None, "", 7, {}, "x" * 65])
    def test_a_strange_type_is_a_client(self, claim: object) -> None:
        assert parse_handshake({"clientId": "a", "clientType": claim}, AuthSettings()).client_type == "client"

    @pytest.mark.parametrize("mode", ["SS", "", None, [], {}, 1])
    def test_a_strange_stream_mode_is_none(self, mode: object) -> None:
        assert parse_handshake({"clientId": "a", "streamMode": mode}, AuthSettings()).stream_mode == ""


class TestAdmission:
    def test_registers_and_runs_what_follows_after_the_reply(self, house: Gatehouse) -> None:
        log: list[tuple[Any, Caller]] = []
        socket = FakeSocket(house, namespace(house, after=lambda *who: log.append(who)))
        follow = value(socket.connecting({"clientId": "web1", "identity": "web1-a"}))
        assert socket.caller.identity == "web1-a"
        assert socket.caller.sid == socket.sid
        assert house.sessions.sids("web1-a", "/llm") == (socket.sid,)
        assert log == []
        follow()
        assert log == [(socket, socket.caller)]
        socket.disconnect()
        assert house.sessions.sids("web1-a", "/llm") == ()

    def test_gives_an_extension_its_link(self, house: Gatehouse) -> None:
        link = Link()
        path = namespace(house, link_for=lambda socket, caller: link if caller.kind is Kind.EXTENSION else None)
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
        def broken(socket: object, caller: object) -> None:
            raise ZeroDivisionError("details")

        with Logged() as logged:
            socket = FakeSocket(house, namespace(house, link_for=broken)).connect({"clientId": "web1"})
        assert socket.refusal == "Internal error."
        assert [event["log_failure"].type for event in logged.events if "log_failure" in event] == [ZeroDivisionError]


class TestWhileAKeyIsChecked:
    def test_a_socket_that_goes_is_not_registered(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, stepped=True)
        house.trusts("web1")
        workers = house.hash_workers
        assert isinstance(workers, SteppedWorkers)
        issued = outcome(house.keys.generate("web1", local=True))
        workers.flush()
        socket = FakeSocket(house, namespace(house))
        pending: Deferred[Any] = socket.connecting({"clientId": "web1", "key": issued[0]})
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
        assert not logged()

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
        assert len(logged()) == 10
