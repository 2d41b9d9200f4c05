"""``/auth``: logging in, a key for oneself, which extensions are there (contract 2.8, 3.2)."""

from __future__ import annotations

from pathlib import Path

import pytest

from authkit import EXTENSION, REMOTE, FakeSocket, Gatehouse, extension_appears, ok, refused, strict_house
from deferreds import value
from logkit import Logged
from newage.domain.model import Peer, Rank
from newage.gateway.socketio.dispatch import Namespace
from newage.services.accounts.hashing import Turn

NOT_YOURS = "You are have no right to get others key."


@pytest.fixture
def house(tmp_path: Path) -> Gatehouse:
    return strict_house(tmp_path)


@pytest.fixture
def auth(house: Gatehouse) -> Namespace:
    return house.auth_namespace()


class TestGetKey:
    def test_is_delivered_under_both_names(self, house: Gatehouse, auth: Namespace) -> None:
        socket = FakeSocket(house, auth).connect({"clientId": "new", "key": "getKey"})
        (first, body), (second, same) = socket.emitted
        assert (first, second) == ("CLIENT_KEY_ASSIGNED", "GET_CLIENT_KEY")
        assert same == body
        key = body["key"]
        assert body == {"status": "ok", "success": True, "clientId": "new", "key": key, "Key": key, "message": ""}
        assert value(house.keys.verify("new", key, Turn()))
        assert house.keys.records("new")[0].local is True

    def test_nobody_gets_one_unasked(self, house: Gatehouse, auth: Namespace) -> None:
        for key in (None, "a key", ""):
            assert FakeSocket(house, auth).connect({"clientId": "new", "key": key}).emitted == []
        assert house.keys.records("new") == ()

    def test_in_strict_mode_for_trusted_neighbours(self, house: Gatehouse, auth: Namespace) -> None:
        house.network_safe = False
        socket = FakeSocket(house, auth).connect({"clientId": "web1", "key": "getKey"})
        assert socket.emitted[0][1]["success"] is True
        assert FakeSocket(house, auth, REMOTE).connect({"clientId": "web1", "key": "getKey"}).refusal == "Invalid key."
        assert FakeSocket(house, auth).connect({"clientId": "eve", "key": "getKey"}).refusal == "Client is not trusted."

    def test_in_strict_mode_an_administrators_once_and_not_without_the_password(self, tmp_path: Path) -> None:
        """A program of the hub's own user, whom the hub would let in without a key to fetch the first one."""
        house = Gatehouse(tmp_path)
        house.trusts("monitor")
        auth, who = house.auth_namespace(), {"clientId": "monitor", "clientType": "monitor", "key": "getKey"}
        ((_, given), _) = FakeSocket(house, auth).connect(who).emitted
        assert value(house.keys.verify("monitor", given["key"], Turn())).rank is Rank.ADMIN
        ((event, body),) = FakeSocket(house, auth).connect(who).emitted
        assert (event, refused(body)) == ("CLIENT_KEY_ASSIGNED", "Unauthorized")
        assert "newage keys new monitor" in body["hint"]
        value(house.revocation.of_client("monitor"))
        house.trusts("monitor", sillyTavernPassWord="secret")
        ((event, body),) = FakeSocket(house, auth).connect(who).emitted
        assert (event, refused(body)) == ("CLIENT_KEY_ASSIGNED", "Unauthorized")
        assert "password is set" in body["hint"]
        assert FakeSocket(house, auth).connect({**who, "password": "guess"}).refusal == "Invalid key."
        assert house.keys.client_ids() == ()
        assert FakeSocket(house, auth).connect({**who, "password": "secret"}).emitted[0][1]["success"] is True

    def test_a_refusal_is_told(self, tmp_path: Path) -> None:
        house = Gatehouse(tmp_path, network_safe=True, max_client_keys=1)
        house.issue("other")
        auth = house.auth_namespace()
        ((event, body),) = FakeSocket(house, auth).connect({"clientId": "new", "key": "getKey"}).emitted
        assert event == "CLIENT_KEY_ASSIGNED"
        assert refused(body) == "Too many client keys."

    def test_by_password(self, house: Gatehouse, auth: Namespace) -> None:
        house.network_safe = False
        remote = FakeSocket(house, auth, REMOTE)
        remote.connect({"clientId": EXTENSION, "clientType": "SillyTavern", "key": "getKey", "password": "secret"})
        assert [event for event, _ in remote.emitted] == ["CLIENT_KEY_ASSIGNED", "GET_CLIENT_KEY"]
        assert not remote.caller.bootstrap
        assert house.keys.records(EXTENSION)[0].local is False
        wrong = FakeSocket(house, auth, REMOTE).connect({"clientId": EXTENSION, "password": "guess"})
        assert wrong.refusal == "Invalid key."

    @pytest.mark.parametrize(
        ("client_id", "password", "message"),
        [(EXTENSION, "guess", "Incorrect password."), ("web1", "x", "Password not set on server.")],
    )
    def test_a_local_peers_password_is_looked_at_too(
        self, house: Gatehouse, auth: Namespace, client_id: str, password: str, message: str
    ) -> None:
        ((event, body),) = FakeSocket(house, auth).connect({"clientId": client_id, "password": password}).emitted
        assert (event, refused(body)) == ("CLIENT_KEY_ASSIGNED", message)


class TestLogin:
    def test_authenticates_and_delivers(self, house: Gatehouse, auth: Namespace) -> None:
        house.network_safe = False
        socket = FakeSocket(house, auth)
        socket.connect({"clientId": EXTENSION, "clientType": "SillyTavern"})
        assert socket.caller.bootstrap
        assert refused(socket.ask("GET_CLIENT_KEY", {})) == "Unauthorized"
        assert ok(socket.ask("LOGIN", {"clientId": EXTENSION, "password": "secret"}))
        assert [event for event, _ in socket.emitted] == ["CLIENT_KEY_ASSIGNED", "GET_CLIENT_KEY"]
        assert not socket.caller.bootstrap
        assert socket.caller.sensitive
        assert house.sessions.sids(EXTENSION, "/auth") == (socket.sid,)
        assert ok(socket.ask("GET_CLIENT_KEY", {}))
        assert ok(socket.ask("LOGIN", {"clientId": EXTENSION, "password": "secret"}))
        socket.disconnect()
        assert house.sessions.sids(EXTENSION, "/auth") == ()

    @pytest.mark.parametrize(
        ("payload", "message"),
        [
            (None, "Invalid login data."),
            ("text", "Invalid login data."),
            ({}, "Invalid login data."),
            ({"clientId": EXTENSION}, "Invalid login data."),
            ({"clientId": EXTENSION, "password": 7}, "Invalid login data."),
            ({"clientId": "web1", "password": "secret"}, "Invalid login data."),
            ({"clientId": EXTENSION, "password": "guess"}, "Incorrect password."),
        ],
    )
    def test_refusals(self, house: Gatehouse, auth: Namespace, payload: object, message: str) -> None:
        socket = FakeSocket(house, auth).connect({"clientId": EXTENSION})
        assert refused(socket.ask("LOGIN", payload)) == message

    def test_no_password_set(self, house: Gatehouse, auth: Namespace) -> None:
        socket = FakeSocket(house, auth).connect({"clientId": "web1"})
        assert refused(socket.ask("LOGIN", {"clientId": "web1", "password": "x"})) == "Password not set on server."

    def test_a_fault_of_ours(self, house: Gatehouse, auth: Namespace) -> None:
        house.hashes._compare = lambda raw, hashed: 1 / 0  # type: ignore[assignment, return-value]
        socket = FakeSocket(house, auth).connect({"clientId": EXTENSION})
        body = socket.ask("LOGIN", {"clientId": EXTENSION, "password": "secret"})
        assert refused(body) == "Server error during login."

    def test_without_an_ack_a_failure_is_an_error_event(self, house: Gatehouse, auth: Namespace) -> None:
        socket = FakeSocket(house, auth).connect({"clientId": EXTENSION})
        assert value(socket.handle("LOGIN", {"clientId": EXTENSION, "password": "guess"}, ack=False)) is None
        ((event, body),) = socket.emitted
        assert (event, body["message"]) == ("ERROR", "Incorrect password.")


class TestOwnKey:
    def test_the_hash(self, house: Gatehouse, auth: Namespace) -> None:
        socket = FakeSocket(house, auth).connect({"clientId": "web1"})
        assert refused(socket.ask("GET_CLIENT_KEY", {"clientId": "web1"})) == "Client key not found."
        house.issue("web1")
        for payload in ({"clientId": "web1"}, {}, None):
            body = socket.ask("GET_CLIENT_KEY", payload)
            assert ok(body)
            assert (body["key"], body["clientId"]) == (house.keys.newest_hash("web1"), "web1")

    def test_others(self, house: Gatehouse, auth: Namespace) -> None:
        house.issue("web2")
        socket = FakeSocket(house, auth).connect({"clientId": "web1"})
        assert refused(socket.ask("GET_CLIENT_KEY", {"clientId": "web2"})) == NOT_YOURS
        assert refused(socket.ask("GET_CLIENT_KEY", {"clientId": {}})) == "Invalid request data."
        assert refused(socket.ask("GET_CLIENT_KEY", "web2")) == "Invalid request data."
        assert socket.handle("GET_CLIENT_KEY", {"clientId": "web2"}, ack=False) is None
        assert socket.emitted == []

    def test_administrators(self, house: Gatehouse, auth: Namespace) -> None:
        house.issue("web2")
        monitor = {"clientId": "monitor", "clientType": "monitor"}
        assert ok(FakeSocket(house, auth).connect(monitor).ask("GET_CLIENT_KEY", {"clientId": "web2"}))
        remote = FakeSocket(house, auth, REMOTE).connect({**monitor, "key": house.issue("monitor")})
        # B2: who may not administer from where he is counts as a client
        assert refused(remote.ask("GET_CLIENT_KEY", {"clientId": "web2"})) == NOT_YOURS
        assert ok(remote.ask("GET_CLIENT_KEY", {"clientId": "monitor"}))


class TestExtensions:
    def test_none(self, house: Gatehouse, auth: Namespace) -> None:
        body = FakeSocket(house, auth).connect({"clientId": "web1"}).ask("GET_SILLYTAVERN_EXTENSION")
        assert refused(body) == "No connected SillyTavern extensions."
        assert (body["extensions"], body["allTheSTSocket"]) == ([], [])

    def test_those_with_a_live_llm_socket(self, house: Gatehouse, auth: Namespace) -> None:
        extension_appears(house)
        house.caller("SillyTavern-9000", "/clients", client_type="SillyTavern")  # scenario 14: no /llm socket
        socket = FakeSocket(house, auth).connect({"clientId": "web1"})
        payloads: list[list[object]] = [[], [{}]]
        for payload in payloads:
            body = socket.ask("GET_SILLYTAVERN_EXTENSION", *payload)
            assert ok(body)
            assert body["extensions"] == body["allTheSTSocket"] == [EXTENSION]
            assert body["details"] == [{"identity": EXTENSION, "clientId": EXTENSION, "desc": ""}]

    def test_without_a_key_too(self, house: Gatehouse, auth: Namespace) -> None:
        house.network_safe = False
        socket = FakeSocket(house, auth).connect({"clientId": "web1"})
        assert socket.caller.bootstrap
        assert refused(socket.ask("GET_SILLYTAVERN_EXTENSION")) == "No connected SillyTavern extensions."


def test_bootstrap_addresses_may_fetch_a_key(house: Gatehouse, auth: Namespace) -> None:
    house.network_safe = False
    socket = FakeSocket(house, auth, Peer("198.51.100.6", bootstrap=True)).connect(
        {"clientId": "web1", "key": "getKey"}
    )
    assert socket.emitted[0][1]["success"] is True
    assert house.keys.records("web1")[0].local is False


def test_refusals_on_auth_have_one_quota(house: Gatehouse, auth: Namespace, logged: Logged) -> None:
    """A handler for each connect must not mean a quota for each connect."""
    for _ in range(200):
        FakeSocket(house, auth).connect({"clientId": "nobody/nobody"})
    assert 0 < len([line for line in logged() if "was refused on /auth" in line]) <= 30
